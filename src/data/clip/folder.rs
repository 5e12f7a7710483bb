//! Clips in folders named after their classes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::super::class_folder::{
    Decoded, LabelledPath, Medium, class_folders, entries, enumerated, listing_digest, size_of,
    unreadable,
};
use super::super::image_folder::folder_spec;
use super::super::{Sample, SampleSpec, Samples, Splits};
use super::ffmpeg::{FFMPEG, check};
use super::{ClipCut, Kind, frames, kind, read_clip};

/// File endings that are taken for clips; other files are passed over.
const ENDINGS: [&str; 17] = [
    "gif", "mp4", "m4v", "mov", "webm", "mkv", "avi", "mpg", "mpeg", "m2v", "ts", "mts", "wmv",
    "flv", "ogv", "3gp", "y4m",
];

/// Clips in `<split>/<class>/`: what is opened, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipFolder {
    /// Directory of the folders `train`, `test` and perhaps `val` or `validation`.
    pub path: PathBuf,
    /// Number of folders in `train`.
    pub n_classes: usize,
    /// Fraction of every class of `train` that is for validation where there is no folder.
    pub validation_fraction: Option<f64>,
    /// How clips are cut.
    pub cut: ClipCut,
    /// Whether clips that cannot be decoded are looked for at once and left out.
    pub skip_unreadable: bool,
}

impl ClipFolder {
    /// Shape of the clips: square and in colour.
    pub fn spec(&self) -> SampleSpec {
        SampleSpec {
            n_frames: self.cut.n_frames,
            ..folder_spec(self.cut.image_size, self.n_classes)
        }
    }

    /// Lists `train/<class>/`, `val/<class>/` or `validation/<class>/`, and `test/<class>/`. Folders in
    /// them are clips, and so are GIFs and video files, known by their endings.
    ///
    /// Classes are the sorted names of the folders in `train`. Without a validation folder
    /// `validation_fraction` of `train` is set aside, the same clips whatever can be decoded.
    ///
    /// # Errors
    ///
    /// One sentence if a folder is missing or holds no clip, if `train` has not `n_classes` folders, if
    /// another split has a class that `train` lacks, if there is not exactly one source of validation
    /// clips, if there are video files but no `ffmpeg`, or if no clip is left of a class of `train` or
    /// of another split. Other clips that cannot be decoded are
    /// [`DatasetError`](burn::data::dataset::DatasetError)s when they are asked for.
    ///
    /// # Cost
    ///
    /// Every file is listed, frames in folders too; with `skip_unreadable` every clip is decoded.
    pub fn open(&self) -> Result<Splits, String> {
        opened(self, FFMPEG)
    }
}

fn opened(settings: &ClipFolder, ffmpeg: &str) -> Result<Splits, String> {
    settings.cut.check()?;
    let root = &settings.path;
    let medium = Medium {
        plural: "clips",
        expected: format!(
            "folders of frames, or files that end in {}",
            enumerated(&ENDINGS)
        ),
        content,
    };
    let mut splits = class_folders(
        root,
        settings.n_classes,
        settings.validation_fraction,
        &medium,
    )?;
    let is_video = |clip: &LabelledPath| kind(&clip.path) == Ok(Kind::Video);
    if splits.iter().flatten().any(is_video) {
        check(ffmpeg)?;
    }
    let mut complaints = Vec::new();
    if settings.skip_unreadable {
        for (clips, split) in splits.iter_mut().zip(["train", "validation", "test"]) {
            complaints.extend(leave_out_unreadable(clips, split, &settings.cut)?);
        }
    }
    let sha256 = listing_digest(root, splits.iter().flatten());
    let [train, validation, test] = splits.map(|files| -> Samples {
        let cut = settings.cut.clone();
        let read =
            move |clip: &LabelledPath| Ok(Sample::new(read_clip(&clip.path, &cut)?, clip.label));
        Arc::new(Decoded { files, read })
    });
    Ok(Splits {
        spec: settings.spec(),
        train,
        validation,
        test,
        sha256,
        unreadable: complaints,
    })
}

/// The clips in a directory, sorted: folders of frames, GIFs and video files, each with the name of the
/// folder that groups it where the directory holds folders of clips.
///
/// # Errors
///
/// One sentence if the directory cannot be listed, or holds no clip.
pub fn clips_in(directory: &Path) -> Result<Vec<(PathBuf, Option<String>)>, String> {
    let mut clips = Vec::new();
    for path in listed(directory)? {
        if is_clip(&path)? {
            clips.push((path, None));
        } else if path.is_dir() {
            let group = path.file_name().unwrap_or_default();
            let group = group.to_string_lossy().into_owned();
            for path in listed(&path)? {
                if is_clip(&path)? {
                    clips.push((path, Some(group.clone())));
                }
            }
        }
    }
    match clips.is_empty() {
        true => Err(format!(
            "{}: no clips, expected folders of frames, or files that end in {}",
            directory.display(),
            enumerated(&ENDINGS)
        )),
        false => Ok(clips),
    }
}

fn listed(directory: &Path) -> Result<Vec<PathBuf>, String> {
    entries(directory).map_err(|error| unreadable(directory, &error))
}

fn is_clip(path: &Path) -> Result<bool, String> {
    match path.is_dir() {
        true => frames::is_any(path),
        false => Ok(size_of(path, &ENDINGS)?.is_some()),
    }
}

/// What stands for a clip in the digest.
fn content(path: &Path) -> Result<Option<String>, String> {
    if path.is_dir() {
        return frames::digest(path).map(Some);
    }
    Ok(size_of(path, &ENDINGS)?.map(|n_bytes| n_bytes.to_string()))
}

/// Decodes the clips of a split, keeps those that can be and returns what is said of the others.
fn leave_out_unreadable(
    clips: &mut Vec<LabelledPath>,
    split: &str,
    cut: &ClipCut,
) -> Result<Vec<String>, String> {
    let complaints: Vec<Option<String>> = clips
        .par_iter()
        .map(|clip| read_clip(&clip.path, cut).err())
        .collect();
    let tried: Vec<_> = std::mem::take(clips).into_iter().zip(complaints).collect();
    // Every class is learned from; what choices are made on may lack one, as long as it is not empty.
    let together = |a: usize, b: usize| a == b || split != "train";
    for part in tried.chunk_by(|a, b| together(a.0.label, b.0.label)) {
        let (clip, first) = &part[0];
        if let Some(first) = first
            && part.iter().all(|(_, complaint)| complaint.is_some())
        {
            return Err(format!(
                "{}: the first of {} {split} clips of which none can be read; {first}",
                clip.path.display(),
                part.len()
            ));
        }
    }
    let mut said = Vec::new();
    for (clip, complaint) in tried {
        match complaint {
            None => clips.push(clip),
            Some(complaint) => said.push(complaint),
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::super::tests::cut;
    use super::*;

    #[test]
    fn videos_without_ffmpeg_are_refused_at_once_and_other_clips_are_not() {
        let root = std::env::temp_dir().join(format!("clips-{}", std::process::id()));
        for class in ["train/a", "val/a", "test/a"] {
            std::fs::create_dir_all(root.join(class).join("frames")).unwrap();
        }
        let settings = |skip_unreadable| ClipFolder {
            path: root.clone(),
            n_classes: 1,
            validation_fraction: None,
            cut: cut(1, 1),
            skip_unreadable,
        };
        let found = opened(&settings(false), "no-such-program");
        assert_eq!(found.unwrap().train.len(), 1);
        std::fs::write(root.join("test/a/b.MP4"), "x").unwrap();
        for skip_unreadable in [false, true] {
            let Err(message) = opened(&settings(skip_unreadable), "no-such-program") else {
                panic!("opened without the program");
            };
            assert!(message.starts_with("ffmpeg is not on PATH"), "{message}");
        }
        std::fs::remove_dir_all(root).unwrap();
    }
}
