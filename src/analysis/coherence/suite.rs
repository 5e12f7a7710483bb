//! The clips that models are judged on.

use std::path::Path;

use rayon::prelude::*;

use crate::data::{
    ClipCut, ClipKind, Crop, DataSpec, MovingDigits, Sample, SampleSpec, clips_in, read_clip,
};

/// Frames of the clips that models of single images are shown, one by one.
const N_FRAMES_FOR_IMAGES: usize = 8;

/// Standard deviation of the pixels' noise in built-in clips of kind `noise`.
const NOISE: f32 = 0.2;

/// A clip to judge by.
#[derive(Debug, Clone)]
pub struct SuiteClip {
    /// What it is called.
    pub name: String,
    /// Kind of a built-in clip, or folder; empty if neither.
    pub group: String,
    /// Its class where that is known.
    pub label: Option<usize>,
    /// Whether its frames change by more than their motion.
    pub is_corrupted: bool,
    /// Pixels, and what is known of them.
    pub sample: Sample,
}

/// Clips of one shape.
#[derive(Debug, Clone)]
pub struct Suite {
    /// Where they come from, for people.
    pub source: String,
    /// The clips.
    pub clips: Vec<SuiteClip>,
    /// Their shape.
    pub spec: SampleSpec,
}

impl Suite {
    /// The first clips of moving digits of all kinds that no training has seen, of the shape that a model
    /// takes; for a model of images clips of eight frames.
    ///
    /// They depend on the shape alone: not on the seed or the data of a run.
    ///
    /// # Errors
    ///
    /// One sentence if the model cannot take them: it sees colours or a handful of pixels, or knows other
    /// classes.
    pub fn builtin(model: SampleSpec, n_clips: usize) -> Result<Self, String> {
        let refuse = |found: String, expected: &str| {
            Err(format!(
                "the built-in clips do not fit: the model takes {found}, expected {expected}; pass clips of your own with `--clips DIR`"
            ))
        };
        if (model.n_channels, model.n_classes) != (1, 10) {
            let found = format!(
                "{} channels and tells {} classes",
                model.n_channels, model.n_classes
            );
            return refuse(found, "grey frames and the ten digits");
        }
        if model.height != model.width {
            let found = format!("frames of {} by {} pixels", model.height, model.width);
            return refuse(found, "square ones");
        }
        let n_frames = of_clips(model).n_frames;
        let made = match MovingDigits::new(ClipKind::ALL.to_vec(), n_frames, model.width, 1, NOISE)
        {
            Ok(made) => made,
            Err(reason) => {
                return refuse(
                    format!("frames in which no digits can move ({reason})"),
                    "larger ones",
                );
            }
        };
        let samples = made.splits().test;
        let clips = (0..n_clips.min(samples.len()))
            .into_par_iter()
            .map(|index| {
                let kind = made.kind_of(index);
                let sample = samples.get(index).map_err(|error| error.to_string())?;
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
            clips: clips.collect::<Result<_, String>>()?,
            spec: made.spec(),
        })
    }

    /// The groups, each once, in the order of the clips.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for clip in &self.clips {
            if !groups.contains(&&*clip.group) {
                groups.push(&clip.group);
            }
        }
        groups
    }

    /// The clips of a directory, cut and scaled to what a model takes: folders of frames, GIFs and video
    /// files, or folders of those. No class is known of them.
    ///
    /// # Errors
    ///
    /// One sentence: of the directory, or of the first clip that cannot be read or is too short.
    pub fn from_directory(
        directory: &Path,
        data: &DataSpec,
        n_clips: usize,
    ) -> Result<Self, String> {
        let spec = of_clips(data.samples());
        let cut = match data {
            DataSpec::ClipFolder(folder) => folder.cut.clone(),
            _ if spec.height != spec.width => {
                return Err(format!(
                    "the model takes frames of {} by {} pixels, expected square ones to scale clips to",
                    spec.height, spec.width
                ));
            }
            _ => ClipCut {
                n_frames: spec.n_frames,
                stride: 1,
                frame_rate: None,
                image_size: spec.width,
                crop: Crop::Center,
            },
        };
        let mut listed = clips_in(directory)?;
        listed.truncate(n_clips);
        let read = listed.into_par_iter().map(|(path, group)| {
            let pixels = read_clip(&path, &cut)?;
            let name = path.strip_prefix(directory).unwrap_or(&path);
            Ok(SuiteClip {
                name: name.display().to_string(),
                group: group.unwrap_or_default(),
                label: None,
                is_corrupted: false,
                sample: Sample::new(with_channels(&pixels, spec), 0),
            })
        });
        // By way of a list, so that of several bad clips the first is named, not the fastest.
        let read: Vec<Result<SuiteClip, String>> = read.collect();
        Ok(Self {
            source: directory.display().to_string(),
            clips: read.into_iter().collect::<Result<_, String>>()?,
            spec,
        })
    }
}

/// Shape of the clips that a model is shown.
fn of_clips(model: SampleSpec) -> SampleSpec {
    SampleSpec {
        n_frames: match model.n_frames {
            1 => N_FRAMES_FOR_IMAGES,
            n_frames => n_frames,
        },
        ..model
    }
}

/// Frames in colour as they are, or grey: the mean of red, green and blue.
fn with_channels(pixels: &[f32], spec: SampleSpec) -> Vec<f32> {
    if spec.n_channels == 3 {
        return pixels.to_vec();
    }
    let size = spec.height * spec.width;
    let of_frame = |frame: &[f32]| -> Vec<f32> {
        (0..size)
            .map(|at| (frame[at] + frame[size + at] + frame[2 * size + at]) / 3.0)
            .collect()
    };
    pixels.chunks_exact(3 * size).flat_map(of_frame).collect()
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
    fn built_in_clips_are_of_all_kinds_and_models_of_images_get_eight_frames() {
        let suite = Suite::builtin(MODEL, 20).unwrap();
        assert_eq!((suite.clips.len(), suite.spec.n_frames), (20, 8));
        for (index, clip) in suite.clips.iter().enumerate() {
            assert_eq!(clip.group, ClipKind::ALL[index % 10].name());
            assert_eq!(clip.sample.pixels.len(), 8 * 256);
            assert_eq!(clip.label, Some(clip.sample.label));
        }
        let again = Suite::builtin(MODEL, 7).unwrap();
        assert_eq!(again.clips[6].sample, suite.clips[6].sample);
    }

    #[test]
    fn models_that_cannot_take_them_are_told_why() {
        for (model, expected) in [
            (
                SampleSpec {
                    n_channels: 3,
                    ..MODEL
                },
                "takes 3 channels and tells 10 classes",
            ),
            (
                SampleSpec {
                    n_classes: 7,
                    ..MODEL
                },
                "tells 7 classes",
            ),
            (
                SampleSpec {
                    height: 20,
                    ..MODEL
                },
                "frames of 20 by 16 pixels, expected square",
            ),
            (
                SampleSpec {
                    height: 8,
                    width: 8,
                    ..MODEL
                },
                "side is 8, expected at least 16",
            ),
        ] {
            let message = Suite::builtin(model, 1).unwrap_err();
            assert!(message.contains(expected), "{message}");
            assert!(message.ends_with("`--clips DIR`"), "{message}");
        }
    }
}
