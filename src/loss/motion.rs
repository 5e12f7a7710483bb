//! Where the content of tokens goes from frame to frame.

use crate::error::{Error, Result};

/// Which patch of the next frame shows what a patch shows, for every frame of some clips.
///
/// # Example
///
/// ```
/// use burn_topology::loss::PatchMotion;
///
/// // One clip of two frames, 2 by 4 pixels in patches of 2 by 2: everything moves two pixels to the
/// // right, so the left patch becomes the right one and what was there is gone.
/// let (rows, columns) = ([0.0; 8], [2.0; 8]);
/// let motion = PatchMotion::from_flow(&[rows, columns].concat(), &[true; 8], [2, 4], 2)?;
/// assert_eq!(motion.matched(0, [0, 1], 2), [[0, 1]]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchMotion {
    /// `[n_clips * (n_frames - 1), n_patches]`; `None` where the content is not seen.
    next: Vec<Option<u32>>,
    n_patches: usize,
}

impl PatchMotion {
    /// Rounds a flow of pixels to one of patches.
    ///
    /// A patch goes where the median displacement of its pixels takes it, rounded to whole patches;
    /// it is lost if that lies outside of the frame or if less than half of its pixels are seen in
    /// the next frame.
    ///
    /// # Shapes
    ///
    /// - `flow`: displacements to the next frame in pixels, rows then columns,
    ///   `[n_clips * (n_frames - 1), 2, height, width]`
    /// - `is_seen_next`: whether what a pixel shows is seen in the next frame,
    ///   `[n_clips * (n_frames - 1), height, width]`
    /// - `frame`: height and width, in pixels; `patch_size` divides both
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the lengths do not fit or a displacement is not finite.
    pub fn from_flow(
        flow: &[f32],
        is_seen_next: &[bool],
        frame @ [height, width]: [usize; 2],
        patch_size: usize,
    ) -> Result<Self> {
        let size = height * width;
        let fits = |side: usize| patch_size > 0 && side > 0 && side.is_multiple_of(patch_size);
        if !frame.into_iter().all(fits) {
            return Err(Error::invalid_parameter(format!(
                "patches of {patch_size} pixels do not divide frames of {height} by {width}"
            )));
        }
        if flow.len() != 2 * is_seen_next.len() || !is_seen_next.len().is_multiple_of(size) {
            return Err(Error::invalid_parameter(format!(
                "{} displacements for {} pixels, expected two for each pixel of whole frames of \
                 {height} by {width}",
                flow.len(),
                is_seen_next.len()
            )));
        }
        if let Some(bad) = flow.iter().find(|part| !part.is_finite()) {
            return Err(Error::invalid_parameter(format!(
                "flow has the displacement {bad}, expected finite numbers of pixels"
            )));
        }
        let grid = frame.map(|side| side / patch_size);
        let n_patches = grid[0] * grid[1];
        let mut next = Vec::with_capacity(is_seen_next.len() / size * n_patches);
        for (flow, seen) in flow
            .chunks_exact(2 * size)
            .zip(is_seen_next.chunks_exact(size))
        {
            for patch in 0..n_patches {
                let corner = [patch / grid[1], patch % grid[1]].map(|place| place * patch_size);
                let pixels = (0..patch_size * patch_size).map(|pixel| {
                    let [row, column] = [pixel / patch_size, pixel % patch_size];
                    (corner[0] + row) * width + corner[1] + column
                });
                let n_seen = pixels.clone().filter(|&pixel| seen[pixel]).count();
                let moved = [0, 1].map(|axis| {
                    let along = pixels.clone().map(|pixel| flow[axis * size + pixel]);
                    (median(along.collect()) / patch_size as f32).round() as i64
                });
                let place = [patch / grid[1], patch % grid[1]];
                let target = [0, 1].map(|axis| place[axis] as i64 + moved[axis]);
                let is_inside = (0..2).all(|axis| (0..grid[axis] as i64).contains(&target[axis]));
                let is_kept = is_inside && 2 * n_seen >= patch_size * patch_size;
                next.push(is_kept.then(|| (target[0] * grid[1] as i64 + target[1]) as u32));
            }
        }
        Ok(Self { next, n_patches })
    }

    /// Patches that show the same in two frames of a clip, the earlier frame's first, ascending; of
    /// patches that come together the first is taken.
    ///
    /// # Panics
    ///
    /// If there is no such clip or frame, or the second frame is not after the first.
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
        let mut found = Vec::new();
        for patch in 0..self.n_patches as u32 {
            let end = (first..second).try_fold(patch, |patch, frame| next(frame, patch));
            if let Some(end) = end
                && !std::mem::replace(&mut is_taken[end as usize], true)
            {
                found.push([patch, end]);
            }
        }
        found
    }

    /// Patches in a frame.
    pub fn n_patches(&self) -> usize {
        self.n_patches
    }

    /// Steps from a frame to the next, of all clips.
    pub(super) fn n_steps(&self) -> usize {
        self.next.len() / self.n_patches.max(1)
    }
}

/// The lower one of an even number.
fn median(mut values: Vec<f32>) -> f32 {
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of 4 by 6 pixels in patches of 2, everything moving alike.
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
    fn hidden_patches_are_lost_and_clips_are_told_apart() {
        let mut seen = [true; 48];
        seen[24..27].fill(false); // the second clip: all but one pixel of the top of two patches
        seen[30..32].fill(false);
        let motion = PatchMotion::from_flow(&[0.0; 96], &seen, [4, 6], 2).unwrap();
        assert_eq!(motion.matched(0, [0, 1], 2).len(), 6);
        let places = motion.matched(1, [0, 1], 2);
        assert_eq!(places, [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5]]);
    }

    #[test]
    fn of_patches_that_come_together_one_is_kept() {
        let mut flow = [0.0; 48];
        for pixel in [0, 1, 6, 7] {
            flow[24 + pixel] = 2.0; // the first patch moves onto the second
        }
        let motion = PatchMotion::from_flow(&flow, &[true; 24], [4, 6], 2).unwrap();
        let matched = motion.matched(0, [0, 1], 2);
        assert_eq!(matched, [[0, 1], [2, 2], [3, 3], [4, 4], [5, 5]]);
    }

    #[test]
    fn bad_flows_are_told() {
        let message = |flow: &[f32], seen: &[bool], frame, patch_size| {
            PatchMotion::from_flow(flow, seen, frame, patch_size)
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
