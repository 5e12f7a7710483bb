//! Which tensors of a file a parameter is made of.

/// A parameter and the tensors that it is made of.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) ours: String,
    pub(super) theirs: Vec<String>,
    pub(super) form: Form,
}

/// How the numbers of a parameter lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In the same order.
    Same,
    /// A matrix, rows for columns.
    Transposed,
    /// Matrices side by side, each rows for columns.
    Joined,
    /// Biases one after the other; where the file has none they are 0.
    Biases,
    /// Of queries and values alone: that of the keys is 0, and would change no attention.
    QueryAndValueBiases,
    /// A kernel over so many frames, whose channels are outermost there and the frames here.
    Tubelet { n_frames: usize },
    /// Position embeddings of a grid, perhaps of another size, with fewer tokens before it.
    Positions,
    /// Embeddings of frames, perhaps of another number.
    Frames,
}

/// All of them.
#[derive(Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

impl Table {
    pub(super) fn add<const N: usize>(
        &mut self,
        ours: &str,
        theirs: [impl Into<String>; N],
        form: Form,
    ) {
        self.entries.push(Entry {
            ours: ours.to_owned(),
            theirs: theirs.into_iter().map(Into::into).collect(),
            form,
        });
    }

    pub(super) fn norm(&mut self, ours: &str, theirs: &str) {
        self.weight_and_bias(ours, theirs, ["gamma", "beta"], [Form::Same, Form::Same]);
    }

    pub(super) fn linear(&mut self, ours: &str, theirs: &str) {
        self.weight_and_bias(
            ours,
            theirs,
            ["weight", "bias"],
            [Form::Transposed, Form::Same],
        );
    }

    /// Queries, keys and values in one, perhaps without a bias.
    pub(super) fn fused(&mut self, ours: &str, theirs: &str) {
        self.weight_and_bias(
            ours,
            theirs,
            ["weight", "bias"],
            [Form::Transposed, Form::Biases],
        );
    }

    fn weight_and_bias(&mut self, ours: &str, theirs: &str, names: [&str; 2], forms: [Form; 2]) {
        let parts = ["weight", "bias"].into_iter().zip(names).zip(forms);
        for ((part, name), form) in parts {
            self.add(
                &format!("{ours}.{name}"),
                [format!("{theirs}.{part}")],
                form,
            );
        }
    }
}
