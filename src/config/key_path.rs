//! Path of a key from the root of a file, such as `topology.1.weight`.

use std::fmt;

use toml::Value;

/// One step of a path: a key of a table, or an index of an array.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

/// Steps from the root to a value; empty for the root itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct KeyPath(pub(super) Vec<Segment>);

impl KeyPath {
    /// Reads `topology.1.weight` or `topology[1].weight`; `None` if a step is empty.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // Both spellings of an index become a step of digits.
        let dotted = text.replace('[', ".").replace(']', "");
        dotted
            .split('.')
            .map(str::trim)
            .map(|step| match step.parse() {
                _ if step.is_empty() => None,
                // No key consists of digits alone, so such a step is an index.
                Ok(index) => Some(Segment::Index(index)),
                Err(_) => Some(Segment::Key(step.to_owned())),
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    /// Path of a key in the table at this path.
    pub(super) fn key(&self, key: &str) -> Self {
        self.child(Segment::Key(key.to_owned()))
    }

    /// Path of an element of the array at this path.
    pub(super) fn index(&self, index: usize) -> Self {
        self.child(Segment::Index(index))
    }

    fn child(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// Path of the table or array that holds this value; `None` for the root.
    pub(super) fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        Some(Self(above.to_vec()))
    }

    /// True if `other` is this path or a path above it.
    pub(super) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Last step of the path if it is a key; `None` otherwise.
    pub(super) fn last_key(&self) -> Option<&str> {
        match self.0.last() {
            Some(Segment::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// Value at this path under `root`; `None` if there is none.
    pub(super) fn find<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        self.0
            .iter()
            .try_fold(root, |value, segment| match segment {
                Segment::Key(key) => value.get(key.as_str()),
                Segment::Index(index) => value.get(*index),
            })
    }

    /// Value at this path under `root`, to be changed; `None` if there is none.
    pub(super) fn find_mut<'v>(&self, root: &'v mut Value) -> Option<&'v mut Value> {
        self.0
            .iter()
            .try_fold(root, |value, segment| match segment {
                Segment::Key(key) => value.get_mut(key.as_str()),
                Segment::Index(index) => value.get_mut(*index),
            })
    }

    /// Longest part of this path, from the root, that exists under `root`.
    pub(super) fn existing(&self, root: &Value) -> Self {
        let mut path = self.clone();
        // Ends at the latest with the empty path, which is the root.
        while path.find(root).is_none() {
            path.0.pop();
        }
        path
    }

    /// This path in dotted form, without the indices of arrays.
    pub(super) fn without_indices(&self) -> String {
        let keys = self.0.iter().filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        });
        keys.collect::<Vec<_>>().join(".")
    }

    /// Place of the keys of the table at this path, as TOML writes it: `in [model]`,
    /// `in [[topology]]`, `at the top level`.
    pub(super) fn as_table(&self) -> String {
        let name = self.without_indices();
        match self.0.last() {
            None => "at the top level".to_owned(),
            Some(Segment::Key(_)) => format!("in [{name}]"),
            Some(Segment::Index(_)) => format!("in [[{name}]]"),
        }
    }
}

impl fmt::Display for KeyPath {
    /// Writes the path in the form that `--set` takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, segment) in self.0.iter().enumerate() {
            if depth > 0 {
                f.write_str(".")?;
            }
            match segment {
                Segment::Key(key) => f.write_str(key)?,
                Segment::Index(index) => write!(f, "{index}")?,
            }
        }
        Ok(())
    }
}

impl From<&serde_path_to_error::Path> for KeyPath {
    fn from(path: &serde_path_to_error::Path) -> Self {
        use serde_path_to_error::Segment as Step;
        // Steps after an unknown one would be relative to a place that is not known.
        let segments = path.iter().map_while(|step| match step {
            Step::Seq { index } => Some(Segment::Index(*index)),
            Step::Map { key } => Some(Segment::Key(key.clone())),
            // The variant of an enum is a key in the file, as in `pairs = { stride = 2 }`.
            Step::Enum { variant } => Some(Segment::Key(variant.clone())),
            Step::Unknown => None,
        });
        Self(segments.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_written_with_a_dot_or_brackets() {
        let path = KeyPath::parse("topology[1].weight.value").unwrap();
        assert_eq!(
            Some(&path),
            KeyPath::parse("topology.1.weight.value").as_ref()
        );
        assert_eq!(path.to_string(), "topology.1.weight.value");
    }

    #[test]
    fn a_path_with_an_empty_step_is_none() {
        for text in ["", ".", "a.", ".a", "a..b", "a[]", " . "] {
            assert_eq!(KeyPath::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn tables_are_named_as_in_toml() {
        let name = |text: &str| KeyPath::parse(text).unwrap().as_table();
        assert_eq!(KeyPath::default().as_table(), "at the top level");
        assert_eq!(name("model"), "in [model]");
        assert_eq!(name("training.optimizer"), "in [training.optimizer]");
        assert_eq!(name("topology[2]"), "in [[topology]]");
        assert_eq!(name("topology[2].weight"), "in [topology.weight]");
    }
}
