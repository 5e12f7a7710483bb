//! `[model]`: checked architecture.

use super::{Condition, Errors, all_or, require, require_all};
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{RawBlock, RawGenerator, RawModel, RawText, RawVideo};
use crate::data::{DataSpec, SampleSpec};
use crate::model::{
    BlockStyle, Distillation, GeneratorConfig, ImageHead, LinearProbeConfig, NetworkConfig,
    Pooling, VideoAttention, VideoConfig, VideoHead, VitConfig, VitSize,
};

/// Number of layers over frames of a factorised encoder, if the file does not give it.
const N_TEMPORAL_LAYERS: usize = 2;

/// Largest number of layers.
const MAX_LAYERS: usize = 10_000;

/// Largest width of tokens and of the MLP, and largest number of heads.
const MAX_WIDTH: usize = 1_000_000;

/// Largest width of the MLP in multiples of the width of tokens.
const MAX_MLP_RATIO: usize = 1_000;

/// Largest number of words of a caption.
const MAX_WORDS: usize = 1_000;

/// Checks `[model]` against the shape of the samples and their captions.
pub(super) fn model(
    document: &Document,
    raw: &RawModel,
    data: &DataSpec,
) -> Result<NetworkConfig, ConfigError> {
    let samples = data.sample_spec();
    check_masks(document, raw, data)?;
    // The linear probe counts as a model of clips: it classifies their frames. A picture with its mask is no clip.
    let is_video = !matches!(raw, RawModel::Vit { .. });
    require(
        document,
        is_video == (samples.n_frames > 1 && !data.has_masks()),
        "model.kind",
        || {
            if is_video {
                "the data are images, expected the model `vit`".into()
            } else {
                format!(
                    "the data are clips of {} frames, expected one of the models `timesformer`, `vivit`, \
                     `joint`, `generator` and `linear_probe`",
                    samples.n_frames
                )
            }
        },
    )?;
    match raw {
        RawModel::Vit { .. } => vit(document, raw, samples),
        RawModel::Timesformer(video_raw)
        | RawModel::Vivit(video_raw)
        | RawModel::Joint(video_raw) => video(document, raw, video_raw, samples),
        RawModel::Generator(raw) => generator(document, raw, data),
        RawModel::LinearProbe(probe) => {
            let head = probe.head;
            require(document, head != VideoHead::NextFrame, "model.head", || {
                "a linear probe is a classifier, expected the head `clip` or `frames`".into()
            })?;
            let config = LinearProbeConfig::new(
                samples.n_frames,
                [samples.height, samples.width],
                samples.n_channels,
                samples.n_classes,
            );
            Ok(NetworkConfig::LinearProbe(config.with_head(head)))
        }
    }
}

/// Checks that a model predicts masks if, and only if, the data have them.
fn check_masks(document: &Document, raw: &RawModel, data: &DataSpec) -> Result<(), ConfigError> {
    let &RawModel::Vit {
        head,
        ref init_from,
        distillation,
        ..
    } = raw
    else {
        return require(document, !data.has_masks(), "model.kind", || {
            "the data are pictures with masks, expected the model `vit` with the head `mask`".into()
        });
    };
    let predicts_masks = head == ImageHead::Mask;
    require(
        document,
        predicts_masks == data.has_masks(),
        "model.head",
        || {
            if predicts_masks {
                "the data have no masks, expected the head `class`, or the data `damaged_glyphs`"
                    .into()
            } else {
                "the data are pictures with masks, expected the head `mask`".into()
            }
        },
    )?;
    require_all(
        document,
        [
            Condition::new(
                "model.init_from",
                !predicts_masks || init_from.is_none(),
                "pretrained weights are those of classifiers, and the model predicts masks; leave init_from out",
            ),
            Condition::new(
                "model.distillation",
                !predicts_masks || distillation == Distillation::None,
                "a distillation token is one of classifiers, and the model predicts masks; leave distillation out",
            ),
        ],
    )
}

/// Size of a transformer, as the file gives it.
struct RawDimensions {
    size: Option<VitSize>,
    d_model: Option<usize>,
    n_layers: Option<usize>,
    n_heads: Option<usize>,
}

/// Checked size of a transformer.
struct Dimensions {
    d_model: usize,
    n_layers: usize,
    n_heads: usize,
}

impl RawDimensions {
    /// Returns the numbers of the file, or those of the standard size.
    fn check(&self, document: &Document) -> Result<Dimensions, ConfigError> {
        let size = self.size;
        let choose =
            |key: &str, written: Option<usize>, most: usize, standard: fn(VitSize) -> usize| {
                let path = format!("model.{key}");
                let value = match (written, size) {
                    (Some(_), Some(_)) => {
                        return Err(document.error_at(
                            &path,
                            format!("`size` and `{key}` are both set, expected one of them"),
                        ));
                    }
                    (Some(value), None) => value,
                    (None, Some(size)) => standard(size),
                    // Reported before, as a missing key.
                    (None, None) => 0,
                };
                require_all(document, [Condition::count(path, value, most)])?;
                Ok(value)
            };
        let mut errors = Errors::default();
        let d_model = choose("d_model", self.d_model, MAX_WIDTH, VitSize::d_model);
        let n_layers = choose("n_layers", self.n_layers, MAX_LAYERS, VitSize::n_layers);
        let n_heads = choose("n_heads", self.n_heads, MAX_WIDTH, VitSize::n_heads);
        let [d_model, n_layers, n_heads] =
            [d_model, n_layers, n_heads].map(|count| errors.keep(count).unwrap_or(1));
        all_or(errors.0, ())?;
        // The location must be that of a key that the file has.
        let heads_key = if size.is_some() {
            "model.size"
        } else {
            "model.n_heads"
        };
        require(document, d_model.is_multiple_of(n_heads), heads_key, || {
            format!("n_heads is {n_heads}, expected a divisor of d_model {d_model}")
        })?;
        Ok(Dimensions {
            d_model,
            n_layers,
            n_heads,
        })
    }
}

/// Keys that all transformers have.
struct CommonKeys {
    patch_size: usize,
    mlp_ratio: usize,
    dropout: f64,
    drop_path: f64,
}

impl CommonKeys {
    fn check(&self, document: &Document, samples: SampleSpec) -> Result<(), ConfigError> {
        let patch_size = self.patch_size;
        // A side of 0 is a multiple of every patch size, but has no patches.
        let divides = |side: usize| patch_size > 0 && side > 0 && side.is_multiple_of(patch_size);
        let probability = |key: &str, value: f64| {
            Condition::new(
                format!("model.{key}"),
                // At 1 every value would be dropped, and the scaling of the others would divide by 0.
                (0.0..1.0).contains(&value),
                format!("{key} is {value}, expected a probability of at least 0 and below 1"),
            )
        };
        require_all(
            document,
            [
                Condition::new(
                    "model.patch_size",
                    divides(samples.height) && divides(samples.width),
                    format!(
                        "patch_size is {patch_size}, expected a divisor of height and width, {} and {} pixels",
                        samples.height, samples.width
                    ),
                ),
                Condition::count("model.mlp_ratio", self.mlp_ratio, MAX_MLP_RATIO),
                probability("dropout", self.dropout),
                probability("drop_path", self.drop_path),
            ],
        )
    }
}

/// Returns the dimensions if they and the keys beside them are valid, or else the errors of both.
fn both(
    document: &Document,
    dimensions: Result<Dimensions, ConfigError>,
    common: Result<(), ConfigError>,
) -> Result<Dimensions, ConfigError> {
    let mut errors = Errors::default();
    let dimensions = errors.keep(dimensions);
    errors.keep(common);
    match dimensions {
        Some(dimensions) => all_or(errors.0, dimensions),
        None => Err(errors.joined(document)),
    }
}

fn vit(
    document: &Document,
    raw: &RawModel,
    samples: SampleSpec,
) -> Result<NetworkConfig, ConfigError> {
    let &RawModel::Vit {
        size,
        d_model,
        n_layers,
        n_heads,
        head,
        patch_size,
        mlp_ratio,
        pooling,
        n_registers,
        dropout,
        drop_path,
        distillation,
        block,
        ..
    } = raw
    else {
        unreachable!("called for vision transformers only");
    };
    let dimensions = RawDimensions {
        size,
        d_model,
        n_layers,
        n_heads,
    }
    .check(document);
    let common = CommonKeys {
        patch_size,
        mlp_ratio,
        dropout,
        drop_path,
    }
    .check(document, samples);
    let dimensions = both(document, dimensions, common)?;
    require(
        document,
        distillation == Distillation::None || pooling == Pooling::Cls,
        "model.distillation",
        || "a distillation token needs a class token, expected pooling `cls`".into(),
    )?;
    let config = VitConfig::new(
        [samples.height, samples.width],
        samples.n_channels,
        samples.n_classes,
        patch_size,
        dimensions.d_model,
        dimensions.n_layers,
        dimensions.n_heads,
    )
    .with_mlp_ratio(mlp_ratio)
    .with_n_registers(n_registers)
    .with_dropout(dropout)
    .with_drop_path(drop_path)
    .with_head(head)
    .with_pooling(pooling)
    .with_distillation(distillation)
    .with_style(style(document, block)?);
    Ok(NetworkConfig::Vit(config))
}

fn video(
    document: &Document,
    kind: &RawModel,
    raw: &RawVideo,
    samples: SampleSpec,
) -> Result<NetworkConfig, ConfigError> {
    let dimensions = RawDimensions {
        size: raw.size,
        d_model: raw.d_model,
        n_layers: raw.n_layers,
        n_heads: raw.n_heads,
    }
    .check(document);
    let common = CommonKeys {
        patch_size: raw.patch_size,
        mlp_ratio: raw.mlp_ratio,
        dropout: raw.dropout,
        drop_path: raw.drop_path,
    }
    .check(document, samples);
    let dimensions = both(document, dimensions, common)?;
    let head = raw.head;
    // The last frame is only a target: the frame after it, its own target, is not in the data.
    let n_frames = match head {
        // Does not wrap around: images have been refused for models of clips.
        VideoHead::NextFrame => samples.n_frames - 1,
        VideoHead::Clip | VideoHead::Frames => samples.n_frames,
    };
    check_frames(document, kind, raw, n_frames)?;
    let attention = match kind {
        RawModel::Vivit(_) => VideoAttention::Factorised {
            n_temporal_layers: raw.n_temporal_layers.unwrap_or(N_TEMPORAL_LAYERS),
        },
        RawModel::Joint(_) => VideoAttention::Joint,
        _ => VideoAttention::Divided,
    };
    let config = VideoConfig::new(
        n_frames,
        [samples.height, samples.width],
        samples.n_channels,
        samples.n_classes,
        raw.patch_size,
        dimensions.d_model,
        dimensions.n_layers,
        dimensions.n_heads,
    )
    .with_head(head)
    .with_attention(attention)
    .with_tubelet_size(raw.tubelet_size.unwrap_or(1))
    .with_mlp_ratio(raw.mlp_ratio)
    .with_dropout(raw.dropout)
    .with_drop_path(raw.drop_path)
    .with_pooling(raw.pooling)
    .with_positions(raw.positions)
    .with_style(style(document, raw.block)?);
    config
        .check()
        .map_err(|message| document.error_at("model", message))?;
    Ok(NetworkConfig::Video(config))
}

fn generator(
    document: &Document,
    raw: &RawGenerator,
    data: &DataSpec,
) -> Result<NetworkConfig, ConfigError> {
    let samples = data.sample_spec();
    let Some(vocabulary) = data.vocabulary() else {
        return Err(document.error_at(
            "model.kind",
            "a generator needs captions, expected data of the kind `moving_digits` with the key captions = {}",
        ));
    };
    let dimensions = RawDimensions {
        size: None,
        d_model: Some(raw.d_model),
        n_layers: Some(raw.n_layers),
        n_heads: Some(raw.n_heads),
    }
    .check(document);
    let common = CommonKeys {
        patch_size: raw.patch_size,
        mlp_ratio: raw.mlp_ratio,
        dropout: 0.0,
        drop_path: 0.0,
    }
    .check(document, samples);
    let dimensions = both(document, dimensions, common)?;
    let RawText::Learned {
        n_layers,
        max_words,
    } = raw.text;
    require_all(
        document,
        [
            Condition::new(
                "model.d_model",
                raw.d_model.is_multiple_of(2),
                format!("d_model is {}, expected an even number", raw.d_model),
            ),
            Condition::new(
                "model.text.n_layers",
                n_layers <= MAX_LAYERS,
                format!("n_layers is {n_layers}, expected at most {MAX_LAYERS}"),
            ),
            Condition::count("model.text.max_words", max_words, MAX_WORDS),
        ],
    )?;
    let config = GeneratorConfig::new(
        samples.n_frames,
        [samples.height, samples.width],
        samples.n_channels,
        raw.patch_size,
        dimensions.d_model,
        dimensions.n_layers,
        dimensions.n_heads,
        vocabulary.n_numbers(),
    )
    .with_mlp_ratio(raw.mlp_ratio)
    .with_max_words(max_words)
    .with_n_text_layers(n_layers)
    .with_predict(raw.predict);
    config
        .check()
        .map_err(|message| document.error_at("model", message))?;
    Ok(NetworkConfig::Generator(config))
}

/// Checks the keys of a video transformer that depend on its kind or on the number of frames.
fn check_frames(
    document: &Document,
    kind: &RawModel,
    raw: &RawVideo,
    n_frames: usize,
) -> Result<(), ConfigError> {
    let predicts_frames = raw.head == VideoHead::NextFrame;
    let n_temporal_layers = raw.n_temporal_layers.unwrap_or(N_TEMPORAL_LAYERS);
    let tubelet_size = raw.tubelet_size.unwrap_or(1);
    require_all(
        document,
        [
            Condition::new(
                "data.n_frames",
                !predicts_frames || n_frames >= 2,
                // Clips have at least two frames, so that fewer than two inputs are left only by exactly 2.
                "n_frames is 2, expected at least 3 to predict from two frames",
            ),
            Condition::new(
                "model.n_temporal_layers",
                raw.n_temporal_layers.is_none() || matches!(kind, RawModel::Vivit(_)),
                "n_temporal_layers is a key of `vivit`; other models have no layers over frames only",
            ),
            // Harmless in other models, for which the default is checked.
            Condition::count("model.n_temporal_layers", n_temporal_layers, MAX_LAYERS),
            Condition::new(
                "model.tubelet_size",
                raw.tubelet_size.is_none() || matches!(kind, RawModel::Joint(_)),
                "tubelet_size is a key of `joint`; in other models every frame has its own tokens",
            ),
            Condition::new(
                "model.tubelet_size",
                tubelet_size > 0 && n_frames.is_multiple_of(tubelet_size),
                format!("tubelet_size is {tubelet_size}, expected a divisor of {n_frames} frames"),
            ),
            Condition::new(
                "model.tubelet_size",
                !predicts_frames || tubelet_size == 1,
                format!("tubelet_size is {tubelet_size}, expected 1 to predict every next frame"),
            ),
        ],
    )
}

/// Checks `model.block`.
fn style(document: &Document, raw: RawBlock) -> Result<BlockStyle, ConfigError> {
    let epsilon = |key: &str, value: f64| {
        Condition::new(
            format!("model.block.{key}"),
            value >= 0.0 && value.is_finite(),
            format!("{key} is {value}, expected a finite number of at least 0"),
        )
    };
    require_all(
        document,
        [
            epsilon("norm_epsilon", raw.norm_epsilon),
            epsilon(
                "head_norm_epsilon",
                // Absent is valid, and so is the 0 in its place.
                raw.head_norm_epsilon.unwrap_or_default(),
            ),
            Condition::new(
                "model.block.layer_scale",
                raw.layer_scale.is_none_or(f64::is_finite),
                "layer_scale is not finite, expected a finite number, the initial value of the factors",
            ),
            Condition::new(
                "model.block.d_mlp",
                raw.d_mlp != Some(0),
                "d_mlp is 0, expected at least 1",
            ),
        ],
    )?;
    Ok(BlockStyle {
        norm_epsilon: raw.norm_epsilon,
        head_norm_epsilon: raw.head_norm_epsilon,
        activation: raw.activation,
        layer_scale: raw.layer_scale,
        d_mlp: raw.d_mlp,
    })
}
