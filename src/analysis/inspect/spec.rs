//! Settings of an inspection.

use super::forward_pass::ForwardPass;
use crate::distance::RowDistance;
use crate::error::{Error, Result};
use crate::loss::{Layers, Source};
use crate::model::TokenLayout;
use crate::nn::Tokens;
use crate::topology::VietorisRips;

/// Heads that are analysed one by one, in addition to the mean of all heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadChoice {
    /// No single head, only the mean of all.
    Mean,
    /// Every head.
    Each,
    /// Heads with these indices, counted from 0.
    Indices(Vec<usize>),
}

/// Precision of distances and diagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// 32 bits, the precision in which models compute.
    #[default]
    F32,
    /// 64 bits, in which distances take about four times as long. The attention itself is still that of the model.
    F64,
}

impl Precision {
    /// Returns the name in files and command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// Returns the number of bytes of one number.
    pub(super) fn n_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// Choice of layers, heads, distance, tokens and precision for an inspection.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectSpec {
    /// Layers that are analysed.
    pub layers: Layers,
    /// Heads that are analysed in addition to their mean.
    pub heads: HeadChoice,
    /// Rows that are compared: attention, its softmax, or hidden states.
    pub source: Source,
    /// Distance between two rows.
    pub distance: RowDistance,
    /// Tokens that become points.
    pub tokens: Tokens,
    /// Largest homology dimension that is computed.
    pub max_homology_dim: usize,
    /// Precision of distances and diagrams.
    pub precision: Precision,
}

impl Default for InspectSpec {
    /// All layers, each head, and Jensen-Shannon distances between the attention rows of the patches, in dimensions 0
    /// and 1 and in the precision of the model.
    fn default() -> Self {
        Self {
            layers: Layers::All,
            heads: HeadChoice::Each,
            source: Source::Attention,
            distance: RowDistance::JENSEN_SHANNON,
            tokens: Tokens::Patches,
            max_homology_dim: 1,
            precision: Precision::F32,
        }
    }
}

impl InspectSpec {
    /// Checks that the settings fit together.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`](crate::Error::is_invalid_parameter) if a setting contradicts another or is
    /// out of range.
    pub fn validate(&self) -> Result<()> {
        self.source.check_distance(self.distance)?;
        VietorisRips::<f64>::new(self.max_homology_dim).map(|_| ())
    }

    /// Returns the number of layers of a forward pass that have the rows which the settings ask for.
    pub(super) fn n_layers(&self, forward_pass: &ForwardPass) -> Result<usize> {
        let n_layers = match self.source {
            Source::Hidden => forward_pass.hidden.len(),
            Source::Attention | Source::DoubleSoftmax => forward_pass.attention.len(),
        };
        if n_layers == 0 {
            let missing = match self.source {
                Source::Hidden => "hidden states",
                Source::Attention | Source::DoubleSoftmax => "attention",
            };
            return Err(Error::invalid_parameter(format!(
                "the model returns no {missing}, expected {missing} for every layer"
            )));
        }
        Ok(n_layers)
    }

    /// Returns the indices of the chosen layers of a model with `n_layers` layers, in order and without repetition.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if a chosen layer does not exist.
    pub fn layer_indices(&self, n_layers: usize) -> Result<Vec<usize>> {
        match &self.layers {
            Layers::All => Ok((0..n_layers).collect()),
            Layers::Indices(layers) => sorted_indices(layers, n_layers, "layer"),
        }
    }

    /// Returns the indices of the chosen heads of a layer with `n_heads` heads, in order and without repetition; empty
    /// for hidden states, which have no heads.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if a chosen head does not exist.
    pub fn head_indices(&self, n_heads: usize) -> Result<Vec<usize>> {
        match (&self.heads, self.source) {
            (_, Source::Hidden) | (HeadChoice::Mean, _) => Ok(Vec::new()),
            (HeadChoice::Each, _) => Ok((0..n_heads).collect()),
            (HeadChoice::Indices(heads), _) => sorted_indices(heads, n_heads, "head"),
        }
    }

    /// Returns the number of points of each matrix.
    pub(super) fn n_points(&self, layout: TokenLayout) -> usize {
        match self.tokens {
            Tokens::All => layout.n_tokens(),
            Tokens::Patches => layout.n_tokens() - layout.n_prefix_tokens,
        }
    }

    /// Returns the name of the source in files and command lines.
    pub fn source_name(&self) -> &'static str {
        match self.source {
            Source::Attention => "attention",
            Source::DoubleSoftmax => "double_softmax",
            Source::Hidden => "hidden",
        }
    }
}

/// Sorts the requested indices and removes duplicates; refuses indices that are not below `n`.
fn sorted_indices(requested: &[usize], n: usize, noun: &str) -> Result<Vec<usize>> {
    if let Some(index) = requested.iter().find(|&&index| index >= n) {
        return Err(Error::invalid_parameter(format!(
            "there is no {noun} {index}, expected {noun}s from 0 to {}",
            n.saturating_sub(1)
        )));
    }
    // A repeated index would have its matrices analysed, and its lines drawn, twice.
    let mut indices = requested.to_vec();
    indices.sort_unstable();
    indices.dedup();
    Ok(indices)
}
