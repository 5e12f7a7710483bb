//! The model.

use super::require;
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{
    RawActivation, RawBlock, RawDistillation, RawHead, RawModel, RawPooling, RawPositions, RawSize,
    RawVideo,
};
use crate::data::SampleSpec;
use crate::model::{
    Activation, BlockStyle, Distillation, LinearProbeConfig, NetworkConfig, Pooling,
    VideoAttention, VideoConfig, VideoHead, VideoPositions, VitConfig, VitSize,
};

/// Blocks over the frames of a factorised encoder, where the file does not say.
const N_TEMPORAL_LAYERS: usize = 2;

/// Checks `[model]` against the shape of the samples.
pub(super) fn model(
    document: &Document,
    raw: &RawModel,
    samples: SampleSpec,
) -> Result<NetworkConfig, ConfigError> {
    let is_video = !matches!(raw, RawModel::Vit { .. });
    require(
        document,
        is_video == (samples.n_frames > 1),
        "model.kind",
        || match is_video {
            true => "the data are images, expected the model `vit`".into(),
            false => format!(
                "the data are clips of {} frames, expected one of the models `timesformer`, `vivit`, \
                 `joint` and `linear_probe`",
                samples.n_frames
            ),
        },
    )?;
    match raw {
        RawModel::Vit { .. } => vit(document, raw, samples),
        RawModel::Timesformer(video_raw)
        | RawModel::Vivit(video_raw)
        | RawModel::Joint(video_raw) => video(document, raw, video_raw, samples),
        RawModel::LinearProbe(probe) => {
            let head = head(probe.head);
            require(document, head != VideoHead::NextFrame, "model.head", || {
                "a linear probe tells classes, expected the head `clip` or `frames`".into()
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

/// Width, blocks and heads, in the words of the file.
struct Size {
    size: Option<RawSize>,
    d_model: Option<usize>,
    n_layers: Option<usize>,
    n_heads: Option<usize>,
}

impl Size {
    /// Those written, or those of the standard size.
    fn check(&self, document: &Document) -> Result<[usize; 3], ConfigError> {
        let size = self.size.map(|size| match size {
            RawSize::Tiny => VitSize::Tiny,
            RawSize::Small => VitSize::Small,
            RawSize::Base => VitSize::Base,
            RawSize::Large => VitSize::Large,
        });
        let from_size = |key: &str, written: Option<usize>, standard: fn(VitSize) -> usize| {
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
                (None, None) => {
                    return Err(document.error_at(
                        "model",
                        format!("missing key `{key}` in [model]; set it, or `size`"),
                    ));
                }
            };
            require(document, value > 0, &path, || {
                format!("{key} is 0, expected at least 1")
            })?;
            Ok(value)
        };
        let d_model = from_size("d_model", self.d_model, VitSize::d_model)?;
        let n_layers = from_size("n_layers", self.n_layers, VitSize::n_layers)?;
        let n_heads = from_size("n_heads", self.n_heads, VitSize::n_heads)?;
        let heads_key = match size {
            Some(_) => "model.size",
            None => "model.n_heads",
        };
        require(document, d_model.is_multiple_of(n_heads), heads_key, || {
            format!("n_heads {n_heads} does not divide d_model {d_model}")
        })?;
        Ok([d_model, n_layers, n_heads])
    }
}

/// What all transformers have to say besides.
fn check_common(
    document: &Document,
    samples: SampleSpec,
    patch_size: usize,
    mlp_ratio: usize,
    [dropout, drop_path]: [f64; 2],
) -> Result<(), ConfigError> {
    let fits = |side: usize| patch_size > 0 && side.is_multiple_of(patch_size);
    require(
        document,
        fits(samples.height) && fits(samples.width),
        "model.patch_size",
        || {
            format!(
                "patch_size {patch_size} does not divide the images, {} by {} pixels",
                samples.height, samples.width
            )
        },
    )?;
    require(document, mlp_ratio > 0, "model.mlp_ratio", || {
        "mlp_ratio is 0, expected at least 1".into()
    })?;
    for (key, probability) in [("dropout", dropout), ("drop_path", drop_path)] {
        require(
            document,
            (0.0..1.0).contains(&probability),
            &format!("model.{key}"),
            || format!("{key} is {probability}, expected a probability of at least 0 and below 1"),
        )?;
    }
    Ok(())
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
        unreachable!("called for this kind alone");
    };
    let size = Size {
        size,
        d_model,
        n_layers,
        n_heads,
    };
    let [d_model, n_layers, n_heads] = size.check(document)?;
    check_common(
        document,
        samples,
        patch_size,
        mlp_ratio,
        [dropout, drop_path],
    )?;
    require(
        document,
        distillation == RawDistillation::None || pooling == RawPooling::Cls,
        "model.distillation",
        || {
            "a token that learns from a teacher stands beside a class token, expected pooling `cls`"
                .into()
        },
    )?;
    let config = VitConfig::new(
        [samples.height, samples.width],
        samples.n_channels,
        samples.n_classes,
        patch_size,
        d_model,
        n_layers,
        n_heads,
    );
    let config = config
        .with_mlp_ratio(mlp_ratio)
        .with_n_registers(n_registers)
        .with_dropout(dropout)
        .with_drop_path(drop_path)
        .with_pooling(self::pooling(pooling))
        .with_distillation(match distillation {
            RawDistillation::None => Distillation::None,
            RawDistillation::Token => Distillation::Token,
            RawDistillation::Head => Distillation::Head,
        })
        .with_style(style(document, block)?);
    Ok(NetworkConfig::Vit(config))
}

fn pooling(raw: RawPooling) -> Pooling {
    match raw {
        RawPooling::Cls => Pooling::Cls,
        RawPooling::Mean => Pooling::Mean,
        RawPooling::ClsAndMean => Pooling::ClsAndMean,
        RawPooling::MeanBeforeNorm => Pooling::MeanBeforeNorm {
            has_class_token: false,
        },
        RawPooling::MeanBesideCls => Pooling::MeanBeforeNorm {
            has_class_token: true,
        },
    }
}

/// Checks `model.block`.
fn style(document: &Document, raw: RawBlock) -> Result<BlockStyle, ConfigError> {
    let epsilons = [
        ("norm_epsilon", Some(raw.norm_epsilon)),
        ("head_norm_epsilon", raw.head_norm_epsilon),
    ];
    for (key, epsilon) in epsilons {
        let epsilon = epsilon.unwrap_or_default();
        let key_path = format!("model.block.{key}");
        require(
            document,
            epsilon >= 0.0 && epsilon.is_finite(),
            &key_path,
            || format!("{key} is {epsilon}, expected a finite number of at least 0"),
        )?;
    }
    let is_finite = raw.layer_scale.is_none_or(f64::is_finite);
    require(document, is_finite, "model.block.layer_scale", || {
        "layer_scale is not finite, expected the factor that it begins with".into()
    })?;
    require(document, raw.d_mlp != Some(0), "model.block.d_mlp", || {
        "d_mlp is 0, expected at least 1".into()
    })?;
    Ok(BlockStyle {
        norm_epsilon: raw.norm_epsilon,
        head_norm_epsilon: raw.head_norm_epsilon,
        activation: match raw.activation {
            RawActivation::Gelu => Activation::Gelu,
            RawActivation::GeluTanh => Activation::GeluTanh,
            RawActivation::Swiglu => Activation::SwiGlu,
        },
        layer_scale: raw.layer_scale,
        d_mlp: raw.d_mlp,
    })
}

fn head(raw: RawHead) -> VideoHead {
    match raw {
        RawHead::Clip => VideoHead::Clip,
        RawHead::Frames => VideoHead::Frames,
        RawHead::NextFrame => VideoHead::NextFrame,
    }
}

fn video(
    document: &Document,
    kind: &RawModel,
    raw: &RawVideo,
    samples: SampleSpec,
) -> Result<NetworkConfig, ConfigError> {
    let size = Size {
        size: raw.size,
        d_model: raw.d_model,
        n_layers: raw.n_layers,
        n_heads: raw.n_heads,
    };
    let [d_model, n_layers, n_heads] = size.check(document)?;
    let chances = [raw.dropout, raw.drop_path];
    check_common(document, samples, raw.patch_size, raw.mlp_ratio, chances)?;
    let head = head(raw.head);
    // What comes after the last frame is not known, so it is not shown.
    let n_frames = match head {
        VideoHead::NextFrame => samples.n_frames - 1,
        VideoHead::Clip | VideoHead::Frames => samples.n_frames,
    };
    require(
        document,
        head != VideoHead::NextFrame || n_frames >= 2,
        "data.n_frames",
        || "n_frames is 2, expected at least 3 to predict from two frames".into(),
    )?;
    let is_vivit = matches!(kind, RawModel::Vivit(_));
    require(
        document,
        raw.n_temporal_layers.is_none() || is_vivit,
        "model.n_temporal_layers",
        || {
            "n_temporal_layers is a key of `vivit`, the others have no blocks over frames alone"
                .into()
        },
    )?;
    let n_temporal_layers = raw.n_temporal_layers.unwrap_or(N_TEMPORAL_LAYERS);
    require(
        document,
        n_temporal_layers > 0,
        "model.n_temporal_layers",
        || "n_temporal_layers is 0, expected at least 1".into(),
    )?;
    let tubelet_size = raw.tubelet_size.unwrap_or(1);
    require(
        document,
        raw.tubelet_size.is_none() || matches!(kind, RawModel::Joint(_)),
        "model.tubelet_size",
        || "tubelet_size is a key of `joint`, the others take frames one by one".into(),
    )?;
    require(
        document,
        tubelet_size > 0 && n_frames.is_multiple_of(tubelet_size),
        "model.tubelet_size",
        || format!("tubelet_size {tubelet_size} does not divide the {n_frames} frames"),
    )?;
    require(
        document,
        head != VideoHead::NextFrame || tubelet_size == 1,
        "model.tubelet_size",
        || format!("tubelet_size is {tubelet_size}, expected 1 to predict every next frame"),
    )?;
    let attention = match kind {
        RawModel::Vivit(_) => VideoAttention::Factorised { n_temporal_layers },
        RawModel::Joint(_) => VideoAttention::Joint,
        _ => VideoAttention::Divided,
    };
    let config = VideoConfig::new(
        n_frames,
        [samples.height, samples.width],
        samples.n_channels,
        samples.n_classes,
        raw.patch_size,
        d_model,
        n_layers,
        n_heads,
    );
    let config = config
        .with_head(head)
        .with_attention(attention)
        .with_tubelet_size(tubelet_size)
        .with_mlp_ratio(raw.mlp_ratio)
        .with_dropout(raw.dropout)
        .with_drop_path(raw.drop_path)
        .with_pooling(pooling(raw.pooling))
        .with_positions(match raw.positions {
            RawPositions::Sum => VideoPositions::Sum,
            RawPositions::Each => VideoPositions::Each,
            RawPositions::Sinusoidal => VideoPositions::Sinusoidal,
        })
        .with_style(style(document, raw.block)?);
    config
        .check()
        .map_err(|complaint| document.error_at("model", complaint))?;
    Ok(NetworkConfig::Video(config))
}
