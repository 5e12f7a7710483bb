//! Betti numbers of a binary mask, by flood fill.

/// Computes the Betti numbers of a mask: its numbers of connected components and of holes.
///
/// ```text
/// components = 8-connected components of the foreground
/// holes      = 4-connected components of the background that do not reach the border
/// ```
///
/// The two connectivities belong together: they are those of the foreground as a union of closed
/// pixels, which meet at corners, and of its open complement.
///
/// # Shapes
///
/// - `is_foreground`: `[height, width]`
///
/// # Panics
///
/// If the length of the mask is not `height * width`.
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::betti_numbers;
///
/// // A ring of four pixels that touch only at their corners.
/// let ring = [false, true, false, true, false, true, false, true, false];
/// assert_eq!(betti_numbers(&ring, [3, 3]), [1, 1]);
/// ```
pub fn betti_numbers(is_foreground: &[bool], [height, width]: [usize; 2]) -> [usize; 2] {
    assert_eq!(
        is_foreground.len(),
        height * width,
        "the number of pixels of the mask is not height * width"
    );
    // A border of background pixels joins everything outside the foreground into one component.
    let padded_size = [height + 2, width + 2];
    let mut padded = vec![false; padded_size[0] * padded_size[1]];
    for (row, pixels) in is_foreground.chunks_exact(width.max(1)).enumerate() {
        padded[(row + 1) * padded_size[1] + 1..][..width].copy_from_slice(pixels);
    }
    let n_components = count_components(&padded, padded_size, true);
    // The outside is one of the components of the background; all others are holes.
    let n_background_components = count_components(&padded, padded_size, false);
    [n_components, n_background_components - 1]
}

/// Counts the components of the pixels equal to `value`, 8-connected for `true` and 4-connected for
/// `false`.
fn count_components(pixels: &[bool], [height, width]: [usize; 2], value: bool) -> usize {
    let mut is_unvisited: Vec<bool> = pixels.iter().map(|&pixel| pixel == value).collect();
    let mut n_components = 0;
    for start in 0..pixels.len() {
        if !is_unvisited[start] {
            continue;
        }
        n_components += 1;
        is_unvisited[start] = false;
        let mut stack = vec![start];
        while let Some(pixel) = stack.pop() {
            let [row, column] = [pixel / width, pixel % width];
            for next_row in row.saturating_sub(1)..(row + 2).min(height) {
                for next_column in column.saturating_sub(1)..(column + 2).min(width) {
                    let next = next_row * width + next_column;
                    let shares_side = next_row == row || next_column == column;
                    if is_unvisited[next] && (value || shares_side) {
                        is_unvisited[next] = false;
                        stack.push(next);
                    }
                }
            }
        }
    }
    n_components
}

#[cfg(test)]
mod tests {
    use super::*;

    fn betti(rows: &[&str]) -> [usize; 2] {
        let pixels: Vec<bool> = rows.concat().chars().map(|c| c == '#').collect();
        betti_numbers(&pixels, [rows.len(), rows[0].len()])
    }

    #[test]
    fn components_and_holes_of_small_masks() {
        assert_eq!(betti(&["...", "...", "..."]), [0, 0]);
        assert_eq!(betti(&["###", "###", "###"]), [1, 0]);
        assert_eq!(betti(&["###", "#.#", "###"]), [1, 1]);
        // Diagonal neighbours close the ring, and the hole does not leak through them.
        assert_eq!(betti(&[".#.", "#.#", ".#."]), [1, 1]);
        assert_eq!(betti(&["#..", "...", "..#"]), [2, 0]);
        assert_eq!(betti(&["#.#.#", "#####", "#.#.#", "#####"]), [1, 2]);
    }
}
