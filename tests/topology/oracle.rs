//! Independent, slow computation of persistence diagrams, with which the fast one is compared.
//!
//! It lists every simplex up to dimension 2 and reduces the boundary matrix over Z/2 as in textbooks: without
//! the enclosing radius, clearing or lunes.

use std::collections::HashMap;

/// `(birth, death)` of the bars of positive persistence in one dimension, sorted; `inf` if essential.
pub type Bars = Vec<(f64, f64)>;

/// Bars in dimensions 0 and 1 of a row-major square matrix.
pub fn bars(distances: &[f64], n: usize) -> [Bars; 2] {
    let d = |i: usize, j: usize| distances[i * n + j];
    let mut simplices: Vec<(f64, Vec<usize>)> = (0..n).map(|i| (0.0, vec![i])).collect();
    for i in 0..n {
        for j in i + 1..n {
            simplices.push((d(i, j), vec![i, j]));
            for k in j + 1..n {
                simplices.push((d(i, j).max(d(i, k)).max(d(j, k)), vec![i, j, k]));
            }
        }
    }
    simplices.retain(|(diameter, _)| diameter.is_finite());
    simplices.sort_by(|a, b| {
        (a.0, a.1.len(), &a.1)
            .partial_cmp(&(b.0, b.1.len(), &b.1))
            .expect("no NaN")
    });
    let position: HashMap<Vec<usize>, usize> = simplices
        .iter()
        .enumerate()
        .map(|(p, (_, s))| (s.clone(), p))
        .collect();

    let mut column_with_pivot: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut death_of: HashMap<usize, f64> = HashMap::new();
    let mut is_positive = vec![false; simplices.len()];
    for (p, (diameter, simplex)) in simplices.iter().enumerate() {
        let mut column = boundary(simplex, &position);
        while let Some(other) = column.last().and_then(|pivot| column_with_pivot.get(pivot)) {
            column = xor(&column, other);
        }
        match column.last() {
            None => is_positive[p] = true,
            Some(&pivot) => {
                death_of.insert(pivot, *diameter);
                column_with_pivot.insert(pivot, column);
            }
        }
    }
    let mut out = [Vec::new(), Vec::new()];
    for (p, (birth, simplex)) in simplices.iter().enumerate() {
        let dim = simplex.len() - 1;
        let death = death_of.get(&p).copied().unwrap_or(f64::INFINITY);
        if dim < 2 && is_positive[p] && *birth < death {
            out[dim].push((*birth, death));
        }
    }
    out.each_mut().map(|bars| {
        bars.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
        std::mem::take(bars)
    })
}

/// Positions of the facets of a simplex in the order of the filtration.
fn boundary(simplex: &[usize], position: &HashMap<Vec<usize>, usize>) -> Vec<usize> {
    if simplex.len() == 1 {
        return Vec::new();
    }
    let mut facets: Vec<usize> = (0..simplex.len())
        .map(|omitted| {
            let mut facet = simplex.to_vec();
            facet.remove(omitted);
            position[&facet]
        })
        .collect();
    facets.sort_unstable();
    facets
}

/// Sum of two columns over Z/2.
fn xor(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut out: Vec<usize> = a.iter().filter(|x| !b.contains(x)).copied().collect();
    out.extend(b.iter().filter(|x| !a.contains(x)));
    out.sort_unstable();
    out
}
