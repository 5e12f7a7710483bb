//! Messages for keys that were refused, in plain words.

use super::key_path::KeyPath;
use super::nearest::nearest;
use super::node::Problem;

/// Message about the problem of one key, without its location.
///
/// `path` is that of the key at fault; `written` is the same path as users write it.
pub(super) fn message(path: &KeyPath, problem: &Problem, written: &str) -> String {
    let table = || path.parent().unwrap_or_default().as_table();
    match problem {
        Problem::UnknownKey { key, known } => {
            format!("unknown key `{key}` {}{}", table(), choices(key, known))
        }
        Problem::UnknownChoice { choice, known } if path.last_key() == Some("kind") => {
            let choices = choices(choice, known);
            format!("unknown kind `{choice}` {}{choices}", table())
        }
        Problem::UnknownChoice { choice, known } => {
            let choices = choices(choice, known);
            match path.last_key() {
                // In a table such as `{ stride = 2 }` the choice is written as a key.
                Some(key) if key == choice => format!("unknown key `{key}` {}{choices}", table()),
                _ => format!("unknown value `{choice}` for `{written}`{choices}"),
            }
        }
        Problem::MissingKey(key) => format!("missing key `{key}` {}", path.as_table()),
        Problem::WrongValue { actual, expected } => {
            let expected = in_plain_words(expected, actual);
            let actual = shortened(actual);
            about(written, &format!("expected {expected}, found {actual}"))
        }
        // The text of serde for an untagged enum, which tells nothing about the value.
        Problem::Other(text) if text.starts_with("data did not match any variant") => {
            about(written, "fits none of the forms that this key takes")
        }
        Problem::Other(text) => about(written, text),
    }
}

/// Required key that a table lacks.
pub(super) struct Missing<'a> {
    pub(super) key: &'a str,
    /// Words that the key takes, if it takes one of a few.
    pub(super) choices: Option<&'a [&'static str]>,
    /// Usual value, as it is written in a file.
    pub(super) usual: Option<&'a str>,
}

/// Message about the required keys that the table at a path lacks; there is at least one.
pub(super) fn missing_keys(path: &KeyPath, missing: &[Missing<'_>]) -> String {
    let table = path.as_table();
    if let [only] = missing {
        let key = only.key;
        let expected = match (only.choices, only.usual) {
            (Some([choice]), _) => format!(", expected `{choice}`"),
            (Some(choices), _) => format!(", expected one of {}", quoted(choices)),
            (None, Some(usual)) => format!(", for example `{key} = {usual}`"),
            (None, None) => String::new(),
        };
        return format!("missing key `{key}` {table}{expected}");
    }
    let items = missing.iter().map(
        |Missing {
             key,
             choices,
             usual,
         }| match (choices, usual) {
            (Some(choices), _) => format!("`{key}` (one of {})", quoted(choices)),
            (None, Some(usual)) => format!("`{key} = {usual}`"),
            (None, None) => format!("`{key}`"),
        },
    );
    let items: Vec<String> = items.collect();
    let with_examples = if missing.iter().any(|key| key.usual.is_some()) {
        ", here with usual values"
    } else {
        ""
    };
    format!("missing keys {table}{with_examples}: {}", items.join(", "))
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// True if a value of another type was given where a string is expected.
pub(super) fn wants_a_string(problem: &Problem) -> bool {
    matches!(problem, Problem::WrongValue { expected, .. } if expected == "a string")
}

/// Message about the key at a path; the path is empty for the whole file.
fn about(written: &str, message: &str) -> String {
    if written.is_empty() {
        return message.to_owned();
    }
    format!("`{written}`: {message}")
}

/// Known names after an unknown one, with the one that was probably meant first.
fn choices(name: &str, known: &[&str]) -> String {
    let suggestion = nearest(name, known)
        .map(|near| format!(" (did you mean `{near}`?)"))
        .unwrap_or_default();
    match known {
        [] => format!("{suggestion}; nothing is allowed here"),
        [only] => format!("{suggestion}; expected `{only}`"),
        several => format!("{suggestion}; expected one of {}", quoted(several)),
    }
}

/// Expectation in serde's words, without the names of Rust types.
fn in_plain_words(expected: &str, actual: &str) -> String {
    // For a negative number the lower bound is the point, and the upper one would distract from it.
    let negative = actual.contains(" -");
    let words = match expected {
        "u8" if !negative && actual.starts_with("integer") => "a whole number from 0 to 255",
        "u16" if !negative && actual.starts_with("integer") => "a whole number from 0 to 65535",
        "u32" if !negative && actual.starts_with("integer") => {
            "a whole number from 0 to 4294967295"
        }
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a non-negative whole number",
        "i8" if actual.starts_with("integer") => "a whole number from -128 to 127",
        "i16" if actual.starts_with("integer") => "a whole number from -32768 to 32767",
        "i32" if actual.starts_with("integer") => "a whole number from -2147483648 to 2147483647",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" | "map" => "a table",
        "unit" => "no value",
        "variant identifier" | "field identifier" => "a name in quotes",
        "string or map" => "a name in quotes or a table",
        "map with a single key" => "a table with exactly one key",
        "newtype variant" | "tuple variant" | "struct variant" => "a table `{ name = value }`",
        _ => return in_plain_phrases(expected),
    };
    words.to_owned()
}

/// Expectations that hold a name or a length, in plain words.
fn in_plain_phrases(expected: &str) -> String {
    let is_table = |prefix| expected.starts_with(prefix);
    // Serde describes the types `NonZero` in this way.
    if let Some(integer) = expected.strip_prefix("a nonzero ") {
        let signed = integer.starts_with('i');
        let words = if signed {
            "a whole number other than 0"
        } else {
            "a positive whole number"
        };
        return words.to_owned();
    }
    if [
        "struct ",
        "internally tagged enum",
        "adjacently tagged enum",
    ]
    .into_iter()
    .any(is_table)
    {
        return "a table".to_owned();
    }
    let length = expected
        .strip_prefix("an array of length ")
        .or_else(|| expected.strip_prefix("a tuple of size "))
        .or_else(|| expected.strip_suffix(" elements in sequence"))
        .or_else(|| expected.strip_suffix(" element in sequence"));
    match length {
        Some("1") => "an array of 1 value".to_owned(),
        Some(length) => format!("an array of {length} values"),
        // Unknown words stay as serde has them, rather than being lost.
        None => expected.to_owned(),
    }
}

/// Description of a value, cut so that a message stays one line.
fn shortened(actual: &str) -> String {
    const LONGEST: usize = 60;
    if actual.chars().count() <= LONGEST {
        return actual.to_owned();
    }
    let head: String = actual.chars().take(LONGEST).collect();
    format!("{head}...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_of_serde_become_plain_words() {
        let plain = [
            ("usize", "integer -3", "a non-negative whole number"),
            ("u8", "integer 300", "a whole number from 0 to 255"),
            ("u8", "integer -1", "a non-negative whole number"),
            ("u8", "string \"a -b\"", "a non-negative whole number"),
            ("i64", "float 0.5", "a whole number"),
            ("f64", "string \"x\"", "a number"),
            ("a boolean", "integer 1", "true or false"),
            ("a nonzero usize", "integer 0", "a positive whole number"),
            ("struct Training", "integer 1", "a table"),
            ("a tuple of size 2", "1 value", "an array of 2 values"),
            ("2 elements in sequence", "3 values", "an array of 2 values"),
            ("one of the seven seas", "a table", "one of the seven seas"),
        ];
        for (expected, actual, words) in plain {
            assert_eq!(
                in_plain_words(expected, actual),
                words,
                "{expected}, {actual}"
            );
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let actual = format!("string \"{}\"", "x".repeat(100));
        assert_eq!(
            shortened(&actual),
            format!("string \"{}...", "x".repeat(52))
        );
    }
}
