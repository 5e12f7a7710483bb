//! Samples of a split, and what is known of each before it is read.

use std::sync::Arc;

use burn::data::dataset::{Dataset, DatasetError, InMemDataset};

use super::Sample;

/// Samples of a split, with their labels and files, which are known without reading or decoding a sample.
pub trait SampleSet: Dataset<Sample> {
    /// Label of a sample, counted from 0.
    ///
    /// # Panics
    ///
    /// If `index` is not below the number of samples.
    fn label(&self, index: usize) -> usize;

    /// File or folder of a sample, relative to the directory of the data set and with `/` between its parts.
    ///
    /// `None` if the sample has no file of its own, because it is generated or one of many in a file.
    fn file(&self, index: usize) -> Option<String> {
        let _ = index;
        None
    }
}

/// Samples of a split: held in memory, or generated or decoded on access.
pub type Samples = Arc<dyn SampleSet>;

// Burn has this for `Arc<dyn Dataset<I>>`; it gives `Samples` the methods of a sized data set, such as `iter`.
impl Dataset<Sample> for Samples {
    fn get(&self, index: usize) -> Result<Sample, DatasetError> {
        self.as_ref().get(index)
    }

    fn get_many(&self, indices: Vec<usize>) -> Result<Vec<Sample>, DatasetError> {
        self.as_ref().get_many(indices)
    }

    fn len(&self) -> usize {
        self.as_ref().len()
    }
}

impl SampleSet for InMemDataset<Sample> {
    fn label(&self, index: usize) -> usize {
        // Samples in memory can always be read.
        self.get(index).map_or(0, |sample| sample.label)
    }
}
