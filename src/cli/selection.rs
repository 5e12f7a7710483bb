//! Options of `analyze` and `anomaly` that select layers, rows and tokens.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::evaluate::Split;
use super::{Failure, log_notes};
use crate::analysis::inspect::{HeadChoice, InspectSpec, InspectionSet, Precision};
use crate::data::open_data;
use crate::distance::{RowDistance, RowMetric};
use crate::evaluate::LoadedRun;
use crate::loss::{Layers, Source};
use crate::nn::Tokens;

/// Options that select what is inspected, in the words of `[[topology]]` tables.
// Stored in the file of `anomaly fit`, so that `anomaly score` compares the same rows.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(super) struct SelectionArguments {
    /// Layers to inspect: `all`, or numbers counted from 0, as in `0,5,11`.
    #[arg(long, default_value = "all")]
    layers: LayersArgument,
    /// Rows of each layer whose distances are taken.
    #[arg(long, value_enum, default_value_t)]
    source: Source,
    /// Distance between two rows [default: cosine for hidden states, jensen_shannon otherwise].
    #[arg(long, value_enum)]
    distance: Option<RowMetric>,
    /// Power that distances are raised to; 2 turns the Jensen-Shannon distance into the Jensen-Shannon divergence.
    #[arg(long, default_value_t = 1.0)]
    exponent: f64,
    /// Tokens whose rows are compared.
    #[arg(long, value_enum, default_value_t)]
    tokens: Tokens,
    /// Largest homology dimension; with hundreds of tokens, 2 takes much longer than 1.
    #[arg(long, default_value_t = 1)]
    max_homology_dim: usize,
}

/// Value of `--layers`; `None` for all layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LayersArgument(Option<Vec<usize>>);

impl std::str::FromStr for LayersArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "all" => None,
            list => Some(numbers(list).ok_or("expected `all` or numbers counted from 0")?),
        }))
    }
}

/// Takes `n_samples` evenly spaced samples of a split of a run's data.
pub(super) fn split_samples(
    run: &LoadedRun,
    split: Split,
    n_samples: u32,
) -> Result<InspectionSet, Failure> {
    // The whole data set, also where training used only a subset of it.
    let data = log_notes(open_data(&run.config.spec.data)?);
    Ok(InspectionSet::from_split(
        split.samples(&data),
        n_samples as usize,
    )?)
}

/// Parses numbers separated by commas; `None` if a part is not a number.
pub(super) fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(',')
        .map(|part| part.trim().parse().ok())
        .collect()
}

impl SelectionArguments {
    /// Converts the options to an inspection specification.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`](crate::Error::is_invalid_parameter) if the options contradict each other.
    pub(super) fn spec(&self, heads: HeadChoice) -> crate::Result<InspectSpec> {
        let layers = match &self.layers.0 {
            None => Layers::All,
            Some(layers) => Layers::Indices(layers.clone()),
        };
        // Hidden states are not distributions, which the Jensen-Shannon distance needs.
        let default_metric = match self.source {
            Source::Hidden => RowMetric::Cosine,
            Source::Attention | Source::DoubleSoftmax => RowMetric::JensenShannon,
        };
        let spec = InspectSpec {
            layers,
            heads,
            source: self.source,
            distance: RowDistance {
                metric: self.distance.unwrap_or(default_metric),
                exponent: self.exponent,
            },
            tokens: self.tokens,
            max_homology_dim: self.max_homology_dim,
            precision: Precision::default(),
        };
        spec.validate()?;
        Ok(spec)
    }
}
