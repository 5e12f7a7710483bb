//! Drawing of strokes into a square image.

use super::glyph::Segment;

/// Affine map of the plane: `[x, y] -> matrix [x, y] + shift`.
#[derive(Debug, Clone, Copy)]
pub(super) struct AffineMap {
    /// Rows of the matrix.
    pub(super) matrix: [[f32; 2]; 2],
    /// Vector that is added.
    pub(super) shift: [f32; 2],
}

impl AffineMap {
    /// Image of a point.
    fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [[a, b], [c, d]] = self.matrix;
        [a * x + b * y + self.shift[0], c * x + d * y + self.shift[1]]
    }

    /// Image of a segment.
    pub(super) fn segment(&self, [start, end]: Segment) -> Segment {
        [self.apply(start), self.apply(end)]
    }
}

/// Calls `paint` with the index of each pixel whose centre is at most half of `width` away from a segment.
///
/// Coordinates are in pixels. Pixel `[column, row]` covers the square from there to `[column + 1, row + 1]`.
pub(super) fn for_pixels_of(
    segment: Segment,
    width: f32,
    side: usize,
    mut paint: impl FnMut(usize),
) {
    let [start, end] = segment;
    let reach = 0.5 * width;
    // Only pixels in the bounding box can be near; the cast of a negative number to `usize` gives 0.
    let range = |axis: usize| {
        let low = start[axis].min(end[axis]) - reach - 0.5;
        let high = start[axis].max(end[axis]) + reach + 0.5;
        low.floor() as usize..(high.ceil().max(0.0) as usize).min(side)
    };
    for row in range(1) {
        for column in range(0) {
            let center = [column as f32 + 0.5, row as f32 + 0.5];
            if squared_distance(center, start, end) <= reach * reach {
                paint(row * side + column);
            }
        }
    }
}

/// Squared distance between a point and a segment.
fn squared_distance(point: [f32; 2], start: [f32; 2], end: [f32; 2]) -> f32 {
    let along = [end[0] - start[0], end[1] - start[1]];
    let offset = [point[0] - start[0], point[1] - start[1]];
    let length = along[0] * along[0] + along[1] * along[1];
    let projection = offset[0] * along[0] + offset[1] * along[1];
    // A segment whose ends coincide is a dot.
    let part = if length > 0.0 {
        (projection / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let gap = [offset[0] - part * along[0], offset[1] - part * along[1]];
    gap[0] * gap[0] + gap[1] * gap[1]
}
