//! Data sets of clips stored as `<split>/<class>/<clip>`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::class_folder::{Listing, SampleFormat, class_folders};
use super::super::decoding::is_animation;
use super::super::image_folder::folder_spec;
use super::super::passed_over::PassedOver;
use super::super::sample_files::{
    DecodedOnAccess, LabelledPath, entries, enumerated, listing_digest, size_of,
};
use super::super::{Sample, SampleSpec, Samples, Splits};
use super::ffmpeg::{FFMPEG, check};
use super::{ClipSampling, Kind, frames, kind, read_clip};
use crate::error::{Error, Result};

/// Extensions of files that are read as clips if they are animated.
const ANIMATIONS: [&str; 4] = ["gif", "webp", "png", "apng"];

/// Extensions of files that are read as clips by `ffmpeg`.
const VIDEOS: [&str; 16] = [
    "mp4", "m4v", "mov", "webm", "mkv", "avi", "mpg", "mpeg", "m2v", "ts", "mts", "wmv", "flv",
    "ogv", "3gp", "y4m",
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
    /// is a folder of frames, an animated GIF, WebP or PNG, or a video file, recognised by its extension. Classes are the
    /// sorted names of the folders in `train`. Without a validation folder `validation_fraction` of `train` is
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
        open_with(self, None, FFMPEG)
    }

    /// Opens the data set like [`Self::open`], with labels by the class names of a trained model.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Self::open`], and [`Error::is_invalid_format`] for a folder that is none of the classes.
    pub fn open_as(&self, classes: &[String]) -> Result<Splits> {
        open_with(self, Some(classes), FFMPEG)
    }
}

/// Opens a data set, with `ffmpeg` as the name of the program that decodes videos.
fn open_with(settings: &ClipFolder, classes: Option<&[String]>, ffmpeg: &str) -> Result<Splits> {
    settings.sampling.check()?;
    let root = &settings.path;
    let format = SampleFormat {
        noun: "clip",
        expected: expected_clips(),
        fingerprint,
    };
    let mut listing = class_folders(
        root,
        settings.n_classes,
        classes,
        settings.validation_fraction,
        &format,
    )?;
    let is_video = |clip: &LabelledPath| kind(&clip.path) == Ok(Kind::Video);
    // Once here instead of once for every video: a missing program would otherwise make all of them
    // unreadable, and `skip_unreadable` would leave them out.
    if listing.splits.iter().flatten().any(is_video) {
        check(ffmpeg)?;
    }
    if settings.skip_unreadable {
        let read = |path: &Path| read_clip(path, &settings.sampling).map(drop);
        listing.leave_out_unreadable(format.noun, read)?;
    }
    let Listing {
        splits,
        classes,
        notes,
    } = listing;
    // Over the clips that are left, so that two runs with the same digest used the same clips.
    let sha256 = listing_digest(root, splits.iter().flatten());
    let [train, validation, test] = splits.map(|files| -> Samples {
        let sampling = settings.sampling.clone();
        let read = move |clip: &LabelledPath| {
            Ok(Sample::new(read_clip(&clip.path, &sampling)?, clip.label))
        };
        let root = root.clone();
        Arc::new(DecodedOnAccess { root, files, read })
    });
    Ok(Splits {
        spec: settings.spec(),
        train,
        validation,
        test,
        classes,
        sha256,
        notes,
    })
}

/// Clips found in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedClips {
    /// The clips, sorted by path.
    pub clips: Vec<ListedClip>,
    /// Sentences about the entries that are no clips and were passed over; empty if there are none.
    pub notes: Vec<String>,
}

/// A clip found in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedClip {
    /// Folder of frames, animated image file or video file.
    pub path: PathBuf,
    /// Name of the folder that groups the clip; `None` for a clip that lies directly in the directory.
    pub group: Option<String>,
}

/// Lists the clips in a directory and in its folders of clips, sorted by path.
///
/// A clip is a folder of frames, an animated GIF, WebP or PNG, or a video file.
///
/// # Errors
///
/// - [`Error::is_file_error`] if the directory cannot be listed.
/// - [`Error::is_invalid_format`] if it holds no clip.
pub fn list_clips(directory: &Path) -> Result<ListedClips> {
    let mut clips = Vec::new();
    let mut passed_over = PassedOver::default();
    for path in listed(directory, &mut passed_over)? {
        if is_clip(&path)? {
            clips.push(ListedClip { path, group: None });
        } else if path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            let group = name.to_string_lossy().into_owned();
            for path in listed(&path, &mut passed_over)? {
                if is_clip(&path)? {
                    clips.push(ListedClip {
                        path,
                        group: Some(group.clone()),
                    });
                } else {
                    passed_over.add(&path);
                }
            }
        } else {
            passed_over.add(&path);
        }
    }
    if clips.is_empty() {
        return Err(Error::invalid_format(format!(
            "{}: no clips, expected {}",
            directory.display(),
            expected_clips()
        )));
    }
    let notes = passed_over.note(directory, "clips").into_iter().collect();
    Ok(ListedClips { clips, notes })
}

/// Description of what is read as a clip, for messages.
fn expected_clips() -> String {
    format!(
        "folders of frames, animations with the extension {}, or videos with the extension {}",
        enumerated(&ANIMATIONS),
        enumerated(&VIDEOS)
    )
}

/// Sorted entries of a directory, without hidden ones.
fn listed(directory: &Path, passed_over: &mut PassedOver) -> Result<Vec<PathBuf>> {
    entries(directory, passed_over).map_err(|error| Error::cannot_read(directory, error))
}

/// True for folders that contain a frame, and for files of clips.
pub(in crate::data) fn is_clip(path: &Path) -> Result<bool> {
    if path.is_dir() {
        frames::has_frames(path)
    } else {
        Ok(size_of_clip(path)?.is_some())
    }
}

/// Size in bytes of an animation or a video; `None` for other files, such as an image that is not animated.
fn size_of_clip(path: &Path) -> Result<Option<u64>> {
    if let Some(n_bytes) = size_of(path, &VIDEOS)? {
        return Ok(Some(n_bytes));
    }
    Ok(match size_of(path, &ANIMATIONS)? {
        Some(n_bytes) if is_animation(path)? => Some(n_bytes),
        _ => None,
    })
}

/// Text that represents the content of a clip in the digest of a data set; `None` for other files.
fn fingerprint(path: &Path, passed_over: &mut PassedOver) -> Result<Option<String>> {
    if path.is_dir() {
        return frames::digest(path, passed_over).map(Some);
    }
    Ok(size_of_clip(path)?.map(|n_bytes| n_bytes.to_string()))
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
        let opened = open_with(&settings(false), None, "no-such-program");
        assert_eq!(opened.unwrap().train.len(), 1);
        std::fs::write(root.join("test/a/b.MP4"), "x").unwrap();
        for skip_unreadable in [false, true] {
            let Err(error) = open_with(&settings(skip_unreadable), None, "no-such-program") else {
                panic!("opened without the program");
            };
            assert!(error.is_file_error());
            let message = error.to_string();
            assert!(
                message.starts_with("no-such-program is not on PATH"),
                "{message}"
            );
        }
        std::fs::remove_dir_all(root).unwrap();
    }
}
