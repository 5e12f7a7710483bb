//! Evaluation of penalties on pixels: their values, and their gradients in the predicted frames.

use rayon::prelude::*;

use super::controls::{Draws, PartnerChoice};
use super::frame_diagrams::{Bars, Frames, HostFrames, betti_matching};
use super::pairs::Pairs;
use super::pixel_penalty::{FrameComparison, PixelChoice, PixelComparison, PixelPenalty};
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::topology::{Construction, CubicalComplex, Filtration, PixelGradient, Point};

/// Value of a penalty on pixels: its mean over all comparisons, and their number.
pub(super) struct PixelValue {
    pub(super) value: f64,
    pub(super) n_compared: usize,
    /// Derivatives with respect to the predicted pixels, counted over all clips.
    pub(super) gradient: PixelGradient,
}

/// One comparison: frames or clips of the prediction, and of the truth.
#[derive(Debug, Clone, Copy)]
struct Comparison {
    /// Predicted frames or clip, counted over all clips; the second is the first where there is one only.
    predicted: [usize; 2],
    /// True frames or clip in the same way, if they are compared with.
    truth: [usize; 2],
}

impl PixelPenalty {
    /// Computes the penalty on frames.
    ///
    /// `step` is the optimiser step, from which random pixels and shuffled partners are drawn.
    pub(super) fn evaluate(&self, frames: &HostFrames, step: usize) -> Result<PixelValue> {
        if self.comparison.reads_truth() {
            frames.required_truth()?;
        }
        let comparisons = self.comparisons(frames, step)?;
        let complex = CubicalComplex::new(self.filtration, Construction::TopCells)
            .with_min_persistence(self.min_persistence)?;
        // Diagrams of frames are shared by all penalties, so they are computed before the parallel loop, not within it.
        if self.uses_frame_diagrams() {
            frames.prediction.diagrams(self.filtration);
            if let Some(truth) = &frames.truth
                && self.comparison.reads_truth()
            {
                truth.diagrams(self.filtration);
            }
        }
        let outcomes: Vec<(f64, PixelGradient)> = comparisons
            .par_iter()
            .map_init(
                || complex.clone(),
                |complex, comparison| self.compare(complex, frames, *comparison, step),
            )
            .collect::<Result<_>>()?;
        let mut total = PixelValue {
            value: 0.0,
            n_compared: comparisons.len(),
            gradient: Vec::new(),
        };
        // Infinite without comparisons, but then the loop below does not run.
        let share = 1.0 / comparisons.len() as f64;
        // In the order of the comparisons, so that the sum does not depend on the number of threads.
        for (value, gradient) in outcomes {
            total.value += share * value;
            let scaled = gradient
                .into_iter()
                .map(|(pixel, slope)| (pixel, share * slope));
            total
                .gradient
                .extend(scaled.filter(|(pixel, _)| frames.is_within[*pixel]));
        }
        Ok(total)
    }

    /// True if the comparison starts from the diagrams of single frames.
    fn uses_frame_diagrams(&self) -> bool {
        match self.comparison {
            PixelComparison::Truth { frames, .. }
            | PixelComparison::Frames { frames, .. }
            | PixelComparison::Change { frames, .. } => {
                matches!(frames, FrameComparison::Distance(_))
            }
            PixelComparison::Volume { .. } => false,
            PixelComparison::Summary(_) | PixelComparison::BettiNumber(_) => true,
        }
    }

    /// Lists all comparisons of a batch, in a fixed order.
    fn comparisons(&self, frames: &HostFrames, step: usize) -> Result<Vec<Comparison>> {
        let [n_clips, n_frames, ..] = frames.shape;
        let single = |clip: usize, frame: usize| [clip * n_frames + frame; 2];
        let partner_of = |partners: PartnerChoice| {
            let shift = partners.shift(n_clips, step);
            // A single clip has no other one to be compared with.
            shift.map(|shift| move |clip: usize| (clip + shift) % n_clips)
        };
        let pairs_of = |pairs: Pairs| {
            let index_pairs = pairs.index_pairs(n_frames);
            if index_pairs.is_empty() {
                return Err(Error::invalid_parameter(format!(
                    "a penalty compares frames (pairs: {pairs}), but clips have {}",
                    counted(n_frames, "frame")
                )));
            }
            Ok(index_pairs)
        };
        let mut comparisons = Vec::new();
        match self.comparison {
            PixelComparison::Truth { partners, .. } => {
                let Some(partner) = partner_of(partners) else {
                    return Ok(comparisons);
                };
                for clip in 0..n_clips {
                    comparisons.extend((0..n_frames).map(|frame| Comparison {
                        predicted: single(clip, frame),
                        truth: single(partner(clip), frame),
                    }));
                }
            }
            PixelComparison::Frames { pairs, .. } => {
                let pairs = pairs_of(pairs)?;
                for clip in 0..n_clips {
                    comparisons.extend(pairs.iter().map(|pair| {
                        let predicted = pair.map(|frame| clip * n_frames + frame);
                        Comparison {
                            predicted,
                            truth: predicted,
                        }
                    }));
                }
            }
            PixelComparison::Change {
                pairs, partners, ..
            } => {
                let pairs = pairs_of(pairs)?;
                let Some(partner) = partner_of(partners) else {
                    return Ok(comparisons);
                };
                for clip in 0..n_clips {
                    comparisons.extend(pairs.iter().map(|pair| Comparison {
                        predicted: pair.map(|frame| clip * n_frames + frame),
                        truth: pair.map(|frame| partner(clip) * n_frames + frame),
                    }));
                }
            }
            PixelComparison::Volume { partners, .. } => {
                let Some(partner) = partner_of(partners) else {
                    return Ok(comparisons);
                };
                comparisons.extend((0..n_clips).map(|clip| Comparison {
                    predicted: [clip; 2],
                    truth: [partner(clip); 2],
                }));
            }
            PixelComparison::Summary(_) | PixelComparison::BettiNumber(_) => {
                comparisons.extend((0..n_clips * n_frames).map(|frame| Comparison {
                    predicted: [frame; 2],
                    truth: [frame; 2],
                }));
            }
        }
        Ok(comparisons)
    }

    /// Computes one comparison: its value, and its derivatives with respect to the predicted pixels.
    fn compare(
        &self,
        complex: &mut CubicalComplex<f64>,
        frames: &HostFrames,
        Comparison { predicted, truth }: Comparison,
        step: usize,
    ) -> Result<(f64, PixelGradient)> {
        let prediction = &frames.prediction;
        match self.comparison {
            PixelComparison::Truth { frames: kind, .. } => {
                let sides = [
                    (prediction, predicted[0], true),
                    (frames.required_truth()?, truth[0], false),
                ];
                self.compare_frames(complex, frames, kind, sides, step)
            }
            PixelComparison::Frames { frames: kind, .. } => {
                let sides = predicted.map(|frame| (prediction, frame, true));
                self.compare_frames(complex, frames, kind, sides, step)
            }
            PixelComparison::Change { frames: kind, .. } => {
                let truths = frames.required_truth()?;
                let aim = truth.map(|frame| (truths, frame, false));
                let (aim, _) = self.compare_frames(complex, frames, kind, aim, step)?;
                let sides = predicted.map(|frame| (prediction, frame, true));
                let (change, gradient) = self.compare_frames(complex, frames, kind, sides, step)?;
                let gap = change - aim;
                let scaled = gradient
                    .into_iter()
                    .map(|(pixel, slope)| (pixel, 2.0 * gap * slope));
                Ok((gap * gap, scaled.collect()))
            }
            PixelComparison::Volume { distance, .. } => {
                let n_pixels = frames.shape[1] * frames.n_pixels();
                let bars = prediction.volume_diagram(complex, predicted[0], self.homology_dim)?;
                let bars = bars.at_least(self.min_persistence);
                let offset = predicted[0] * n_pixels;
                let first = self.with_pixel_choice(bars, prediction, [offset, n_pixels], step);
                let truths = frames.required_truth()?;
                let second = truths.volume_diagram(complex, truth[0], self.homology_dim)?;
                let second = second.at_least(self.min_persistence);
                let cost = distance.value_and_gradient(&first.points, &second.points)?;
                Ok((cost.value, self.pixel_gradient(&first, &cost.first)))
            }
            PixelComparison::Summary(summary) => {
                let bars = self.bars(frames, (prediction, predicted[0], true), step);
                let summary = summary.value_and_gradient(&bars.points)?;
                Ok((summary.value, self.pixel_gradient(&bars, &summary.gradient)))
            }
            PixelComparison::BettiNumber(n) => {
                let bars = self.bars(frames, (prediction, predicted[0], true), step);
                let (value, gradient) = betti_number(&bars.points, n);
                Ok((value, self.pixel_gradient(&bars, &gradient)))
            }
        }
    }

    /// Compares two frames, each a side with the number of the frame and whether it receives gradients.
    fn compare_frames(
        &self,
        complex: &mut CubicalComplex<f64>,
        frames: &HostFrames,
        comparison: FrameComparison,
        sides: [(&Frames, usize, bool); 2],
        step: usize,
    ) -> Result<(f64, PixelGradient)> {
        let mut gradient = PixelGradient::new();
        match comparison {
            FrameComparison::Distance(distance) => {
                let bars = sides.map(|side| self.bars(frames, side, step));
                let cost = distance.value_and_gradient(&bars[0].points, &bars[1].points)?;
                for ((side, bars), slopes) in
                    sides.iter().zip(&bars).zip([&cost.first, &cost.second])
                {
                    if side.2 {
                        gradient.extend(self.pixel_gradient(bars, slopes));
                    }
                }
                Ok((cost.value, gradient))
            }
            FrameComparison::BettiMatching { order, ground_norm } => {
                let matching =
                    betti_matching(complex, sides.map(|(frames, frame, _)| (frames, frame)))?;
                let cost = matching.value_and_gradient(self.homology_dim, order, ground_norm)?;
                let diagrams = [&matching.first, &matching.second];
                for ((side, diagram), slopes) in
                    sides.iter().zip(diagrams).zip([&cost.first, &cost.second])
                {
                    if side.2 {
                        let offset = side.1 * frames.n_pixels();
                        let pixels = diagram[self.homology_dim].pixel_gradient(slopes);
                        gradient.extend(
                            pixels
                                .into_iter()
                                .map(|(pixel, slope)| (offset + pixel, slope)),
                        );
                    }
                }
                Ok((cost.value, gradient))
            }
        }
    }

    /// Bars of one frame that are long enough, whose pixels are counted over all clips.
    ///
    /// Those of predicted frames have random pixels where the penalty is a control.
    fn bars(
        &self,
        frames: &HostFrames,
        (side, frame, is_prediction): (&Frames, usize, bool),
        step: usize,
    ) -> Bars {
        let diagrams = &side.diagrams(self.filtration)[frame];
        let bars = diagrams[self.homology_dim].at_least(self.min_persistence);
        let n_pixels = frames.n_pixels();
        if !is_prediction {
            return bars;
        }
        self.with_pixel_choice(bars, side, [frame * n_pixels, n_pixels], step)
    }

    /// Counts the pixels of bars over all clips, and replaces them by random ones where the penalty is a control.
    ///
    /// `offset` is the first of the `n_pixels` pixels that the bars were computed from.
    fn with_pixel_choice(
        &self,
        mut bars: Bars,
        side: &Frames,
        [offset, n_pixels]: [usize; 2],
        step: usize,
    ) -> Bars {
        for pixel in bars.pixels.iter_mut().flatten().flatten() {
            *pixel += offset;
        }
        let PixelChoice::Random { seed } = self.pixels else {
            return bars;
        };
        // Seeded anew for each frame, so that neither the order of threads nor a resumed run changes the pixels.
        let mut draws = Draws::new(&[seed, step as u64, offset as u64]);
        let sign = self.sign();
        for (point, pixels) in bars.points.iter_mut().zip(&mut bars.pixels) {
            for (end, pixel) in point.iter_mut().zip(pixels.iter_mut()) {
                if let Some(pixel) = pixel {
                    *pixel = offset + draws.below(n_pixels);
                    *end = sign * side.value(*pixel);
                }
            }
            // A bar must not die before it is born. An end of the range has no pixel, and is the last number of all.
            if point[0] > point[1] {
                point.swap(0, 1);
                pixels.swap(0, 1);
            }
        }
        bars
    }

    /// Converts derivatives with respect to births and deaths to those with respect to pixels.
    fn pixel_gradient(&self, bars: &Bars, slopes: &[[f64; 2]]) -> PixelGradient {
        let sign = self.sign();
        let ends = bars.pixels.iter().flatten().zip(slopes.iter().flatten());
        ends.filter(|(_, slope)| **slope != 0.0)
            .filter_map(|(pixel, slope)| Some(((*pixel)?, sign * slope)))
            .collect()
    }

    /// Factor from values of pixels to births and deaths.
    fn sign(&self) -> f64 {
        match self.filtration {
            Filtration::Superlevel => -1.0,
            Filtration::Sublevel => 1.0,
        }
    }
}

/// Sum over the `n` longest bars of the squared gap of their persistence to 1, and over the others of its square.
///
/// Also returns the derivatives with respect to births and deaths.
fn betti_number(points: &[Point], n: usize) -> (f64, Vec<[f64; 2]>) {
    let mut order: Vec<usize> = (0..points.len()).collect();
    let persistence = |index: usize| points[index][1] - points[index][0];
    // Stable, so that equal bars keep the order of the diagram.
    order.sort_by(|&a, &b| persistence(b).total_cmp(&persistence(a)));
    // Bars that are missing have persistence 0.
    let mut value = n.saturating_sub(points.len()) as f64;
    let mut gradient = vec![[0.0; 2]; points.len()];
    for (rank, index) in order.into_iter().enumerate() {
        let gap = if rank < n {
            persistence(index) - 1.0
        } else {
            persistence(index)
        };
        value += gap * gap;
        gradient[index] = [-2.0 * gap, 2.0 * gap];
    }
    (value, gradient)
}
