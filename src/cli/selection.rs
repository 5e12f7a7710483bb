//! Options of `analyze` and `anomaly` that select layers, rows and tokens.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::evaluate::Split;
use super::output::log;
use super::tables::grouped;
use super::{Failure, log_notes};
use crate::analysis::inspect::{HeadChoice, InspectSpec, InspectionSet, Precision};
use crate::data::spread_in_class;
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

/// Takes `n_samples` samples of a split of a run's data, spread evenly over its classes, or those of one class.
///
/// `default` is the number that is taken if none is asked for.
pub(super) fn split_samples(
    run: &LoadedRun,
    split: Split,
    class: Option<usize>,
    n_samples: u32,
    default: u32,
) -> Result<InspectionSet, Failure> {
    // The whole data set, also where training used only a subset of it.
    let data = log_notes(run.whole_data()?);
    let samples = split.samples(&data);
    let indices = spread_in_class(samples, class, n_samples as usize);
    let of = match class {
        Some(class) => format!(" of class {}", run.classes()[class]),
        None => String::new(),
    };
    let name = format!("{} samples{of}", split.name());
    if indices.is_empty() {
        return Err(Failure::Error(format!(
            "there are no {name}, expected at least 1"
        )));
    }
    log_fewer(n_samples, default, indices.len(), &name);
    Ok(InspectionSet::from_split(
        samples,
        &indices,
        &run.classes(),
    )?)
}

/// Says that fewer samples are used than were asked for, because there are no more; `name` names them.
///
/// Nothing is said of the default number, which nobody asked for.
pub(super) fn log_fewer(n_asked: u32, default: u32, n_used: usize, name: &str) {
    let n_asked = n_asked as usize;
    if n_asked > n_used && n_asked != default as usize {
        log(&format!(
            "{} {name} were asked for and there are only {}, which are all used",
            grouped(n_asked),
            grouped(n_used)
        ));
    }
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
