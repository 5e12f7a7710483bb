//! Captions of clips, and the vocabulary of their words.

use std::collections::BTreeSet;

use crate::error::{Error, Result};

/// Sentence that says what a clip shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caption {
    /// The sentence: words separated by single spaces.
    pub text: String,
    /// Part of the caption that the training split does not contain.
    pub held_out: HeldOut,
}

/// Part of a caption that was held out of the training split, so that it tests generalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeldOut {
    /// The training split has captions of this kind.
    Nothing,
    /// The training split has the digit and the motion, but never together.
    Combination,
    /// The training split has what the caption says, but not in these words.
    Paraphrase,
}

/// Words that captions may use, with the number of each.
///
/// Number 0 fills up captions that are shorter than others ([`Vocabulary::PAD`]), and number 1 stands for an absent
/// caption ([`Vocabulary::NULL`]); the words follow in alphabetical order.
///
/// # Example
///
/// ```
/// use burn_topology::data::Vocabulary;
///
/// let vocabulary = Vocabulary::of(["a five moves left", "an eight moves"]);
/// assert_eq!(vocabulary.encode("A five moves.", 4)?, [2, 5, 7, 0]);
/// assert_eq!(vocabulary.null_caption(3), [1, 0, 0]);
/// let error = vocabulary.encode("a fife moves", 4).unwrap_err().to_string();
/// assert!(error.contains("`fife`") && error.contains("`five`"));
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// Ascending, each once.
    words: Vec<String>,
}

impl Vocabulary {
    /// Number that fills up short captions.
    pub const PAD: usize = 0;

    /// Number that stands for an absent caption.
    pub const NULL: usize = 1;

    /// Number of the first word.
    const FIRST: usize = 2;

    /// Collects the words of captions.
    pub fn of<'a>(captions: impl IntoIterator<Item = &'a str>) -> Self {
        let words: BTreeSet<String> = captions.into_iter().flat_map(words).collect();
        Self {
            words: words.into_iter().collect(),
        }
    }

    /// Number of different numbers in encoded captions: the words, and the two that are none.
    pub fn n_numbers(&self) -> usize {
        Self::FIRST + self.words.len()
    }

    /// The words, in the order of their numbers.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Numbers of the words of a caption, filled up to `max_words` numbers. Case and punctuation do not matter.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the caption has no word, more than `max_words`, or words that are not in the
    /// vocabulary, each of which is named with the nearest known one.
    pub fn encode(&self, caption: &str, max_words: usize) -> Result<Vec<usize>> {
        let words: Vec<String> = words(caption).collect();
        if words.is_empty() {
            return Err(Error::invalid_parameter(
                "the caption is empty, expected a sentence",
            ));
        }
        if words.len() > max_words {
            return Err(Error::invalid_parameter(format!(
                "the caption `{caption}` has {} words, expected at most {max_words}",
                words.len()
            )));
        }
        let found: Vec<(&String, Option<usize>)> = words
            .iter()
            .map(|word| (word, self.words.binary_search(word).ok()))
            .collect();
        let unknown: Vec<String> = found
            .iter()
            .filter(|(_, number)| number.is_none())
            .map(|(word, _)| {
                format!(
                    "`{word}` (the nearest known word is `{}`)",
                    self.nearest(word)
                )
            })
            .collect();
        if !unknown.is_empty() {
            return Err(Error::invalid_parameter(format!(
                "the caption `{caption}` has words that the model was not trained on: {}",
                unknown.join(", ")
            )));
        }
        let numbers = found
            .into_iter()
            .filter_map(|(_, number)| Some(Self::FIRST + number?));
        let mut encoded: Vec<usize> = numbers.collect();
        encoded.resize(max_words, Self::PAD);
        Ok(encoded)
    }

    /// Numbers of an absent caption.
    pub fn null_caption(&self, max_words: usize) -> Vec<usize> {
        let mut encoded = vec![Self::PAD; max_words];
        if let Some(first) = encoded.first_mut() {
            *first = Self::NULL;
        }
        encoded
    }

    /// Known word with the smallest edit distance to another one; the first one in the alphabet if there are several.
    fn nearest(&self, word: &str) -> &str {
        let nearest = (self.words.iter()).min_by_key(|known| edit_distance(word, known));
        nearest.map_or("", String::as_str)
    }
}

/// Words of a caption in lower case, without punctuation.
pub(super) fn words(caption: &str) -> impl Iterator<Item = String> {
    caption
        .split(|letter: char| !(letter.is_alphanumeric() || letter == '\''))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// Smallest number of insertions, deletions and substitutions of letters that turn one word into another.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, letter) in from.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, other) in to.iter().enumerate() {
            let substituted = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(row[column].min(diagonal) + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distances_are_known() {
        for (from, to, distance) in [
            ("kitten", "sitting", 3),
            ("", "abc", 3),
            ("five", "five", 0),
        ] {
            assert_eq!(edit_distance(from, to), distance);
            assert_eq!(edit_distance(to, from), distance);
        }
    }

    #[test]
    fn captions_that_cannot_be_encoded_are_refused() {
        let vocabulary = Vocabulary::of(["a five moves left"]);
        let message = |caption: &str| vocabulary.encode(caption, 3).unwrap_err().to_string();
        assert!(message(" .,").contains("is empty"));
        assert!(message("a five moves left").contains("4 words, expected at most 3"));
        let unknown = message("a fivf jumps");
        assert!(unknown.contains("`fivf` (the nearest known word is `five`), `jumps`"));
        assert_eq!(vocabulary.n_numbers(), 6);
    }
}
