//! Words of choices, as configurations and messages spell them.

use std::fmt::Debug;

/// Word of a choice: the name of its variant in snake case, without its fields.
///
/// This is serde's rule `rename_all = "snake_case"`, so that a variant has one spelling everywhere, also
/// where the crate is built without serde.
pub(crate) fn word(choice: &impl Debug) -> String {
    let debug = format!("{choice:?}");
    let mut word = String::new();
    for letter in debug.chars().take_while(|c| c.is_ascii_alphanumeric()) {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use super::word;
    use crate::topology::{DiagramSummary, GroundNorm};

    #[test]
    fn a_word_is_the_variant_in_snake_case() {
        assert_eq!(word(&GroundNorm::L2), "l2");
        assert_eq!(
            word(&DiagramSummary::PersistentEntropy),
            "persistent_entropy"
        );
        let total = DiagramSummary::TotalPersistence {
            order: 1.0,
            window: [0.0, 1.0],
        };
        assert_eq!(word(&total), "total_persistence");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn serde_spells_choices_in_the_same_way() {
        use crate::distance::RowMetric;
        use crate::loss::{Between, Normalize, Pairs};
        fn assert_same(choice: impl std::fmt::Debug + serde::Serialize) {
            assert_eq!(serde_json::json!(choice), word(&choice));
        }
        assert_same(RowMetric::JensenShannon);
        assert_same(GroundNorm::Infinity);
        assert_same(GroundNorm::L1);
        assert_same(Normalize::SpanningTree);
        assert_same(Between::Views);
        assert_same(Pairs::ToFirst);
    }
}
