//! Line and column of each key of a TOML text.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

use super::key_path::KeyPath;

/// Line and column, both counted from 1; columns count characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

/// Position in a file, whose name is as the user gave it; written `file:line:column`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    file: Arc<str>,
    position: Position,
}

impl Place {
    pub(super) fn new(file: impl Into<Arc<str>>, position: Position) -> Self {
        Self {
            file: file.into(),
            position,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.position)
    }
}

/// Offsets at which the lines of a text begin, to find positions quickly.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(offset, _)| offset + 1);
        let starts = std::iter::once(0).chain(after_newlines).collect();
        Self { text, starts }
    }

    /// Position of the character at `offset`.
    fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset);
        let before = self.text.get(self.starts[line - 1]..offset);
        Position {
            line,
            column: before.map_or(0, |text| text.chars().count()) + 1,
        }
    }
}

/// Place of every key, table header and array element of a file and of those that it inherits from.
///
/// The position of a table with a header is its opening bracket, that of an array element its first
/// character, and that of anything else its key.
#[derive(Debug)]
pub(super) struct Positions {
    /// Name of the file, for positions that are collected.
    file: Arc<str>,
    places: BTreeMap<KeyPath, Place>,
}

impl Positions {
    /// Collects the positions of a parsed text; `file` is its name.
    pub(super) fn new(text: &str, table: &DeTable<'_>, file: &str) -> Self {
        let mut positions = Self {
            file: file.into(),
            places: BTreeMap::new(),
        };
        positions.collect_table(&Lines::new(text), table, &KeyPath::default());
        positions
    }

    /// Place of the start of the file.
    pub(super) fn start(&self) -> Place {
        Place::new(self.file.clone(), Position::START)
    }

    /// Forgets the positions of a value and of everything within it.
    pub(super) fn remove(&mut self, path: &KeyPath) {
        self.places.retain(|key, _| !key.starts_with(path));
    }

    /// Adds the positions of keys that only another file has.
    pub(super) fn inherit(&mut self, other: Self) {
        for (path, place) in other.places {
            self.places.entry(path).or_insert(place);
        }
    }

    /// Moves the position of a key, and those of all keys within it, to another path.
    pub(super) fn rename(&mut self, from: &KeyPath, to: &KeyPath) {
        let moved: Vec<KeyPath> = self
            .places
            .keys()
            .filter(|path| path.starts_with(from))
            .cloned()
            .collect();
        for path in moved {
            if let Some(place) = self.places.remove(&path) {
                let mut renamed = to.clone();
                renamed.0.extend_from_slice(&path.0[from.0.len()..]);
                self.places.insert(renamed, place);
            }
        }
    }

    pub(super) fn get(&self, path: &KeyPath) -> Option<&Place> {
        self.places.get(path)
    }

    fn collect_table(&mut self, lines: &Lines<'_>, table: &DeTable<'_>, path: &KeyPath) {
        for (key, value) in table {
            // The span of a table with a header is that header, which opens before its key.
            let start = key.span().start.min(value.span().start);
            self.collect_value(lines, path.key(key.get_ref()), start, value);
        }
    }

    fn collect_value(
        &mut self,
        lines: &Lines<'_>,
        path: KeyPath,
        start: usize,
        value: &Spanned<DeValue<'_>>,
    ) {
        match value.get_ref() {
            DeValue::Table(table) => self.collect_table(lines, table, &path),
            DeValue::Array(array) => {
                for (index, element) in array.iter().enumerate() {
                    let start = element.span().start;
                    self.collect_value(lines, path.index(index), start, element);
                }
            }
            _ => {}
        }
        let place = Place::new(self.file.clone(), lines.position(start));
        self.places.insert(path, place);
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
        _ => too_large(message, text, span).unwrap_or_else(|| message.to_owned()),
    }
}

/// Message about an integer that no type holds, from that of the parser; `None` for another message.
pub(super) fn too_large(message: &str, text: &str, span: Option<Range<usize>>) -> Option<String> {
    let integer = if message == "u64 value was too large" {
        // The parser marks the integer in its span and does not name it.
        span.and_then(|span| text.get(span)).unwrap_or("").trim()
    } else {
        let named = message.strip_prefix("invalid type: integer `")?;
        named.split_once('`')?.0
    };
    Some(format!(
        "the integer {integer} is too large, expected at most {}",
        i64::MAX
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str, path: &str) -> String {
        let tree = DeTable::parse(text).unwrap();
        let positions = Positions::new(text, tree.get_ref(), "a");
        positions
            .get(&KeyPath::parse(path).unwrap())
            .map_or_else(|| "none".to_owned(), |place| place.position.to_string())
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
