//! Captions of generated clips: which combinations and wordings are held out of training, and the vocabulary.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

use super::factors::{Action, Factors};
use super::grammar::Wording;
use super::{ClipKind, MovingDigits};
use crate::data::caption::{Caption, HeldOut, Vocabulary, words};

/// Captions of a data set of moving digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigitCaptions {
    /// True to hold combinations of digit and kind, and wordings, out of the training split.
    ///
    /// Combinations are those of a Latin square: the kind with number `i` among the kinds, without repetitions, never
    /// shows digit `d` if `d` and `i` differ by a multiple of the number of kinds. So training has every digit, and every
    /// kind, but not all pairs. Held-out clips are in the other splits only.
    pub hold_out: bool,
}

/// Share of the clips outside of training whose caption has a held-out wording.
const PARAPHRASED: f64 = 0.25;

impl DigitCaptions {
    /// Caption of a clip, in a random wording.
    pub(super) fn caption(
        self,
        factors: &Factors,
        is_training: bool,
        is_held_out: bool,
        random: &mut impl Rng,
    ) -> Caption {
        // Combinations and wordings are told apart, so a clip has only one of them held out.
        let paraphrases =
            self.hold_out && !is_training && !is_held_out && random.random_bool(PARAPHRASED);
        let wordings: Vec<Wording> = Wording::all()
            .filter(|wording| !self.hold_out || wording.can_be_held_out() == paraphrases)
            .collect();
        let wording = wordings.choose(random).copied();
        let held_out = match (is_held_out, paraphrases) {
            (true, _) => HeldOut::Combination,
            (false, true) => HeldOut::Paraphrase,
            (false, false) => HeldOut::Nothing,
        };
        Caption {
            text: wording.map_or_else(String::new, |wording| factors.sentence(wording)),
            held_out,
        }
    }
}

impl MovingDigits {
    /// True if clips of a digit and a kind are held out of the training split.
    pub(super) fn is_held_out(&self, digit: usize, kind: ClipKind) -> bool {
        if !self.captions.is_some_and(|captions| captions.hold_out) {
            return false;
        }
        let mut kinds: Vec<ClipKind> = Vec::new();
        for &kind in &self.kinds {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let place = kinds.iter().position(|&other| other == kind);
        place.is_some_and(|place| digit % kinds.len() == place % kinds.len())
    }

    /// Words of all captions of moving digits, of whatever kinds; `None` without captions.
    pub fn vocabulary(&self) -> Option<Vocabulary> {
        self.captions?;
        let sentences: Vec<String> = ClipKind::ALL
            .into_iter()
            .flat_map(sentences)
            .map(|(_, sentence, _)| sentence)
            .collect();
        Some(Vocabulary::of(sentences.iter().map(String::as_str)))
    }

    /// Tells what a caption has that was held out of the training split; nothing for captions of other clips.
    ///
    /// # Cost
    ///
    /// Compares the caption with every sentence of the grammar: some milliseconds.
    pub fn held_out(&self, caption: &str) -> HeldOut {
        if !self.captions.is_some_and(|captions| captions.hold_out) {
            return HeldOut::Nothing;
        }
        let asked: Vec<String> = words(caption).collect();
        for &kind in &self.kinds {
            for (factors, sentence, wording) in sentences(kind) {
                if words(&sentence).eq(asked.iter().cloned()) {
                    return if self.is_held_out(factors.digit, kind) {
                        HeldOut::Combination
                    } else if wording.can_be_held_out() {
                        HeldOut::Paraphrase
                    } else {
                        HeldOut::Nothing
                    };
                }
            }
        }
        HeldOut::Nothing
    }
}

/// All sentences about clips of a kind, with their factors and wordings.
fn sentences(kind: ClipKind) -> Vec<(Factors, String, Wording)> {
    let partners: Vec<Option<usize>> = if kind.has_two() {
        (0..10).map(Some).collect()
    } else {
        vec![None]
    };
    let mut sentences = Vec::new();
    for digit in 0..10 {
        for &partner in &partners {
            for action in Action::all(kind) {
                let factors = Factors {
                    digit,
                    partner,
                    action,
                };
                sentences.extend(
                    Wording::all().map(|wording| (factors, factors.sentence(wording), wording)),
                );
            }
        }
    }
    sentences
}
