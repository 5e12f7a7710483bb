//! Data sets of clips stored as `<split>/<class>/<clip>`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::super::class_folder::{Listing, SampleFormat, class_folders};
use super::super::content_digest::ContentDigests;
use super::super::decoding::is_animation;
use super::super::image_folder::folder_spec;
use super::super::passed_over::PassedOver;
use super::super::sample_files::{
    DecodedOnAccess, LabelledPath, content_digests, entries, enumerated, is_file_of, listing_digest,
};
use super::super::{Sample, SampleSpec, Samples, Splits};
use super::ffmpeg::VideoPrograms;
use super::frame_cache::{CacheLimits, FrameCache};
use super::{ClipSampling, Kind, frames, kind, read_clip_with};
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
    /// Every file is listed, frames in folders too, and read for its digest unless it is as it was when the data set was
    /// last opened. With `skip_unreadable` every clip is decoded.
    ///
    /// Decoded videos are kept, in memory and on disk, and are decoded once. Both have limits, which `docs/pictures.md`
    /// tells.
    pub fn open(&self) -> Result<Splits> {
        open_with(self, None, &VideoPrograms::on_path()?)
    }

    /// Opens the data set like [`Self::open`], with labels by the class names of a trained model.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Self::open`], and [`Error::is_invalid_format`] for a folder that is none of the classes.
    pub fn open_as(&self, classes: &[String]) -> Result<Splits> {
        open_with(self, Some(classes), &VideoPrograms::on_path()?)
    }
}

/// Opens a data set, whose videos these programs decode.
fn open_with(
    settings: &ClipFolder,
    classes: Option<&[String]>,
    programs: &VideoPrograms,
) -> Result<Splits> {
    settings.sampling.check()?;
    let root = &settings.path;
    let format = SampleFormat {
        noun: "clip",
        expected: expected_clips(),
        is_sample,
    };
    let mut listing = class_folders(
        root,
        settings.n_classes,
        classes,
        settings.validation_fraction,
        &format,
    )?;
    let contents = ContentDigests::open(root);
    let digest = |path: &Path| {
        if path.is_dir() {
            frames::digest(path, &contents)
        } else {
            contents.of(path)
        }
    };
    let videos: Vec<&LabelledPath> = listing
        .splits
        .iter()
        .flatten()
        .filter(|clip| kind(&clip.path) == Ok(Kind::Video))
        .collect();
    let cache = if videos.is_empty() {
        None
    } else {
        // Once here instead of once for every video: a missing program would otherwise make all of them
        // unreadable, and `skip_unreadable` would leave them out.
        let version = programs.check()?;
        let digests: Vec<Result<String>> = videos
            .par_iter()
            .map(|clip| contents.of(&clip.path))
            .collect();
        // One that cannot be read may be left out below, and is an error otherwise.
        let known = videos
            .iter()
            .zip(digests)
            .filter_map(|(clip, digest)| Some((clip.path.clone(), digest.ok()?)));
        let limits = CacheLimits::from_environment()?;
        Some(Arc::new(FrameCache::new(
            known,
            &settings.sampling,
            &version,
            limits,
        )))
    };
    if settings.skip_unreadable {
        let read =
            |path: &Path| read_clip_with(path, &settings.sampling, cache.as_deref()).map(drop);
        listing.leave_out_unreadable(format.noun, read)?;
    }
    let Listing {
        splits,
        classes,
        notes,
    } = listing;
    // Over the clips that are left, so that two runs with the same digest used the same clips.
    let digests = content_digests(splits.iter().flatten(), digest)?;
    contents.store();
    let sha256 = listing_digest(root, splits.iter().flatten(), &digests);
    let [train, validation, test] = splits.map(|files| -> Samples {
        let (sampling, cache) = (settings.sampling.clone(), cache.clone());
        let read = move |clip: &LabelledPath| {
            let pixels = read_clip_with(&clip.path, &sampling, cache.as_deref())?;
            Ok(Sample::new(pixels, clip.label))
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
        is_clip_file(path)
    }
}

/// True for an animation or a video, and false for other files, such as an image that is not animated.
fn is_clip_file(path: &Path) -> Result<bool> {
    Ok(is_file_of(path, &VIDEOS)? || (is_file_of(path, &ANIMATIONS)? && is_animation(path)?))
}

/// True for a clip file, and for every folder, even one without frames, which is an error when it is read.
fn is_sample(path: &Path, passed_over: &mut PassedOver) -> Result<bool> {
    if path.is_dir() {
        frames::count_others(path, passed_over)?;
        return Ok(true);
    }
    is_clip_file(path)
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
        let missing = VideoPrograms {
            ffmpeg: "no-such-program".to_owned(),
            ..VideoPrograms::on_path().unwrap()
        };
        let opened = open_with(&settings(false), None, &missing);
        assert_eq!(opened.unwrap().train.len(), 1);
        std::fs::write(root.join("test/a/b.MP4"), "x").unwrap();
        for skip_unreadable in [false, true] {
            let Err(error) = open_with(&settings(skip_unreadable), None, &missing) else {
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
