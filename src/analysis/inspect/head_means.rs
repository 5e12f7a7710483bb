//! Diagrams of the mean of the heads, without distances, files or a page.

use rayon::prelude::*;

use super::forward_pass::ForwardPass;
use super::host_layer::HostLayer;
use super::spec::{InspectSpec, Precision};
use crate::distance::DistanceElement;
use crate::error::Result;
use crate::topology::Point;

/// Births and deaths of the finite bars of one image, by layer and homology dimension.
pub type ImageDiagrams = Vec<Vec<Vec<Point>>>;

/// Diagrams of the mean of the heads, for all images of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadMeanDiagrams {
    /// Indices of the layers.
    pub layers: Vec<usize>,
    /// Diagrams of each image.
    pub images: Vec<ImageDiagrams>,
}

/// Computes the diagrams of the mean of the heads of every chosen layer; essential bars are left out.
///
/// # Errors
///
/// The errors of [`Inspection::add`](super::Inspection::add).
pub fn head_mean_diagrams(
    forward_pass: &ForwardPass,
    spec: &InspectSpec,
) -> Result<HeadMeanDiagrams> {
    match spec.precision {
        Precision::F32 => diagrams::<f32>(forward_pass, spec),
        Precision::F64 => diagrams::<f64>(forward_pass, spec),
    }
}

/// [`head_mean_diagrams`] in one precision.
fn diagrams<T: DistanceElement>(
    forward_pass: &ForwardPass,
    spec: &InspectSpec,
) -> Result<HeadMeanDiagrams> {
    spec.validate()?;
    let layers = spec.layer_indices(spec.n_layers(forward_pass)?)?;
    let mut images = vec![ImageDiagrams::new(); forward_pass.images.len()];
    // One layer at a time, so that only one is copied to the host.
    for &layer in &layers {
        let host = HostLayer::new(
            layer,
            forward_pass.attention.get(layer).cloned(),
            forward_pass.hidden.get(layer).cloned(),
            forward_pass.layout,
            spec,
        )?;
        images
            .par_iter_mut()
            .enumerate()
            .try_for_each(|(image, diagrams)| -> Result<()> {
                diagrams.push(host.rows::<T>(image, image, None).points(spec)?);
                Ok(())
            })?;
    }
    Ok(HeadMeanDiagrams { layers, images })
}
