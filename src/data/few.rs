//! A few samples of many.

use burn::data::dataset::{Dataset, DatasetError};
use rand::seq::SliceRandom;
use std::sync::Arc;

use super::batch::random_stream;
use super::{Sample, Samples};

/// Keeps the choice apart from every other use of a run's random numbers.
const FEW_STREAM: u64 = u64::MAX - 7;

struct Chosen {
    all: Samples,
    places: Vec<usize>,
}

impl Dataset<Sample> for Chosen {
    fn get(&self, index: usize) -> Result<Sample, DatasetError> {
        let place = self.places.get(index).copied().unwrap_or(usize::MAX);
        self.all.get(place)
    }

    fn len(&self) -> usize {
        self.places.len()
    }
}

/// So many samples of each class, drawn by the seed; of a class that has fewer, all. A smaller number of the same
/// seed keeps a part of the same samples.
///
/// # Errors
///
/// One sentence if a sample cannot be read: labels are known by reading.
pub fn few_of_each_class(all: &Samples, n_per_class: usize, seed: u64) -> Result<Samples, String> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.shuffle(&mut random_stream(seed, &[FEW_STREAM]));
    let mut n_of_class = std::collections::BTreeMap::new();
    let mut places = Vec::new();
    for place in order {
        let label = all.get(place).map_err(|error| error.to_string())?.label;
        let n = n_of_class.entry(label).or_insert(0);
        if *n < n_per_class {
            *n += 1;
            places.push(place);
        }
    }
    places.sort_unstable();
    Ok(Arc::new(Chosen {
        all: Arc::clone(all),
        places,
    }))
}

/// The first so many samples, or all if there are fewer.
pub fn first_samples(all: &Samples, n: usize) -> Samples {
    Arc::new(Chosen {
        all: Arc::clone(all),
        places: (0..n.min(all.len())).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;

    #[test]
    fn every_class_has_as_many_and_fewer_are_among_more() {
        let all = digits().train;
        let pixels = |n: usize, seed: u64| -> Vec<Sample> {
            let few = few_of_each_class(&all, n, seed).unwrap();
            (0..few.len())
                .map(|place| few.get(place).unwrap())
                .collect()
        };
        let (few, more) = (pixels(5, 1), pixels(20, 1));
        for class in 0..10 {
            assert_eq!(few.iter().filter(|sample| sample.label == class).count(), 5);
        }
        assert_eq!(more.len(), 200);
        assert!(few.iter().all(|sample| more.contains(sample)));
        assert_ne!(few, pixels(5, 2));
        assert_eq!(few, pixels(5, 1));
        assert_eq!(pixels(10_000, 1).len(), all.len());
        let first = first_samples(&all, 7);
        assert!(first.len() == 7 && first.get(6).unwrap() == all.get(6).unwrap());
        assert_eq!(first_samples(&all, 10_000).len(), all.len());
    }
}
