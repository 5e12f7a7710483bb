//! Detection of images whose attention topology differs from that of normal images.

use std::num::NonZeroUsize;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::inspect::{
    HeadMeanDiagrams, ImageDiagrams, InspectSpec, InspectedModel, InspectionSet, head_mean_diagrams,
};
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::evaluate::{ATTENTION_BATCH, batch_ranges, size_or};
use crate::mean::mean;
use crate::statistics::TukeyFence;
use crate::topology::{GroundNorm, Point, frechet_mean, wasserstein};

/// Smallest number of normal images for a fit: half of them for the means, half for the thresholds.
pub const MIN_NORMAL: usize = 8;

/// Model of normal images: Fréchet means of their diagrams, and Tukey fences for the distances from them.
///
/// Every second image is used for the means and the others for the fences, because an image is closer to a mean that it
/// contributed to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnomalyFit {
    /// Indices of the layers.
    pub layers: Vec<usize>,
    /// Normal diagram by layer and homology dimension.
    pub normal: Vec<Vec<NormalDiagram>>,
    /// Quartiles of the scores of the images that the fences come from.
    pub score_quartiles: [f64; 3],
    /// Number of images that the means come from.
    pub n_mean: usize,
    /// Number of images that the fences come from.
    pub n_fence: usize,
}

/// Fréchet mean of a diagram over normal images, and the usual distances from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NormalDiagram {
    /// Births and deaths of the Fréchet mean.
    pub mean: Vec<Point>,
    /// Quartiles of the distances of normal images from the mean.
    pub quartiles: [f64; 3],
}

impl NormalDiagram {
    /// Returns the Tukey fence of the distances; larger ones are anomalous.
    pub fn fence(&self) -> TukeyFence {
        TukeyFence {
            quartiles: self.quartiles,
        }
    }

    /// Returns the 2-Wasserstein distance with ground norm L2, for which the mean is a Fréchet mean.
    fn distance(&self, diagram: &[Point]) -> Result<f64> {
        Ok(wasserstein(&self.mean, diagram, 2.0, GroundNorm::L2)?.distance)
    }
}

/// Distances of an image from the normal diagrams, and their summary.
#[derive(Debug, Clone, PartialEq)]
pub struct AnomalyScore {
    /// Distance by layer and homology dimension, in the unit of the diagrams.
    pub distances: Vec<Vec<f64>>,
    /// Mean of the standardised distances, without those whose interquartile range is 0.
    ///
    /// ```text
    /// score = mean over layers and dimensions of (distance - median) / (Q3 - Q1)
    /// ```
    pub score: f64,
}

impl AnomalyFit {
    /// Fits means and fences to normal images.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] for fewer than [`MIN_NORMAL`] images, and the errors of [`frechet_mean`].
    ///
    /// # Cost
    ///
    /// The cost of [`frechet_mean`] for each layer and homology dimension, in parallel.
    pub fn new(layers: Vec<usize>, images: &[ImageDiagrams]) -> Result<Self> {
        if images.len() < MIN_NORMAL {
            return Err(Error::invalid_parameter(format!(
                "{} {} given, expected at least {MIN_NORMAL}: half of them for the means, half for the thresholds",
                counted(images.len(), "normal image"),
                if images.len() == 1 { "was" } else { "were" }
            )));
        }
        let (for_mean, for_fence): (Vec<_>, Vec<_>) = images
            .iter()
            .enumerate()
            .partition(|(index, _)| index % 2 == 0);
        let n_dims = images[0].first().map_or(0, Vec::len);
        let layers_and_dims: Vec<(usize, usize)> = (0..layers.len())
            .flat_map(|layer| (0..n_dims).map(move |dim| (layer, dim)))
            .collect();
        let normal: Vec<NormalDiagram> = layers_and_dims
            .par_iter()
            .map(|&(layer, dim)| {
                let diagrams: Vec<Vec<Point>> = for_mean
                    .iter()
                    .map(|(_, image)| image[layer][dim].clone())
                    .collect();
                let mut normal = NormalDiagram {
                    mean: frechet_mean(&diagrams)?.bars,
                    quartiles: [0.0; 3],
                };
                let distances: Vec<f64> = for_fence
                    .iter()
                    .map(|(_, image)| normal.distance(&image[layer][dim]))
                    .collect::<Result<_>>()?;
                normal.quartiles = quartiles(&distances);
                Ok(normal)
            })
            .collect::<Result<_>>()?;
        // The score quartiles need the fences of the distances, so they are filled in last.
        let mut fit = Self {
            layers,
            normal: normal
                // `chunks` panics for a size of 0, which `n_dims` is if images have no layers.
                .chunks(n_dims.max(1))
                .map(<[NormalDiagram]>::to_vec)
                .collect(),
            score_quartiles: [0.0; 3],
            n_mean: for_mean.len(),
            n_fence: for_fence.len(),
        };
        let scores = for_fence
            .iter()
            .map(|(_, image)| Ok(fit.score(image)?.score));
        fit.score_quartiles = quartiles(&scores.collect::<Result<Vec<f64>>>()?);
        Ok(fit)
    }

    /// Returns the Tukey fence of the scores; larger ones are anomalous.
    pub fn fence(&self) -> TukeyFence {
        TukeyFence {
            quartiles: self.score_quartiles,
        }
    }

    /// Scores an image; larger scores are less normal.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the image has fewer layers or homology dimensions than the fit, and the errors of
    /// [`wasserstein`].
    pub fn score(&self, image: &ImageDiagrams) -> Result<AnomalyScore> {
        let fits = |(layer, dims): (usize, &Vec<NormalDiagram>)| {
            image.get(layer).is_some_and(|own| own.len() >= dims.len())
        };
        if !self.normal.iter().enumerate().all(fits) {
            return Err(Error::invalid_parameter(
                "the fit has diagrams of more layers or homology dimensions than the image; expected a fit of the same model \
                 with the same options",
            ));
        }
        let distances: Vec<Vec<f64>> = self
            .normal
            .iter()
            .enumerate()
            .map(|(layer, dims)| {
                let dims = dims.iter().enumerate();
                dims.map(|(dim, normal)| normal.distance(&image[layer][dim]))
                    .collect()
            })
            .collect::<Result<_>>()?;
        let standardized: Vec<f64> = self
            .normal
            .iter()
            .flatten()
            .zip(distances.iter().flatten())
            // A distance without spread among normal images has no standardised value.
            .filter_map(|(normal, distance)| normal.fence().ranges_above_median(*distance))
            .collect();
        Ok(AnomalyScore {
            // If no distance has a spread, the score is 0 rather than NaN, which cannot be compared with a fence.
            score: mean(standardized).unwrap_or_default(),
            distances,
        })
    }
}

/// Computes the diagrams of all images of a set, batch by batch.
///
/// `batch_size` is the number of images per forward pass, 16 if `None`. `progress` is called with the number of images
/// done.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] for a model of clips, and the errors of [`InspectedModel::forward_batch`] and
/// [`head_mean_diagrams`].
pub fn image_diagrams(
    model: &InspectedModel,
    set: &InspectionSet,
    spec: &InspectSpec,
    batch_size: Option<NonZeroUsize>,
    progress: &mut dyn FnMut(usize),
) -> Result<HeadMeanDiagrams> {
    let n_images = set.items.len();
    let mut all = HeadMeanDiagrams {
        layers: Vec::new(),
        images: Vec::with_capacity(n_images),
    };
    for range in batch_ranges(n_images, size_or(batch_size, ATTENTION_BATCH)) {
        let n_batch = range.len();
        let pass = model.forward_batch(set, range)?;
        // A clip has several images, one per frame.
        if pass.images.len() != n_batch {
            return Err(Error::invalid_parameter(format!(
                "{}: expected a model for images, found one for clips",
                model.title
            )));
        }
        let batch = head_mean_diagrams(&pass, spec)?;
        all.layers = batch.layers;
        all.images.extend(batch.images);
        progress(all.images.len());
    }
    Ok(all)
}

/// Returns the quartiles of some values; NaN without values.
fn quartiles(values: &[f64]) -> [f64; 3] {
    TukeyFence::from_values(values).map_or([f64::NAN; 3], |fence| fence.quartiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One layer, with a bar near (0, 1) in dimension 0 and one near (1, 1 + length) in dimension 1.
    fn image(k: usize, length: f64) -> ImageDiagrams {
        let wave = 0.05 * (3.7 * k as f64).sin();
        vec![vec![
            vec![[0.0, 1.0 + wave]],
            vec![[1.0 + wave, 1.0 + length - wave]],
        ]]
    }

    #[test]
    fn only_longer_cycles_are_beyond_the_fence() {
        let normal: Vec<ImageDiagrams> = (0..20).map(|k| image(k, 0.5)).collect();
        let fit = AnomalyFit::new(vec![3], &normal).unwrap();
        assert_eq!((fit.n_mean, fit.n_fence), (10, 10));
        let [birth, death] = fit.normal[0][1].mean[0];
        assert!((birth - 1.0).abs() < 0.05 && (death - 1.5).abs() < 0.05);
        for k in 20..40 {
            assert!(fit.score(&image(k, 0.5)).unwrap().score <= fit.fence().upper());
            let anomalous = fit.score(&image(k, 1.5)).unwrap();
            assert!(anomalous.score > fit.fence().upper());
            assert!(anomalous.distances[0][1] > fit.normal[0][1].fence().upper());
            assert!(anomalous.distances[0][0] <= fit.normal[0][0].fence().upper());
        }
        let text = serde_json::to_string(&fit).unwrap();
        assert_eq!(serde_json::from_str::<AnomalyFit>(&text).unwrap(), fit);
    }

    #[test]
    fn too_few_normal_images_are_refused() {
        let images: Vec<ImageDiagrams> = (0..7).map(|k| image(k, 0.5)).collect();
        let refused = AnomalyFit::new(vec![0], &images).unwrap_err().to_string();
        assert!(
            refused.starts_with("7 normal images were given, expected at least 8"),
            "{refused}"
        );
        assert!(refused.ends_with("half for the thresholds"), "{refused}");
    }
}
