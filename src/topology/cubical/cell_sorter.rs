//! Sorting of cells in the order of the filtration.

/// Number of cells from which a radix sort is faster than a general sort.
const MANY_CELLS: usize = 128;

/// Sorts cells, whose numbers ascend, by their keys; cells of one key keep their order.
///
/// A radix sort by the bytes of the keys, from the last to the first: O(n), whatever the distribution of the keys, and
/// without comparisons, which would be mispredicted. `spare` is a buffer of any contents.
pub(super) fn sort_cells<B: Copy + Ord + Into<u64>>(
    cells: &mut Vec<(B, u32)>,
    spare: &mut Vec<(B, u32)>,
) {
    if cells.len() < MANY_CELLS {
        cells.sort_unstable();
        return;
    }
    let first = cells[0];
    // Bits in which not all keys agree; bytes without one need no pass.
    let differing = cells
        .iter()
        .fold(0, |bits, cell| bits | (cell.0.into() ^ first.0.into()));
    spare.clear();
    spare.resize(cells.len(), first);
    for shift in (0..u64::BITS).step_by(8) {
        if differing >> shift & 0xff == 0 {
            continue;
        }
        let byte = |cell: &(B, u32)| (cell.0.into() >> shift & 0xff) as usize;
        // First the number of cells of each byte, then the place of the next one.
        let mut places = [0_usize; 256];
        for cell in cells.iter() {
            places[byte(cell)] += 1;
        }
        let mut start = 0;
        for place in &mut places {
            (*place, start) = (start, start + *place);
        }
        for cell in cells.iter() {
            let place = &mut places[byte(cell)];
            spare[*place] = *cell;
            *place += 1;
        }
        std::mem::swap(cells, spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::Real;

    #[test]
    fn cells_are_sorted_by_key_and_then_by_number() {
        for n_cells in [0, 1, 2, 100, 1000] {
            for n_keys in [1, 2, 7, 1 << 20] {
                let key = |k: u32| f64::from(k.wrapping_mul(0x9E37_79B9) % n_keys) - 3.5;
                let mut cells: Vec<_> = (0..n_cells).map(|k| (key(k).ordered_bits(), k)).collect();
                let mut expected = cells.clone();
                expected.sort_unstable();
                sort_cells(&mut cells, &mut Vec::new());
                assert_eq!(cells, expected);
            }
        }
    }
}
