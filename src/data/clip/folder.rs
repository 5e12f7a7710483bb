//! Data sets of clips stored as `<split>/<class>/<clip>`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::super::class_folder::{
    DecodedOnAccess, LabelledPath, SampleFormat, class_folders, entries, enumerated,
    listing_digest, size_of,
};
use super::super::image_folder::folder_spec;
use super::super::{Sample, SampleSpec, Samples, Splits};
use super::ffmpeg::{FFMPEG, check};
use super::{ClipSampling, Kind, frames, kind, read_clip};
use crate::error::{Error, Result};

/// Extensions of files that are read as clips; other files are ignored.
const EXTENSIONS: [&str; 17] = [
    "gif", "mp4", "m4v", "mov", "webm", "mkv", "avi", "mpg", "mpeg", "m2v", "ts", "mts", "wmv",
    "flv", "ogv", "3gp", "y4m",
];

/// Settings of a data set of clips in `<split>/<class>/`.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipFolder {
    /// Directory that holds `train`, `test` and optionally `val` or `validation`.
    pub path: PathBuf,
    /// Number of class folders in `train`.
    pub n_classes: usize,
    /// Fraction of every class of `train` that is set aside for validation; `None` if there is a
    /// validation folder.
    pub validation_fraction: Option<f64>,
    /// Frames that a clip takes from its source, and their size.
    pub sampling: ClipSampling,
    /// True to decode all clips when the data set is opened and to leave out those that cannot be decoded.
    pub skip_unreadable: bool,
}

impl ClipFolder {
    /// Shape of the clips: square, with three channels.
    pub fn spec(&self) -> SampleSpec {
        SampleSpec {
            n_frames: self.sampling.n_frames,
            ..folder_spec(self.sampling.image_size, self.n_classes)
        }
    }

    /// Opens the data set: lists its clips and divides them into splits.
    ///
    /// Clips lie in `train/<class>/`, `val/<class>/` or `validation/<class>/`, and `test/<class>/`. A clip
    /// is a folder of frames, a GIF or a video file, recognised by its extension. Classes are the sorted
    /// names of the folders in `train`. Without a validation folder `validation_fraction` of `train` is
    /// set aside; the choice does not depend on which clips can be decoded.
    ///
    /// # Errors
    ///
    /// - [`Error::is_file_error`] if a folder is missing, or if there are video files but no `ffmpeg`.
    /// - [`Error::is_invalid_format`] if a folder holds no clip, if the number of folders in `train` is not
    ///   `n_classes`, if another split has a class that `train` lacks, or if there are two validation folders.
    /// - [`Error::is_invalid_parameter`] if `sampling` is out of range, if `validation_fraction` is given
    ///   although there is a validation folder, or if it sets no clip aside.
    /// - The error of the first clip if `skip_unreadable` leaves no clip of a class of `train`, or no clip at all
    ///   of another split.
    ///
    /// Other clips that cannot be decoded are [`DatasetError`](burn::data::dataset::DatasetError)s on access,
    /// whose source is an [`Error`].
    ///
    /// # Cost
    ///
    /// Every file is listed, frames in folders too; with `skip_unreadable` every clip is decoded.
    pub fn open(&self) -> Result<Splits> {
        open_with(self, FFMPEG)
    }
}

/// Opens a data set, with `ffmpeg` as the name of the program that decodes videos.
fn open_with(settings: &ClipFolder, ffmpeg: &str) -> Result<Splits> {
    settings.sampling.check()?;
    let root = &settings.path;
    let format = SampleFormat {
        plural: "clips",
        expected: format!(
            "folders of frames, or files with the extension {}",
            enumerated(&EXTENSIONS)
        ),
        fingerprint,
    };
    let mut splits = class_folders(
        root,
        settings.n_classes,
        settings.validation_fraction,
        &format,
    )?;
    let is_video = |clip: &LabelledPath| kind(&clip.path) == Ok(Kind::Video);
    // Once here instead of once for every video: a missing program would otherwise make all of them
    // unreadable, and `skip_unreadable` would leave them out.
    if splits.iter().flatten().any(is_video) {
        check(ffmpeg)?;
    }
    let mut messages = Vec::new();
    if settings.skip_unreadable {
        for (clips, split) in splits.iter_mut().zip(["train", "validation", "test"]) {
            messages.extend(leave_out_unreadable(clips, split, &settings.sampling)?);
        }
    }
    // Over the clips that are left, so that two runs with the same digest used the same clips.
    let sha256 = listing_digest(root, splits.iter().flatten());
    let [train, validation, test] = splits.map(|files| -> Samples {
        let sampling = settings.sampling.clone();
        let read = move |clip: &LabelledPath| {
            Ok(Sample::new(read_clip(&clip.path, &sampling)?, clip.label))
        };
        Arc::new(DecodedOnAccess { files, read })
    });
    Ok(Splits {
        spec: settings.spec(),
        train,
        validation,
        test,
        sha256,
        unreadable: messages,
    })
}

/// A clip found in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedClip {
    /// Folder of frames, GIF or video file.
    pub path: PathBuf,
    /// Name of the folder that groups the clip; `None` for a clip that lies directly in the directory.
    pub group: Option<String>,
}

/// Lists the clips in a directory and in its folders of clips, sorted by path.
///
/// A clip is a folder of frames, a GIF or a video file.
///
/// # Errors
///
/// - [`Error::is_file_error`] if the directory cannot be listed.
/// - [`Error::is_invalid_format`] if it holds no clip.
pub fn list_clips(directory: &Path) -> Result<Vec<ListedClip>> {
    let mut clips = Vec::new();
    for path in listed(directory)? {
        if is_clip(&path)? {
            clips.push(ListedClip { path, group: None });
        } else if path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            let group = name.to_string_lossy().into_owned();
            for path in listed(&path)? {
                if is_clip(&path)? {
                    clips.push(ListedClip {
                        path,
                        group: Some(group.clone()),
                    });
                }
            }
        }
    }
    if clips.is_empty() {
        return Err(Error::invalid_format(format!(
            "{}: no clips, expected folders of frames, or files with the extension {}",
            directory.display(),
            enumerated(&EXTENSIONS)
        )));
    }
    Ok(clips)
}

/// Sorted entries of a directory, without hidden ones.
fn listed(directory: &Path) -> Result<Vec<PathBuf>> {
    entries(directory).map_err(|error| Error::cannot_read(directory, error))
}

/// True for folders that contain a frame, and for files with the extension of a clip.
fn is_clip(path: &Path) -> Result<bool> {
    if path.is_dir() {
        frames::has_frames(path)
    } else {
        Ok(size_of(path, &EXTENSIONS)?.is_some())
    }
}

/// Text that represents the content of a clip in the digest of a data set; `None` for other files.
fn fingerprint(path: &Path) -> Result<Option<String>> {
    if path.is_dir() {
        return frames::digest(path).map(Some);
    }
    Ok(size_of(path, &EXTENSIONS)?.map(|n_bytes| n_bytes.to_string()))
}

/// Decodes the clips of a split, keeps those that can be decoded and returns a message for each of the
/// others.
fn leave_out_unreadable(
    clips: &mut Vec<LabelledPath>,
    split: &str,
    sampling: &ClipSampling,
) -> Result<Vec<String>> {
    let errors: Vec<Option<Error>> = clips
        .par_iter()
        .map(|clip| read_clip(&clip.path, sampling).err())
        .collect();
    let tried: Vec<(LabelledPath, Option<Error>)> =
        std::mem::take(clips).into_iter().zip(errors).collect();
    // Training needs clips of every class. The other splits may lose a class, but not all of their clips.
    let is_one_group = |a: usize, b: usize| a == b || split != "train";
    // Clips are sorted by class, so each class is one chunk.
    for group in tried.chunk_by(|a, b| is_one_group(a.0.label, b.0.label)) {
        let (clip, first) = &group[0];
        if let Some(first) = first
            && group.iter().all(|(_, error)| error.is_some())
        {
            return Err(first.clone().within(format_args!(
                "{}: none of {} {split} clips can be read; the first error is",
                clip.path.display(),
                group.len()
            )));
        }
    }
    let mut messages = Vec::new();
    for (clip, error) in tried {
        match error {
            None => clips.push(clip),
            Some(error) => messages.push(error.to_string()),
        }
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::super::tests::sampling;
    use super::*;

    #[test]
    fn only_videos_need_ffmpeg() {
        let root = std::env::temp_dir().join(format!("clips-{}", std::process::id()));
        for class in ["train/a", "val/a", "test/a"] {
            std::fs::create_dir_all(root.join(class).join("frames")).unwrap();
        }
        let settings = |skip_unreadable| ClipFolder {
            path: root.clone(),
            n_classes: 1,
            validation_fraction: None,
            sampling: sampling(1, 1),
            skip_unreadable,
        };
        let opened = open_with(&settings(false), "no-such-program");
        assert_eq!(opened.unwrap().train.len(), 1);
        std::fs::write(root.join("test/a/b.MP4"), "x").unwrap();
        for skip_unreadable in [false, true] {
            let Err(error) = open_with(&settings(skip_unreadable), "no-such-program") else {
                panic!("opened without the program");
            };
            assert!(error.is_file_error());
            let message = error.to_string();
            assert!(message.starts_with("ffmpeg is not on PATH"), "{message}");
        }
        std::fs::remove_dir_all(root).unwrap();
    }
}
