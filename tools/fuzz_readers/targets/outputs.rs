//! Lists of the files that a command wrote, by which later calls tell their own files from those of others.

use std::path::Path;

use burn_topology::run::OutputDirectory;

use super::super::case::Case;

/// Name of the list.
const LIST: &str = "written_by_burn_topology.json";

/// Reports with their lists, beside files of others.
pub(super) fn output_corpus() -> Vec<Case> {
    let list = |command: &str, files: &str| {
        format!("{{\"command\": \"{command}\", \"files\": [{files}]}}").into_bytes()
    };
    let file = |name: &str, content: &[u8]| (name.to_owned(), content.to_vec());
    [
        list("fuzz", r#""numbers.csv", "parts/a.txt""#),
        list("fuzz", r#""numbers.csv", "../others.txt", "notes.txt""#),
        list("analyze", r#""numbers.csv""#),
    ]
    .map(|list| Case {
        files: vec![
            file("others.txt", b"not to be touched"),
            file("report/notes.txt", b"of a user"),
            file("report/numbers.csv", b"1,2\n"),
            file("report/parts/a.txt", b"older"),
            file(&format!("report/{LIST}"), &list),
        ],
    })
    .into()
}

/// Replaces a report; what lies beside it must stay.
pub(super) fn replace_output(directory: &Path) {
    let others = directory.join("others.txt");
    let before = std::fs::read(&others).ok();
    let replaced =
        OutputDirectory::create(&directory.join("report"), "fuzz", false).and_then(|output| {
            output.write("numbers.csv", b"3,4\n")?;
            output.finish()
        });
    if replaced.is_ok() {
        let numbers = std::fs::read(directory.join("report/numbers.csv"));
        assert_eq!(numbers.expect("the new file"), b"3,4\n");
    }
    let after = std::fs::read(&others).ok();
    assert_eq!(before, after, "a file beside the report was changed");
    assert!(std::fs::read_dir(directory).map_or(0, Iterator::count) <= 2);
}
