//! The embedded data set: real handwritten digits.

use std::io::Read;
use std::sync::Arc;

use burn::data::dataset::InMemDataset;
use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};

use super::batch::random_stream;
use super::split::hexadecimal;
use super::{Sample, SampleSpec, Samples, Splits};

const SOURCE: &[u8] = include_bytes!("digits/digits.csv.gz");
const SIDE: usize = 8;
const LARGEST_PIXEL: f32 = 16.0;
/// Names the shuffle of the split; changing it would make results incomparable.
const SPLIT_SEED: u64 = 0;

/// Shape of the digits.
pub const DIGITS_SPEC: SampleSpec = SampleSpec {
    n_frames: 1,
    n_channels: 1,
    height: SIDE,
    width: SIDE,
    n_classes: 10,
};

/// The 1,797 digits of Alpaydin and Kaynak, split 1,077 / 360 / 360, every class alike.
///
/// The split is fixed: it does not depend on the seed of a run.
///
/// # Panics
///
/// Never: the bytes are part of the program and its tests read them.
pub fn digits() -> Splits {
    let mut text = String::new();
    flate2::read::GzDecoder::new(SOURCE)
        .read_to_string(&mut text)
        .expect("embedded gzip");
    let mut items: Vec<Sample> = text.lines().map(parse).collect();
    items.shuffle(&mut random_stream(SPLIT_SEED, &[]));
    items.sort_by_key(|item| item.label);
    // Class by class, every fifth image is for validation and the one after it for testing.
    let part = |wanted: fn(usize) -> bool| -> Samples {
        let of_part = items
            .iter()
            .enumerate()
            .filter(|(index, _)| wanted(index % 5));
        let of_part = of_part.map(|(_, item)| item.clone()).collect();
        Arc::new(InMemDataset::new(of_part))
    };
    Splits {
        spec: DIGITS_SPEC,
        train: part(|fifth| fifth > 1),
        validation: part(|fifth| fifth == 0),
        test: part(|fifth| fifth == 1),
        sha256: hexadecimal(&Sha256::digest(SOURCE)),
        unreadable: Vec::new(),
    }
}

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
    fn split_has_the_stated_sizes_and_every_class_alike() {
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
    fn pixels_lie_between_zero_and_one() {
        let item = digits().train.get(0).unwrap();
        assert_eq!(item.pixels.len(), 64);
        assert!(item.pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
        assert!(item.pixels.contains(&1.0));
    }
}
