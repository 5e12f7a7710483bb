//! The README and the guides say what is true of this repository: links, commands, files and Rust code.
//!
//! Rust code in them is compiled and run by the documentation tests of the library (`src/lib.rs`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders whose files a documented command may name; everything else is written by some command.
const INPUT_FOLDERS: [&str; 6] = [
    "configs",
    "experiments",
    "examples",
    "scripts",
    "tests",
    "tools",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// True in the published package, which has the guides but neither the experiments nor the images that they link to.
fn is_published_package() -> bool {
    !root().join("experiments").is_dir()
}

/// Every Markdown file of the repository that people read, relative to its root.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = ["README.md", "CHANGELOG.md", "benches/README.md"]
        .iter()
        .map(PathBuf::from)
        .collect();
    for folder in ["docs", "experiments"] {
        collect_pages(Path::new(folder), &mut pages);
    }
    pages.sort();
    pages
}

fn collect_pages(folder: &Path, pages: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(root().join(folder)) else {
        return;
    };
    for entry in entries {
        let path = folder.join(entry.expect("a directory entry").file_name());
        if root().join(&path).is_dir() {
            collect_pages(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
}

fn text_of(page: &Path) -> String {
    std::fs::read_to_string(root().join(page)).expect("a readable page")
}

/// The lines of a page with the language of the code block that they are in, if any.
fn lines_with_language(text: &str) -> Vec<(Option<&str>, &str)> {
    let mut language = None;
    let mut lines = Vec::new();
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), language) {
            (Some(name), None) => language = Some(name),
            (Some(_), Some(_)) => language = None,
            (None, _) => lines.push((language, line)),
        }
    }
    lines
}

/// Targets of the links and images of a page, outside of code.
fn links(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for (language, line) in lines_with_language(text) {
        if language.is_none() {
            let parts = line.split("](").skip(1);
            targets.extend(parts.filter_map(|part| Some(part.split_once(')')?.0.to_owned())));
        }
    }
    targets
}

/// The anchors of the headings of a page, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = lines_with_language(text)
        .into_iter()
        .filter(|(language, line)| language.is_none() && line.starts_with('#'));
    headings
        .map(|(_, line)| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    if is_published_package() {
        return;
    }
    let mut broken = Vec::new();
    let mut n_links = 0;
    for page in pages() {
        let folder = root().join(page.parent().expect("a folder"));
        for link in links(&text_of(&page)) {
            if link.starts_with("http://") || link.starts_with("https://") {
                continue;
            }
            n_links += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                root().join(&page)
            } else {
                folder.join(path)
            };
            let has_anchor = || {
                let text = std::fs::read_to_string(&target).expect("a readable page");
                anchors(&text).contains(anchor)
            };
            if !target.exists() || (!anchor.is_empty() && !has_anchor()) {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
    assert!(n_links > 20, "only {n_links} links were checked");
}

#[test]
fn the_readme_fits_on_a_few_screens() {
    let n_lines = text_of(Path::new("README.md")).lines().count();
    assert!(
        n_lines <= 150,
        "README.md has {n_lines} lines, expected at most 150"
    );
}

/// Documented command lines of the program, without its name, and the page that each is on.
fn documented_commands() -> Vec<(PathBuf, String)> {
    let mut commands = Vec::new();
    for page in pages() {
        for (language, line) in lines_with_language(&text_of(&page)) {
            if language != Some("sh") {
                continue;
            }
            let line = line.split("  #").next().expect("a first part").trim();
            let program = line.strip_prefix("burn-topology ");
            let cargo = line.strip_prefix("cargo run --release -- ");
            if let Some(arguments) = program.or(cargo) {
                commands.push((page.clone(), arguments.to_owned()));
            }
        }
    }
    commands
}

/// The words of a shell line; quotes and `$name` or `${name}`, which stand for a number, are understood.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' | '"' if quote == Some(character) => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(character),
            ' ' if quote.is_none() => words.push(String::new()),
            '$' if quote != Some('\'') => {
                while characters
                    .next_if(|c| c.is_alphanumeric() || "_{}".contains(*c))
                    .is_some()
                {}
                words.last_mut().expect("a word").push('0');
            }
            _ => words.last_mut().expect("a word").push(character),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_documented_command_parses_and_names_files_that_exist() {
    if is_published_package() {
        return;
    }
    let commands = documented_commands();
    let mut wrong = Vec::new();
    for (page, line) in &commands {
        let words = shell_words(line);
        let arguments = std::iter::once("burn-topology").chain(words.iter().map(String::as_str));
        if let Err(error) = burn_topology::cli::command().try_get_matches_from(arguments) {
            wrong.push(format!("{}: {line}\n{error}", page.display()));
        }
        for word in &words {
            let is_input = INPUT_FOLDERS
                .iter()
                .any(|folder| word.starts_with(&format!("{folder}/")));
            if is_input && !root().join(word).exists() {
                wrong.push(format!("{}: {line}\n{word} does not exist", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        commands.len() > 20,
        "only {} commands were checked",
        commands.len()
    );
}

#[test]
fn documented_overrides_are_valid_for_their_configuration() {
    let mut n_checked = 0;
    for (page, line) in documented_commands() {
        let words = shell_words(&line);
        let Some(file) = words.iter().find(|word| word.starts_with("configs/")) else {
            continue;
        };
        let overrides: Vec<String> = words
            .windows(2)
            .filter(|pair| pair[0] == "--set")
            .map(|pair| pair[1].clone())
            .collect();
        let result = burn_topology::config::Config::read(&root().join(file), &overrides);
        if let Err(error) = result {
            panic!("{}: {line}\n{error}", page.display());
        }
        n_checked += 1;
    }
    assert!(n_checked > 5, "only {n_checked} configurations were read");
}

#[test]
fn the_study_file_of_the_guide_is_valid() {
    let page = Path::new("docs/studies.md");
    let text = text_of(page);
    let lines = lines_with_language(&text);
    let study: Vec<&str> = lines
        .iter()
        .filter(|(language, _)| *language == Some("toml"))
        .map(|(_, line)| *line)
        .collect();
    let base = root().join("configs/digits_vit.toml");
    let study = study
        .join("\n")
        .replace("../../configs/digits_vit.toml", &base.display().to_string());
    let directory = crate::util::TestDir::new();
    let file = directory.path().join("study.toml");
    std::fs::write(&file, study).expect("a written file");
    let study = burn_topology::experiment::Study::read(&file).expect("a valid study");
    // The baseline and two levels of the other arm, with five seeds each.
    assert_eq!(study.cells.len(), 15);
}
