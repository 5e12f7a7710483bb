//! Images or clips that a path of a command line stands for: a file, a folder of any depth, or a pattern.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::DataSpec;
use super::clip::is_clip;
use super::decoding::has_image_extension;
use super::passed_over::PassedOver;
use super::sample_files::entries;
use crate::error::{Error, Result};

/// Images or clips that a path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSamples {
    /// Paths that begin as the given one, at least one; sorted within a folder.
    pub paths: Vec<PathBuf>,
    /// Sentences about the entries of folders that are not read; empty if there are none.
    pub notes: Vec<String>,
}

/// Finds the images or clips that a path stands for, for a model that was trained on data of this kind.
///
/// A file is taken as it is. Of a folder, all images in it and in its folders are taken, by their extensions; for
/// models of clips, all clips, and a folder of frames is one clip. In a pattern, `*` stands for any part of a name, `?`
/// for a letter, `[ab]` for one of these, and `**` for folders of any depth.
///
/// # Errors
///
/// - [`Error::is_file_error`] if there is no such file, or a folder cannot be listed.
/// - [`Error::is_invalid_format`] if a folder has no images or clips.
/// - [`Error::is_invalid_parameter`] for a pattern that is not valid.
pub fn find_samples(spec: &DataSpec, path: &Path) -> Result<FoundSamples> {
    let mut finder = Finder {
        takes_clips: matches!(spec, DataSpec::ClipFolder(_)),
        paths: Vec::new(),
        passed_over: PassedOver::default(),
        visited: BTreeSet::new(),
    };
    let pattern = path.to_string_lossy();
    // A file with such a letter in its name is taken as it is.
    if !path.exists() && pattern.contains(['*', '?', '[']) {
        let matches = glob::glob(&pattern).map_err(|error| {
            Error::invalid_parameter(format!("{pattern}: not a valid pattern ({})", error.msg))
        })?;
        for found in matches {
            let found = found.map_err(|error| {
                let path = error.path().to_owned();
                Error::cannot_read(&path, error.into())
            })?;
            finder.add(&found)?;
        }
    } else if path.is_dir() {
        finder.add(path)?;
    } else if path.exists() {
        finder.paths.push(path.to_owned());
    } else {
        return Err(Error::file(format!("{pattern}: no such file or folder")));
    }
    let plural = if finder.takes_clips {
        "clips"
    } else {
        "images"
    };
    if finder.paths.is_empty() {
        return Err(Error::invalid_format(format!(
            "{pattern}: there are no {plural}"
        )));
    }
    Ok(FoundSamples {
        paths: finder.paths,
        notes: finder.passed_over.note(path, plural).into_iter().collect(),
    })
}

/// Goes through folders.
struct Finder {
    takes_clips: bool,
    paths: Vec<PathBuf>,
    passed_over: PassedOver,
    /// Folders that were gone through, so that a link to a folder above ends.
    visited: BTreeSet<PathBuf>,
}

impl Finder {
    /// Adds a sample, or all samples of a folder.
    fn add(&mut self, path: &Path) -> Result<()> {
        if self.is_sample(path)? {
            self.paths.push(path.to_owned());
        } else if path.is_dir() {
            let cannot_read = |error| Error::cannot_read(path, error);
            if self
                .visited
                .insert(path.canonicalize().map_err(cannot_read)?)
            {
                for entry in entries(path, &mut self.passed_over).map_err(cannot_read)? {
                    self.add(&entry)?;
                }
            }
        } else {
            self.passed_over.add(path);
        }
        Ok(())
    }

    fn is_sample(&self, path: &Path) -> Result<bool> {
        if self.takes_clips {
            // A link that leads nowhere is no clip.
            Ok(path.exists() && is_clip(path)?)
        } else {
            Ok(path.is_file() && has_image_extension(path))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_folders_and_patterns_are_found() {
        let root = std::env::temp_dir().join(format!("burn-topology-find-{}", std::process::id()));
        for name in [
            "a/1.png",
            "a/deep/2.JPG",
            "a/notes.txt",
            "b/3.png",
            "b/[4].png",
        ] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(&root, root.join("a/deep/up")).unwrap();
        let find = |name: &str| -> Result<(Vec<String>, usize)> {
            let found = find_samples(&DataSpec::Digits, &root.join(name))?;
            let name = |path: &PathBuf| {
                let relative = path.strip_prefix(&root).unwrap();
                relative.to_string_lossy().into_owned()
            };
            let mut paths: Vec<String> = found.paths.iter().map(name).collect();
            paths.retain(|path| !path.contains("up"));
            Ok((paths, found.notes.len()))
        };
        let paths = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(find("a").unwrap(), (paths(&["a/1.png", "a/deep/2.JPG"]), 1));
        assert_eq!(find("a/notes.txt").unwrap(), (paths(&["a/notes.txt"]), 0));
        assert_eq!(
            find("*/?.png").unwrap(),
            (paths(&["a/1.png", "b/3.png"]), 0)
        );
        assert_eq!(find("b/[4].png").unwrap().0, paths(&["b/[4].png"]));
        assert_eq!(find("a/**/*.JPG").unwrap().0, paths(&["a/deep/2.JPG"]));
        let message = |name: &str| find(name).unwrap_err().to_string();
        assert!(message("c.png").ends_with("c.png: no such file or folder"));
        assert!(message("c*.png").ends_with("c*.png: there are no images"));
        assert!(message("c[.png").contains("not a valid pattern"));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
