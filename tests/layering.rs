//! Modules import only modules of lower levels, and nothing below the command line prints.

use std::path::Path;

/// Level of each module. Modules of the same level do not import each other.
const LEVELS: [(&str, u8); 18] = [
    ("topology", 0),
    ("distance", 0),
    ("video_metrics", 0),
    ("statistics", 0),
    ("fused", 1),
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

fn files_under(directory: &Path) -> Vec<std::path::PathBuf> {
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
