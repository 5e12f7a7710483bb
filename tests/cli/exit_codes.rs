//! Exit codes and messages of every command on files that are not what it expects.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use burn_topology::report::encode_diagrams;
use burn_topology::topology::Diagram;

use crate::train::tiny_config;
use crate::util::{TestDir, program, run_program};

/// Largest number of lines and bytes of a message.
const LONGEST_MESSAGE: (usize, usize) = (3, 2000);

/// Longest time that a command may need to refuse a file.
const LONGEST: Duration = Duration::from_secs(60);

/// Commands with files or directories to read, one of which is `X`. `run`, `a.png` and `d.npz` are valid.
const COMMANDS: [&str; 25] = [
    "train X",
    "train --resume X",
    "evaluate X",
    "runs X",
    "compare X run",
    "compare run X",
    "ablate X",
    "ablate status X",
    "ablate collect X",
    "coherence X --output out",
    "robustness X --output out",
    "analyze X --images a.png --output out",
    "analyze --weights X --images a.png --output out",
    "analyze run --images X --output out",
    "anomaly fit X --images a.png --output out",
    "anomaly fit run --images X --output out",
    "anomaly score X --images a.png",
    "predict X a.png",
    "predict run X",
    "generate X caption --output out.gif",
    "weights X",
    "persistence X --output out",
    "diagram-distance X d.npz",
    "diagram-distance d.npz X",
    "config check X",
];

/// Commands that read no files.
const WITHOUT_FILES: [&str; 3] = ["completions", "devices", "help"];

/// Writes what no command expects, and returns the names.
fn write_bad_files(root: &Path) -> Vec<&'static str> {
    let noise: Vec<u8> = (128..=255).cycle().take(1000).collect();
    let files: [(&str, Vec<u8>); 6] = [
        ("bad_empty", Vec::new()),
        ("bad_noise", noise),
        ("bad_text", b"hello: [\n".to_vec()),
        ("bad_word", vec![b'a'; 1_000_000]),
        ("bad_brackets", vec![b'['; 100_000]),
        ("bad_lines", b"a = 1\n".repeat(10_000)),
    ];
    let mut names = vec!["bad_missing", "bad_folder", "bad_pipe"];
    for (name, content) in files {
        std::fs::write(root.join(name), content).unwrap();
        names.push(name);
    }
    std::fs::create_dir(root.join("bad_folder")).unwrap();
    let made = Command::new("mkfifo").arg(root.join("bad_pipe")).status();
    assert!(made.unwrap().success());
    names
}

#[cfg(unix)]
#[test]
fn every_command_refuses_bad_files_with_code_2_and_a_short_message_that_names_them() {
    let directory = TestDir::new();
    let root = directory.path();
    let config = tiny_config(root, None);
    let pixels = image::RgbImage::new(8, 8);
    pixels.save(root.join("a.png")).unwrap();
    let no_bars = Diagram {
        homology_dim: 0,
        bars: Vec::new(),
    };
    let no_bars = encode_diagrams(&[vec![no_bars]], "{}").unwrap();
    std::fs::write(root.join("d.npz"), no_bars).unwrap();
    let trained = run_program(root, &["train", &config, "--output", "run"]);
    assert!(trained.status.success(), "{trained:?}");
    let names = write_bad_files(root);
    let before = directory.names();
    let mut problems = Vec::new();
    for command in COMMANDS {
        for name in &names {
            let words: Vec<&str> = command.split(' ').collect();
            let words = words
                .iter()
                .map(|word| if *word == "X" { name } else { word });
            let words: Vec<&str> = words.copied().collect();
            let started = Instant::now();
            let output = program(root, &words).output().unwrap();
            let message = String::from_utf8_lossy(&output.stderr);
            let (n_lines, n_bytes) = (message.lines().count(), message.len());
            // An empty directory has no runs, which is an answer and no error.
            let expected = match (command, *name) {
                ("runs X", "bad_folder") => 0,
                _ => 2,
            };
            let is_fine = output.status.code() == Some(expected)
                && message.contains(name)
                && !message.contains("panicked")
                && n_lines <= LONGEST_MESSAGE.0
                && n_bytes <= LONGEST_MESSAGE.1
                && started.elapsed() < LONGEST;
            if !is_fine {
                let start: String = message.chars().take(400).collect();
                problems.push(format!(
                    "{}: {}, {n_lines} lines, {n_bytes} bytes: {start}",
                    words.join(" "),
                    output.status
                ));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!(directory.names(), before, "something was left behind");
}

#[test]
fn no_command_is_left_out_of_the_table() {
    let first_word = |line: &'static str| line.split(' ').next().unwrap();
    let listed: BTreeSet<&str> = COMMANDS.map(first_word).into_iter().collect();
    let command = burn_topology::cli::command();
    let all: BTreeSet<&str> = command
        .get_subcommands()
        .map(|command| command.get_name())
        .filter(|name| !WITHOUT_FILES.contains(name))
        .collect();
    assert_eq!(listed, all);
}
