//! Changes of pixels, of bounded size, that raise a loss.

use burn::prelude::*;
use rand::RngExt;

use super::batch::random_stream;

/// How a change is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// One step along the sign of the gradient (Goodfellow et al. 2015).
    Fgsm,
    /// Steps along the sign of the gradient from random starts, each brought back into the bound; of all places
    /// passed, the one of the greatest loss (Madry et al. 2018). The first start is the image itself.
    Pgd {
        /// Steps from each start; each is 2.5 times the bound over their number.
        n_steps: usize,
        /// Starts.
        n_starts: usize,
    },
    /// No gradient: a random corner of the bound. What any change of this size does.
    Random,
}

impl Attack {
    /// Changed clips: no pixel moves by more than `epsilon`, a fraction of the range of pixels, and none leaves the
    /// range.
    ///
    /// `losses` gives the loss of each clip of a batch, and must compute the same whenever it is called. What is
    /// drawn depends on `seed` and on the place of a clip in the data, `first_place` for the first, not on how clips
    /// are cut into batches.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`, pixels in [-1, 1], on an autodiff device
    /// - `losses`: `[batch_size]`
    ///
    /// # Cost
    ///
    /// Of `Fgsm` one forward and backward pass; of `Pgd` `n_starts` times (`n_steps` and one forward).
    pub fn apply(
        self,
        clips: &Tensor<5>,
        epsilon: f64,
        seed: u64,
        first_place: usize,
        losses: &dyn Fn(Tensor<5>) -> Tensor<1>,
    ) -> Tensor<5> {
        let clips = clips.clone().detach();
        // Pixels of a model span 2.
        let bound = 2.0 * epsilon;
        let within = |changed: Tensor<5>| {
            let low = (clips.clone() - bound).clamp_min(-1.0);
            let high = (clips.clone() + bound).clamp_max(1.0);
            changed.max_pair(low).min_pair(high)
        };
        match self {
            Self::Fgsm => {
                let (_, gradient) = gradient_at(clips.clone(), losses);
                within(clips.clone() + gradient.sign() * bound)
            }
            Self::Random => {
                within(clips.clone() + drawn(&clips, seed, first_place, 0).sign() * bound)
            }
            Self::Pgd { n_steps, n_starts } => {
                let step = 2.5 * bound / n_steps.max(1) as f64;
                let mut best: Option<(Tensor<1>, Tensor<5>)> = None;
                let mut keep = |found: Tensor<1>, at: &Tensor<5>| {
                    best = Some(match best.take() {
                        None => (found, at.clone()),
                        Some((most, place)) => {
                            let is_more = found.clone().greater(most.clone());
                            let n = is_more.dims()[0];
                            let of_clips =
                                is_more.clone().reshape([n, 1, 1, 1, 1]).expand(at.dims());
                            (
                                most.mask_where(is_more, found),
                                place.mask_where(of_clips, at.clone()),
                            )
                        }
                    });
                };
                for start in 0..n_starts.max(1) {
                    let mut at = match start {
                        0 => clips.clone(),
                        _ => {
                            within(clips.clone() + drawn(&clips, seed, first_place, start) * bound)
                        }
                    };
                    for _ in 0..n_steps {
                        let (found, gradient) = gradient_at(at.clone(), losses);
                        keep(found, &at);
                        at = within(at + gradient.sign() * step);
                    }
                    keep(losses(at.clone()).detach(), &at);
                }
                best.map_or(clips.clone(), |(_, at)| at)
            }
        }
    }
}

/// The losses there, and their gradients; no gradient is none.
fn gradient_at(
    clips: Tensor<5>,
    losses: &dyn Fn(Tensor<5>) -> Tensor<1>,
) -> (Tensor<1>, Tensor<5>) {
    let tracked = clips.detach().require_grad();
    let found = losses(tracked.clone());
    let gradients = found.clone().sum().backward();
    let gradient = match tracked.grad(&gradients) {
        Some(gradient) => Tensor::from_data(gradient.into_data(), &tracked.device()),
        None => tracked.zeros_like(),
    };
    (found.detach(), gradient)
}

/// Even in [-1, 1], by clip.
fn drawn(clips: &Tensor<5>, seed: u64, first_place: usize, start: usize) -> Tensor<5> {
    let shape = clips.dims();
    let size: usize = shape[1..].iter().product();
    let of_clip = |clip: usize| {
        let mut random = random_stream(seed, &[(first_place + clip) as u64, start as u64]);
        (0..size)
            .map(move |_| random.random_range(-1.0..1.0_f32))
            .collect::<Vec<f32>>()
    };
    let values: Vec<f32> = (0..shape[0]).flat_map(of_clip).collect();
    Tensor::from_data(TensorData::new(values, shape), &clips.device())
}
