//! Preparation of images for pretrained models.

use crate::data::{Filter, Preparation, Scaling};
use crate::model::pretrained::{CropRounding, Interpolation, Preprocessing, Resize};

/// Steps of a preprocessing before normalisation, which is part of the model.
pub(super) fn preparation(preprocessing: &Preprocessing) -> Preparation {
    Preparation {
        scaling: match preprocessing.resize {
            Resize::None => Scaling::None,
            Resize::ShorterSide(side) => Scaling::ShorterSide(side),
            Resize::Exact(size) => Scaling::Exact(size),
            Resize::Covering(size) => Scaling::Covering(size),
            Resize::Within(size) => Scaling::Within(size),
        },
        filter: match preprocessing.interpolation {
            Interpolation::Nearest => Filter::Nearest,
            Interpolation::Bilinear => Filter::Bilinear,
            Interpolation::Bicubic => Filter::Bicubic,
            Interpolation::Lanczos => Filter::Lanczos,
        },
        rounds_half_to_even: preprocessing.crop_rounding == CropRounding::HalfToEven,
        padding: preprocessing.padding.iter().map(|&x| x as f32).collect(),
    }
}
