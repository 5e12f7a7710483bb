//! Adversarial attacks: bounded changes of pixels that raise a loss.

use burn::prelude::*;
use rand::RngExt;

use super::random_stream::Stream;

/// Algorithm of an adversarial attack in the L-infinity norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// Fast gradient sign method: one step along the sign of the gradient (Goodfellow et al. 2015).
    ///
    /// ```text
    /// x' = clip(x + bound sign(grad L(x)))
    /// ```
    Fgsm,
    /// Projected gradient descent: several steps along the sign of the gradient (Madry et al. 2018).
    ///
    /// ```text
    /// x_(k+1) = clip(x_k + 2.5 bound / n_steps sign(grad L(x_k)))
    /// ```
    ///
    /// The first start is the clip itself, the others are uniform within the bound. The result is the
    /// point with the largest loss among all points visited.
    Pgd {
        /// Number of steps from each start.
        n_steps: usize,
        /// Number of starts.
        n_starts: usize,
    },
    /// Random change: random signs without a gradient, to compare attacks of the same size with.
    ///
    /// ```text
    /// x' = clip(x + bound s),  every component of s is -1 or 1
    /// ```
    Random,
}

impl Attack {
    /// Returns the attacked clips. No pixel changes by more than `epsilon` times the range of pixels.
    ///
    /// The range of pixels in `[-1, 1]` is 2, so the bound is `2 epsilon`; `clip` projects to within the
    /// bound around the original pixel and to `[-1, 1]`.
    ///
    /// `losses` computes the loss of each clip of a batch and must be deterministic. Random numbers
    /// depend on `seed` and on the index of a clip in the data, `first_index` for the first clip, and not
    /// on how clips are divided into batches.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`, pixels in `[-1, 1]`, on an autodiff
    ///   device
    /// - `losses`: `[batch_size]`
    ///
    /// # Cost
    ///
    /// `Fgsm`: one forward and backward pass. `Pgd`: `n_starts` times `n_steps` forward and backward
    /// passes and one forward pass. `Random`: no pass.
    pub fn apply(
        self,
        clips: &Tensor<5>,
        epsilon: f64,
        seed: u64,
        first_index: usize,
        losses: &dyn Fn(Tensor<5>) -> Tensor<1>,
    ) -> Tensor<5> {
        let clips = clips.clone().detach();
        // Model inputs range over [-1, 1], and epsilon is a fraction of that range.
        let bound = 2.0 * epsilon;
        let clip = |changed: Tensor<5>| {
            let low = (clips.clone() - bound).clamp_min(-1.0);
            let high = (clips.clone() + bound).clamp_max(1.0);
            // Both bounds depend on the pixel, so that a clamp between two numbers would not do.
            changed.max_pair(low).min_pair(high)
        };
        match self {
            Self::Fgsm => {
                let (_, gradient) = losses_and_gradient(clips.clone(), losses);
                clip(clips.clone() + gradient.sign() * bound)
            }
            Self::Random => {
                clip(clips.clone() + uniform_noise(&clips, seed, first_index, 0).sign() * bound)
            }
            Self::Pgd { n_steps, n_starts } => {
                // From any start, such steps reach the boundary and can still move along it (Madry et al.).
                let step = 2.5 * bound / n_steps.max(1) as f64;
                let mut strongest: Option<AttackedClips> = None;
                let mut keep_strongest = |losses: Tensor<1>, clips: &Tensor<5>| {
                    let candidate = AttackedClips {
                        losses,
                        clips: clips.clone(),
                    };
                    strongest = Some(match strongest.take() {
                        None => candidate,
                        Some(strongest) => strongest.stronger(candidate),
                    });
                };
                for start in 0..n_starts.max(1) {
                    // The first start uses no random numbers: with one start the attack is deterministic.
                    let mut changed = match start {
                        0 => clips.clone(),
                        _ => {
                            let noise = uniform_noise(&clips, seed, first_index, start);
                            clip(clips.clone() + noise * bound)
                        }
                    };
                    for _ in 0..n_steps {
                        let (values, gradient) = losses_and_gradient(changed.clone(), losses);
                        keep_strongest(values, &changed);
                        changed = clip(changed + gradient.sign() * step);
                    }
                    // The last point has not been evaluated yet.
                    keep_strongest(losses(changed.clone()).detach(), &changed);
                }
                strongest.map_or(clips.clone(), |strongest| strongest.clips)
            }
        }
    }
}

/// Changed clips with their losses.
struct AttackedClips {
    /// `[batch_size]`
    losses: Tensor<1>,
    /// `[batch_size, n_frames, n_channels, height, width]`
    clips: Tensor<5>,
}

impl AttackedClips {
    /// Takes each clip from the side on which its loss is larger, and from `self` at ties.
    fn stronger(self, other: Self) -> Self {
        let is_larger = other.losses.clone().greater(self.losses.clone());
        let n_clips = is_larger.dims()[0];
        let pixel_mask = is_larger
            .clone()
            .reshape([n_clips, 1, 1, 1, 1])
            .expand(other.clips.dims());
        Self {
            losses: self.losses.mask_where(is_larger, other.losses),
            clips: self.clips.mask_where(pixel_mask, other.clips),
        }
    }
}

/// Computes the losses of clips and the gradient of their sum; 0 if the losses do not depend on the
/// clips.
fn losses_and_gradient(
    clips: Tensor<5>,
    losses: &dyn Fn(Tensor<5>) -> Tensor<1>,
) -> (Tensor<1>, Tensor<5>) {
    // Cuts off the graph of earlier steps: only the gradient at this point is needed.
    let tracked = clips.detach().require_grad();
    let values = losses(tracked.clone());
    // Clips do not influence each other's losses, so one backward pass of the sum gives all gradients.
    let gradients = values.clone().sum().backward();
    let gradient = match tracked.grad(&gradients) {
        // A gradient lives on the inner device: back to the autodiff device of the clips.
        Some(gradient) => Tensor::from_data(gradient.into_data(), &tracked.device()),
        None => tracked.zeros_like(),
    };
    (values.detach(), gradient)
}

/// Noise with the shape of the clips, uniform in `[-1, 1)`.
fn uniform_noise(clips: &Tensor<5>, seed: u64, first_index: usize, start: usize) -> Tensor<5> {
    let shape = clips.dims();
    let size: usize = shape[1..].iter().product();
    // One stream for each clip: the noise of a clip does not depend on the rest of its batch.
    let clip_noise = |clip: usize| {
        let index = first_index + clip;
        let mut random = Stream::Attack { index, start }.of(seed);
        (0..size)
            .map(move |_| random.random_range(-1.0..1.0_f32))
            .collect::<Vec<f32>>()
    };
    let values: Vec<f32> = (0..shape[0]).flat_map(clip_noise).collect();
    Tensor::from_data(TensorData::new(values, shape), &clips.device())
}
