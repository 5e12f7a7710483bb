//! Writes persistence diagrams as NumPy's `.npz` archives.
//!
//! Arrays of an archive, those with `<d>` for every homology dimension `d`:
//!
//! | array | shape | type | content |
//! |---|---|---|---|
//! | `dgm<d>` | `[n_bars, 2]` | `float64` | births and deaths of all items, one item after the other; `inf` for essential bars |
//! | `offsets<d>` | `[n_items + 1]` | `int64` | item `k` has the bars `offsets[k]..offsets[k + 1]` |
//! | `birth_simplex<d>` | `[n_bars, 2]` | `int64` | vertices of the birth edges; -1 where there is none |
//! | `death_simplex<d>` | `[n_bars, 2]` | `int64` | vertices of the death edges; -1 where there is none |
//! | `birth_pixel<d>` | `[n_bars, n_axes]` | `int64` | of images and volumes, in place of `birth_simplex<d>`: indices of the birth pixels on each axis |
//! | `death_pixel<d>` | `[n_bars, n_axes]` | `int64` | the same for the death pixels; -1 where there is none |
//! | `diagrams` | `[n_bars, 3]` | `float64` | births, deaths and dimensions of all bars |
//! | `meta_json` | `[n_bytes]` | `uint8` | JSON text in UTF-8 |

use super::npz::Npz;
use crate::error::Result;
use crate::topology::{CubicalDiagram, Diagram, Edge, Point};

/// Encodes diagrams, by item and homology dimension, as an archive with the arrays listed above.
///
/// # Errors
///
/// [`Error::is_invalid_format`](crate::Error::is_invalid_format) if the archive is larger than the format allows.
pub fn encode_diagrams(items: &[Vec<Diagram<f64>>], meta_json: &str) -> Result<Vec<u8>> {
    let mut archive = DiagramArchive::default();
    let n_dims = items.first().map_or(0, Vec::len);
    for dim in 0..n_dims {
        let bars = || items.iter().flat_map(|diagrams| &diagrams[dim].bars);
        let points = |diagrams: &Vec<Diagram<f64>>| -> Vec<Point> {
            let bars = diagrams[dim].bars.iter();
            bars.map(|bar| [bar.birth, bar.death]).collect()
        };
        archive.add_points(dim, items.iter().map(points))?;
        let vertices = |edge: Option<Edge>| edge.map_or([-1; 2], |edge| edge.map(i64::from));
        let births = bars().map(|bar| vertices(bar.birth_edge));
        archive.add_places(&format!("birth_simplex{dim}"), births)?;
        let deaths = bars().map(|bar| vertices(bar.death_edge));
        archive.add_places(&format!("death_simplex{dim}"), deaths)?;
    }
    archive.finish(meta_json)
}

/// Encodes diagrams of images or of a volume, by item and homology dimension, as an archive.
///
/// Instead of simplices it has `birth_pixel<d>` and `death_pixel<d>`, each `[n_bars, n_axes]` with the index of a pixel on
/// each axis, such as row and column; -1 for the death of an essential bar. Births lie below deaths: those of superlevel
/// sets are negated values of pixels.
///
/// # Shapes
///
/// - `shape`: sides of an image `[height, width]`, or of a volume `[depth, height, width]`
///
/// # Errors
///
/// [`Error::is_invalid_format`](crate::Error::is_invalid_format) if the archive is larger than the format allows.
pub fn encode_cubical_diagrams<const N_AXES: usize>(
    items: &[Vec<CubicalDiagram<f64>>],
    shape: [usize; N_AXES],
    meta_json: &str,
) -> Result<Vec<u8>> {
    let mut archive = DiagramArchive::default();
    let n_dims = items.first().map_or(0, Vec::len);
    let place = |pixel: Option<usize>| -> [i64; N_AXES] {
        let Some(mut rest) = pixel else {
            return [-1; N_AXES];
        };
        let mut place = [0; N_AXES];
        for (index, &side) in place.iter_mut().zip(&shape).rev() {
            *index = (rest % side) as i64;
            rest /= side;
        }
        place
    };
    for dim in 0..n_dims {
        let bars = || items.iter().flat_map(|diagrams| &diagrams[dim].bars);
        archive.add_points(dim, items.iter().map(|diagrams| diagrams[dim].points()))?;
        let births = bars().map(|bar| place(Some(bar.birth_pixel)));
        archive.add_places(&format!("birth_pixel{dim}"), births)?;
        let deaths = bars().map(|bar| place(bar.death_pixel));
        archive.add_places(&format!("death_pixel{dim}"), deaths)?;
    }
    archive.finish(meta_json)
}

/// Archive of diagrams that is being written.
#[derive(Default)]
struct DiagramArchive {
    archive: Npz,
    /// Births, deaths and dimensions of all bars so far.
    all_dims: Vec<f64>,
}

impl DiagramArchive {
    /// Adds the births and deaths of one homology dimension, item by item.
    fn add_points(&mut self, dim: usize, items: impl Iterator<Item = Vec<Point>>) -> Result<()> {
        let mut points = Vec::new();
        let mut offsets = vec![0_i64];
        for item in items {
            points.extend(item);
            offsets.push(points.len() as i64);
        }
        let all = points
            .iter()
            .flat_map(|[birth, death]| [*birth, *death, dim as f64]);
        self.all_dims.extend(all);
        let shape = [points.len(), 2];
        self.archive
            .add(&format!("dgm{dim}"), &shape, points.into_iter().flatten())?;
        self.archive
            .add(&format!("offsets{dim}"), &[offsets.len()], offsets)
    }

    /// Adds an array with a row of indices for each bar.
    fn add_places<const N: usize>(
        &mut self,
        name: &str,
        places: impl Iterator<Item = [i64; N]>,
    ) -> Result<()> {
        let places: Vec<i64> = places.flatten().collect();
        self.archive.add(name, &[places.len() / N, N], places)
    }

    /// Adds the array of all bars and the description.
    fn finish(mut self, meta_json: &str) -> Result<Vec<u8>> {
        let n_bars = self.all_dims.len() / 3;
        self.archive.add("diagrams", &[n_bars, 3], self.all_dims)?;
        self.archive
            .add("meta_json", &[meta_json.len()], meta_json.bytes())?;
        self.archive.finish()
    }
}
