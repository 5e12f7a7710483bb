//! Names of penalties, by which logs, messages and metrics refer to them.

use super::pairs::Between;
use super::penalty::TopologyPenalty;
use super::penalty_kind::PenaltyKind;
use crate::choice::word;
use crate::error::{Error, Result};

/// Default name of a penalty, from the words that a configuration file uses for its parts.
///
/// Returns `h1_layers` for a distance between diagrams, `h1_total_persistence` for a summary of one
/// diagram, and `cosine_consistency_layers` for a penalty that computes no diagrams; `None` if the
/// name needs a homology dimension and there is none.
pub(crate) fn default_penalty_name(
    kind: &str,
    homology_dim: Option<usize>,
    between: &str,
) -> Option<String> {
    Some(match kind {
        "distance_matrix" | "cosine_consistency" | "entropy_band" => format!("{kind}_{between}"),
        "total_persistence" | "persistent_entropy" => format!("h{}_{kind}", homology_dim?),
        _ => format!("h{}_{between}", homology_dim?),
    })
}

/// Default name of a penalty on pixels, from its homology dimension and a word for what is compared.
pub(crate) fn default_pixel_name(homology_dim: usize, comparison: &str) -> String {
    format!("h{homology_dim}_pixels_{comparison}")
}

/// Name of one penalty, as given or by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PenaltyName {
    /// Name that the user chose; it is never changed.
    Given(String),
    /// Name made of the parts of the penalty; it is numbered where another penalty has it.
    Default(String),
}

/// Gives every penalty of a list a name of its own.
///
/// Given names come first. Default names follow in the order of the list; one that is taken gets
/// the first free suffix of `_2`, `_3`, ...
pub(crate) fn distinct_names(names: &[PenaltyName]) -> Vec<String> {
    let mut taken: Vec<String> = names
        .iter()
        .filter_map(|name| match name {
            PenaltyName::Given(given) => Some(given.clone()),
            PenaltyName::Default(_) => None,
        })
        .collect();
    names
        .iter()
        .map(|name| match name {
            PenaltyName::Given(given) => given.clone(),
            PenaltyName::Default(base) => {
                let mut name = base.clone();
                let mut number = 2;
                // A given name may itself look like a numbered default, so every number is tried.
                while taken.contains(&name) {
                    name = format!("{base}_{number}");
                    number += 1;
                }
                taken.push(name.clone());
                name
            }
        })
        .collect()
}

impl TopologyPenalty {
    /// Name of this penalty in logs and messages: [`TopologyPenalty::name`], or else a default.
    ///
    /// ```text
    /// h1_layers                  distances and divergences: homology dimension, and what is compared
    /// h1_total_persistence       summaries of one diagram: homology dimension, and the summary
    /// cosine_consistency_layers  penalties without diagrams: their kind, and what is compared
    /// h1_pixels_truth            penalties on pixels: homology dimension, and what is compared
    /// ```
    ///
    /// [`TopologyRegularizer::names`](super::TopologyRegularizer::names) are these names, with `_2`,
    /// `_3`, ... after default names that occur more than once.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::loss::{ItemPairs, RowPenalty, TopologyPenalty};
    ///
    /// let penalty = TopologyPenalty::new(1);
    /// assert_eq!(penalty.effective_name(), "h1_layers");
    /// let cosine = TopologyPenalty::from(RowPenalty::CosineConsistency { pairs: ItemPairs::frames() });
    /// assert_eq!(cosine.effective_name(), "cosine_consistency_frames");
    /// assert_eq!(penalty.with_name("cycles").effective_name(), "cycles");
    /// ```
    pub fn effective_name(&self) -> String {
        match self.name_or_default() {
            PenaltyName::Given(name) | PenaltyName::Default(name) => name,
        }
    }

    pub(crate) fn name_or_default(&self) -> PenaltyName {
        if let Some(name) = &self.name {
            return PenaltyName::Given(name.clone());
        }
        let kind = match &self.kind {
            PenaltyKind::Diagrams(penalty) => word(&penalty.distance),
            PenaltyKind::Summary(penalty) => word(&penalty.summary),
            PenaltyKind::TokenWise(penalty) => word(&penalty.divergence),
            PenaltyKind::Rows(penalty) => word(penalty),
            PenaltyKind::Pixels(penalty) => {
                let comparison = penalty.comparison.word();
                let name = default_pixel_name(penalty.homology_dim, comparison);
                return PenaltyName::Default(name);
            }
        };
        let between = match self.kind.pairs() {
            Some(pairs) => word(&pairs.between),
            None => word(&Between::Layers),
        };
        let name = default_penalty_name(&kind, self.kind.homology_dim(), &between);
        PenaltyName::Default(name.expect("kinds named by their homology dimension have one"))
    }

    /// Checks that a given name can be part of a metric's name and of a key path.
    pub(crate) fn validate_name(&self) -> Result<()> {
        let is_allowed = |name: &str| {
            let mut characters = name.chars();
            let first = characters.next();
            first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match &self.name {
            Some(name) if !is_allowed(name) => Err(Error::invalid_parameter(format!(
                "name is `{name}`, expected letters, digits and `_`, not starting with a digit"
            ))),
            _ => Ok(()),
        }
    }
}

/// Index of the first penalty whose given name an earlier penalty has too; `None` if there is none.
pub(crate) fn repeated_name(penalties: &[TopologyPenalty]) -> Option<usize> {
    (0..penalties.len()).find(|&index| {
        let name = &penalties[index].name;
        name.is_some() && penalties[..index].iter().any(|other| other.name == *name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{
        ItemPairs, RowPenalty, SummaryPenalty, TokenWiseDivergence, TokenWisePenalty,
        TopologyRegularizer,
    };
    use crate::topology::DiagramSummary;

    fn penalty(homology_dim: usize, name: Option<&str>) -> TopologyPenalty {
        TopologyPenalty {
            name: name.map(str::to_owned),
            ..TopologyPenalty::new(homology_dim)
        }
    }

    #[test]
    fn default_names_say_what_is_compared() {
        let total = DiagramSummary::TotalPersistence {
            order: 1.0,
            window: [0.0, f64::INFINITY],
        };
        let token_wise = |divergence, pairs| {
            TopologyPenalty::from(TokenWisePenalty::new(divergence).with_pairs(pairs))
        };
        let matrices = TokenWiseDivergence::DistanceMatrix { order: 2.0 };
        let pairs = ItemPairs::frames();
        let band = RowPenalty::EntropyBand {
            low: 0.1,
            high: 0.9,
        };
        let cases = [
            (TopologyPenalty::new(0), "h0_layers"),
            (
                token_wise(TokenWiseDivergence::Rtd, ItemPairs::frames()),
                "h1_frames",
            ),
            (SummaryPenalty::new(1, total).into(), "h1_total_persistence"),
            (
                SummaryPenalty::new(1, DiagramSummary::PersistentEntropy).into(),
                "h1_persistent_entropy",
            ),
            (
                token_wise(matrices, ItemPairs::views()),
                "distance_matrix_views",
            ),
            (
                RowPenalty::CosineConsistency { pairs }.into(),
                "cosine_consistency_frames",
            ),
            (band.into(), "entropy_band_layers"),
        ];
        for (penalty, name) in cases {
            assert_eq!(penalty.effective_name(), name);
        }
    }

    #[test]
    fn equal_default_names_are_numbered_in_order() {
        let penalties = [(1, None), (0, None), (1, None), (1, None)];
        let penalties = penalties.map(|(dim, name)| penalty(dim, name)).to_vec();
        let regularizer = TopologyRegularizer::new(penalties).unwrap();
        assert_eq!(
            regularizer.names(),
            ["h1_layers", "h0_layers", "h1_layers_2", "h1_layers_3"]
        );
    }

    #[test]
    fn given_names_are_kept_and_defaults_avoid_them() {
        let penalties = vec![
            penalty(1, None),
            penalty(1, None),
            penalty(0, Some("h1_layers")),
            penalty(0, Some("h1_layers_2")),
        ];
        let regularizer = TopologyRegularizer::new(penalties).unwrap();
        assert_eq!(
            regularizer.names(),
            ["h1_layers_3", "h1_layers_4", "h1_layers", "h1_layers_2"]
        );
    }

    #[test]
    fn names_that_cannot_be_used_are_refused() {
        for name in ["", "1a", "a b", "a.b", "a-b", "h\u{e9}"] {
            let error = TopologyRegularizer::new(vec![penalty(0, Some(name))]).unwrap_err();
            let message = format!(
                "penalty 0: name is `{name}`, expected letters, digits and `_`, not starting with a digit"
            );
            assert_eq!(error.to_string(), message);
        }
        let twice = vec![penalty(0, Some("a")), penalty(1, Some("a"))];
        assert_eq!(
            TopologyRegularizer::new(twice).unwrap_err().to_string(),
            "penalty 1: an earlier penalty is named `a` too, expected a name of its own"
        );
    }
}
