//! Words of a `[[topology]]` table that say what a penalty is computed from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::loss::{Between, Source};

/// `topology.source`: what a penalty is computed from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawSource {
    /// Attention rows.
    #[default]
    Attention,
    /// Attention rows after a second softmax, which makes them nearly uniform.
    DoubleSoftmax,
    /// Hidden states: the tokens after the layer, as vectors.
    Hidden,
    /// Predicted frames, as grey images whose bars are components and holes.
    Prediction,
}

impl RawSource {
    /// Tensor of a layer whose rows are compared; `None` for predicted frames.
    pub(in crate::config) fn rows(self) -> Option<Source> {
        match self {
            Self::Attention => Some(Source::Attention),
            Self::DoubleSoftmax => Some(Source::DoubleSoftmax),
            Self::Hidden => Some(Source::Hidden),
            Self::Prediction => None,
        }
    }
}

/// `topology.between`: kind of things that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawBetween {
    /// Layers, for each image or frame on its own.
    Layers,
    /// Frames of a clip: in each layer on its own, a head with the same head; or the predicted frames.
    Frames,
    /// Views of a sample, such as itself and its perturbed version, for each layer on its own.
    Views,
    /// The model and its reference, a frozen copy of the weights that fine-tuning started from, for each layer on its own.
    Reference,
    /// Each predicted frame and the true frame.
    Truth,
    /// The change from frame to frame in the prediction, and that in the truth.
    Change,
    /// Each predicted clip and the true clip, as volumes of time, height and width.
    Volume,
}

impl RawBetween {
    /// Default of `between` for a source.
    pub(in crate::config) fn default_of(source: RawSource) -> Self {
        match source {
            RawSource::Prediction => Self::Truth,
            RawSource::Attention | RawSource::DoubleSoftmax | RawSource::Hidden => Self::Layers,
        }
    }

    /// Kind of items that are compared; `None` if only predicted frames are compared so.
    pub(in crate::config) fn items(self) -> Option<Between> {
        match self {
            Self::Layers => Some(Between::Layers),
            Self::Frames => Some(Between::Frames),
            Self::Views => Some(Between::Views),
            Self::Reference => Some(Between::Reference),
            Self::Truth | Self::Change | Self::Volume => None,
        }
    }
}

/// `topology.pixels`: pixels of predicted frames whose values serve as births and deaths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPixels {
    /// Critical pixels, at which components and holes begin and end.
    #[default]
    Critical,
    /// Control: the same number of random pixels, drawn again at every step.
    Random,
}
