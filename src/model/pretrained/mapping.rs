//! Correspondence between the parameters of a model and the tensors of a file.

/// A parameter of a model and the tensors of a file that it is converted from.
#[derive(Debug)]
pub(super) struct ParameterMapping {
    /// Name of the parameter in the model, such as `blocks.0.attn.qkv.weight`.
    pub(super) parameter: String,
    /// Names of the tensors in the file, in the order in which they are joined.
    pub(super) tensors: Vec<String>,
    /// Conversion between the tensors and the parameter.
    pub(super) conversion: Conversion,
}

/// Conversion between the tensors of a file and a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conversion {
    /// Copies the tensor unchanged.
    Unchanged,
    /// Transposes a matrix: `[n_out, n_in]` in the file, `[n_in, n_out]` in the model.
    Transposed,
    /// Transposes matrices and joins them side by side: `[n_in, n_matrices * n_out]` in the model.
    JoinedTransposed,
    /// Joins biases; they are 0 if the file has none.
    Biases,
    /// Joins biases of queries, keys and values, of which the file has no bias of the keys.
    ///
    /// The bias of the keys is 0. Any other would add the same number to all scores of a query, which softmax
    /// cancels.
    QueryAndValueBiases,
    /// Converts a kernel over the frames of a tubelet.
    ///
    /// `[n_out, n_channels, n_frames, height, width]` in the file, `[n_out, n_frames * n_channels, height,
    /// width]` in the model.
    TubeletKernel {
        /// Number of frames of a tubelet.
        n_frames: usize,
    },
    /// Interpolates position embeddings to another grid of patches, and adds zeros for missing prefix tokens.
    Positions,
    /// Interpolates time embeddings to another number of frames.
    Frames,
}

/// List of parameter mappings, with methods that add the parameters of common layers.
#[derive(Default)]
pub(super) struct MappingTable {
    /// Mappings in the order in which they were added.
    pub(super) mappings: Vec<ParameterMapping>,
}

impl MappingTable {
    /// Adds one parameter.
    pub(super) fn add<const N: usize>(
        &mut self,
        parameter: &str,
        tensors: [impl Into<String>; N],
        conversion: Conversion,
    ) {
        self.mappings.push(ParameterMapping {
            parameter: parameter.to_owned(),
            tensors: tensors.into_iter().map(Into::into).collect(),
            conversion,
        });
    }

    /// Adds a parameter that has the same name and the same numbers in the file.
    pub(super) fn add_unchanged(&mut self, name: &str) {
        self.add(name, [name], Conversion::Unchanged);
    }

    /// Adds scale and shift of a layer norm.
    pub(super) fn add_norm(&mut self, layer: &str, file_layer: &str) {
        // Burn calls them `gamma` and `beta`, PyTorch `weight` and `bias`.
        for (name, file_name) in [("gamma", "weight"), ("beta", "bias")] {
            self.add(
                &format!("{layer}.{name}"),
                [format!("{file_layer}.{file_name}")],
                Conversion::Unchanged,
            );
        }
    }

    /// Adds weight and bias of a linear layer.
    pub(super) fn add_linear(&mut self, layer: &str, file_layer: &str) {
        self.add_weight_and_bias(layer, file_layer, Conversion::Unchanged);
    }

    /// Adds a linear layer that computes queries, keys and values together, perhaps without a bias in the file.
    pub(super) fn add_fused_qkv(&mut self, layer: &str, file_layer: &str) {
        self.add_weight_and_bias(layer, file_layer, Conversion::Biases);
    }

    /// Adds weight and bias of a linear layer, with this conversion of the bias.
    fn add_weight_and_bias(&mut self, layer: &str, file_layer: &str, bias: Conversion) {
        // PyTorch stores the weight of a linear layer as [n_out, n_in], Burn as [n_in, n_out].
        for (name, conversion) in [("weight", Conversion::Transposed), ("bias", bias)] {
            self.add(
                &format!("{layer}.{name}"),
                [format!("{file_layer}.{name}")],
                conversion,
            );
        }
    }
}
