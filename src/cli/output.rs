//! Output to stdout and stderr that never panics, even with a closed pipe or a full disk.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};

use serde_json::Value;

use super::Failure;
use crate::error::Error;

/// Writes results to stdout.
///
/// # Errors
///
/// [`Failure::Error`] if the results cannot be written; a closed pipe is no error.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        // A reader such as `head` closes the pipe as soon as it has enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Error(format!(
            "the results cannot be written: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Writes a JSON value to stdout, in the form that all commands share: indented, but lists of numbers, texts and flags on
/// one line.
///
/// # Errors
///
/// The errors of [`print`].
pub(super) fn print_json(value: &Value) -> Result<(), Failure> {
    let mut text = String::new();
    push_json(&mut text, value, 0);
    print(&(text + "\n"))
}

/// Appends a JSON value whose first line is indented already.
fn push_json(text: &mut String, value: &Value, indent: usize) {
    let is_simple = |value: &Value| !value.is_array() && !value.is_object();
    let is_short = match value {
        Value::Array(items) => items.iter().all(is_simple),
        Value::Object(entries) => entries.is_empty(),
        _ => true,
    };
    if is_short {
        text.push_str(&value.to_string());
        return;
    }
    let (open, close) = if value.is_array() {
        ('[', ']')
    } else {
        ('{', '}')
    };
    text.push(open);
    let mut push_item = |index: usize, key: Option<&String>, item: &Value| {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&" ".repeat(indent + 2));
        if let Some(key) = key {
            // As a JSON text, in quotes and escaped.
            text.push_str(&format!("{}: ", Value::from(key.as_str())));
        }
        push_json(text, item, indent + 2);
    };
    match value {
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, item)| push_item(index, None, item));
        }
        Value::Object(entries) => {
            let entries = entries.iter().enumerate();
            entries.for_each(|(index, (key, item))| push_item(index, Some(key), item));
        }
        _ => {}
    }
    text.push_str(&format!("\n{}{close}", " ".repeat(indent)));
}

/// Writes a line of progress or a message to stderr; failures are ignored.
pub(super) fn log(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Parses the path of a file or directory to write; refuses `-`, which is stdout elsewhere.
pub(super) fn output_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.to_str() {
        Some("-") => {
            Err("files are not written to stdout, expected a path; a file with this name is `./-`")
        }
        _ => Ok(path),
    })
}

/// Refuses to replace a file without `--force`, and anything that is not a file.
pub(super) fn check_output_file(path: &Path, force: bool) -> Result<(), Failure> {
    let shown = path.display();
    if path.exists() && !force {
        return Err(Failure::Error(format!(
            "{shown} already exists; pass --force to overwrite"
        )));
    }
    if path.exists() && !path.is_file() {
        // The file is written under a temporary name and renamed, which could replace a device by a file.
        return Err(Failure::Error(format!(
            "{shown}: is not a file, expected a path to write a file to"
        )));
    }
    check_directory_of(path)
}

/// Refuses a path in a directory that does not exist, before anything is computed.
pub(super) fn check_directory_of(path: &Path) -> Result<(), Failure> {
    let directory = path.parent().unwrap_or(path);
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    Err(Error::cannot_write(path, ErrorKind::NotFound.into()).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::push_json;

    #[test]
    fn lists_of_numbers_stand_on_one_line() {
        let value = json!({
            "shape": [2, 3],
            "a \"b\"": [{ "n": 1, "none": {} }, [[], [null, "x\ny"]]],
            "empty": [],
        });
        let mut text = String::new();
        push_json(&mut text, &value, 0);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
        assert!(text.contains("\n  \"shape\": [2,3]"), "{text}");
        assert_eq!(text.lines().count(), 14, "{text}");
    }
}
