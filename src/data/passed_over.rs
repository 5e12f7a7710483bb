//! Count of what lies in folders of images or clips and is neither.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::counted::counted;

/// Entries of folders that are not read, by kind.
#[derive(Debug, Default)]
pub(super) struct PassedOver {
    /// Number of entries of each kind, such as `.txt`.
    counts: BTreeMap<String, usize>,
    /// First entry that is not hidden.
    first: Option<PathBuf>,
}

impl PassedOver {
    /// Counts an entry.
    pub(super) fn add(&mut self, path: &Path) {
        let kind = match path.extension() {
            _ if is_hidden(path) => "hidden".to_owned(),
            _ if path.is_dir() => "folder".to_owned(),
            Some(extension) => format!(".{}", extension.to_string_lossy().to_lowercase()),
            None => "without an extension".to_owned(),
        };
        *self.counts.entry(kind).or_default() += 1;
        if self.first.is_none() && !is_hidden(path) {
            self.first = Some(path.to_owned());
        }
    }

    /// Sentence about the entries, none of which is one of the things with this plural; `None` if there is no entry.
    pub(super) fn note(&self, root: &Path, plural: &str) -> Option<String> {
        let n_entries: usize = self.counts.values().sum();
        if n_entries == 0 {
            return None;
        }
        let kinds: Vec<String> = self
            .counts
            .iter()
            .map(|(kind, n)| format!("{n} {kind}"))
            .collect();
        let first = self.first.as_ref().map_or(String::new(), |path| {
            let relative = path.strip_prefix(root).unwrap_or(path);
            format!("; the first: {}", relative.display())
        });
        Some(format!(
            "{}: {} not read as {plural}: {}{first}",
            root.display(),
            counted(n_entries, "entry"),
            kinds.join(", ")
        ))
    }
}

/// True for entries of the operating system or of tools, whose names begin with a dot.
pub(super) fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_counted_by_kind() {
        let mut passed_over = PassedOver::default();
        let root = Path::new("data");
        assert_eq!(passed_over.note(root, "images"), None);
        passed_over.add(Path::new("data/train/.DS_Store"));
        assert_eq!(
            passed_over.note(root, "images").unwrap(),
            "data: 1 entry not read as images: 1 hidden"
        );
        for name in ["a/x.TXT", "a/y.txt", "b/README"] {
            passed_over.add(&root.join("train").join(name));
        }
        assert_eq!(
            passed_over.note(root, "images").unwrap(),
            "data: 4 entries not read as images: 2 .txt, 1 hidden, 1 without an extension; the first: train/a/x.TXT"
        );
    }
}
