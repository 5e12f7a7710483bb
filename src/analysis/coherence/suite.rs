//! Clips on which models are measured.

use std::path::Path;

use rayon::prelude::*;

use crate::counted::counted;
use crate::data::{
    ClipKind, ClipSampling, Crop, DataSpec, ListedClip, ListedClips, MovingDigits, Sample,
    SampleSpec, Splits, list_clips, read_clip, spread_indices,
};
use crate::error::{Error, Result};

/// Number of frames of the clips for image models, which receive the frames one by one.
const N_FRAMES_FOR_IMAGES: usize = 8;

/// Smallest side of the frames of built-in clips, in pixels: two digits must fit next to each other.
const MIN_SIDE: usize = 16;

/// Standard deviation of the pixel noise in built-in clips of kind `noise`.
const NOISE: f32 = 0.2;

/// Kinds of the built-in clips: all in which something moves, since frames that are equal have equal predictions.
fn moving_kinds() -> Vec<ClipKind> {
    let moves = |kind: &ClipKind| *kind != ClipKind::Still;
    ClipKind::ALL.into_iter().filter(moves).collect()
}

/// A clip of a suite.
#[derive(Debug, Clone)]
pub struct SuiteClip {
    /// Displayed name.
    pub name: String,
    /// Kind of a built-in clip, or folder of a clip from files; empty without a folder.
    pub group: String,
    /// Label; `None` if unknown.
    pub label: Option<usize>,
    /// True if frames change by more than their motion, for instance by noise.
    pub is_corrupted: bool,
    /// Pixels and ground truth.
    pub sample: Sample,
}

/// Clips of the same shape, on which models are measured.
#[derive(Debug, Clone)]
pub struct Suite {
    /// Displayed origin of the clips.
    pub source: String,
    /// Clips, in order.
    pub clips: Vec<SuiteClip>,
    /// Shape of the clips.
    pub spec: SampleSpec,
    /// Names of the models' classes, by label.
    pub classes: Vec<String>,
    /// Sentences about files that are no clips and were passed over.
    pub notes: Vec<String>,
}

impl Suite {
    /// Makes clips of moving digits, spread evenly over their kinds, in the shape of the model's input; eight frames for an
    /// image model.
    ///
    /// They come from the test split, which no model is trained on, and depend only on the shape, not on the seed or
    /// the data of a run.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the clips do not fit the model: its frames are coloured, not square or too
    /// small, or its classes are not the ten digits.
    pub fn builtin(model: SampleSpec, n_clips: usize) -> Result<Self> {
        let refuse = |needed: &str, found: String| {
            Err(Error::invalid_parameter(format!(
                "the built-in clips need {needed}, and this model {found}; pass clips of your own with `--clips DIR`"
            )))
        };
        if (model.n_channels, model.n_classes) != (1, 10) {
            let found = format!(
                "takes {} and predicts {}",
                counted(model.n_channels, "channel"),
                counted(model.n_classes, "class")
            );
            return refuse(
                "a model of 1 channel and of the 10 digits as classes",
                found,
            );
        }
        let size = format!("takes {} by {}", model.height, model.width);
        if model.height != model.width {
            return refuse("square frames", size);
        }
        if model.width < MIN_SIDE {
            let needed = format!("frames of at least {MIN_SIDE} by {MIN_SIDE} pixels");
            return refuse(&needed, size);
        }
        let n_frames = clip_spec(model).n_frames;
        let kinds = moving_kinds();
        // Settings of its own, and not those of the run, so that all runs are measured on the same clips.
        let digits = MovingDigits::new(kinds, n_frames, model.width, 1, NOISE)?;
        let Splits {
            test: samples,
            classes,
            ..
        } = digits.splits();
        // The kinds are the rows of the tables, so every one gets its share of the clips.
        let kinds: Vec<usize> = (0..samples.len())
            .map(|index| index % moving_kinds().len())
            .collect();
        let clips = spread_indices(&kinds, n_clips)
            .into_par_iter()
            .map(|index| {
                let kind = digits.clip_kind(index);
                let sample = samples.get(index).map_err(Error::sample)?;
                Ok(SuiteClip {
                    name: format!("{index:03} {}, a {}", kind.name(), sample.label),
                    group: kind.name().to_owned(),
                    label: Some(sample.label),
                    is_corrupted: kind.corrupts_frames(),
                    sample,
                })
            });
        Ok(Self {
            source: "built-in moving digits, test split".to_owned(),
            clips: clips.collect::<Result<_>>()?,
            spec: digits.spec(),
            classes,
            notes: Vec::new(),
        })
    }

    /// Returns the name of a class; its number if it has no name.
    pub fn class_name(&self, label: usize) -> String {
        let name = self.classes.get(label).cloned();
        name.unwrap_or_else(|| label.to_string())
    }

    /// Returns the distinct groups, in the order of the clips.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for clip in &self.clips {
            if !groups.contains(&&*clip.group) {
                groups.push(&clip.group);
            }
        }
        groups
    }

    /// Reads clips of a directory, cropped and scaled to the model's input: folders of frames, animations and video
    /// files, or folders of those.
    ///
    /// At most `n_clips` are read, spread evenly over the folders. A clip in a folder that has the name of one of the
    /// model's `classes` has that class as its label; other clips have no label.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_parameter`] if the frames of the model are not square.
    /// - The errors of [`list_clips`], and those of [`read_clip`] for the first clip that has one.
    pub fn from_directory(
        directory: &Path,
        data: &DataSpec,
        classes: Vec<String>,
        n_clips: usize,
    ) -> Result<Self> {
        let spec = clip_spec(data.sample_spec());
        let sampling = match data {
            DataSpec::ClipFolder(folder) => folder.sampling.clone(),
            _ if spec.height != spec.width => {
                return Err(Error::invalid_parameter(format!(
                    "the model takes frames of {} by {} pixels, expected square frames, to which clips can be scaled",
                    spec.height, spec.width
                )));
            }
            _ => ClipSampling {
                n_frames: spec.n_frames,
                stride: 1,
                frame_rate: None,
                image_size: spec.width,
                crop: Crop::Center,
            },
        };
        let ListedClips { clips, mut notes } = list_clips(directory)?;
        let groups: Vec<&Option<String>> = clips.iter().map(|clip| &clip.group).collect();
        let mut names = groups.clone();
        names.dedup();
        let number = |group| {
            names
                .iter()
                .position(|name| *name == group)
                .unwrap_or_default()
        };
        let groups: Vec<usize> = groups.into_iter().map(number).collect();
        let label_of = |group: &str| classes.iter().position(|class| class == group);
        notes.extend(note_on_labels(&clips, &classes));
        let chosen: Vec<&ListedClip> = spread_indices(&groups, n_clips)
            .into_iter()
            .map(|index| &clips[index])
            .collect();
        let read = chosen.into_par_iter().map(|ListedClip { path, group }| {
            let pixels = read_clip(path, &sampling)?;
            let name = path.strip_prefix(directory).unwrap_or(path);
            let label = group.as_deref().and_then(label_of);
            Ok(SuiteClip {
                name: name.display().to_string(),
                group: group.clone().unwrap_or_default(),
                label,
                is_corrupted: false,
                // Where the label is unknown, this 0 is not used.
                sample: Sample::new(with_channels(&pixels, spec), label.unwrap_or(0)),
            })
        });
        // Collected before errors are looked at, so that the first bad clip is reported, not the fastest.
        let clips: Vec<Result<SuiteClip>> = read.collect();
        Ok(Self {
            source: directory.display().to_string(),
            clips: clips.into_iter().collect::<Result<_>>()?,
            spec,
            classes,
            notes,
        })
    }
}

/// Says which folders of clips are no classes of the model, if others are; `None` if all or none of them are.
fn note_on_labels(clips: &[ListedClip], classes: &[String]) -> Option<String> {
    let mut groups: Vec<&str> = clips
        .iter()
        .filter_map(|clip| clip.group.as_deref())
        .collect();
    groups.dedup();
    let n_groups = groups.len();
    groups.retain(|group| !classes.iter().any(|class| class == group));
    if groups.is_empty() || groups.len() == n_groups {
        return None;
    }
    let names: Vec<String> = groups
        .iter()
        .take(10)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = match groups.len() - names.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Some(format!(
        "{} of clips ({}{more}) {} not named after classes of the model: their clips have no label",
        counted(groups.len(), "folder"),
        names.join(", "),
        if groups.len() == 1 { "is" } else { "are" }
    ))
}

/// Returns the shape of the clips for a model: an image model receives the frames of a clip one by one.
fn clip_spec(model: SampleSpec) -> SampleSpec {
    SampleSpec {
        n_frames: match model.n_frames {
            1 => N_FRAMES_FOR_IMAGES,
            n_frames => n_frames,
        },
        ..model
    }
}

/// Converts colour frames to the channels of the model: unchanged, or grey as the mean of red, green and blue.
fn with_channels(pixels: &[f32], spec: SampleSpec) -> Vec<f32> {
    if spec.n_channels == 3 {
        return pixels.to_vec();
    }
    let size = spec.height * spec.width;
    let grey = |frame: &[f32]| -> Vec<f32> {
        (0..size)
            .map(|pixel| (frame[pixel] + frame[size + pixel] + frame[2 * size + pixel]) / 3.0)
            .collect()
    };
    pixels.chunks_exact(3 * size).flat_map(grey).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: SampleSpec = SampleSpec {
        n_frames: 1,
        n_channels: 1,
        height: 16,
        width: 16,
        n_classes: 10,
    };

    #[test]
    fn built_in_clips_have_all_kinds_and_eight_frames_for_images() {
        let suite = Suite::builtin(MODEL, 20).unwrap();
        assert_eq!((suite.clips.len(), suite.spec.n_frames), (20, 8));
        for kind in moving_kinds() {
            let of_kind = suite.clips.iter().filter(|clip| clip.group == kind.name());
            assert_eq!(of_kind.count(), 2, "{kind:?}");
        }
        for clip in &suite.clips {
            assert_eq!(clip.sample.pixels.len(), 8 * 256);
            assert_eq!(clip.label, Some(clip.sample.label));
        }
        let again = Suite::builtin(MODEL, 20).unwrap();
        assert_eq!(again.clips[6].sample, suite.clips[6].sample);
    }

    #[test]
    fn models_that_do_not_fit_are_refused_with_a_reason() {
        for (model, expected) in [
            (
                SampleSpec {
                    n_channels: 3,
                    ..MODEL
                },
                "the built-in clips need a model of 1 channel and of the 10 digits as classes, and this model takes 3 \
                 channels and predicts 10 classes; ",
            ),
            (
                SampleSpec {
                    n_classes: 1,
                    ..MODEL
                },
                "takes 1 channel and predicts 1 class; ",
            ),
            (
                SampleSpec {
                    height: 20,
                    ..MODEL
                },
                "the built-in clips need square frames, and this model takes 20 by 16; ",
            ),
            (
                SampleSpec {
                    height: 8,
                    width: 8,
                    ..MODEL
                },
                "the built-in clips need frames of at least 16 by 16 pixels, and this model takes 8 by 8; ",
            ),
        ] {
            let error = Suite::builtin(model, 1).unwrap_err();
            assert!(error.is_invalid_parameter());
            let message = error.to_string();
            assert!(message.contains(expected), "{message}");
            assert!(
                message.ends_with("; pass clips of your own with `--clips DIR`"),
                "{message}"
            );
        }
    }
}
