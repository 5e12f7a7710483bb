//! Innermost values of a JSON value, with their paths.

use serde_json::Value;

/// Returns the innermost values of a JSON value with their dotted paths, such as `training.lr`, in their order.
///
/// Objects are entered, and arrays of objects, whose keys are indices. Other arrays are values.
/// `rename` gets a path and a key within it, and returns the part of the path for this key; `None` leaves it out.
pub(crate) fn flatten(
    value: Value,
    rename: &impl Fn(&str, &str) -> Option<String>,
) -> Vec<(String, Value)> {
    let mut leaves = Vec::new();
    push_leaves(String::new(), value, rename, &mut leaves);
    leaves
}

fn push_leaves(
    path: String,
    value: Value,
    rename: &impl Fn(&str, &str) -> Option<String>,
    leaves: &mut Vec<(String, Value)>,
) {
    let within = |key: &str| match rename(&path, key) {
        None => path.clone(),
        Some(part) if path.is_empty() => part,
        Some(part) => format!("{path}.{part}"),
    };
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                push_leaves(within(&key), value, rename, leaves);
            }
        }
        Value::Array(tables) if tables.iter().all(Value::is_object) => {
            for (index, table) in tables.into_iter().enumerate() {
                push_leaves(within(&index.to_string()), table, rename, leaves);
            }
        }
        value => leaves.push((path, value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::flatten;

    #[test]
    fn paths_are_those_of_the_innermost_values() {
        let value = json!({ "a": { "B": { "c": 1 } }, "d": [{ "e": [2, 3] }], "f": [], "g": {} });
        let is_variant = |key: &str| key.starts_with(char::is_uppercase);
        let paths = flatten(value, &|_, key| (!is_variant(key)).then(|| key.to_owned()));
        let expected = [("a.c", json!(1)), ("d.0.e", json!([2, 3]))];
        assert_eq!(
            paths,
            expected.map(|(path, value)| (path.to_owned(), value))
        );
    }
}
