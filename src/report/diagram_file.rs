//! Reads and writes persistence diagrams as NumPy's `.npz` archives.
//!
//! Arrays of an archive, those with `<d>` for every homology dimension `d`:
//!
//! | array | shape | type | content |
//! |---|---|---|---|
//! | `dgm<d>` | `[n_bars, 2]` | `float64` | births and deaths of all items, one item after the other; `inf` for essential bars |
//! | `offsets<d>` | `[n_items + 1]` | `int64` | item `k` has the bars `offsets[k]..offsets[k + 1]` |
//! | `birth_simplex<d>` | `[n_bars, 2]` | `int64` | vertices of the birth edges; -1 where there is none |
//! | `death_simplex<d>` | `[n_bars, 2]` | `int64` | vertices of the death edges; -1 where there is none |
//! | `diagrams` | `[n_bars, 3]` | `float64` | births, deaths and dimensions of all bars |
//! | `meta_json` | `[n_bytes]` | `uint8` | JSON text in UTF-8 |

use std::io::{Cursor, Read};
use std::path::Path;

use npyz::NpyFile;
use zip::ZipArchive;

use super::npz::Npz;
use crate::counted::counted;
use crate::data::check_header;
use crate::error::{Error, Result};
use crate::topology::{Diagram, Edge, Point};

/// Encodes diagrams, by item and homology dimension, as an archive with the arrays listed above.
///
/// # Errors
///
/// [`Error::is_invalid_format`] if the archive is larger than the format allows.
pub fn encode_diagrams(items: &[Vec<Diagram<f64>>], meta_json: &str) -> Result<Vec<u8>> {
    let mut archive = Npz::default();
    let n_dims = items.first().map_or(0, Vec::len);
    let mut all_dims = Vec::new();
    for dim in 0..n_dims {
        let diagrams = || items.iter().map(move |diagrams| &diagrams[dim]);
        let bars = || diagrams().flat_map(|diagram| &diagram.bars);
        let n_bars = bars().count();
        let points = bars().flat_map(|bar| [bar.birth, bar.death]);
        all_dims.extend(bars().flat_map(|bar| [bar.birth, bar.death, dim as f64]));
        let mut offsets = vec![0_i64];
        for diagram in diagrams() {
            offsets.push(offsets[offsets.len() - 1] + diagram.bars.len() as i64);
        }
        let vertices = |edge: Option<Edge>| edge.map_or([-1; 2], |edge| edge.map(i64::from));
        let births = bars().flat_map(|bar| vertices(bar.birth_edge));
        let deaths = bars().flat_map(|bar| vertices(bar.death_edge));
        archive.add(&format!("dgm{dim}"), &[n_bars, 2], points)?;
        archive.add(&format!("offsets{dim}"), &[offsets.len()], offsets.clone())?;
        archive.add(&format!("birth_simplex{dim}"), &[n_bars, 2], births)?;
        archive.add(&format!("death_simplex{dim}"), &[n_bars, 2], deaths)?;
    }
    let n_bars = all_dims.len() / 3;
    archive.add("diagrams", &[n_bars, 3], all_dims)?;
    archive.add("meta_json", &[meta_json.len()], meta_json.bytes())?;
    archive.finish()
}

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
        std::fs::read(path).map_err(|e| Error::file(path.display().to_string()).because(e))?;
    decode(&bytes).map_err(|error| error.within(path.display()))
}

/// Reads the content of an archive; see [`read_diagrams`].
fn decode(bytes: &[u8]) -> Result<Vec<Vec<Vec<Point>>>> {
    // The reason, such as a missing central directory, would not help anyone.
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| {
        Error::invalid_format(
            "this is not an .npz archive, expected one written by `persistence` or numpy.savez",
        )
    })?;
    let mut items: Vec<Vec<Vec<Point>>> = Vec::new();
    for dim in 0.. {
        let name = format!("dgm{dim}");
        let Some(array) = member(&mut archive, &name)? else {
            if dim == 0 {
                let message = "there is no array dgm0, expected dgm0, dgm1, ... by dimension";
                return Err(Error::invalid_format(message));
            }
            break;
        };
        let points = points(&array).map_err(|e| e.within(&name))?;
        let name = format!("offsets{dim}");
        let offsets = match member(&mut archive, &name)? {
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
fn member(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Option<Vec<u8>>> {
    let mut file = match archive.by_name(&format!("{name}.npy")) {
        Ok(file) => file,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(Error::invalid_format(name).because(error)),
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|e| Error::invalid_format(name).because(e))?;
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
    let values: Vec<f64> = match file.into_vec::<f64>() {
        Ok(values) => values,
        Err(_) => {
            // The failed attempt has consumed the file, so it is opened again.
            let file = NpyFile::new(array).map_err(damaged)?;
            let narrow: Vec<f32> = file.into_vec().map_err(damaged)?;
            narrow.into_iter().map(f64::from).collect()
        }
    };
    let (points, _) = values.as_chunks::<2>();
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
    use super::*;
    use crate::topology::Bar;

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
        let actual = decode(&bytes).unwrap();
        let first = vec![vec![], vec![[0.5, 1.0], [0.5, f64::INFINITY]]];
        let expected = [first, vec![vec![], vec![]], vec![vec![], vec![[0.5, 2.0]]]];
        assert_eq!(actual, expected);
        // The same diagrams give the same bytes.
        assert_eq!(encode_diagrams(&items, "{}").unwrap(), bytes);
    }

    #[test]
    fn other_files_give_one_sentence() {
        let cut_off = &encode_diagrams(&[item(&[1.0])], "{}").unwrap()[..100];
        for bytes in [b"births,deaths\n".as_slice(), b"", cut_off] {
            let error = decode(bytes).unwrap_err();
            assert!(error.is_invalid_format());
            assert_eq!(
                error.to_string(),
                "this is not an .npz archive, expected one written by `persistence` or numpy.savez"
            );
        }
        let bytes = encode_diagrams(&[], "{}").unwrap();
        assert!(
            decode(&bytes)
                .unwrap_err()
                .to_string()
                .starts_with("there is no array dgm0")
        );
        let error = read_diagrams(Path::new("nowhere.npz")).unwrap_err();
        assert!(error.is_file_error());
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound));
    }
}
