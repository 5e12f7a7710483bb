//! Length of messages: a damaged file must not fill the screen with what was found in it.

use std::fmt::Write as _;

/// Largest number of lines of a message.
const MAX_LINES: usize = 3;

/// Largest number of characters of a line, which leaves room for the longest paths in use.
const MAX_LINE: usize = 1000;

/// Largest number of characters of a word that is not a path, such as a number or a value of a configuration.
const MAX_WORD: usize = 160;

/// Returns a message of at most three lines, without the middle of very long words and lines, and without control
/// characters.
pub(super) fn shortened(message: &str) -> String {
    let mut lines = message.lines();
    let mut out = String::new();
    for (index, line) in lines.by_ref().take(MAX_LINES).enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let words: Vec<String> = line.split(' ').map(shortened_word).collect();
        out.push_str(&without_middle(&words.join(" "), MAX_LINE));
    }
    match lines.count() {
        0 => {}
        // Into a `String`, which cannot fail.
        n => _ = write!(out, " [{n} more lines]"),
    }
    out
}

/// Word without its middle, if it is long and not a path.
fn shortened_word(word: &str) -> String {
    let is_plain = |c: char| !c.is_control();
    let word: String = if word.chars().all(is_plain) {
        word.to_owned()
    } else {
        word.escape_debug().to_string()
    };
    if word.contains(['/', '\\']) {
        word
    } else {
        without_middle(&word, MAX_WORD)
    }
}

/// Text of at most `most` characters, whose middle is replaced by its length if it is longer.
fn without_middle(text: &str, most: usize) -> String {
    let n = text.chars().count();
    if n <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(most / 2).collect();
    let end: String = text.chars().skip(n - most / 4).collect();
    format!("{start}[{} more characters]{end}", n - most / 2 - most / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_shortened_and_others_are_not() {
        let path = format!("a.toml:3:1: {}/b: expected `c`", "d".repeat(300));
        for message in ["one line", "two\nlines", path.as_str()] {
            assert_eq!(shortened(message), message);
        }
        assert_eq!(shortened("a\nb\nc\nd\ne"), "a\nb\nc [2 more lines]");
        let value = shortened(&format!("found {}, expected 1", "9".repeat(5000)));
        assert!(
            value.contains("[4881 more characters]") && value.len() < 220,
            "{value}"
        );
        assert!(value.starts_with("found 999") && value.ends_with(", expected 1"));
        assert_eq!(shortened("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        let line = "word ".repeat(10_000);
        assert!(shortened(&line).chars().count() < 1100);
    }
}
