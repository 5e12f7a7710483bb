//! Pictures whose attention has another topology than that of normal ones.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::inspect::PictureDiagrams;
use crate::error::{Error, Result};
use crate::statistics::Fence;
use crate::topology::{GroundNorm, Point, frechet_mean, wasserstein};

/// Normal pictures that a fit takes at least: a half for the mean, a half for the fences.
pub const MIN_NORMAL: usize = 8;

/// What normal pictures have in common.
///
/// Every second picture makes the Fréchet means, the others the fences: distances to a mean are smaller
/// for the pictures that it is the mean of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnomalyFit {
    /// Numbers of the layers.
    pub layers: Vec<usize>,
    /// By layer and homology dimension.
    pub normal: Vec<Vec<Normal>>,
    /// Quartiles of the scores of the pictures that make the fences.
    pub score_quartiles: [f64; 3],
    /// Pictures that make the means.
    pub n_mean: usize,
    /// Pictures that make the fences.
    pub n_fence: usize,
}

/// What is normal for a diagram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normal {
    /// Births and deaths of the Fréchet mean.
    pub mean: Vec<Point>,
    /// Quartiles of the distances to it.
    pub quartiles: [f64; 3],
}

impl Normal {
    /// The fence of the distances.
    pub fn fence(&self) -> Fence {
        Fence {
            quartiles: self.quartiles,
        }
    }

    /// 2-Wasserstein with ground norm L2, as that of the mean.
    fn distance(&self, diagram: &[Point]) -> Result<f64> {
        Ok(wasserstein(&self.mean, diagram, 2.0, GroundNorm::L2)?.distance)
    }
}

/// How far a picture is from normal.
#[derive(Debug, Clone, PartialEq)]
pub struct AnomalyScore {
    /// By layer and homology dimension, in the unit of the diagrams.
    pub distances: Vec<Vec<f64>>,
    /// Mean over them of how far the distance lies above the normal median, in interquartile ranges;
    /// where those are 0 it is left out.
    pub score: f64,
}

impl AnomalyFit {
    /// Fits normal pictures.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] for fewer than [`MIN_NORMAL`] pictures; as [`frechet_mean`].
    ///
    /// # Cost
    ///
    /// That of [`frechet_mean`] for each layer and homology dimension, in parallel.
    pub fn new(layers: Vec<usize>, pictures: &[PictureDiagrams]) -> Result<Self> {
        if pictures.len() < MIN_NORMAL {
            return Err(Error::invalid_parameter(format!(
                "there are {} normal pictures, expected at least {MIN_NORMAL}: a half for the mean, a half \
                 for the fences",
                pictures.len()
            )));
        }
        let (for_mean, for_fence): (Vec<_>, Vec<_>) = pictures
            .iter()
            .enumerate()
            .partition(|(place, _)| place % 2 == 0);
        let n_dims = pictures[0].first().map_or(0, Vec::len);
        let places: Vec<(usize, usize)> = (0..layers.len())
            .flat_map(|layer| (0..n_dims).map(move |dim| (layer, dim)))
            .collect();
        let normal = places.par_iter().map(|&(layer, dim)| {
            let diagrams = for_mean.iter();
            let diagrams: Vec<Vec<Point>> = diagrams
                .map(|(_, picture)| picture[layer][dim].clone())
                .collect();
            let mut normal = Normal {
                mean: frechet_mean(&diagrams)?.bars,
                quartiles: [0.0; 3],
            };
            let others = for_fence.iter();
            let distances = others.map(|(_, picture)| normal.distance(&picture[layer][dim]));
            let distances: Vec<f64> = distances.collect::<Result<_>>()?;
            normal.quartiles = quartiles(&distances);
            Ok(normal)
        });
        let normal: Vec<Normal> = normal.collect::<Result<_>>()?;
        let mut fit = Self {
            layers,
            normal: normal
                .chunks(n_dims.max(1))
                .map(<[Normal]>::to_vec)
                .collect(),
            score_quartiles: [0.0; 3],
            n_mean: for_mean.len(),
            n_fence: for_fence.len(),
        };
        let scores = for_fence
            .iter()
            .map(|(_, picture)| Ok(fit.score(picture)?.score));
        fit.score_quartiles = quartiles(&scores.collect::<Result<Vec<f64>>>()?);
        Ok(fit)
    }

    /// The fence of the scores.
    pub fn fence(&self) -> Fence {
        Fence {
            quartiles: self.score_quartiles,
        }
    }

    /// Scores a picture.
    ///
    /// # Errors
    ///
    /// As [`wasserstein`].
    ///
    /// # Panics
    ///
    /// If the picture has fewer layers or dimensions than those of the fit.
    pub fn score(&self, picture: &PictureDiagrams) -> Result<AnomalyScore> {
        let layers = self.normal.iter().enumerate();
        let distances = layers.map(|(layer, dims)| {
            let dims = dims.iter().enumerate();
            dims.map(|(dim, normal)| normal.distance(&picture[layer][dim]))
                .collect()
        });
        let distances: Vec<Vec<f64>> = distances.collect::<Result<_>>()?;
        let parts = self.normal.iter().flatten().zip(distances.iter().flatten());
        let parts =
            parts.filter_map(|(normal, distance)| normal.fence().ranges_above_median(*distance));
        let parts: Vec<f64> = parts.collect();
        Ok(AnomalyScore {
            score: parts.iter().sum::<f64>() / parts.len().max(1) as f64,
            distances,
        })
    }
}

fn quartiles(values: &[f64]) -> [f64; 3] {
    Fence::of(values).map_or([f64::NAN; 3], |fence| fence.quartiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One layer; a bar about (0, 1) in dimension 0 and one about (1, 1 + length) in dimension 1.
    fn picture(k: usize, length: f64) -> PictureDiagrams {
        let wave = 0.05 * (3.7 * k as f64).sin();
        vec![vec![
            vec![[0.0, 1.0 + wave]],
            vec![[1.0 + wave, 1.0 + length - wave]],
        ]]
    }

    #[test]
    fn a_longer_cycle_is_beyond_the_fence_and_normal_ones_are_not() {
        let normal: Vec<PictureDiagrams> = (0..20).map(|k| picture(k, 0.5)).collect();
        let fit = AnomalyFit::new(vec![3], &normal).unwrap();
        assert_eq!((fit.n_mean, fit.n_fence), (10, 10));
        let [birth, death] = fit.normal[0][1].mean[0];
        assert!((birth - 1.0).abs() < 0.05 && (death - 1.5).abs() < 0.05);
        for k in 20..40 {
            assert!(fit.score(&picture(k, 0.5)).unwrap().score <= fit.fence().upper());
            let strange = fit.score(&picture(k, 1.5)).unwrap();
            assert!(strange.score > fit.fence().upper());
            assert!(strange.distances[0][1] > fit.normal[0][1].fence().upper());
            assert!(strange.distances[0][0] <= fit.normal[0][0].fence().upper());
        }
        let text = serde_json::to_string(&fit).unwrap();
        assert_eq!(serde_json::from_str::<AnomalyFit>(&text).unwrap(), fit);
    }

    #[test]
    fn too_few_normal_pictures_are_refused() {
        let few: Vec<PictureDiagrams> = (0..7).map(|k| picture(k, 0.5)).collect();
        let refused = AnomalyFit::new(vec![0], &few).unwrap_err().to_string();
        assert!(
            refused.starts_with("there are 7 normal pictures, expected at least 8"),
            "{refused}"
        );
    }
}
