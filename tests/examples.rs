//! Every public item of the plugin has an example in its documentation.
//!
//! The rule: each struct, enum, trait and function that levels 0 to 3 export has a runnable
//! example of its own that asserts a result. Methods, fields, constants and type aliases are
//! shown by the example of their type and may have their own. Nothing is marked `ignore` or
//! `no_run`, so that `cargo test` compiles and runs all of it.

use std::path::{Path, PathBuf};

/// File that exports the names of a module, and the files that define them.
const EXPORTS: [(&str, &[&str]); 6] = [
    ("lib.rs", &["error.rs", "real.rs"]),
    ("topology/mod.rs", &["topology"]),
    ("distance/mod.rs", &["distance"]),
    ("fused/mod.rs", &["fused"]),
    ("nn/mod.rs", &["nn"]),
    ("loss/mod.rs", &["loss"]),
];

#[test]
fn every_public_item_of_the_plugin_has_an_example() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut missing = Vec::new();
    let mut n_items = 0;
    for (exporting, defining) in EXPORTS {
        let files = defining
            .iter()
            .flat_map(|path| rust_files(&source.join(path)));
        let texts: Vec<String> = files.map(|file| read(&file)).collect();
        for name in exported(&read(&source.join(exporting))) {
            let item = texts
                .iter()
                .find_map(|text| find(text, &name))
                .unwrap_or_else(|| panic!("{exporting}: no definition of {name} was found"));
            if item.needs_example {
                n_items += 1;
                if !has_example(&item.docs) {
                    missing.push(format!("{} {name}", exporting.trim_end_matches("/mod.rs")));
                }
            }
        }
    }
    assert!(
        missing.is_empty(),
        "no example that asserts a result: {missing:#?}"
    );
    assert!(n_items > 40, "only {n_items} items were checked");
}

/// Definition of an exported item.
struct Item {
    needs_example: bool,
    /// Doc comments and attributes above the item.
    docs: Vec<String>,
}

/// Names that `pub use` statements re-export.
fn exported(text: &str) -> Vec<String> {
    let uses = text.split("\npub use ").skip(1);
    let lists = uses.filter_map(|rest| rest.split_once(';')?.0.split_once("::"));
    lists
        .flat_map(|(_, names)| names.trim_matches(['{', '}']).split(','))
        .map(|name| name.trim().to_string())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Definition of `name` in a source file; `rustfmt` puts the definitions of a module at the start of a line.
fn find(text: &str, name: &str) -> Option<Item> {
    let lines: Vec<&str> = text.lines().collect();
    let kinds = [
        ("struct", true),
        ("enum", true),
        ("trait", true),
        ("fn", true),
        ("type", false),
        ("const", false),
    ];
    lines.iter().enumerate().find_map(|(number, line)| {
        let (kind, rest) = line.strip_prefix("pub ")?.split_once(' ')?;
        let (_, needs_example) = kinds.iter().find(|(candidate, _)| *candidate == kind)?;
        let ends = |c: char| !(c.is_alphanumeric() || c == '_');
        if rest.split(ends).next() != Some(name) {
            return None;
        }
        let start = lines[..number].iter().rposition(|line| line.is_empty());
        let docs = &lines[start.map_or(0, |blank| blank + 1)..number];
        Some(Item {
            needs_example: *needs_example,
            docs: docs.iter().map(|line| line.to_string()).collect(),
        })
    })
}

/// True if a code block without annotations asserts something.
fn has_example(docs: &[String]) -> bool {
    let mut block: Option<&str> = None;
    let mut asserts = false;
    for line in docs.iter().filter_map(|line| line.strip_prefix("///")) {
        match (line.trim().strip_prefix("```"), block) {
            (Some(annotation), None) => block = Some(annotation),
            (Some(_), Some(_)) => block = None,
            (None, Some("")) => asserts |= line.contains("assert"),
            _ => {}
        }
    }
    asserts
}

#[test]
fn no_example_is_skipped() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in rust_files(&source) {
        for line in read(&file).lines() {
            let doc = line.trim().trim_start_matches(['/', '!', ' ']);
            let annotation = doc.strip_prefix("```").unwrap_or_default();
            assert!(
                ["", "text", "toml"].contains(&annotation),
                "{}: a code block marked {annotation}",
                file.display()
            );
        }
    }
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).expect("a source file")
}

fn rust_files(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a source folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        return paths.flat_map(|path| rust_files(&path)).collect();
    }
    let is_rust = path.extension().is_some_and(|extension| extension == "rs");
    is_rust.then(|| path.to_path_buf()).into_iter().collect()
}
