//! Persistence diagrams in NumPy's `.npz` archives.
//!
//! For every homology dimension `d`: `dgm<d>`, `[n_bars, 2]` births and deaths in `float64`, `inf`
//! for essential bars, all items one after the other; `offsets<d>`, item `k` owning the bars
//! `offsets[k]..offsets[k + 1]`; `birth_simplex<d>` and `death_simplex<d>`, `[n_bars, 2]` vertices of
//! the critical edges in `int64`, -1 where there is none. `diagrams` is `[n_bars, 3]`, births, deaths
//! and dimensions of everything; `meta_json` is text in `uint8`.

use std::io::{Cursor, Read};
use std::path::Path;

use npyz::NpyFile;
use zip::ZipArchive;

use super::npz::Npz;
use crate::topology::{Diagram, Edge, Point};

/// The archive of the diagrams of several items, by item and homology dimension.
///
/// # Errors
///
/// A sentence if the archive is larger than the format allows.
pub fn encode_diagrams(items: &[Vec<Diagram<f64>>], meta_json: &str) -> Result<Vec<u8>, String> {
    let mut archive = Npz::default();
    let n_dims = items.first().map_or(0, Vec::len);
    let mut everything = Vec::new();
    for dim in 0..n_dims {
        let diagrams = || items.iter().map(move |diagrams| &diagrams[dim]);
        let bars = || diagrams().flat_map(|diagram| &diagram.bars);
        let n_bars = bars().count();
        let points = bars().flat_map(|bar| [bar.birth, bar.death]);
        everything.extend(bars().flat_map(|bar| [bar.birth, bar.death, dim as f64]));
        let mut offsets = vec![0_i64];
        for diagram in diagrams() {
            offsets.push(offsets[offsets.len() - 1] + diagram.bars.len() as i64);
        }
        let ends = |edge: Option<Edge>| edge.map_or([-1; 2], |edge| edge.map(i64::from));
        let births = bars().flat_map(|bar| ends(bar.birth_edge));
        let deaths = bars().flat_map(|bar| ends(bar.death_edge));
        archive.add(&format!("dgm{dim}"), &[n_bars, 2], points)?;
        archive.add(&format!("offsets{dim}"), &[offsets.len()], offsets.clone())?;
        archive.add(&format!("birth_simplex{dim}"), &[n_bars, 2], births)?;
        archive.add(&format!("death_simplex{dim}"), &[n_bars, 2], deaths)?;
    }
    let n_bars = everything.len() / 3;
    archive.add("diagrams", &[n_bars, 3], everything)?;
    archive.add("meta_json", &[meta_json.len()], meta_json.bytes())?;
    archive.finish()
}

/// Reads an archive: bars by item, homology dimension and place. An archive without `offsets<d>`, as
/// other programs write it, is one item.
///
/// # Errors
///
/// A sentence if the file cannot be read, is no `.npz` archive or has no `dgm0`, or an array has
/// another shape or type than said above.
pub fn read_diagrams(path: &Path) -> Result<Vec<Vec<Vec<Point>>>, String> {
    let at = |what: String| format!("{}: {what}", path.display());
    let bytes = std::fs::read(path).map_err(|e| at(e.to_string()))?;
    decode(&bytes).map_err(at)
}

fn decode(bytes: &[u8]) -> Result<Vec<Vec<Vec<Point>>>, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|e| format!("this is not an .npz archive ({e})"))?;
    let mut items: Vec<Vec<Vec<Point>>> = Vec::new();
    for dim in 0.. {
        let name = format!("dgm{dim}");
        let Some(array) = member(&mut archive, &name)? else {
            if dim == 0 {
                return Err("there is no array dgm0, expected diagrams by dimension".to_owned());
            }
            break;
        };
        let points = points(&array).map_err(|e| format!("{name}: {e}"))?;
        let name = format!("offsets{dim}");
        let offsets = match member(&mut archive, &name)? {
            Some(array) => offsets(&array, points.len()).map_err(|e| format!("{name}: {e}"))?,
            None => vec![0, points.len()],
        };
        items.resize(items.len().max(offsets.len() - 1), Vec::new());
        if items.len() != offsets.len() - 1 {
            return Err(format!(
                "{name} tells of {} items, another dimension of {}",
                offsets.len() - 1,
                items.len()
            ));
        }
        for (item, bounds) in items.iter_mut().zip(offsets.windows(2)) {
            item.push(points[bounds[0]..bounds[1]].to_vec());
        }
    }
    match items.iter().all(|item| item.len() == items[0].len()) {
        true => Ok(items),
        false => Err("dimensions tell of different numbers of items".to_owned()),
    }
}

/// The bytes of an array, if it is there.
fn member(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Option<Vec<u8>>, String> {
    let mut file = match archive.by_name(&format!("{name}.npy")) {
        Ok(file) => file,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(format!("{name}: {error}")),
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|e| format!("{name}: {e}"))?;
    Ok(Some(bytes))
}

fn points(array: &[u8]) -> Result<Vec<Point>, String> {
    let file = NpyFile::new(array).map_err(|e| e.to_string())?;
    let shape = file.shape().to_vec();
    let (&[n_bars, 2], npyz::Order::C) = (&shape[..], file.order()) else {
        return Err(format!(
            "the shape is {shape:?}, expected [bars, 2] in C order"
        ));
    };
    let values: Vec<f64> = match file.into_vec::<f64>() {
        Ok(values) => values,
        Err(_) => {
            let file = NpyFile::new(array).map_err(|e| e.to_string())?;
            let narrow: Vec<f32> = file.into_vec().map_err(|e| e.to_string())?;
            narrow.into_iter().map(f64::from).collect()
        }
    };
    let (points, _) = values.as_chunks::<2>();
    match points.len() as u64 == n_bars {
        true => Ok(points.to_vec()),
        false => Err(format!("{} of {n_bars} bars are there", points.len())),
    }
}

fn offsets(array: &[u8], n_bars: usize) -> Result<Vec<usize>, String> {
    let file = NpyFile::new(array).map_err(|e| e.to_string())?;
    let offsets: Vec<i64> = file.into_vec().map_err(|e| e.to_string())?;
    let offsets: Vec<usize> = offsets
        .iter()
        .map(|&o| usize::try_from(o).unwrap_or(usize::MAX))
        .collect();
    let is_valid =
        offsets.first() == Some(&0) && offsets.last() == Some(&n_bars) && offsets.is_sorted();
    match is_valid {
        true => Ok(offsets),
        false => Err(format!("expected rising numbers from 0 to {n_bars}")),
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
    fn what_is_written_is_read() {
        let items = [item(&[1.0, f64::INFINITY]), item(&[]), item(&[2.0])];
        let bytes = encode_diagrams(&items, "{}").unwrap();
        let found = decode(&bytes).unwrap();
        let first = vec![vec![], vec![[0.5, 1.0], [0.5, f64::INFINITY]]];
        let expected = [first, vec![vec![], vec![]], vec![vec![], vec![[0.5, 2.0]]]];
        assert_eq!(found, expected);
        // The same diagrams give the same bytes.
        assert_eq!(encode_diagrams(&items, "{}").unwrap(), bytes);
    }

    #[test]
    fn other_files_get_one_sentence() {
        assert!(
            decode(b"")
                .unwrap_err()
                .starts_with("this is not an .npz archive")
        );
        let bytes = encode_diagrams(&[], "{}").unwrap();
        assert!(
            decode(&bytes)
                .unwrap_err()
                .starts_with("there is no array dgm0")
        );
    }
}
