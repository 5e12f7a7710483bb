//! `config init`: writes a configuration or a study to start from.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use toml::Value;

use super::output::{check_output_file, log, print};
use super::{Failure, read_config};
use crate::data::count_classes;
use crate::error::Error;
use crate::run::write_atomically;

/// Arguments of `config init`.
#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// Kind of file to write.
    #[arg(value_enum)]
    template: Template,
    /// Directory of your images or clips, whose classes are counted; for a study, its base configuration.
    path: Option<PathBuf>,
    /// File to write [default: standard output].
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite an existing output file.
    #[arg(long)]
    force: bool,
}

/// File to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Template {
    /// Handwritten digits that are embedded in the program.
    Digits,
    /// Your own images.
    ImageFolder,
    /// Your own clips: folders of frames, animated images or videos.
    Clips,
    /// A pretrained model, to be fine-tuned on your own images.
    Finetune,
    /// Several runs that are compared: arms, seeds and a question.
    Study,
}

impl Template {
    fn text(self) -> &'static str {
        match self {
            Self::Digits => include_str!("templates/digits.toml"),
            Self::ImageFolder => include_str!("templates/image_folder.toml"),
            Self::Clips => include_str!("templates/clips.toml"),
            Self::Finetune => include_str!("templates/finetune.toml"),
            Self::Study => include_str!("templates/study.toml"),
        }
    }

    /// Path in the file if none is given.
    fn example_path(self) -> &'static str {
        match self {
            Self::Clips => "data/clips",
            Self::Study => "digits.toml",
            _ => "data/images",
        }
    }
}

/// Number of classes in the file if they cannot be counted.
const EXAMPLE_CLASSES: usize = 10;

/// Line about the validation split where there is a folder for it.
const WITH_FOLDER: &str = "# validation_fraction = 0.1     # only without a folder val: this fraction of train is set aside";

/// Line about the validation split where there is no folder for it.
const WITHOUT_FOLDER: &str =
    "validation_fraction = 0.2       # there is no folder val: this fraction of train is set aside";

/// Writes the file, or prints it.
pub(super) fn run(arguments: &InitArguments) -> Result<(), Failure> {
    if let Some(output) = &arguments.output {
        check_output_file(output, arguments.force)?;
    }
    let text = filled_in(arguments)?;
    let Some(output) = &arguments.output else {
        return print(&text);
    };
    write_atomically(output, text.as_bytes())
        .map_err(|error| Error::cannot_write(output, error))?;
    log(&format!("written to {}", output.display()));
    if arguments.template == Template::Study && arguments.path.is_none() {
        let base = output.with_file_name(Template::Study.example_path());
        if !base.exists() {
            log(&format!(
                "its base is written by `burn-topology config init digits --output {}`",
                base.display()
            ));
        }
    }
    Ok(())
}

/// Text of the template with the paths and numbers of the arguments.
fn filled_in(arguments: &InitArguments) -> Result<String, Failure> {
    let InitArguments {
        template,
        path,
        output,
        ..
    } = arguments;
    let Some(path) = path else {
        return Ok(fill(
            *template,
            template.example_path(),
            EXAMPLE_CLASSES,
            WITH_FOLDER,
        ));
    };
    let written = written_path(path, output.as_deref())?;
    match template {
        Template::Digits => Err(Failure::Error(format!(
            "the digits are embedded in the program, so there is no use for {}; for images of your own, write \
             `config init image_folder {0}`",
            path.display()
        ))),
        Template::Study => {
            read_config(path, &[])?;
            Ok(fill(*template, &written, EXAMPLE_CLASSES, WITH_FOLDER))
        }
        Template::ImageFolder | Template::Clips | Template::Finetune => {
            let n_classes = count_classes(path)?;
            let has_validation = ["val", "validation"]
                .iter()
                .any(|name| path.join(name).is_dir());
            let validation = if has_validation {
                WITH_FOLDER
            } else {
                WITHOUT_FOLDER
            };
            Ok(fill(*template, &written, n_classes, validation))
        }
    }
}

fn fill(template: Template, path: &str, n_classes: usize, validation: &str) -> String {
    template
        .text()
        .replace("@PATH@", &Value::String(path.to_owned()).to_string())
        .replace("@N_CLASSES@", &n_classes.to_string())
        .replace("@VALIDATION@", validation)
}

/// Path as it is written in the file: absolute if the file goes to another directory than the working one.
fn written_path(path: &Path, output: Option<&Path>) -> Result<String, Failure> {
    let is_elsewhere = output
        .and_then(Path::parent)
        .is_some_and(|parent| !parent.as_os_str().is_empty());
    let path = if is_elsewhere {
        // A path that does not exist is reported when its classes are counted.
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    } else {
        path.to_owned()
    };
    path.into_os_string().into_string().map_err(|path| {
        Failure::Error(format!(
            "{}: is not UTF-8 text, which a configuration must be; rename the directory",
            path.display()
        ))
    })
}
