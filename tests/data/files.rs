//! Small generated data sets in the file formats of the real ones.

use std::io::Write;
use std::path::Path;

use flate2::write::GzEncoder;
use image::{Rgb, RgbImage};

/// Spelling of the names of IDX files.
#[derive(Clone, Copy)]
pub enum Spelling {
    /// `train-images-idx3-ubyte`
    Dash,
    /// `train-images.idx3-ubyte.gz`, compressed.
    DotCompressed,
}

/// Writes 20 training and 10 test images of 28 by 28 pixels.
///
/// Image `i` has label `i % 4` and grey level `i`, except for its first pixel, which is white.
pub fn write_mnist(directory: &Path, spelling: Spelling) {
    std::fs::create_dir_all(directory).unwrap();
    for (name, n_images) in [("train", 20u32), ("t10k", 10)] {
        let mut images = [0x803u32, n_images, 28, 28].map(u32::to_be_bytes).concat();
        for grey in 0..n_images {
            images.push(255);
            images.extend([grey as u8; 28 * 28 - 1]);
        }
        let mut labels = [0x801u32, n_images].map(u32::to_be_bytes).concat();
        labels.extend((0..n_images).map(|image| (image % 4) as u8));
        for (stem, bytes) in [("images-idx3", images), ("labels-idx1", labels)] {
            match spelling {
                Spelling::Dash => {
                    std::fs::write(directory.join(format!("{name}-{stem}-ubyte")), bytes).unwrap();
                }
                Spelling::DotCompressed => {
                    let stem = stem.replace("-idx", ".idx");
                    let path = directory.join(format!("{name}-{stem}-ubyte.gz"));
                    std::fs::write(path, compressed(&bytes)).unwrap();
                }
            }
        }
    }
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes 20 training and 4 test images.
///
/// Image `i` of a file has label `i % 4` and, in CIFAR-100, the coarse class 19. Its three channels have
/// the values 10, 20 and 30, except for the first pixel, which is white.
pub fn write_cifar(directory: &Path, n_classes: usize) {
    std::fs::create_dir_all(directory).unwrap();
    let files: Vec<(String, u8)> = match n_classes {
        10 => (1..=5)
            .map(|batch| (format!("data_batch_{batch}"), 4))
            .chain([("test_batch".to_owned(), 4)])
            .collect(),
        _ => vec![("train".to_owned(), 20), ("test".to_owned(), 4)],
    };
    for (name, n_images) in files {
        let mut bytes = Vec::new();
        for image in 0..n_images {
            if n_classes == 100 {
                bytes.push(19);
            }
            bytes.push(image % 4);
            for value in [10, 20, 30] {
                bytes.push(255);
                bytes.extend([value; 32 * 32 - 1]);
            }
        }
        std::fs::write(directory.join(format!("{name}.bin")), bytes).unwrap();
    }
}

/// Writes `train` with ten images in each of the folders `cat` and `dog`, and `test` with three.
///
/// Cats are PNG images of 12 by 6 pixels with red, green and blue stripes from left to right; dogs are
/// grey JPEG images of 6 by 6 pixels.
pub fn write_image_folder(directory: &Path) {
    for (split, n_images) in [("train", 10), ("test", 3)] {
        write_split(&directory.join(split), n_images);
    }
}

/// Writes one split of [`write_image_folder`].
pub fn write_split(directory: &Path, n_images: usize) {
    let stripes = RgbImage::from_fn(12, 6, |column, _| match column {
        0..3 => Rgb([255, 0, 0]),
        3..9 => Rgb([0, 255, 0]),
        _ => Rgb([0, 0, 255]),
    });
    let grey = RgbImage::from_pixel(6, 6, Rgb([100; 3]));
    for (class, ending, image) in [("cat", "png", stripes), ("dog", "JPG", grey)] {
        let folder = directory.join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for number in 0..n_images {
            image
                .save(folder.join(format!("{number}.{ending}")))
                .unwrap();
        }
    }
}
