//! Reads persistence diagrams from NumPy's `.npz` archives, whose arrays [`diagram_archive`](super::diagram_archive) lists.

use std::io::{Cursor, Read};
use std::path::Path;

use npyz::{NpyFile, NpyHeader};
use zip::ZipArchive;

use crate::counted::counted;
use crate::data::check_header;
use crate::error::{Error, Result};
use crate::input_file;
use crate::topology::Point;

/// Largest size of an array that is stored compressed, in bytes: 67 million bars.
///
/// A few bytes can unpack to a thousand times as many.
const MAX_UNPACKED: u64 = 1 << 30;

/// Reads the births and deaths of an archive, by item, homology dimension and bar.
///
/// An archive without `offsets<d>`, as other programs write it, is one item. Arrays may be `float32` too.
///
/// # Errors
///
/// - [`Error::is_file_error`] if the file cannot be read.
/// - [`Error::is_invalid_format`] if it is not an `.npz` archive or has no `dgm0`, or if an array has an unexpected
///   shape or type.
pub fn read_diagrams(path: &Path) -> Result<Vec<Vec<Vec<Point>>>> {
    let bytes =
        input_file::read(path).map_err(|e| Error::file(path.display().to_string()).because(e))?;
    decode(&bytes, MAX_UNPACKED).map_err(|error| error.within(path.display()))
}

/// Reads the content of an archive, whose compressed arrays may unpack to so many bytes each; see [`read_diagrams`].
fn decode(bytes: &[u8], max_unpacked: u64) -> Result<Vec<Vec<Vec<Point>>>> {
    // The reason, such as a missing central directory, would not help anyone.
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| {
        Error::invalid_format(
            "this is not an .npz archive, expected one written by `persistence` or numpy.savez",
        )
    })?;
    let mut items: Vec<Vec<Vec<Point>>> = Vec::new();
    for dim in 0.. {
        let name = format!("dgm{dim}");
        let Some(array) = member(&mut archive, &name, max_unpacked)? else {
            if dim == 0 {
                let message = "there is no array dgm0, expected dgm0, dgm1, ... by dimension";
                return Err(Error::invalid_format(message));
            }
            break;
        };
        let points = points(&array).map_err(|e| e.within(&name))?;
        let name = format!("offsets{dim}");
        let offsets = match member(&mut archive, &name, max_unpacked)? {
            Some(array) => offsets(&array, points.len()).map_err(|e| e.within(&name))?,
            None => vec![0, points.len()],
        };
        // Items that no earlier dimension had get too few diagrams, which the last check finds.
        items.resize(items.len().max(offsets.len() - 1), Vec::new());
        if items.len() != offsets.len() - 1 {
            return Err(Error::invalid_format(format!(
                "{name} has offsets for {}, but another dimension has {}",
                counted(offsets.len() - 1, "item"),
                counted(items.len(), "item")
            )));
        }
        for (item, bounds) in items.iter_mut().zip(offsets.windows(2)) {
            item.push(points[bounds[0]..bounds[1]].to_vec());
        }
    }
    if items.iter().all(|item| item.len() == items[0].len()) {
        Ok(items)
    } else {
        Err(Error::invalid_format(
            "the dimensions have different numbers of items",
        ))
    }
}

/// Returns the bytes of an array; `None` if the archive has no such array.
fn member(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
    max_unpacked: u64,
) -> Result<Option<Vec<u8>>> {
    let mut file = match archive.by_name(&format!("{name}.npy")) {
        Ok(file) => file,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(Error::invalid_format(name).because(error)),
    };
    let is_stored = file.compression() == zip::CompressionMethod::Stored;
    let limit = if is_stored { u64::MAX } else { max_unpacked };
    let too_large = || {
        Error::invalid_format(format!(
            "{name} unpacks to more than {max_unpacked} bytes, the limit for compressed arrays; save it with numpy.savez, \
             which does not compress"
        ))
    };
    // The archive may state another size than it unpacks to.
    if file.size() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    file.by_ref()
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| Error::invalid_format(name).because(e))?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(Some(bytes))
}

/// Error of an array that cannot be read.
fn damaged(error: std::io::Error) -> Error {
    Error::invalid_format(error.to_string()).caused_by(error)
}

/// Reads an array of births and deaths.
fn points(array: &[u8]) -> Result<Vec<Point>> {
    check_header(array)?;
    let file = NpyFile::new(array).map_err(damaged)?;
    let shape = file.shape().to_vec();
    // In Fortran order, all births would come before the deaths.
    let (&[n_bars, 2], npyz::Order::C) = (&shape[..], file.order()) else {
        return Err(Error::invalid_format(format!(
            "the shape is {shape:?}, expected [bars, 2] in C order"
        )));
    };
    let is_single = file.dtype().descr().contains("f4");
    // The reader reserves memory for as many bars as the header states.
    let width = if is_single { 4 } else { 8 };
    let mut numbers = array;
    NpyHeader::from_reader(&mut numbers).map_err(damaged)?;
    if n_bars.saturating_mul(2 * width) > numbers.len() as u64 {
        return Err(Error::invalid_format(format!(
            "the array is cut off: it has {} bytes of numbers, too few for {n_bars} bars",
            numbers.len()
        )));
    }
    let values: Vec<f64> = if is_single {
        let narrow: Vec<f32> = file.into_vec().map_err(damaged)?;
        narrow.into_iter().map(f64::from).collect()
    } else {
        file.into_vec().map_err(damaged)?
    };
    let (points, _) = values.as_chunks::<2>();
    // Here, where the file and the array are known. The negation refuses NaN too.
    let is_wrong = |&[birth, death]: &Point| !(birth.is_finite() && death >= birth);
    if let Some(bar) = points.iter().position(is_wrong) {
        let [birth, death] = points[bar];
        return Err(Error::invalid_format(format!(
            "bar {bar} is born at {birth} and dies at {death}, expected a finite birth and a death that is not before it"
        )));
    }
    if points.len() as u64 == n_bars {
        Ok(points.to_vec())
    } else {
        Err(Error::invalid_format(format!(
            "the array is cut off after {} of {}",
            points.len(),
            counted(n_bars as usize, "bar")
        )))
    }
}

/// Reads the offsets of the items and checks that they cover all bars.
fn offsets(array: &[u8], n_bars: usize) -> Result<Vec<usize>> {
    check_header(array)?;
    let file = NpyFile::new(array).map_err(damaged)?;
    // The reader reserves memory for as many numbers as the header states.
    if file.len() > array.len() as u64 {
        return Err(Error::invalid_format("the array is cut off"));
    }
    let offsets: Vec<i64> = file.into_vec().map_err(damaged)?;
    let offsets: Vec<usize> = offsets
        .iter()
        // A negative offset becomes one that the check below refuses.
        .map(|&o| usize::try_from(o).unwrap_or(usize::MAX))
        .collect();
    let is_valid =
        offsets.first() == Some(&0) && offsets.last() == Some(&n_bars) && offsets.is_sorted();
    if is_valid {
        Ok(offsets)
    } else {
        Err(Error::invalid_format(format!(
            "expected numbers from 0 to {n_bars} in increasing order"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::super::diagram_archive::{encode_cubical_diagrams, encode_diagrams};
    use super::*;
    use crate::topology::{Bar, CubicalComplex, Diagram, GreyImage, Volume};

    fn item(deaths: &[f64]) -> Vec<Diagram<f64>> {
        let bar = |&death: &f64| Bar {
            birth: 0.5,
            death,
            birth_edge: Some([1, 2]),
            death_edge: death.is_finite().then_some([3, 4]),
        };
        let bars = deaths.iter().map(bar).collect();
        let empty = Diagram {
            homology_dim: 0,
            bars: Vec::new(),
        };
        vec![
            empty,
            Diagram {
                homology_dim: 1,
                bars,
            },
        ]
    }

    #[test]
    fn decoding_inverts_encoding() {
        let items = [item(&[1.0, f64::INFINITY]), item(&[]), item(&[2.0])];
        let bytes = encode_diagrams(&items, "{}").unwrap();
        let actual = decode(&bytes, MAX_UNPACKED).unwrap();
        let first = vec![vec![], vec![[0.5, 1.0], [0.5, f64::INFINITY]]];
        let expected = [first, vec![vec![], vec![]], vec![vec![], vec![[0.5, 2.0]]]];
        assert_eq!(actual, expected);
        // The same diagrams give the same bytes.
        assert_eq!(encode_diagrams(&items, "{}").unwrap(), bytes);
    }

    #[test]
    fn diagrams_of_images_have_ascending_bars_and_the_places_of_their_pixels() {
        // Two peaks, of which the lower one ends at the pixel between them.
        let pixels = [0.9_f64, 0.2, 0.8, 0.0, 0.0, 0.0];
        let image = GreyImage::new(&pixels, [2, 3]).unwrap();
        let diagrams = CubicalComplex::default().image_diagrams(&image).to_vec();
        let bytes = encode_cubical_diagrams(&[diagrams], [2, 3], "{}").unwrap();
        let actual = decode(&bytes, MAX_UNPACKED).unwrap();
        let points = vec![[-0.8, -0.2], [-0.9, f64::INFINITY]];
        assert_eq!(actual, [vec![points, vec![]]]);
        let mut archive = ZipArchive::new(Cursor::new(&*bytes)).unwrap();
        let mut places = |name: &str| -> Vec<i64> {
            let array = member(&mut archive, name, MAX_UNPACKED).unwrap().unwrap();
            NpyFile::new(&*array).unwrap().into_vec().unwrap()
        };
        assert_eq!(places("birth_pixel0"), [0, 2, 0, 0]);
        assert_eq!(places("death_pixel0"), [0, 1, -1, -1]);
        // A volume has three axes.
        let volume = Volume::new(&pixels, [3, 1, 2]).unwrap();
        let diagrams = CubicalComplex::default()
            .volume_diagrams(&volume, 0)
            .unwrap();
        let bytes = encode_cubical_diagrams(&[diagrams], [3, 1, 2], "{}").unwrap();
        let mut archive = ZipArchive::new(Cursor::new(&*bytes)).unwrap();
        let array = member(&mut archive, "birth_pixel0", MAX_UNPACKED)
            .unwrap()
            .unwrap();
        let places: Vec<i64> = NpyFile::new(&*array).unwrap().into_vec().unwrap();
        assert_eq!(places, [0, 0, 0]);
    }

    /// Archive with one array of bars, whose header states `n_bars`.
    fn archive(method: zip::CompressionMethod, n_bars: usize, values: &[f64]) -> Vec<u8> {
        let header =
            format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({n_bars}, 2), }}\n");
        let mut array = b"\x93NUMPY\x01\x00".to_vec();
        array.extend((header.len() as u16).to_le_bytes());
        array.extend(header.as_bytes());
        array.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        zip.start_file("dgm0.npy", options).unwrap();
        std::io::Write::write_all(&mut zip, &array).unwrap();
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn arrays_are_checked_before_they_take_memory() {
        use zip::CompressionMethod::{Deflated, Stored};

        let read = |bytes: &[u8], limit| decode(bytes, limit).map_err(|error| error.to_string());
        let zeros = [0.0; 2000];
        assert_eq!(
            read(&archive(Deflated, 1000, &zeros), 20_000).unwrap()[0][0].len(),
            1000
        );
        let message = read(&archive(Deflated, 1000, &zeros), 10_000).unwrap_err();
        assert!(
            message.starts_with("dgm0 unpacks to more than 10000 bytes"),
            "{message}"
        );
        // The size of the archive limits what is not compressed.
        assert!(read(&archive(Stored, 1000, &zeros), 10_000).is_ok());
        for n_bars in [3, 1 << 40] {
            let message = read(&archive(Stored, n_bars, &[0.0, 1.0]), 1000).unwrap_err();
            assert!(
                message.starts_with("dgm0: the array is cut off: it has "),
                "{message}"
            );
        }
        let message = read(&archive(Stored, 2, &[0.0, 1.0, 2.0, 1.0]), 1000).unwrap_err();
        assert_eq!(
            message,
            "dgm0: bar 1 is born at 2 and dies at 1, expected a finite birth and a death that is not before it"
        );
        assert!(read(&archive(Stored, 1, &[0.0, f64::NAN]), 1000).is_err());
        assert!(read(&archive(Stored, 1, &[0.0, f64::INFINITY]), 1000).is_ok());
    }

    #[test]
    fn other_files_give_one_sentence() {
        let cut_off = &encode_diagrams(&[item(&[1.0])], "{}").unwrap()[..100];
        for bytes in [b"births,deaths\n".as_slice(), b"", cut_off] {
            let error = decode(bytes, MAX_UNPACKED).unwrap_err();
            assert!(error.is_invalid_format());
            assert_eq!(
                error.to_string(),
                "this is not an .npz archive, expected one written by `persistence` or numpy.savez"
            );
        }
        let bytes = encode_diagrams(&[], "{}").unwrap();
        assert!(
            decode(&bytes, MAX_UNPACKED)
                .unwrap_err()
                .to_string()
                .starts_with("there is no array dgm0")
        );
        let error = read_diagrams(Path::new("nowhere.npz")).unwrap_err();
        assert!(error.is_file_error());
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound));
    }
}
