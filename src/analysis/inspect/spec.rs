//! What is looked at, in the words of configurations.

use super::seen::Seen;
use crate::distance::RowDistance;
use crate::error::{Error, Result};
use crate::loss::{Layers, Source, TopologyPenalty};
use crate::nn::Tokens;
use crate::topology::VietorisRips;

/// Which heads become matrices, beside the mean of all, which always does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadChoice {
    /// None: the mean alone.
    Mean,
    /// Every head by itself.
    Each,
    /// These.
    Of(Vec<usize>),
}

/// What of a model is looked at, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectSpec {
    /// Layers that are read.
    pub layers: Layers,
    /// Heads that are read.
    pub heads: HeadChoice,
    /// What is read of them.
    pub source: Source,
    /// What two tokens are compared by.
    pub distance: RowDistance,
    /// Which tokens are points.
    pub tokens: Tokens,
    /// Largest homology dimension.
    pub max_homology_dim: usize,
}

impl InspectSpec {
    /// Refuses what contradicts itself.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`](crate::Error::is_invalid_parameter) if a choice does not go with another, or is
    /// out of range.
    pub fn validate(&self) -> Result<()> {
        let penalty = TopologyPenalty {
            source: self.source,
            distance: self.distance,
            tokens: self.tokens,
            ..TopologyPenalty::new(0)
        };
        penalty.validate()?;
        VietorisRips::<f64>::new(self.max_homology_dim).map(|_| ())
    }

    /// Layers of a model that show what is read.
    pub(super) fn n_layers_of(&self, seen: &Seen) -> Result<usize> {
        let n_layers = match self.source {
            Source::Hidden => seen.hidden.len(),
            Source::Attention | Source::DoubleSoftmax => seen.attention.len(),
        };
        if n_layers == 0 {
            return Err(Error::invalid_parameter(format!(
                "the model shows no {}, expected that of each layer",
                self.source_name()
            )));
        }
        Ok(n_layers)
    }

    /// The layers, by number, of a model with so many.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if there is no such layer.
    pub fn layers_of(&self, n_layers: usize) -> Result<Vec<usize>> {
        match &self.layers {
            Layers::All => Ok((0..n_layers).collect()),
            Layers::Of(layers) => chosen(layers, n_layers, "layer"),
        }
    }

    /// The heads that become matrices, by number, of a layer with so many; hidden states have none.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if there is no such head.
    pub fn heads_of(&self, n_heads: usize) -> Result<Vec<usize>> {
        match (&self.heads, self.source) {
            (_, Source::Hidden) | (HeadChoice::Mean, _) => Ok(Vec::new()),
            (HeadChoice::Each, _) => Ok((0..n_heads).collect()),
            (HeadChoice::Of(heads), _) => chosen(heads, n_heads, "head"),
        }
    }

    /// What is read, in words.
    pub fn source_name(&self) -> &'static str {
        match self.source {
            Source::Attention => "attention",
            Source::DoubleSoftmax => "double_softmax",
            Source::Hidden => "hidden",
        }
    }
}

/// Each once, in order.
fn chosen(wanted: &[usize], n_all: usize, what: &str) -> Result<Vec<usize>> {
    if let Some(bad) = wanted.iter().find(|&&place| place >= n_all) {
        return Err(Error::invalid_parameter(format!(
            "there is no {what} {bad}, expected {what}s from 0 to {}",
            n_all.saturating_sub(1)
        )));
    }
    let mut found = wanted.to_vec();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
