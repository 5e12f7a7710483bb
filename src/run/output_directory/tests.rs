//! Tests of directories that replace earlier ones.

use super::*;

/// Directory of one test; removed at its end.
struct Root(PathBuf);

impl Root {
    fn new(name: &str) -> Self {
        let name = format!("burn-topology-output-{name}-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&root).unwrap();
        Self(root)
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.join(file)).unwrap()
    }

    /// All files of a report, without its list; nothing may lie beside it.
    fn files(&self) -> Vec<String> {
        let beside = std::fs::read_dir(&self.0).unwrap().count();
        assert_eq!(beside, 1, "only the report");
        let files = files_below(&self.0.join("report")).unwrap();
        let is_list = |file: &String| file == "written_by_burn_topology.json";
        files.into_iter().filter(|file| !is_list(file)).collect()
    }

    /// Writes a report with these files, which all hold `text`.
    fn report(&self, files: &[&str], text: &str) -> Result<()> {
        self.report_of("analyze", false, files, text)
    }

    fn report_of(&self, command: &str, force: bool, files: &[&str], text: &str) -> Result<()> {
        let output = OutputDirectory::create(&self.0.join("report"), command, force)?;
        for file in files {
            output.write(file, text.as_bytes())?;
        }
        output.finish()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_report_replaces_the_earlier_one_with_all_its_files() {
    let root = Root::new("whole");
    root.report(&["a.html", "matrices/0.npz", "matrices/1.npz"], "first")
        .unwrap();
    // One that is given up, or whose process is killed before the end, leaves the earlier one as it is.
    let path = root.0.join("report");
    let given_up = OutputDirectory::create(&path, "analyze", false).unwrap();
    given_up.write("a.html", b"half").unwrap();
    drop(given_up);
    assert_eq!(root.read("report/a.html"), "first");
    let killed = OutputDirectory::create(&path, "analyze", false).unwrap();
    killed.write("a.html", b"half").unwrap();
    let left = killed.path().to_owned();
    std::mem::forget(killed);
    // No process has the number: the kernel gives at most 2^22.
    let name = left.file_name().unwrap().to_str().unwrap();
    let process = format!("-{}-", std::process::id());
    let ended = name.replace(&process, &format!("-{}-", u32::MAX));
    std::fs::rename(&left, left.with_file_name(ended)).unwrap();
    root.report(&["a.html", "matrices/0.npz"], "second")
        .unwrap();
    assert_eq!(root.files(), ["a.html", "matrices/0.npz"]);
    assert_eq!(root.read("report/matrices/0.npz"), "second");
    root.report(&["a.html"], "third").unwrap();
    assert_eq!(root.files(), ["a.html"]);
}

#[test]
fn files_of_others_stay_as_they_are() {
    let root = Root::new("others");
    root.report(&["a.html", "clips/0.gif", "clips/1.gif", "old/b"], "first")
        .unwrap();
    root.write("report/notes.txt", "mine");
    root.write("report/clips/own.gif", "mine");
    root.report(&["a.html", "clips/0.gif", "new/c"], "second")
        .unwrap();
    let files = [
        "a.html",
        "clips/0.gif",
        "clips/own.gif",
        "new/c",
        "notes.txt",
    ];
    assert_eq!(root.files(), files);
    assert_eq!(root.read("report/clips/0.gif"), "second");
    assert_eq!(root.read("report/clips/own.gif"), "mine");
    // A file of the user with the name of a new one.
    root.write("report/clips/1.gif", "mine");
    let error = root
        .report(&["a.html", "clips/1.gif"], "third")
        .unwrap_err();
    assert!(error.is_invalid_parameter());
    let message = error.to_string();
    assert!(
        message.contains("1.gif: no earlier `analyze` wrote this file"),
        "{message}"
    );
    assert_eq!(root.read("report/clips/1.gif"), "mine");
    assert_eq!(root.read("report/a.html"), "second");
    root.report_of("analyze", true, &["clips/1.gif"], "forced")
        .unwrap();
    let files = ["clips/1.gif", "clips/own.gif", "notes.txt"];
    assert_eq!(root.files(), files);
    assert_eq!(root.read("report/clips/1.gif"), "forced");
}

#[test]
fn files_that_come_while_a_report_is_written_stay() {
    let root = Root::new("meanwhile");
    std::fs::create_dir(root.0.join("report")).unwrap();
    let output = OutputDirectory::create(&root.0.join("report"), "analyze", false).unwrap();
    output.write("a.html", b"new").unwrap();
    root.write("report/notes.txt", "mine");
    output.finish().unwrap();
    assert_eq!(root.files(), ["a.html", "notes.txt"]);
    assert_eq!(root.read("report/notes.txt"), "mine");
}

#[test]
fn directories_of_others_are_refused_unless_forced() {
    let root = Root::new("refused");
    let refused = |expected: &str| {
        let before = files_below(&root.0).unwrap();
        let error = root.report(&["a.html"], "new").unwrap_err();
        let message = error.to_string();
        assert!(message.contains(expected), "{message}");
        assert_eq!(message.lines().count(), 1);
        assert_eq!(files_below(&root.0).unwrap(), before);
    };
    root.write("report/holiday.png", "mine");
    refused("this directory has files that no earlier `analyze` wrote, such as holiday.png");
    root.report_of("analyze", true, &["a.html"], "new").unwrap();
    assert_eq!(root.files(), ["a.html", "holiday.png"]);
    std::fs::remove_dir_all(root.0.join("report")).unwrap();
    root.report_of("coherence", false, &["a.html"], "first")
        .unwrap();
    refused("this directory has files that `coherence` wrote");
    std::fs::remove_dir_all(root.0.join("report")).unwrap();
    root.write("report", "a file");
    refused("report: cannot be written: ");
    std::fs::remove_file(root.0.join("report")).unwrap();
    // Not even if they are forced.
    let is_refused = |expected: &str| {
        let error = root
            .report_of("analyze", true, &["a.html"], "")
            .unwrap_err();
        assert!(error.is_invalid_parameter());
        assert!(error.to_string().contains(expected), "{error}");
    };
    root.write("report/config.toml", "");
    root.write("report/metrics.jsonl", "");
    is_refused("this is the directory of a run");
    std::fs::remove_dir_all(root.0.join("report")).unwrap();
    claim_directory(&root.0.join("report"), "ablate", &["a.html"], false).unwrap();
    is_refused("this is the directory of a study");
    root.report_of("ablate", false, &["a.html"], "study")
        .unwrap();
    let empty = OutputDirectory::create(Path::new(""), "analyze", false);
    assert!(empty.unwrap_err().is_invalid_parameter());
}

#[test]
fn only_a_new_directory_or_one_of_the_command_is_claimed() {
    let root = Root::new("claimed");
    let path = root.0.join("report");
    let claim = |force: bool| claim_directory(&path, "ablate", &["a.html"], force);
    claim(false).unwrap();
    claim(false).unwrap();
    root.write("report/cells/1/config.toml", "");
    root.report_of("ablate", false, &["a.html", "plots/x.svg"], "first")
        .unwrap();
    claim(false).unwrap();
    root.report_of("ablate", false, &["a.html"], "second")
        .unwrap();
    assert_eq!(root.files(), ["a.html", "cells/1/config.toml"]);
    // A study that was begun before there were lists.
    std::fs::remove_file(path.join("written_by_burn_topology.json")).unwrap();
    let message = claim(false).unwrap_err().to_string();
    assert!(
        message.contains("no earlier `ablate` wrote this file"),
        "{message}"
    );
    claim(true).unwrap();
    root.report_of("ablate", true, &["a.html"], "third")
        .unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    root.write("report/holiday.png", "mine");
    assert!(claim(false).unwrap_err().is_invalid_parameter());
}

#[test]
fn a_list_does_not_lead_out_of_its_directory() {
    let root = Root::new("list");
    root.write("report/notes.txt", "mine");
    std::fs::create_dir(root.0.join("report/b")).unwrap();
    let outside = Root::new("outside");
    outside.write("kept.txt", "mine");
    let path = outside.0.join("kept.txt");
    let list = serde_json::json!({
        "command": "analyze",
        "files": [format!("../../{}", outside.0.file_name().unwrap().display()) + "/kept.txt", path],
    });
    root.write("report/written_by_burn_topology.json", &list.to_string());
    root.report(&["a.html"], "new").unwrap();
    assert_eq!(outside.read("kept.txt"), "mine");
    #[cfg(unix)]
    {
        // Nor does a symbolic link.
        let link = root.0.join("report/clips");
        root.report(&["a.html", "clips/kept.txt"], "new").unwrap();
        std::fs::remove_dir_all(&link).unwrap();
        std::os::unix::fs::symlink(&outside.0, &link).unwrap();
        let error = root.report(&["clips/kept.txt"], "new").unwrap_err();
        let message = error.to_string();
        assert!(message.contains("symbolic link"), "{message}");
        root.report(&["a.html"], "newer").unwrap();
        assert_eq!(outside.read("kept.txt"), "mine");
        assert_eq!(root.read("report/a.html"), "newer");
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_a_directory_stays_a_link() {
    let root = Root::new("link");
    std::fs::create_dir(root.0.join("elsewhere")).unwrap();
    let link = root.0.join("report");
    std::os::unix::fs::symlink("elsewhere", &link).unwrap();
    for text in ["first", "second"] {
        root.report(&["a.html"], text).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(root.read("elsewhere/a.html"), text);
    }
    assert_eq!(std::fs::read_dir(&root.0).unwrap().count(), 2);
}

#[test]
fn a_replacement_that_fails_half_way_is_completed_by_the_next_one() {
    let root = Root::new("half");
    root.report(&["a.html", "b.html", "c/d"], "first").unwrap();
    root.write("report/notes.txt", "mine");
    // A directory cannot be replaced by a file: the files before it in the order have been moved by then.
    std::fs::remove_file(root.0.join("report/b.html")).unwrap();
    std::fs::create_dir(root.0.join("report/b.html")).unwrap();
    let error = root
        .report(&["a.html", "b.html", "new"], "second")
        .unwrap_err();
    assert!(error.is_file_error(), "{error}");
    assert_eq!(root.read("report/a.html"), "second");
    assert_eq!(root.read("report/c/d"), "first", "nothing is lost");
    std::fs::remove_dir(root.0.join("report/b.html")).unwrap();
    root.report(&["a.html", "b.html"], "third").unwrap();
    assert_eq!(root.files(), ["a.html", "b.html", "notes.txt"]);
    assert_eq!(root.read("report/b.html"), "third");
}

#[test]
fn of_two_reports_at_once_one_is_there_whole() {
    for has_notes in [false, true] {
        let root = Root::new("two");
        let names: Vec<String> = (0..20).map(|k| format!("plots/{k}.svg")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        root.report(&names, "first").unwrap();
        if has_notes {
            root.write("report/notes.txt", "mine");
        }
        std::thread::scope(|scope| {
            for text in ["one", "two"] {
                let (root, names) = (&root, &names);
                scope.spawn(move || {
                    for k in 0..10 {
                        let extra = format!("{text}{k}");
                        root.report(&[names, &[&*extra][..]].concat(), text)
                            .unwrap();
                    }
                });
            }
        });
        let mut files = root.files();
        files.retain(|file| file != "notes.txt");
        assert_eq!(files.len(), 21, "{files:?}");
        let last = root.read("report/plots/0.svg");
        for name in &names {
            assert_eq!(root.read(&format!("report/{name}")), last);
        }
        let texts = files.iter().filter(|file| file.starts_with(&last)).count();
        assert_eq!(texts, 1, "{files:?}");
    }
}
