//! Line and column of each key of a TOML text.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

use super::key_path::KeyPath;

/// Line and column, both counted from 1; columns count characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    line: usize,
    column: usize,
}

impl Position {
    /// Position of the first character of a text.
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// Position of the byte at `offset` in `text`, which may lie inside a character or at the end.
    pub(super) fn from_offset(text: &[u8], offset: usize) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        Self {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            // Lossy, because text that is not UTF-8 is reported with a position too.
            column: String::from_utf8_lossy(&before[line_start..])
                .chars()
                .count()
                + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Position of every key, table header and array element of a text.
///
/// That of a table with a header is its opening bracket, that of an array element its first
/// character, and that of anything else its key.
#[derive(Debug, Default)]
pub(super) struct Positions(BTreeMap<KeyPath, Position>);

impl Positions {
    /// Collects the positions of a parsed text.
    pub(super) fn new(text: &str, table: &DeTable<'_>) -> Self {
        let mut positions = Self::default();
        positions.collect_table(text, table, &KeyPath::default());
        positions
    }

    /// Moves the position of a key, and those of all keys within it, to another path.
    pub(super) fn rename(&mut self, from: &KeyPath, to: &KeyPath) {
        let moved: Vec<KeyPath> = self
            .0
            .keys()
            .filter(|path| path.starts_with(from))
            .cloned()
            .collect();
        for path in moved {
            if let Some(position) = self.0.remove(&path) {
                let mut renamed = to.clone();
                renamed.0.extend_from_slice(&path.0[from.0.len()..]);
                self.0.insert(renamed, position);
            }
        }
    }

    pub(super) fn get(&self, path: &KeyPath) -> Option<Position> {
        self.0.get(path).copied()
    }

    fn collect_table(&mut self, text: &str, table: &DeTable<'_>, path: &KeyPath) {
        for (key, value) in table {
            // The span of a table with a header is that header, which opens before its key.
            let start = key.span().start.min(value.span().start);
            self.collect_value(text, path.key(key.get_ref()), start, value);
        }
    }

    fn collect_value(
        &mut self,
        text: &str,
        path: KeyPath,
        start: usize,
        value: &Spanned<DeValue<'_>>,
    ) {
        match value.get_ref() {
            DeValue::Table(table) => self.collect_table(text, table, &path),
            DeValue::Array(array) => {
                for (index, element) in array.iter().enumerate() {
                    let start = element.span().start;
                    self.collect_value(text, path.index(index), start, element);
                }
            }
            _ => {}
        }
        self.0
            .insert(path, Position::from_offset(text.as_bytes(), start));
    }
}

/// Message of a TOML syntax error, in plain words and with the text at fault.
pub(super) fn syntax_message(message: &str, text: &str, span: Option<Range<usize>>) -> String {
    let trailing = "unexpected text after the value";
    let from_start = span.clone().and_then(|span| text.get(span.start..));
    match (message, from_start) {
        // The parser marks the key in its span and does not name it.
        ("duplicate key", _) => match span.and_then(|span| text.get(span)) {
            Some(key) => format!("duplicate key `{}`", key.trim()),
            None => message.to_owned(),
        },
        // The parser takes all words up to the end of the value for one.
        ("string values must be quoted, expected literal string", Some(rest)) => {
            let end = rest.find(['\n', '#', ',', ']', '}']).unwrap_or(rest.len());
            let words = rest[..end].trim();
            match words.split_once(char::is_whitespace) {
                Some((first, _)) if first.parse::<Value>().is_ok() => trailing.to_owned(),
                _ => format!("expected a value, found `{words}`; a string needs quotes"),
            }
        }
        (_, Some(rest)) if message.starts_with("unexpected key or value, expected newline") => {
            // What is on the line before it is not told: a value, or the header of a table.
            let start = text.len() - rest.len();
            let line = text[..start].rsplit('\n').next().unwrap_or_default();
            if line.trim_start().starts_with('[') {
                "unexpected text after the header".to_owned()
            } else {
                trailing.to_owned()
            }
        }
        _ => match message
            .strip_prefix("invalid type: integer `")
            .and_then(|message| message.split_once('`'))
        {
            Some((integer, _)) => {
                format!("the integer {integer} is too large, expected one of at most 64 bits")
            }
            None => message.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str, path: &str) -> String {
        let tree = DeTable::parse(text).unwrap();
        let positions = Positions::new(text, tree.get_ref());
        positions
            .get(&KeyPath::parse(path).unwrap())
            .map_or_else(|| "none".to_owned(), |position| position.to_string())
    }

    #[test]
    fn keys_headers_and_elements_have_positions() {
        let text = "a = 1\n[b]\n  c = { d = 2 }\n[[t]]\nx = 1\n[t.u]\ny = 2\n[[t]]\nx = [3, 4]\n";
        assert_eq!(position(text, "a"), "1:1");
        assert_eq!(position(text, "b"), "2:1");
        assert_eq!(position(text, "b.c"), "3:3");
        assert_eq!(position(text, "b.c.d"), "3:9");
        assert_eq!(position(text, "t"), "4:1");
        assert_eq!(position(text, "t[0]"), "4:1");
        assert_eq!(position(text, "t[0].u"), "6:1");
        assert_eq!(position(text, "t[0].u.y"), "7:1");
        assert_eq!(position(text, "t[1]"), "8:1");
        assert_eq!(position(text, "t[1].x[1]"), "9:9");
        assert_eq!(position(text, "t[2]"), "none");
    }

    #[test]
    fn an_implied_table_has_the_position_of_its_first_key() {
        let text = "a.b = 1\na.c = 2\n[d.e]\nf = 3\n";
        assert_eq!(position(text, "a"), "1:1");
        assert_eq!(position(text, "a.c"), "2:3");
        assert_eq!(position(text, "d"), "3:2");
        assert_eq!(position(text, "d.e"), "3:1");
    }

    #[test]
    fn columns_count_characters_and_lines_may_end_in_crlf() {
        assert_eq!(
            position("s = { \"\u{e9}\u{e9}\" = 1, b = 2 }\r\nc = 3\r\n", "s.b"),
            "1:17"
        );
        assert_eq!(position("s = { a = 1 }\r\nc = 3\r\n", "c"), "2:1");
    }
}
