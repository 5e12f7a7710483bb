//! CutMix: rectangles of samples are exchanged, and their labels are mixed by area.

use rand::{Rng, RngExt};
use rand_distr::{Beta, Distribution};

use super::mixup::mixup;
use super::random_stream::Stream;
use super::{MixedLabel, Sample, SampleSpec};

/// Mixing of the samples of a batch: mixup, CutMix, or one of them at random.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixing {
    /// Parameter of the mixing weights of mixup, drawn from Beta(alpha, alpha); 0 turns mixup off.
    pub mixup_alpha: f64,
    /// Parameter of the areas of CutMix, drawn from Beta(alpha, alpha); 0 turns CutMix off.
    pub cutmix_alpha: f64,
}

impl Mixing {
    /// Mixes the batch of a step in place, and returns the mixed labels. Each batch is mixed by one of the two, with equal
    /// probabilities if both are on.
    pub fn apply(
        self,
        items: &mut [Sample],
        spec: SampleSpec,
        seed: u64,
        step: usize,
    ) -> Vec<MixedLabel> {
        // Random streams of their own for each step, so that a resumed run mixes the same pairs.
        let mut random = Stream::CutMix(step).of(seed);
        let cuts = match self {
            Self {
                cutmix_alpha: 0.0, ..
            } => false,
            Self {
                mixup_alpha: 0.0, ..
            } => true,
            _ => random.random_bool(0.5),
        };
        if cuts {
            cutmix(items, spec, self.cutmix_alpha, &mut random)
        } else {
            mixup(items, self.mixup_alpha, &mut Stream::Mixup(step).of(seed))
        }
    }
}

/// Exchanges one rectangle between each sample of a batch and its partner in reverse order, in all frames, and returns
/// the mixed labels.
///
/// ```text
/// height of the rectangle = sqrt(1 - lambda) height,  and so its width,    lambda ~ Beta(alpha, alpha), one for the batch
/// share of the sample's own label = 1 - area within the image / area of the image
/// ```
///
/// The centre of the rectangle is uniform in the image, whose border cuts it off.
///
/// # Source
///
/// Yun et al., "CutMix", ICCV 2019, equations 1 and 2; partners as in timm's batch mode.
fn cutmix(
    items: &mut [Sample],
    spec: SampleSpec,
    alpha: f64,
    random: &mut impl Rng,
) -> Vec<MixedLabel> {
    let labels: Vec<usize> = items.iter().map(|item| item.label).collect();
    let Ok(beta) = Beta::new(alpha, alpha) else {
        return labels.into_iter().map(MixedLabel::unmixed).collect();
    };
    let side = (1.0 - beta.sample(random)).max(0.0).sqrt();
    let [rows, columns] = [spec.height, spec.width].map(|extent| {
        let length = (side * extent as f64) as usize;
        let centre = random.random_range(0..extent);
        let first = centre.saturating_sub(length / 2);
        first..(centre + length.div_ceil(2)).min(extent)
    });
    let (first, second) = items.split_at_mut(labels.len() / 2);
    for (item, partner) in first.iter_mut().zip(second.iter_mut().rev()) {
        let size = spec.height * spec.width;
        let channels = (item.pixels.chunks_mut(size)).zip(partner.pixels.chunks_mut(size));
        for (a, b) in channels {
            for row in rows.clone() {
                let line = row * spec.width + columns.start..row * spec.width + columns.end;
                a[line.clone()].swap_with_slice(&mut b[line]);
            }
        }
    }
    let cut = (rows.len() * columns.len()) as f64 / (spec.height * spec.width) as f64;
    labels
        .iter()
        .zip(labels.iter().rev())
        .map(|(&label, &partner)| MixedLabel {
            label,
            partner,
            lambda: 1.0 - cut,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: SampleSpec = SampleSpec {
        n_frames: 2,
        n_channels: 3,
        height: 8,
        width: 10,
        n_classes: 5,
    };

    /// Five samples whose pixels are all equal to their labels.
    fn items() -> Vec<Sample> {
        let item = |label| Sample::new(vec![label as f32; 2 * SPEC.frame_len()], label);
        (0..5).map(item).collect()
    }

    #[test]
    fn a_rectangle_is_exchanged_and_its_area_mixes_the_labels() {
        let mut n_mixed = 0;
        for step in 0..100 {
            let mut mixed = items();
            let labels = cutmix(&mut mixed, SPEC, 1.0, &mut Stream::CutMix(step).of(1));
            for (index, (item, label)) in mixed.iter().zip(&labels).enumerate() {
                assert_eq!((label.label, label.partner), (index, 4 - index));
                let own = |pixels: &[f32]| {
                    let n_own = pixels
                        .iter()
                        .filter(|pixel| **pixel == index as f32)
                        .count();
                    n_own as f64 / pixels.len() as f64
                };
                // The sample in the middle is its own partner.
                let expected = if index == 2 { 1.0 } else { label.lambda };
                assert!((own(&item.pixels) - expected).abs() < 1e-9, "step {step}");
                // The same rectangle in every channel of every frame.
                let channels: Vec<_> = item.pixels.chunks(80).collect();
                assert!(channels.iter().all(|channel| *channel == channels[0]));
                let others = |lines: usize| {
                    let places = (0..80).filter(|&place| channels[0][place] != index as f32);
                    let mut lines: Vec<_> = places
                        .map(|place| match lines {
                            0 => place / 10,
                            _ => place % 10,
                        })
                        .collect();
                    lines.sort_unstable();
                    lines.dedup();
                    lines.len()
                };
                let area = channels[0]
                    .iter()
                    .filter(|pixel| **pixel != index as f32)
                    .count();
                assert_eq!(others(0) * others(1), area, "no rectangle at step {step}");
            }
            n_mixed += usize::from(labels[0].lambda < 1.0);
        }
        assert!(n_mixed > 80, "{n_mixed}");
    }

    #[test]
    fn alone_each_kind_is_always_used_and_together_each_half_of_the_time() {
        let of = |mixup_alpha, cutmix_alpha| Mixing {
            mixup_alpha,
            cutmix_alpha,
        };
        let is_cut = |mixing: Mixing, step| {
            let mut mixed = items();
            mixing.apply(&mut mixed, SPEC, 4, step);
            // Mixup makes labels that are no whole numbers.
            mixed[0].pixels.iter().all(|pixel| pixel.fract() == 0.0)
        };
        let count = |mixing| (0..200).filter(|&step| is_cut(mixing, step)).count();
        assert_eq!(count(of(0.0, 1.0)), 200);
        assert_eq!(count(of(1.0, 0.0)), 0);
        let both = count(of(1.0, 1.0));
        assert!((70..130).contains(&both), "{both}");
        // Without CutMix, mixup is what it was before there was CutMix.
        let (mut a, mut b) = (items(), items());
        let labels = of(0.8, 0.0).apply(&mut a, SPEC, 4, 7);
        assert_eq!(labels, mixup(&mut b, 0.8, &mut Stream::Mixup(7).of(4)));
        assert_eq!(a, b);
        let mut same = items();
        of(0.0, 0.0).apply(&mut same, SPEC, 4, 7);
        assert_eq!(same, items());
    }
}
