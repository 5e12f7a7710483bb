//! Penalties on predicted frames themselves, whose bars are components and holes of grey images.

use super::controls::PartnerChoice;
use super::pairs::Pairs;
use crate::error::{Error, Result};
use crate::topology::{DiagramDistance, DiagramSummary, Filtration, GroundNorm, Power};

/// Penalty on the persistence diagrams of predicted grey frames, [`Activations::frames`](super::Activations::frames).
///
/// Bright things are components of the superlevel sets of a frame (diagonal neighbours are connected), and their holes are
/// holes of the sets. Values lie between 0 and 1: others are clamped, and receive no gradient. The component that never
/// dies dies at the end of this range.
///
/// The choices of other penalties that concern layers and rows have no effect.
///
/// # Source
///
/// Hu, Li, Samaras, Chen, "Topology-preserving deep image segmentation", 2019 (predicted against true images).
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::prelude::*;
///
/// // One predicted frame with two spots, and the true frame, in which they are one.
/// let device = Device::flex().autodiff();
/// let prediction = Tensor::<4>::from_data([[[[0.9, 0.3, 0.8]]]], &device).require_grad();
/// let truth = Tensor::<4>::from_data([[[[0.9, 0.9, 0.8]]]], &device);
/// let penalty = PixelPenalty::new(0, PixelComparison::truth());
/// let regularizer = TopologyRegularizer::new(vec![penalty.into()])?;
/// let activations = Activations::from_frames(prediction.clone(), Some(truth));
/// let topology = regularizer.forward(&activations, Clock::default())?;
/// // Only a brighter pixel between the spots, and a darker second spot, make the second bar shorter.
/// let gradient = prediction.grad(&topology.loss.backward()).unwrap();
/// let signs = gradient.sign().into_data().try_into_vec::<f32>().unwrap();
/// assert_eq!(signs, [0.0, -1.0, 1.0]);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PixelPenalty {
    /// Homology dimension: 0 for components, 1 for holes; of a volume 1 for tunnels and 2 for voids.
    pub homology_dim: usize,
    /// What is compared.
    pub comparison: PixelComparison,
    /// Persistence below which bars are left out, from 0 to 1.
    ///
    /// It keeps the noise of a background out of the diagrams.
    pub min_persistence: f64,
    /// Filtration: bright things are components, or dark ones.
    pub filtration: Filtration,
    /// Pixels whose values serve as births and deaths: the critical ones, or as a control random ones.
    pub pixels: PixelChoice,
}

/// Comparison that a penalty on pixels makes.
///
/// ```text
/// p_f, t_f   diagrams of frame f of the predicted and of the true clip
/// C          the value of a FrameComparison
/// ```
///
/// # Example
///
/// ```
/// use burn_topology::loss::{PixelComparison, PixelPenalty, TopologyRegularizer};
///
/// // Every predicted frame shows one component, and nothing else.
/// let penalty = PixelPenalty::new(0, PixelComparison::BettiNumber(1));
/// assert!(TopologyRegularizer::new(vec![penalty.into()]).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PixelComparison {
    /// Each predicted frame with its true frame: `C(p_f, t_f)`.
    Truth {
        /// Comparison of the two frames.
        frames: FrameComparison,
        /// Clip that the true frame comes from: the same, or as a control another one of the batch.
        partners: PartnerChoice,
    },
    /// Predicted frames of a clip with each other: `C(p_f, p_g)`.
    Frames {
        /// Comparison of the two frames.
        frames: FrameComparison,
        /// Pairs of frames.
        pairs: Pairs,
    },
    /// Change from frame to frame, in the prediction and in the truth: `(C(p_f, p_g) - C(t_f, t_g))^2`.
    ///
    /// Change is wanted where the truth changes.
    Change {
        /// Comparison of two frames of one clip.
        frames: FrameComparison,
        /// Pairs of frames.
        pairs: Pairs,
        /// Clip whose change is the aim: the same, or as a control another one of the batch.
        partners: PartnerChoice,
    },
    /// Each predicted clip with its true clip, as volumes of time, height and width.
    ///
    /// A component is then the life of one object through all frames.
    Volume {
        /// Distance between the diagrams of the two volumes.
        distance: DiagramDistance,
        /// Clip that the truth comes from: the same, or as a control another one of the batch.
        partners: PartnerChoice,
    },
    /// Summary of the diagram of each predicted frame on its own.
    Summary(DiagramSummary),
    /// Number of bars that each predicted frame should have: the longest are made longer, all others shorter.
    ///
    /// ```text
    /// C(p) = sum over the n longest bars of (1 - persistence)^2 + sum over the others of persistence^2
    /// ```
    ///
    /// A bar that is missing counts as one of persistence 0. Source: Clough et al., "A topological loss function for
    /// deep-learning based image segmentation using persistent homology", 2020.
    BettiNumber(usize),
}

/// Comparison of the diagrams of two frames.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{FrameComparison, PartnerChoice, PixelComparison, PixelPenalty, TopologyRegularizer};
///
/// let frames = FrameComparison::BETTI_MATCHING;
/// let comparison = PixelComparison::Truth { frames, partners: PartnerChoice::Same };
/// assert!(TopologyRegularizer::new(vec![PixelPenalty::new(1, comparison).into()]).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FrameComparison {
    /// Distance between the diagrams, which matches bars wherever they lie.
    Distance(DiagramDistance),
    /// Betti matching: bars are matched only if they belong to the same place.
    ///
    /// ```text
    /// C(a, b) = sum over matched pairs of length^order         a bar without partner is matched with the diagonal
    /// ```
    ///
    /// See [`BettiMatching`](crate::topology::BettiMatching).
    BettiMatching {
        /// Power of the lengths, at least 1.
        order: f64,
        /// Norm by which the lengths of pairs are measured.
        ground_norm: GroundNorm,
    },
}

/// Pixels whose values serve as births and deaths.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{PixelChoice, PixelComparison, PixelPenalty, TopologyRegularizer};
///
/// let penalty = PixelPenalty::new(0, PixelComparison::truth());
/// let control = penalty.with_pixels(PixelChoice::Random { seed: 0 });
/// assert!(TopologyRegularizer::new(vec![penalty.into(), control.into()]).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelChoice {
    /// Critical pixels of persistent homology.
    Critical,
    /// Control: random pixels of predicted frames in place of the critical ones, drawn anew for each step and frame.
    ///
    /// Every bar keeps its number of pixels, ordered such that it does not die before it is born.
    Random {
        /// Seed of the random pixels.
        seed: u64,
    },
}

impl FrameComparison {
    /// Squared 2-Wasserstein distance, with ground norm L-infinity.
    pub const WASSERSTEIN: Self = Self::Distance(DiagramDistance::Wasserstein {
        order: 2.0,
        ground_norm: GroundNorm::Infinity,
        power: Power::P,
    });

    /// Betti matching of order 2, with ground norm L2, as its authors use it.
    pub const BETTI_MATCHING: Self = Self::BettiMatching {
        order: 2.0,
        ground_norm: GroundNorm::L2,
    };

    /// Checks the parameters.
    fn validate(self) -> Result<()> {
        match self {
            Self::Distance(distance) => validate_distance(distance),
            // The negation refuses NaN too.
            Self::BettiMatching { order, .. } if !(order.is_finite() && order >= 1.0) => {
                Err(Error::invalid_parameter(format!(
                    "order of the Betti matching is {order}, expected a finite number of at least 1"
                )))
            }
            Self::BettiMatching { .. } => Ok(()),
        }
    }
}

impl PixelComparison {
    /// Compares predicted and true frames by the squared 2-Wasserstein distance of their diagrams.
    pub fn truth() -> Self {
        Self::Truth {
            frames: FrameComparison::WASSERSTEIN,
            partners: PartnerChoice::Same,
        }
    }

    /// Compares consecutive predicted frames by the squared 2-Wasserstein distance of their diagrams.
    pub fn frames() -> Self {
        Self::Frames {
            frames: FrameComparison::WASSERSTEIN,
            pairs: Pairs::Consecutive,
        }
    }

    /// Compares the squared 2-Wasserstein distances between consecutive frames in prediction and truth.
    pub fn change() -> Self {
        Self::Change {
            frames: FrameComparison::WASSERSTEIN,
            pairs: Pairs::Consecutive,
            partners: PartnerChoice::Same,
        }
    }

    /// Word for what is compared, in names of penalties.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Truth { .. } => "truth",
            Self::Frames { .. } => "frames",
            Self::Change { .. } => "change",
            Self::Volume { .. } => "volume",
            Self::Summary(_) => "summary",
            Self::BettiNumber(_) => "betti_number",
        }
    }

    /// True if true frames are compared with.
    pub(super) fn reads_truth(&self) -> bool {
        matches!(
            self,
            Self::Truth { .. } | Self::Change { .. } | Self::Volume { .. }
        )
    }

    /// Comparison of two frames; `None` if there is none.
    fn frame_comparison(&self) -> Option<FrameComparison> {
        match *self {
            Self::Truth { frames, .. }
            | Self::Frames { frames, .. }
            | Self::Change { frames, .. } => Some(frames),
            Self::Volume { .. } | Self::Summary(_) | Self::BettiNumber(_) => None,
        }
    }
}

impl PixelPenalty {
    /// Creates a penalty on bright things, with all bars and their critical pixels.
    pub fn new(homology_dim: usize, comparison: PixelComparison) -> Self {
        Self {
            homology_dim,
            comparison,
            min_persistence: 0.0,
            filtration: Filtration::Superlevel,
            pixels: PixelChoice::Critical,
        }
    }

    /// Sets the persistence below which bars are left out.
    #[must_use]
    pub fn with_min_persistence(self, min_persistence: f64) -> Self {
        Self {
            min_persistence,
            ..self
        }
    }

    /// Sets the filtration.
    #[must_use]
    pub fn with_filtration(self, filtration: Filtration) -> Self {
        Self { filtration, ..self }
    }

    /// Sets the pixels whose values serve as births and deaths.
    #[must_use]
    pub fn with_pixels(self, pixels: PixelChoice) -> Self {
        Self { pixels, ..self }
    }

    /// Checks everything that does not depend on the frames.
    pub(super) fn validate(&self) -> Result<()> {
        let (name, largest) = match self.comparison {
            PixelComparison::Volume { .. } => ("a volume", 2),
            _ => ("a frame", 1),
        };
        if self.homology_dim > largest {
            return Err(Error::invalid_parameter(format!(
                "homology_dim of {name} is {}, expected at most {largest}",
                self.homology_dim
            )));
        }
        // The negation refuses NaN too.
        if !(0.0..=1.0).contains(&self.min_persistence) {
            return Err(Error::invalid_parameter(format!(
                "min_persistence is {}, expected a number from 0 to 1",
                self.min_persistence
            )));
        }
        match self.comparison {
            PixelComparison::Frames { pairs, .. } | PixelComparison::Change { pairs, .. } => {
                pairs.validate()?;
            }
            PixelComparison::Volume { distance, .. } => validate_distance(distance)?,
            PixelComparison::Summary(summary) => summary.validate()?,
            PixelComparison::Truth { .. } | PixelComparison::BettiNumber(_) => {}
        }
        let frames = self.comparison.frame_comparison();
        if let Some(frames) = frames {
            frames.validate()?;
        }
        let is_matching = matches!(frames, Some(FrameComparison::BettiMatching { .. }));
        if is_matching && self.pixels != PixelChoice::Critical {
            return Err(Error::invalid_parameter(
                "a Betti matching matches bars by their pixels, so that these cannot be random; use a distance",
            ));
        }
        Ok(())
    }
}

/// Checks a distance, which must not need equal births.
fn validate_distance(distance: DiagramDistance) -> Result<()> {
    if matches!(distance, DiagramDistance::SortedWasserstein { .. }) {
        return Err(Error::invalid_parameter(
            "the sorted Wasserstein distance needs equal births, which bars of images do not have; use another distance",
        ));
    }
    distance.validate()
}
