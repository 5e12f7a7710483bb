//! Embedded data set of handwritten digits.

use std::io::Read;
use std::sync::Arc;

use burn::data::dataset::InMemDataset;
use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};

use super::random_stream::random_stream;
use super::{Sample, SampleSpec, Samples, Splits, numbered_classes};
use crate::hexadecimal::hexadecimal;

/// Compressed file: one line for each image, 64 pixels and the label.
const SOURCE: &[u8] = include_bytes!("digits/digits.csv.gz");
/// Height and width of an image, in pixels.
const SIDE: usize = 8;
/// Value of a white pixel in the file.
const LARGEST_PIXEL: f32 = 16.0;
/// Seed of the split; changing it would make results incomparable with earlier ones.
const SPLIT_SEED: u64 = 0;

/// Shape and number of classes of the embedded digits.
pub const DIGITS_SPEC: SampleSpec = SampleSpec {
    n_frames: 1,
    n_channels: 1,
    height: SIDE,
    width: SIDE,
    n_classes: 10,
};

/// Returns the 1,797 digits of Alpaydin and Kaynak, split into 1,077 / 360 / 360 with equal shares of
/// every class.
///
/// The split is fixed: it does not depend on the seed of a run.
///
/// # Panics
///
/// Never, because the data is part of the program and a test reads it.
pub fn digits() -> Splits {
    let mut text = String::new();
    flate2::read::GzDecoder::new(SOURCE)
        .read_to_string(&mut text)
        .expect("embedded gzip");
    let mut items: Vec<Sample> = text.lines().map(parse).collect();
    items.shuffle(&mut random_stream(SPLIT_SEED, &[]));
    // The sort is stable, so that the order within a class stays random.
    items.sort_by_key(|item| item.label);
    // Of five consecutive images of the shuffled and sorted list, the first is for validation and the
    // second for testing: each split gets its share of every class.
    let split = |is_member: fn(usize) -> bool| -> Samples {
        let samples = items
            .iter()
            .enumerate()
            .filter(|(index, _)| is_member(index % 5))
            .map(|(_, item)| item.clone())
            .collect();
        Arc::new(InMemDataset::new(samples))
    };
    Splits {
        spec: DIGITS_SPEC,
        train: split(|fifth| fifth > 1),
        validation: split(|fifth| fifth == 0),
        test: split(|fifth| fifth == 1),
        classes: numbered_classes(DIGITS_SPEC.n_classes),
        // Of the compressed bytes: the file is part of the program and cannot differ in its compression.
        sha256: hexadecimal(&Sha256::digest(SOURCE)),
        notes: Vec::new(),
    }
}

/// Parses one line of the file.
fn parse(line: &str) -> Sample {
    let mut numbers: Vec<u8> = line
        .split(',')
        .map(|number| number.parse().expect("embedded number"))
        .collect();
    let label = numbers.pop().expect("embedded label");
    let pixels = numbers
        .iter()
        .map(|&pixel| f32::from(pixel) / LARGEST_PIXEL);
    Sample::new(pixels.collect(), usize::from(label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::data::dataset::Dataset;

    #[test]
    fn splits_have_the_stated_sizes_and_equal_class_shares() {
        let splits = digits();
        let parts = [&splits.train, &splits.validation, &splits.test];
        assert_eq!(parts.map(|part| part.len()), [1077, 360, 360]);
        for part in parts {
            let mut counts = [0usize; 10];
            for item in part.iter() {
                counts[item.unwrap().label] += 1;
            }
            let share = part.len() / 10;
            assert!(
                counts
                    .iter()
                    .all(|count| count.abs_diff(share) <= share / 20),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn pixels_lie_between_0_and_1() {
        let item = digits().train.get(0).unwrap();
        assert_eq!(item.pixels.len(), 64);
        assert!(item.pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
        assert!(item.pixels.contains(&1.0));
    }
}
