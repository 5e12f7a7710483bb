//! Motion of patches from frame to frame.

use crate::counted::counted;
use crate::error::{Error, Result};

/// Motion of patches: for each patch of a frame, the patch of the next frame with the same content.
///
/// # Example
///
/// ```
/// use burn_topology::loss::PatchMotion;
///
/// // One clip of two frames, 2 by 4 pixels in patches of 2 by 2. Everything moves two pixels to the right:
/// // the content of the left patch moves to the right patch, and that of the right patch leaves the frame.
/// let (rows, columns) = ([0.0; 8], [2.0; 8]);
/// let motion = PatchMotion::from_flow(&[rows, columns].concat(), &[true; 8], [2, 4], 2)?;
/// assert_eq!(motion.matched(0, [0, 1], 2), [[0, 1]]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchMotion {
    /// Patch of the next frame, `[n_clips * (n_frames - 1), n_patches]`; `None` where the content is lost.
    next: Vec<Option<u32>>,
    n_patches: usize,
}

impl PatchMotion {
    /// Rounds the flow of pixels to a motion of patches.
    ///
    /// A patch moves by the median displacement of its pixels, rounded to whole patches. It is lost if it
    /// leaves the frame, or if fewer than half of its pixels are visible in the next frame.
    ///
    /// # Shapes
    ///
    /// - `flow`: displacements to the next frame in pixels, `[n_clips * (n_frames - 1), 2, height, width]`, first
    ///   along rows (down), then along columns (right)
    /// - `is_visible_next`: true if the content of a pixel is visible in the next frame,
    ///   `[n_clips * (n_frames - 1), height, width]`
    /// - `frame`: height and width in pixels, both multiples of `patch_size`
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the lengths do not fit or a displacement is not finite.
    pub fn from_flow(
        flow: &[f32],
        is_visible_next: &[bool],
        frame @ [height, width]: [usize; 2],
        patch_size: usize,
    ) -> Result<Self> {
        let size = height * width;
        // A side of 0 is a multiple of every patch size, but would leave nothing to divide by below.
        let fits = |side: usize| patch_size > 0 && side > 0 && side.is_multiple_of(patch_size);
        if !frame.into_iter().all(fits) {
            return Err(Error::invalid_parameter(format!(
                "patches of {} do not divide frames of {height} by {width}",
                counted(patch_size, "pixel")
            )));
        }
        let n_pixels = is_visible_next.len();
        if flow.len() != 2 * n_pixels || !n_pixels.is_multiple_of(size) {
            return Err(Error::invalid_parameter(format!(
                "{} for {}, expected two for each pixel of whole frames of \
                 {height} by {width}",
                counted(flow.len(), "displacement"),
                counted(n_pixels, "pixel")
            )));
        }
        if let Some(bad) = flow.iter().find(|part| !part.is_finite()) {
            return Err(Error::invalid_parameter(format!(
                "flow has the displacement {bad}, expected finite numbers of pixels"
            )));
        }
        let grid = frame.map(|side| side / patch_size);
        let n_patches = grid[0] * grid[1];
        let mut next = Vec::with_capacity(n_pixels / size * n_patches);
        for (flow, is_visible) in flow
            .chunks_exact(2 * size)
            .zip(is_visible_next.chunks_exact(size))
        {
            for patch in 0..n_patches {
                let position = [patch / grid[1], patch % grid[1]];
                let corner = position.map(|index| index * patch_size);
                let pixels = (0..patch_size * patch_size).map(|pixel| {
                    let [row, column] = [pixel / patch_size, pixel % patch_size];
                    (corner[0] + row) * width + corner[1] + column
                });
                let n_visible = pixels.clone().filter(|&pixel| is_visible[pixel]).count();
                // The median ignores the few pixels of another object at the edge of the patch.
                let displacement = [0, 1].map(|axis| {
                    let components = pixels.clone().map(|pixel| flow[axis * size + pixel]);
                    (median(components.collect()) / patch_size as f32).round() as i64
                });
                // Saturates, because a huge displacement has become the largest or smallest integer.
                let target =
                    [0, 1].map(|axis| (position[axis] as i64).saturating_add(displacement[axis]));
                let is_inside = (0..2).all(|axis| (0..grid[axis] as i64).contains(&target[axis]));
                let is_kept = is_inside && 2 * n_visible >= patch_size * patch_size;
                next.push(is_kept.then(|| (target[0] * grid[1] as i64 + target[1]) as u32));
            }
        }
        Ok(Self { next, n_patches })
    }

    /// Returns the pairs of patches with the same content in two frames of a clip, the earlier frame first.
    ///
    /// Pairs are sorted by the patch of the earlier frame. If several patches move to the same patch, the
    /// first of them is taken.
    ///
    /// # Panics
    ///
    /// If the clip or a frame does not exist, or the second frame is not after the first.
    pub fn matched(
        &self,
        clip: usize,
        [first, second]: [usize; 2],
        n_frames: usize,
    ) -> Vec<[u32; 2]> {
        assert!(first < second && second < n_frames, "frames out of order");
        let next = |frame: usize, patch: u32| {
            self.next[(clip * (n_frames - 1) + frame) * self.n_patches + patch as usize]
        };
        let mut is_taken = vec![false; self.n_patches];
        let mut pairs = Vec::new();
        for patch in 0..self.n_patches as u32 {
            // Follows the patch from frame to frame, until it is lost.
            let end = (first..second).try_fold(patch, |patch, frame| next(frame, patch));
            if let Some(end) = end
                // A patch that occurred twice would be two points at distance 0.
                && !std::mem::replace(&mut is_taken[end as usize], true)
            {
                pairs.push([patch, end]);
            }
        }
        pairs
    }

    /// Number of patches in a frame.
    pub fn n_patches(&self) -> usize {
        self.n_patches
    }

    /// Number of steps from a frame to the next, over all clips.
    pub(super) fn n_steps(&self) -> usize {
        self.next.len() / self.n_patches.max(1)
    }
}

/// Returns the median; of an even number of values, the lower of the two middle ones.
fn median(mut values: Vec<f32>) -> f32 {
    // The lower middle value is one of the displacements; a mean of two could be none of them.
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Motion of frames of 4 by 6 pixels in patches of 2, with one displacement for all pixels.
    fn uniform(n_steps: usize, [rows, columns]: [f32; 2]) -> PatchMotion {
        let step = [[rows; 24], [columns; 24]].concat();
        PatchMotion::from_flow(&step.repeat(n_steps), &vec![true; 24 * n_steps], [4, 6], 2).unwrap()
    }

    #[test]
    fn displacements_are_rounded_to_patches_and_chained() {
        let still = uniform(2, [0.9, -0.9]);
        assert_eq!(still.matched(0, [0, 2], 3).len(), 6);
        let right = uniform(2, [0.0, 2.0]);
        assert_eq!(
            right.matched(0, [0, 1], 3),
            [[0, 1], [1, 2], [3, 4], [4, 5]]
        );
        assert_eq!(right.matched(0, [0, 2], 3), [[0, 2], [3, 5]]);
        assert_eq!(
            uniform(1, [2.0, 0.0]).matched(0, [0, 1], 2),
            [[0, 3], [1, 4], [2, 5]]
        );
        assert_eq!(uniform(1, [0.0, 6.0]).matched(0, [0, 1], 2), [[0; 2]; 0]);
    }

    #[test]
    fn patches_that_move_very_far_are_lost() {
        for size in [1e9, 1e19, f32::MAX] {
            for flow in [[size, 0.0], [0.0, -size], [-size, size]] {
                assert_eq!(uniform(1, flow).matched(0, [0, 1], 2), [[0; 2]; 0]);
            }
        }
    }

    #[test]
    fn hidden_patches_are_lost_in_their_own_clip_only() {
        let mut is_visible = [true; 48];
        // Second clip: hides all four pixels of the first patch, and one of the second.
        is_visible[24..27].fill(false);
        is_visible[30..32].fill(false);
        let motion = PatchMotion::from_flow(&[0.0; 96], &is_visible, [4, 6], 2).unwrap();
        assert_eq!(motion.matched(0, [0, 1], 2).len(), 6);
        let pairs = motion.matched(1, [0, 1], 2);
        assert_eq!(pairs, [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5]]);
    }

    #[test]
    fn of_patches_that_move_to_one_patch_the_first_is_kept() {
        let mut flow = [0.0; 48];
        for pixel in [0, 1, 6, 7] {
            flow[24 + pixel] = 2.0; // the first patch moves onto the second
        }
        let motion = PatchMotion::from_flow(&flow, &[true; 24], [4, 6], 2).unwrap();
        let matched = motion.matched(0, [0, 1], 2);
        assert_eq!(matched, [[0, 1], [2, 2], [3, 3], [4, 4], [5, 5]]);
    }

    #[test]
    fn bad_flows_are_refused() {
        let message = |flow: &[f32], is_visible: &[bool], frame, patch_size| {
            PatchMotion::from_flow(flow, is_visible, frame, patch_size)
                .unwrap_err()
                .to_string()
        };
        let wrong = message(&[0.0; 8], &[true; 8], [2, 2], 2);
        assert!(wrong.contains("8 displacements for 8 pixels"), "{wrong}");
        let wrong = message(&[0.0; 24], &[true; 12], [3, 4], 2);
        assert!(
            wrong.contains("patches of 2 pixels do not divide"),
            "{wrong}"
        );
        let wrong = message(&[f32::NAN; 8], &[true; 4], [2, 2], 2);
        assert!(wrong.contains("displacement NaN"), "{wrong}");
    }
}
