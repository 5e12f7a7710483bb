//! Components and holes of a mask, by flooding.

/// Components and holes of the foreground as a union of closed pixels: pixels that share a corner hang
/// together, and a hole is a part of the background, its pixels hanging together by sides, that does
/// not reach the border.
///
/// # Shapes
///
/// - `is_foreground`: `[height, width]`
///
/// # Panics
///
/// If the length does not fit.
///
/// # Example
///
/// ```
/// use burn_topology::coherence::betti_numbers;
///
/// // A ring whose pixels hold together by their corners.
/// let ring = [false, true, false, true, false, true, false, true, false];
/// assert_eq!(betti_numbers(&ring, [3, 3]), [1, 1]);
/// ```
pub fn betti_numbers(is_foreground: &[bool], [height, width]: [usize; 2]) -> [usize; 2] {
    assert_eq!(is_foreground.len(), height * width, "a mask is not whole");
    // With a frame of background around, all that is outside hangs together.
    let padded_size = [height + 2, width + 2];
    let mut padded = vec![false; padded_size[0] * padded_size[1]];
    for (row, pixels) in is_foreground.chunks_exact(width.max(1)).enumerate() {
        padded[(row + 1) * padded_size[1] + 1..][..width].copy_from_slice(pixels);
    }
    let components = n_parts(&padded, padded_size, true);
    let outside_and_holes = n_parts(&padded, padded_size, false);
    [components, outside_and_holes - 1]
}

/// Parts of the pixels of this value; those of the foreground hang together by corners too.
fn n_parts(pixels: &[bool], [height, width]: [usize; 2], value: bool) -> usize {
    let mut is_left: Vec<bool> = pixels.iter().map(|&pixel| pixel == value).collect();
    let mut found = 0;
    for start in 0..pixels.len() {
        if !is_left[start] {
            continue;
        }
        found += 1;
        is_left[start] = false;
        let mut front = vec![start];
        while let Some(at) = front.pop() {
            let [row, column] = [at / width, at % width];
            for next_row in row.saturating_sub(1)..(row + 2).min(height) {
                for next_column in column.saturating_sub(1)..(column + 2).min(width) {
                    let next = next_row * width + next_column;
                    let by_side = next_row == row || next_column == column;
                    if is_left[next] && (value || by_side) {
                        is_left[next] = false;
                        front.push(next);
                    }
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(picture: &[&str]) -> [usize; 2] {
        let pixels: Vec<bool> = picture.concat().chars().map(|c| c == '#').collect();
        betti_numbers(&pixels, [picture.len(), picture[0].len()])
    }

    #[test]
    fn components_and_holes_of_small_pictures() {
        assert_eq!(of(&["...", "...", "..."]), [0, 0]);
        assert_eq!(of(&["###", "###", "###"]), [1, 0]);
        assert_eq!(of(&["###", "#.#", "###"]), [1, 1]);
        // Corners hold the ring together, and do not let the hole out.
        assert_eq!(of(&[".#.", "#.#", ".#."]), [1, 1]);
        assert_eq!(of(&["#..", "...", "..#"]), [2, 0]);
        assert_eq!(of(&["#.#.#", "#####", "#.#.#", "#####"]), [1, 2]);
    }
}
