//! Models as the files of transformers or timm.

use serde_json::Value;

use super::convert::{self, take_out_normalisation, to_theirs};
use super::family::Family;
use super::layout::Layout;
use super::preprocessing::{Interpolation, Preprocessing, Resize};
use super::tensor_file::{self, Tensors};
use super::{NamedBytes, Pretrained, hugging_face, parameters, timm};
use crate::model::network::{Network, NetworkConfig};

impl Pretrained {
    /// A model that was made here, to be saved as the library has it whose models are alike.
    ///
    /// # Errors
    ///
    /// One sentence if neither transformers nor timm has such a model.
    pub fn of(
        network: Network,
        config: NetworkConfig,
        labels: Option<Vec<String>>,
    ) -> Result<Self, String> {
        let layout = Layout::of(&config)?;
        let (image_size, n_channels) = (config.image_size(), config.n_channels());
        let half = vec![0.5; n_channels];
        let preprocessing = Preprocessing {
            mean: half.clone(),
            std: half,
            resize: Resize::ShorterSide(image_size[0].min(image_size[1])),
            crop: Some(image_size),
            interpolation: Interpolation::Bilinear,
            ..Preprocessing::of_family(layout.family, image_size, n_channels)
        };
        Ok(Self {
            network,
            config,
            preprocessing,
            labels,
            has_trained_head: true,
            family: layout.family,
            layout,
            json: None,
            processor_json: None,
            passengers: Tensors::new(),
        })
    }

    /// The files that transformers or timm reads: `model.safetensors`, `config.json` and, of transformers,
    /// `preprocessor_config.json`. Names are those of the file that was read, numbers of single precision.
    ///
    /// # Errors
    ///
    /// One sentence if the tensors do not fit a file.
    pub fn files(&self) -> Result<Vec<NamedBytes>, String> {
        let mut layout = self.layout.clone();
        if self.family == Family::Timm && layout.n_positioned < layout.prefix_tokens_total() {
            // timm knows all or none; the authors' DINOv2 with registers has a position of its class token.
            layout.n_positioned = 0;
        }
        let mut ours = parameters::collect(&self.network);
        take_out_normalisation(&mut ours, &self.preprocessing);
        layout.settle_positions(&mut ours);
        convert::join_time(&mut ours, &layout);
        let mut tensors = self.passengers.clone();
        for entry in layout.entries() {
            let parts = to_theirs(&entry, &ours[&entry.ours], &layout);
            tensors.extend(entry.theirs.into_iter().zip(parts));
        }
        let labels = self.labels.clone().or_else(|| {
            // Those of the file are of other classes.
            let n_classes = self.config.n_classes();
            let has_own = layout.has_head && !(self.has_trained_head && self.json.is_some());
            has_own.then(|| {
                (0..n_classes)
                    .map(|class| format!("LABEL_{class}"))
                    .collect()
            })
        });
        let json = self.json.as_ref();
        let config = match self.family {
            Family::Timm => {
                timm::config_json(json, &layout, &self.preprocessing, self.labels.as_deref())
            }
            _ => hugging_face::config_json(json, &layout, labels.as_deref()),
        };
        let mut files = vec![
            ("model.safetensors", tensor_file::to_safetensors(&tensors)?),
            ("config.json", pretty(&config)),
        ];
        if self.family != Family::Timm {
            let processor = self
                .preprocessing
                .hugging_face_json(self.processor_json.as_ref(), self.family);
            files.push(("preprocessor_config.json", pretty(&processor)));
        }
        Ok(files)
    }

    /// Names of the tensors of the file that is written, and their shapes.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let shapes = parameters::shapes(&self.network);
        let entries = self.layout.entries().into_iter();
        let tensors = entries.flat_map(|entry| {
            let shapes = convert::expected_shapes(&entry, &shapes[&entry.ours], &self.layout);
            entry.theirs.into_iter().zip(shapes)
        });
        let mut tensors: Vec<_> = tensors.collect();
        tensors.sort();
        tensors
    }
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("JSON can be written");
    text.push(b'\n');
    text
}
