//! Subsets of a split.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::data::dataset::{Dataset, DatasetError};
use rand::seq::SliceRandom;

use super::random_stream::Stream;
use super::{Sample, SampleSet, Samples};

/// Selected samples of a split.
struct Subset {
    all: Samples,
    /// Indices of the selected samples within `all`.
    indices: Vec<usize>,
}

impl Subset {
    /// Index within the whole split.
    fn index_in_all(&self, index: usize) -> usize {
        // An index beyond the subset becomes one beyond the whole split, which treats it as any other such index.
        self.indices.get(index).copied().unwrap_or(usize::MAX)
    }
}

impl Dataset<Sample> for Subset {
    fn get(&self, index: usize) -> Result<Sample, DatasetError> {
        self.all.get(self.index_in_all(index))
    }

    fn get_many(&self, indices: Vec<usize>) -> Result<Vec<Sample>, DatasetError> {
        // Passed on, because files are decoded in parallel there.
        let indices = indices.into_iter().map(|index| self.index_in_all(index));
        self.all.get_many(indices.collect())
    }

    fn len(&self) -> usize {
        self.indices.len()
    }
}

impl SampleSet for Subset {
    fn label(&self, index: usize) -> usize {
        self.all.label(self.index_in_all(index))
    }

    fn file(&self, index: usize) -> Option<String> {
        self.all.file(self.index_in_all(index))
    }
}

/// Samples at these indices of a split, in this order.
pub(super) fn selected(all: &Samples, indices: Vec<usize>) -> Samples {
    Arc::new(Subset {
        all: Arc::clone(all),
        indices,
    })
}

/// Selects `n_per_class` samples of each class at random, or all samples of a smaller class.
///
/// With the same seed a smaller `n_per_class` selects a subset of what a larger one selects.
pub fn subset_per_class(all: &Samples, n_per_class: usize, seed: u64) -> Samples {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.shuffle(&mut Stream::Subset.of(seed));
    // Counts of the samples of each class selected so far. Taking the first ones of one random order is
    // what makes smaller subsets part of larger ones.
    let mut counts = BTreeMap::new();
    let mut indices = Vec::new();
    for index in order {
        let n = counts.entry(all.label(index)).or_insert(0);
        if *n < n_per_class {
            *n += 1;
            indices.push(index);
        }
    }
    // Back to the order of the split: which samples are chosen matters, not when they were drawn.
    indices.sort_unstable();
    selected(all, indices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;

    /// Samples that can only be read several at a time, with their index as label.
    struct SeveralAtATime;

    impl Dataset<Sample> for SeveralAtATime {
        fn get(&self, index: usize) -> Result<Sample, DatasetError> {
            panic!("sample {index} was read on its own")
        }

        fn get_many(&self, indices: Vec<usize>) -> Result<Vec<Sample>, DatasetError> {
            let sample = |index| Sample::new(Vec::new(), index);
            Ok(indices.into_iter().map(sample).collect())
        }

        fn len(&self) -> usize {
            9
        }
    }

    impl SampleSet for SeveralAtATime {
        fn label(&self, index: usize) -> usize {
            index
        }
    }

    #[test]
    fn several_samples_are_read_at_a_time() {
        let subset = Subset {
            all: Arc::new(SeveralAtATime),
            indices: vec![8, 3, 5],
        };
        let samples = subset.get_many(vec![2, 0, 2]).unwrap();
        let labels: Vec<usize> = samples.iter().map(|sample| sample.label).collect();
        assert_eq!(labels, [5, 8, 5]);
    }

    #[test]
    fn subsets_are_balanced_and_nested() {
        let all = digits().train;
        let select = |n: usize, seed: u64| -> Vec<Sample> {
            let subset = subset_per_class(&all, n, seed);
            (0..subset.len())
                .map(|index| subset.get(index).unwrap())
                .collect()
        };
        let (small, large) = (select(5, 1), select(20, 1));
        for class in 0..10 {
            let n = small.iter().filter(|sample| sample.label == class).count();
            assert_eq!(n, 5);
        }
        assert_eq!(large.len(), 200);
        assert!(small.iter().all(|sample| large.contains(sample)));
        assert_ne!(small, select(5, 2));
        assert_eq!(small, select(5, 1));
        assert_eq!(select(10_000, 1).len(), all.len());
    }
}
