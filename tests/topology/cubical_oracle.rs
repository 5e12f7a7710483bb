//! Independent, slow computation of the persistence of images and volumes, with which the fast one is compared.
//!
//! It lists every cell of the cubical complex of a volume and reduces the boundary matrix over Z/2 as in textbooks.
//! An image is a volume of depth 1.

use std::collections::HashMap;

use burn_topology::topology::{Construction, Filtration};

/// `(birth, death)` of the bars of positive persistence in one dimension, sorted; an infinite death if essential.
pub type Bars = Vec<(f64, f64)>;

/// Bars in dimensions 0 to 2 of a volume.
pub fn bars(
    values: &[f64],
    shape: [usize; 3],
    filtration: Filtration,
    construction: Construction,
) -> [Bars; 3] {
    let sign = if filtration == Filtration::Superlevel {
        -1.0
    } else {
        1.0
    };
    let mut cells = cells(values, shape, sign, construction);
    cells.sort_by(|a, b| {
        (a.0, dim(a.1), a.1)
            .partial_cmp(&(b.0, dim(b.1), b.1))
            .expect("no NaN")
    });
    let position: HashMap<[usize; 3], usize> = cells
        .iter()
        .enumerate()
        .map(|(p, cell)| (cell.1, p))
        .collect();
    let mut column_with_pivot: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut death_of: HashMap<usize, f64> = HashMap::new();
    let mut is_positive = vec![false; cells.len()];
    for (p, (value, cell)) in cells.iter().enumerate() {
        let mut column = boundary(*cell, &position);
        while let Some(other) = column.last().and_then(|pivot| column_with_pivot.get(pivot)) {
            column.extend_from_slice(&other.clone());
            column.sort_unstable();
            let mut sum = Vec::new();
            for &entry in &column {
                if sum.last() == Some(&entry) {
                    sum.pop();
                } else {
                    sum.push(entry);
                }
            }
            column = sum;
        }
        match column.last() {
            None => is_positive[p] = true,
            Some(&pivot) => {
                death_of.insert(pivot, *value);
                column_with_pivot.insert(pivot, column);
            }
        }
    }
    let mut out = [Vec::new(), Vec::new(), Vec::new()];
    for (p, &(birth, cell)) in cells.iter().enumerate() {
        let death = death_of.get(&p).copied().unwrap_or(f64::INFINITY);
        if is_positive[p] && birth < death {
            out[dim(cell)].push((sign * birth, sign * death));
        }
    }
    out.each_mut().map(|bars| {
        bars.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
        std::mem::take(bars)
    })
}

/// Dimension of a cell, by its doubled coordinates: the odd ones are those along which it extends.
fn dim(cell: [usize; 3]) -> usize {
    cell.iter()
        .filter(|coordinate| **coordinate % 2 == 1)
        .count()
}

/// All cells as doubled coordinates, with the value at which they enter.
fn cells(
    values: &[f64],
    shape: [usize; 3],
    sign: f64,
    construction: Construction,
) -> Vec<(f64, [usize; 3])> {
    let voxel = |[t, r, c]: [usize; 3]| sign * values[(t * shape[1] + r) * shape[2] + c];
    // Voxels have even coordinates if they are vertices, odd ones if they are cubes.
    let odd = usize::from(construction == Construction::TopCells);
    let sides = shape.map(|side| if side == 0 { 0 } else { 2 * side - 1 + 2 * odd });
    let mut cells = Vec::new();
    for t in 0..sides[0] {
        for r in 0..sides[1] {
            for c in 0..sides[2] {
                let cell = [t, r, c];
                let mut entries = Vec::new();
                for_neighbours(cell, odd, shape, |neighbour| entries.push(voxel(neighbour)));
                let value = if odd == 1 {
                    entries.iter().copied().fold(f64::INFINITY, f64::min)
                } else {
                    entries.iter().copied().fold(f64::NEG_INFINITY, f64::max)
                };
                cells.push((value, cell));
            }
        }
    }
    cells
}

/// Calls `f` with the voxels that bound a cell, or that it bounds.
fn for_neighbours(cell: [usize; 3], odd: usize, shape: [usize; 3], mut f: impl FnMut([usize; 3])) {
    let along = |axis: usize| -> Vec<usize> {
        let x = cell[axis] as isize;
        let candidates = if x as usize % 2 == odd {
            vec![x]
        } else {
            vec![x - 1, x + 1]
        };
        let voxels = candidates
            .into_iter()
            .map(|x| (x - odd as isize) / 2 - isize::from(x < odd as isize));
        voxels
            .filter(|v| (0..shape[axis] as isize).contains(v))
            .map(|v| v as usize)
            .collect()
    };
    for t in along(0) {
        for r in along(1) {
            for c in along(2) {
                f([t, r, c]);
            }
        }
    }
}

fn boundary(cell: [usize; 3], position: &HashMap<[usize; 3], usize>) -> Vec<usize> {
    let mut column = Vec::new();
    for axis in 0..3 {
        if cell[axis] % 2 == 1 {
            for x in [cell[axis] - 1, cell[axis] + 1] {
                let mut face = cell;
                face[axis] = x;
                column.push(position[&face]);
            }
        }
    }
    column.sort_unstable();
    column
}
