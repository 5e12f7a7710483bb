//! Export of a model to the files of transformers or timm.

use serde_json::Value;

use super::convert;
use super::family::Family;
use super::layout::Layout;
use super::preprocessing::{Interpolation, Preprocessing};
use super::tensor_file::{self, Tensors};
use super::{
    ExportedFile, Pretrained, hugging_face_config, hugging_face_processor, parameters, timm_config,
};
use crate::error::{Error, Result};
use crate::model::network::{Network, NetworkConfig};
use crate::model::pixel_statistics::PixelStatistics;
use crate::model::task::Task;

impl Pretrained {
    /// Wraps a model of this crate, to be exported in the format of the library that has its architecture.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`](crate::Error::is_invalid_parameter) if neither transformers nor timm has such a model.
    pub fn from_network(
        network: Network,
        config: NetworkConfig,
        class_names: Option<Vec<String>>,
    ) -> Result<Self> {
        if Task::from_config(&config) == Task::PredictMask {
            return Err(Error::invalid_parameter(
                "the model predicts masks; neither transformers nor timm has such a vision transformer",
            ));
        }
        let layout = Layout::from_config(&config)?;
        let (image_size, n_channels) = (config.image_size(), config.n_channels());
        // The first layer keeps its weights, and the library normalises pixels as this layer does.
        let PixelStatistics { mean, std } = config.statistics_or_half();
        let preprocessing = Preprocessing {
            mean,
            std,
            interpolation: Interpolation::Bilinear,
            ..Preprocessing::whole_image(layout.family, image_size, n_channels)
        };
        Ok(Self {
            network,
            config,
            preprocessing,
            class_names,
            has_trained_head: true,
            family: layout.family,
            layout,
            json: None,
            processor_json: None,
            notes: Vec::new(),
            unused_tensors: Tensors::new(),
        })
    }

    /// Creates the files that transformers or timm reads, without writing them.
    ///
    /// They are `model.safetensors`, `config.json` and, for transformers, `preprocessor_config.json`. Tensors
    /// have the names of the file that was read, and single precision.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`](crate::Error::is_invalid_format) if the tensors cannot be stored as safetensors.
    pub fn files(&self) -> Result<Vec<ExportedFile>> {
        let layout = self.exported_layout();
        let tensors = self.file_tensors(&layout);
        let json = self.json.as_ref();
        let config = match self.family {
            Family::Timm => timm_config::config_json(
                json,
                &layout,
                &self.preprocessing,
                self.class_names.as_deref(),
            ),
            _ => hugging_face_config::config_json(
                json,
                &layout,
                self.exported_class_names().as_deref(),
            ),
        };
        let file = |name, bytes| ExportedFile { name, bytes };
        let mut files = vec![
            file("model.safetensors", tensor_file::to_safetensors(&tensors)?),
            file("config.json", pretty(&config)),
        ];
        if self.family != Family::Timm {
            let processor = hugging_face_processor::to_json(
                &self.preprocessing,
                self.processor_json.as_ref(),
                self.family,
            );
            files.push(file("preprocessor_config.json", pretty(&processor)));
        }
        Ok(files)
    }

    /// Names and shapes of the tensors of the exported file, sorted by name.
    pub fn tensor_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let shapes = parameters::shapes(&self.network);
        let layout = self.exported_layout();
        let unused = self.unused_tensors.iter();
        let mut tensors: Vec<_> = layout
            .mappings()
            .into_iter()
            .flat_map(|mapping| {
                let parameter_shape = &shapes[&mapping.parameter];
                let shapes = convert::expected_shapes(&mapping, parameter_shape, &layout);
                mapping.tensors.into_iter().zip(shapes)
            })
            .chain(unused.map(|(name, tensor)| (name.clone(), tensor.shape.clone())))
            .collect();
        tensors.sort();
        tensors
    }

    /// Returns the layout of the exported file.
    fn exported_layout(&self) -> Layout {
        let mut layout = self.layout.clone();
        if self.family == Family::Timm
            && layout.n_positioned_prefix_tokens < layout.n_prefix_tokens()
        {
            // In timm, all prefix tokens have a position embedding or none has; in the authors' DINOv2 with
            // registers only the class token has one.
            layout.n_positioned_prefix_tokens = 0;
        }
        layout
    }

    /// Converts the parameters to the tensors of a file, and adds those that the model does not use.
    pub(super) fn file_tensors(&self, layout: &Layout) -> Tensors {
        let mut parameters = parameters::collect(&self.network);
        let from = self.config.statistics_or_half();
        convert::change_statistics(&mut parameters, &from, &self.preprocessing.statistics());
        convert::fold_positions_into_tokens(&mut parameters, layout);
        convert::merge_time_embedding(&mut parameters, layout);
        let mut tensors = self.unused_tensors.clone();
        for mapping in layout.mappings() {
            let parts = convert::to_tensors(&mapping, &parameters[&mapping.parameter], layout);
            tensors.extend(mapping.tensors.into_iter().zip(parts));
        }
        tensors
    }

    /// Class names for transformers, `LABEL_0` and so on if the classifier is not that of the file that was read.
    ///
    /// `None` keeps what that file states.
    fn exported_class_names(&self) -> Option<Vec<String>> {
        let is_new_head = !(self.has_trained_head && self.json.is_some());
        let generic_names = || {
            (0..self.config.n_classes())
                .map(|class| format!("LABEL_{class}"))
                .collect()
        };
        // The class names of the file would be those of other classes.
        self.class_names
            .clone()
            .or_else(|| (self.layout.has_head && is_new_head).then(generic_names))
    }
}

/// Serialises a JSON value with indentation and a final line break.
fn pretty(value: &Value) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("JSON can be written");
    text.push(b'\n');
    text
}
