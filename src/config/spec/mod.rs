//! What a run needs, checked: the file's words turned into the values they stand for.

use super::document::Document;
use super::error::ConfigError;
use super::raw::{
    RawConfig, RawDirection, RawGroundNorm, RawHeads, RawLayers, RawLearningRate, RawModel,
    RawNormalize, RawOptimizer, RawPenalty, RawPooling, RawPower, RawSize, RawTokens, RawTopology,
    RawWeight,
};
use crate::data::{Augment, DIGITS_SPEC, ImageSpec};
use crate::loss::{
    Direction, LayerPenalty, Layers, Normalize, Schedule, TopologyRegularizer, Weight,
};
use crate::model::{Pooling, VitConfig, VitSize};
use crate::nn::{Heads, Tokens};
use crate::topology::{DiagramDistance, GroundNorm, Power};

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Name of the run.
    pub name: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Shape of the images.
    pub images: ImageSpec,
    /// The model.
    pub model: VitConfig,
    /// The training.
    pub training: TrainingSpec,
    /// The penalties.
    pub penalties: Vec<LayerPenalty>,
    /// Steps between two records of the training loss.
    pub log_every_steps: usize,
}

/// The checked `[training]` section.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingSpec {
    /// Passes over the training split, at least 1.
    pub epochs: usize,
    /// Images per step, at least 1.
    pub batch_size: usize,
    /// Largest norm of the gradient.
    pub clip_norm: Option<f64>,
    /// Random motions of the training images.
    pub augment: Augment,
    /// Largest learning rate.
    pub lr: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// How the learning rate changes.
    pub schedule: LearningRate,
}

/// A learning-rate schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LearningRate {
    /// The same at every step.
    Constant,
    /// A linear rise, then half a cosine down to zero.
    Cosine {
        /// Steps of the rise.
        warmup_steps: usize,
    },
}

/// Whether a condition that the file must meet holds; the message is built only if not.
fn require(
    document: &Document,
    holds: bool,
    key: &str,
    message: impl FnOnce() -> String,
) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(document.error_at(key, message()))
    }
}

impl Spec {
    /// Checks what a file says against itself and against the data.
    pub(super) fn new(document: &Document, raw: &RawConfig) -> Result<Self, ConfigError> {
        let name = raw.run.name.clone();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        require(
            document,
            name.chars().all(plain) && name.starts_with(char::is_alphanumeric),
            "run.name",
            || {
                format!(
                    "run name `{name}` is not a plain file name, expected letters, digits, `.`, `_` and `-`"
                )
            },
        )?;
        require(
            document,
            raw.logging.log_every_steps > 0,
            "logging.log_every_steps",
            || "log_every_steps is 0, expected at least 1".into(),
        )?;
        let images = DIGITS_SPEC;
        let model = model(document, &raw.model, images)?;
        let training = training(document, raw)?;
        let penalties = raw
            .topology
            .iter()
            .enumerate()
            .map(|(index, table)| penalty(document, index, table, &model))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name,
            seed: raw.run.seed,
            images,
            model,
            training,
            penalties,
            log_every_steps: raw.logging.log_every_steps,
        })
    }
}

fn model(document: &Document, raw: &RawModel, images: ImageSpec) -> Result<VitConfig, ConfigError> {
    let RawModel::Vit {
        size,
        d_model,
        n_layers,
        n_heads,
        patch_size,
        mlp_ratio,
        pooling,
        dropout,
        drop_path,
    } = raw.clone();
    let size = size.map(|size| match size {
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
    let d_model = from_size("d_model", d_model, VitSize::d_model)?;
    let n_layers = from_size("n_layers", n_layers, VitSize::n_layers)?;
    let n_heads = from_size("n_heads", n_heads, VitSize::n_heads)?;
    let heads_key = if size.is_some() {
        "model.size"
    } else {
        "model.n_heads"
    };
    require(document, d_model.is_multiple_of(n_heads), heads_key, || {
        format!("n_heads {n_heads} does not divide d_model {d_model}")
    })?;
    let fits = |side: usize| patch_size > 0 && side.is_multiple_of(patch_size);
    require(
        document,
        fits(images.height) && fits(images.width),
        "model.patch_size",
        || {
            format!(
                "patch_size {patch_size} does not divide the images, {} by {} pixels",
                images.height, images.width
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
    let image = [images.height, images.width];
    let config = VitConfig::new(
        image,
        images.n_channels,
        images.n_classes,
        patch_size,
        d_model,
        n_layers,
        n_heads,
    );
    Ok(config
        .with_mlp_ratio(mlp_ratio)
        .with_dropout(dropout)
        .with_drop_path(drop_path)
        .with_pooling(match pooling {
            RawPooling::Cls => Pooling::Cls,
            RawPooling::Mean => Pooling::Mean,
        }))
}

fn training(document: &Document, raw: &RawConfig) -> Result<TrainingSpec, ConfigError> {
    let training = &raw.training;
    let RawOptimizer::Adamw { lr, weight_decay } = training.optimizer;
    require(document, training.epochs > 0, "training.epochs", || {
        "epochs is 0, expected at least 1".into()
    })?;
    require(
        document,
        training.batch_size > 0,
        "training.batch_size",
        || "batch_size is 0, expected at least 1".into(),
    )?;
    require(
        document,
        lr > 0.0 && lr.is_finite(),
        "training.optimizer.lr",
        || format!("lr is {lr}, expected a finite number above 0"),
    )?;
    let decays = weight_decay >= 0.0 && weight_decay.is_finite();
    require(document, decays, "training.optimizer.weight_decay", || {
        format!("weight_decay is {weight_decay}, expected a finite number of at least 0")
    })?;
    if let Some(norm) = training.clip_norm {
        require(
            document,
            norm > 0.0 && norm.is_finite(),
            "training.clip_norm",
            || {
                format!(
                    "clip_norm is {norm}, expected a finite number above 0; leave it out for no clipping"
                )
            },
        )?;
    }
    let rotation = training.augment.rotation;
    require(
        document,
        (0.0..=180.0).contains(&rotation),
        "training.augment.rotation",
        || format!("rotation is {rotation}, expected degrees from 0 to 180"),
    )?;
    Ok(TrainingSpec {
        epochs: training.epochs,
        batch_size: training.batch_size,
        clip_norm: training.clip_norm,
        augment: Augment {
            shift: training.augment.shift,
            rotation,
        },
        lr,
        weight_decay,
        schedule: match training.schedule {
            RawLearningRate::Constant => LearningRate::Constant,
            RawLearningRate::Cosine { warmup_steps } => LearningRate::Cosine { warmup_steps },
        },
    })
}

fn penalty(
    document: &Document,
    index: usize,
    raw: &RawTopology,
    model: &VitConfig,
) -> Result<LayerPenalty, ConfigError> {
    let at = |key: &str| format!("topology[{index}].{key}");
    let penalty = LayerPenalty {
        homology_dim: raw.homology_dim,
        layers: match &raw.layers {
            RawLayers::All(_) => Layers::All,
            RawLayers::Of(layers) => Layers::Of(layers.clone()),
        },
        heads: match raw.heads {
            RawHeads::Mean => Heads::Mean,
            RawHeads::Each => Heads::Each,
        },
        tokens: match raw.tokens {
            RawTokens::Patches => Tokens::Patches,
            RawTokens::All => Tokens::All,
        },
        normalize: match raw.normalize {
            RawNormalize::None => Normalize::None,
            RawNormalize::SpanningTree => Normalize::SpanningTree,
        },
        direction: match raw.direction {
            RawDirection::Symmetric => Direction::Symmetric,
            RawDirection::TowardsFirst => Direction::TowardsFirst,
            RawDirection::TowardsSecond => Direction::TowardsSecond,
        },
        distance: diagram_distance(raw.penalty),
        weight: match raw.weight {
            RawWeight::Fixed { value } => Weight::Fixed(value),
            RawWeight::GradientShare { share } => Weight::GradientShare(share),
        },
        schedule: Schedule {
            start_epoch: raw.schedule.start_epoch,
            warmup_steps: raw.schedule.warmup_steps,
            every_steps: raw.schedule.every_steps,
        },
    };
    penalty
        .pairs(model.n_layers)
        .map_err(|e| document.error_at(&at("layers"), e.to_string()))?;
    TopologyRegularizer::new(vec![penalty.clone()])
        .map_err(|e| document.error_at(&format!("topology[{index}]"), e.to_string()))?;
    Ok(penalty)
}

fn diagram_distance(raw: RawPenalty) -> DiagramDistance {
    let norm = |raw| match raw {
        RawGroundNorm::Infinity => GroundNorm::Infinity,
        RawGroundNorm::L2 => GroundNorm::L2,
    };
    match raw {
        RawPenalty::Wasserstein {
            order,
            ground_norm,
            power,
        } => DiagramDistance::Wasserstein {
            order,
            ground_norm: norm(ground_norm),
            power: match power {
                RawPower::P => Power::P,
                RawPower::One => Power::One,
            },
        },
        RawPenalty::Bottleneck { ground_norm } => DiagramDistance::Bottleneck {
            ground_norm: norm(ground_norm),
        },
    }
}
