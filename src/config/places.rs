//! Where each key of a TOML text stands.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key_path::KeyPath;

/// A line and a column, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    line: usize,
    column: usize,
}

impl Place {
    /// The first character of a text.
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// The place of the byte `offset` in `text`, which may lie inside a character or at the end.
    pub(super) fn at(text: &[u8], offset: usize) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        Self {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: String::from_utf8_lossy(&before[line_start..])
                .chars()
                .count()
                + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The place of every key, table header and array element of a text.
///
/// A table with a header stands at its opening bracket, an array element at its first character,
/// anything else at its key.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<KeyPath, Place>);

impl Places {
    pub(super) fn of(text: &str, table: &DeTable<'_>) -> Self {
        let mut places = Self::default();
        places.collect_table(text, table, &KeyPath::default());
        places
    }

    pub(super) fn get(&self, path: &KeyPath) -> Option<Place> {
        self.0.get(path).copied()
    }

    fn collect_table(&mut self, text: &str, table: &DeTable<'_>, path: &KeyPath) {
        for (key, value) in table {
            // The span of a table with a header is that header, which opens before its key.
            let start = key.span().start.min(value.span().start);
            self.collect_value(text, (path.key(key.get_ref()), start), value);
        }
    }

    fn collect_value(
        &mut self,
        text: &str,
        (path, start): (KeyPath, usize),
        value: &Spanned<DeValue<'_>>,
    ) {
        match value.get_ref() {
            DeValue::Table(table) => self.collect_table(text, table, &path),
            DeValue::Array(array) => {
                for (index, element) in array.iter().enumerate() {
                    let start = element.span().start;
                    self.collect_value(text, (path.index(index), start), element);
                }
            }
            _ => {}
        }
        self.0.insert(path, Place::at(text.as_bytes(), start));
    }
}

/// The message of a TOML syntax error, with the text at fault where the message lacks it.
pub(super) fn syntax_message(message: &str, text: &str, span: Option<Range<usize>>) -> String {
    match span.and_then(|span| text.get(span)) {
        Some(key) if message == "duplicate key" => format!("duplicate key `{}`", key.trim()),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, path: &str) -> String {
        let tree = DeTable::parse(text).unwrap();
        let places = Places::of(text, tree.get_ref());
        places
            .get(&KeyPath::parse(path).unwrap())
            .map_or_else(|| "nowhere".to_owned(), |place| place.to_string())
    }

    #[test]
    fn keys_headers_and_elements_have_their_own_places() {
        let text = "a = 1\n[b]\n  c = { d = 2 }\n[[t]]\nx = 1\n[t.u]\ny = 2\n[[t]]\nx = [3, 4]\n";
        assert_eq!(place(text, "a"), "1:1");
        assert_eq!(place(text, "b"), "2:1");
        assert_eq!(place(text, "b.c"), "3:3");
        assert_eq!(place(text, "b.c.d"), "3:9");
        assert_eq!(place(text, "t"), "4:1");
        assert_eq!(place(text, "t[0]"), "4:1");
        assert_eq!(place(text, "t[0].u"), "6:1");
        assert_eq!(place(text, "t[0].u.y"), "7:1");
        assert_eq!(place(text, "t[1]"), "8:1");
        assert_eq!(place(text, "t[1].x[1]"), "9:9");
        assert_eq!(place(text, "t[2]"), "nowhere");
    }

    #[test]
    fn dotted_keys_and_implied_tables_stand_at_their_first_key() {
        let text = "a.b = 1\na.c = 2\n[d.e]\nf = 3\n";
        assert_eq!(place(text, "a"), "1:1");
        assert_eq!(place(text, "a.c"), "2:3");
        assert_eq!(place(text, "d"), "3:2");
        assert_eq!(place(text, "d.e"), "3:1");
    }

    #[test]
    fn columns_count_characters_and_lines_may_end_in_crlf() {
        assert_eq!(
            place("s = { \"\u{e9}\u{e9}\" = 1, b = 2 }\r\nc = 3\r\n", "s.b"),
            "1:17"
        );
        assert_eq!(place("s = { a = 1 }\r\nc = 3\r\n", "c"), "2:1");
    }
}
