//! Names of the `[[topology]]` tables of a configuration, before it is known to be valid.

use toml::Value;

use super::error::ConfigError;
use super::key_path::{KeyPath, Segment};
use super::nearest::nearest;
use crate::loss::{PenaltyName, default_penalty_name, default_pixel_name, distinct_names};

/// Key of the array of tables whose entries have names.
const ARRAY: &str = "topology";

/// Name of each `[[topology]]` table, in order.
///
/// A name is `None` where a key that a default name is made of is missing or of the wrong type;
/// such a table has an index only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PenaltyNames(Vec<Option<String>>);

impl PenaltyNames {
    /// Reads the names under the root of a configuration.
    pub(super) fn from_root(root: &Value) -> Self {
        let tables = root.get(ARRAY).and_then(Value::as_array);
        let names: Vec<Option<PenaltyName>> =
            tables.into_iter().flatten().map(name_of_table).collect();
        // Numbered without the tables that have no name, so that an unfinished table changes no other name.
        let known: Vec<PenaltyName> = names.iter().flatten().cloned().collect();
        let mut distinct = distinct_names(&known).into_iter();
        Self(
            names
                .iter()
                .map(|name| name.as_ref().and_then(|_| distinct.next()))
                .collect(),
        )
    }

    /// Replaces the name in a path such as `topology.h1_layers.weight` by the index of its table.
    ///
    /// # Errors
    ///
    /// No table has the name; `location` is where the path was written.
    pub(super) fn resolve(&self, path: &mut KeyPath, location: &str) -> Result<(), ConfigError> {
        let [Segment::Key(array), entry, ..] = path.0.as_mut_slice() else {
            return Ok(());
        };
        // An index needs no replacement; one that is too large is refused when the override is applied.
        let Segment::Key(name) = entry else {
            return Ok(());
        };
        if array != ARRAY {
            return Ok(());
        }
        let index = self
            .index(name)
            .map_err(|message| ConfigError::new(location, message))?;
        *entry = Segment::Index(index);
        Ok(())
    }

    /// Index of the table with a name, which may be an index itself.
    ///
    /// # Errors
    ///
    /// A message about the names that there are.
    pub(super) fn index(&self, name: &str) -> Result<usize, String> {
        let by_name = self
            .0
            .iter()
            .position(|known| known.as_deref() == Some(name));
        let by_index = || name.parse().ok().filter(|index| *index < self.0.len());
        by_name.or_else(by_index).ok_or_else(|| self.unknown(name))
    }

    /// Path with the name of a penalty in place of its index, where it has one.
    pub(super) fn named(&self, path: &KeyPath) -> KeyPath {
        let mut path = path.clone();
        if let [Segment::Key(array), entry, ..] = path.0.as_mut_slice()
            && array == ARRAY
            && let Segment::Index(index) = *entry
            && let Some(Some(name)) = self.0.get(index)
        {
            *entry = Segment::Key(name.clone());
        }
        path
    }

    fn unknown(&self, name: &str) -> String {
        if self.0.is_empty() {
            return format!("no penalty is named `{name}`; there is no [[{ARRAY}]] table");
        }
        let known: Vec<&str> = self.0.iter().flatten().map(String::as_str).collect();
        let suggestion = nearest(name, &known)
            .map(|near| format!(" (did you mean `{near}`?)"))
            .unwrap_or_default();
        let quoted: String = known.iter().map(|name| format!("`{name}`, ")).collect();
        format!(
            "no penalty is named `{name}`{suggestion}; expected one of {quoted}or an index, as in \
             `{ARRAY}.0`"
        )
    }
}

/// True if a value written to `path` can change which table has which name.
///
/// Names stay as they are in the file while overrides change other keys, `homology_dim` for
/// example, so that the order of overrides does not matter.
pub(super) fn changes_names(path: &KeyPath) -> bool {
    match path.0.as_slice() {
        [] => true,
        [Segment::Key(array)] | [Segment::Key(array), Segment::Index(_)] => array == ARRAY,
        [Segment::Key(array), Segment::Index(_), Segment::Key(key)] => {
            array == ARRAY && key == "name"
        }
        _ => false,
    }
}

fn name_of_table(table: &Value) -> Option<PenaltyName> {
    if let Some(name) = table.get("name") {
        return name
            .as_str()
            .map(|name| PenaltyName::Given(name.to_owned()));
    }
    // Without these keys they have their defaults.
    let is_of_pixels = match table.get("source") {
        Some(source) => source.as_str()? == "prediction",
        None => false,
    };
    let between = match table.get("between") {
        Some(between) => between.as_str()?,
        None if is_of_pixels => "truth",
        None => "layers",
    };
    let kind = match table.get("penalty") {
        Some(penalty) => penalty.get("kind")?.as_str()?,
        None => "wasserstein",
    };
    let homology_dim = table.get("homology_dim").and_then(Value::as_integer);
    // A negative number is refused later, with a message about the key.
    let homology_dim = homology_dim.and_then(|dim| usize::try_from(dim).ok());
    let name = if is_of_pixels {
        let comparison = match kind {
            "total_persistence" | "persistent_entropy" => "summary",
            "betti_number" => kind,
            _ => between,
        };
        Some(default_pixel_name(homology_dim?, comparison))
    } else {
        default_penalty_name(kind, homology_dim, between)
    };
    name.map(PenaltyName::Default)
}
