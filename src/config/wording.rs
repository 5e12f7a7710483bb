//! Turns a refused key into the sentence that a person reads.

use super::culprit::Failure;
use super::nearest::nearest;
use super::node::Problem;

/// The message of a failure whose path has been pinned down; the place is not part of it.
pub(super) fn message(failure: &Failure) -> String {
    let path = &failure.path;
    let holder = || path.parent().unwrap_or_default().as_table();
    match &failure.problem {
        Problem::UnknownKey { key, known } => {
            format!("unknown key `{key}` {}{}", holder(), choices(key, known))
        }
        Problem::UnknownChoice { choice, known } if path.last_key() == Some("kind") => {
            let choices = choices(choice, known);
            format!("unknown kind `{choice}` {}{choices}", holder())
        }
        Problem::UnknownChoice { choice, known } => {
            let choices = choices(choice, known);
            match path.last_key() {
                Some(key) if key == choice => format!("unknown key `{key}` {}{choices}", holder()),
                _ => format!("unknown value `{choice}` for `{path}`{choices}"),
            }
        }
        Problem::MissingKey(key) if path.0.is_empty() => {
            format!("missing `{key}` at the top level")
        }
        Problem::MissingKey(key) => format!("missing key `{key}` {}", path.as_table()),
        Problem::WrongValue { found, expected } => {
            let expected = in_plain_words(expected, found);
            let found = shortened(found);
            about(failure, &format!("expected {expected}, found {found}"))
        }
        Problem::Other(text) if text.starts_with("data did not match any variant") => {
            about(failure, "fits none of the forms that this key takes")
        }
        Problem::Other(text) => about(failure, text),
    }
}

/// The failure is that a value of another type stands where a string must.
pub(super) fn wants_a_string(problem: &Problem) -> bool {
    matches!(problem, Problem::WrongValue { expected, .. } if expected == "a string")
}

fn about(failure: &Failure, message: &str) -> String {
    if failure.path.0.is_empty() {
        return message.to_owned();
    }
    format!("`{}`: {message}", failure.path)
}

fn choices(name: &str, known: &[&str]) -> String {
    let suggestion = nearest(name, known)
        .map(|near| format!(" (did you mean `{near}`?)"))
        .unwrap_or_default();
    let quoted: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => format!("{suggestion}; nothing is allowed here"),
        [only] => format!("{suggestion}; expected {only}"),
        several => format!("{suggestion}; expected one of {}", several.join(", ")),
    }
}

/// What serde says was expected, without the names of Rust types.
fn in_plain_words(expected: &str, found: &str) -> String {
    let negative = found.contains(" -");
    let words = match expected {
        "u8" if !negative && found.starts_with("integer") => "a whole number from 0 to 255",
        "u16" if !negative && found.starts_with("integer") => "a whole number from 0 to 65535",
        "u32" if !negative && found.starts_with("integer") => "a whole number from 0 to 4294967295",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a non-negative whole number",
        "i8" if found.starts_with("integer") => "a whole number from -128 to 127",
        "i16" if found.starts_with("integer") => "a whole number from -32768 to 32767",
        "i32" if found.starts_with("integer") => "a whole number from -2147483648 to 2147483647",
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

fn in_plain_phrases(expected: &str) -> String {
    let is_table = |prefix| expected.starts_with(prefix);
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
        None => expected.to_owned(),
    }
}

fn shortened(found: &str) -> String {
    const LONGEST: usize = 60;
    if found.chars().count() <= LONGEST {
        return found.to_owned();
    }
    let head: String = found.chars().take(LONGEST).collect();
    format!("{head}...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_serde_are_put_plainly() {
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
            ("a tuple of size 2", "1 of them", "an array of 2 values"),
            (
                "2 elements in sequence",
                "3 of them",
                "an array of 2 values",
            ),
            ("one of the seven seas", "a table", "one of the seven seas"),
        ];
        for (expected, found, words) in plain {
            assert_eq!(
                in_plain_words(expected, found),
                words,
                "{expected}, {found}"
            );
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let found = format!("string \"{}\"", "x".repeat(100));
        assert_eq!(shortened(&found), format!("string \"{}...", "x".repeat(52)));
    }
}
