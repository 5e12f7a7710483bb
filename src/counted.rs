//! Counts with their noun in the right number, for messages and reports.

/// Returns a number and its noun, given in the singular: `1 frame`, `2 classes`.
pub(crate) fn counted(n: usize, noun: &str) -> String {
    format!("{n} {}", numbered(n, noun))
}

/// Returns a noun, given in the singular, in the form that stands after the number `n`.
pub(crate) fn numbered(n: usize, noun: &str) -> String {
    if n == 1 {
        return noun.to_owned();
    }
    if let Some(stem) = noun.strip_suffix("ix") {
        return format!("{stem}ices");
    }
    if let Some(stem) = noun.strip_suffix('y') {
        return format!("{stem}ies");
    }
    // The `ch` of an epoch is a k.
    let hisses = noun.ends_with('s') || noun.ends_with("ch") && !noun.ends_with("epoch");
    let ending = if hisses { "es" } else { "s" };
    format!("{noun}{ending}")
}

/// Returns a text with its first letter in upper case.
#[cfg(feature = "cli")]
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn only_one_is_singular() {
        assert_eq!(counted(1, "step"), "1 step");
        assert_eq!(counted(1, "penalty"), "1 penalty");
        for (noun, expected) in [
            ("step", "0 steps"),
            ("class", "0 classes"),
            ("patch", "0 patches"),
            ("epoch", "0 epochs"),
            ("penalty", "0 penalties"),
            ("matrix", "0 matrices"),
        ] {
            assert_eq!(counted(0, noun), expected);
        }
    }
}
