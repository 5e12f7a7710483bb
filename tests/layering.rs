//! Modules import only modules of lower levels, files import each other in one direction, and nothing below the
//! command line prints.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Level of each module. Modules of the same level do not import each other.
const LEVELS: [(&str, u8); 20] = [
    ("topology", 0),
    ("distance", 0),
    ("video_metrics", 0),
    ("statistics", 0),
    ("fused", 1),
    ("gpu", 1),
    ("mask_metrics", 1),
    ("nn", 2),
    ("loss", 3),
    ("model", 4),
    ("data", 4),
    ("config", 5),
    ("run", 5),
    ("report", 5),
    ("evaluate", 6),
    ("train", 7),
    ("analysis", 7),
    ("learner", 7),
    ("experiment", 8),
    ("cli", 9),
];

#[test]
fn modules_import_downward_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut n_files = 0;
    for (module, level) in LEVELS {
        for file in files_under(&source.join(module)) {
            n_files += 1;
            let text = std::fs::read_to_string(&file).expect("a source file");
            for (other, other_level) in LEVELS {
                let allowed = other == module || other_level < level;
                assert!(
                    allowed || !text.contains(&format!("crate::{other}::")),
                    "{} (level {level}) imports {other} (level {other_level})",
                    file.display()
                );
            }
        }
    }
    assert!(n_files > 30, "only {n_files} files were checked");
}

#[test]
fn files_of_a_directory_import_each_other_in_one_direction() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut imports: HashMap<PathBuf, Vec<PathBuf>> = HashMap::new();
    for file in files_under(&source) {
        let directory = file.parent().expect("a file in a directory");
        let text = std::fs::read_to_string(&file).expect("a source file");
        // Imports of tests are indented, and do not matter here.
        let siblings = text.lines().filter_map(|line| {
            let name = line.strip_prefix("use super::")?.split("::").next()?;
            let sibling = directory.join(format!("{name}.rs"));
            sibling.is_file().then_some(sibling)
        });
        let siblings = siblings.collect();
        imports.insert(file, siblings);
    }
    // A file is done once everything that it imports is done; files of a circle never are.
    let n_imports: usize = imports.values().map(Vec::len).sum();
    assert!(n_imports > 100, "only {n_imports} imports were found");
    while !imports.is_empty() {
        let done: Vec<PathBuf> = imports
            .iter()
            .filter(|(_, siblings)| siblings.iter().all(|file| !imports.contains_key(file)))
            .map(|(file, _)| file.clone())
            .collect();
        assert!(
            !done.is_empty(),
            "these files import each other in a circle, or import a circle: {:#?}",
            imports.keys()
        );
        imports.retain(|file, _| !done.contains(file));
    }
}

#[test]
fn nothing_below_the_command_line_prints() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (module, _) in LEVELS.iter().filter(|(module, _)| *module != "cli") {
        for file in files_under(&source.join(module)) {
            let text = std::fs::read_to_string(&file).expect("a source file");
            for printing in ["println!(", "eprint!(", "dbg!("] {
                let in_code = text
                    .lines()
                    .any(|l| l.contains(printing) && !l.trim().starts_with("//"));
                assert!(!in_code, "{} has {printing}", file.display());
            }
        }
    }
}

/// Files that open directories and files of their own, to wait until they are on the disk, or files of the system.
const OPEN_OTHERS: [&str; 8] = [
    "run/atomic_file.rs",
    "run/checkpoint.rs",
    "run/checksums.rs",
    "run/host.rs",
    "run/machine_memory.rs",
    "run/output_directory.rs",
    "run/reference.rs",
    "train/timing.rs",
];

#[test]
fn input_files_are_opened_in_one_place() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for file in files_under(&source) {
        let name = file.strip_prefix(&source).expect("a file of `src`");
        let text = std::fs::read_to_string(&file).expect("a source file");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code = code.split("#[cfg(all(test").next().unwrap_or_default();
        let opens = code.lines().any(|line| {
            let is_comment = line.trim_start().starts_with("//");
            let calls = [
                "fs::read(",
                "fs::read_to_string(",
                " read_to_string(",
                " File::open(",
                "(File::open(",
            ];
            !is_comment && calls.iter().any(|call| line.contains(call))
        });
        let name = name.to_string_lossy().replace('\\', "/");
        if opens && name != "input_file.rs" && !name.ends_with("tests.rs") {
            found.push(name);
        }
    }
    found.sort();
    assert_eq!(
        found, OPEN_OTHERS,
        "others use `input_file`, which refuses pipes and devices"
    );
}

fn files_under(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a module directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
