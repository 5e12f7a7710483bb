//! `--image-size`: size of images for the commands that take pretrained weights.

use clap::Args;

use super::Failure;

/// Size of the images on which pretrained weights are run.
#[derive(Debug, Clone, Args)]
pub(super) struct ImageSizeArgument {
    /// Run pretrained weights on images of this height and width, in pixels, instead of those that their files state.
    /// Images are resized and cropped in proportion, and position embeddings interpolated.
    #[arg(long, num_args = 2, value_names = ["HEIGHT", "WIDTH"])]
    image_size: Option<Vec<usize>>,
}

impl ImageSizeArgument {
    /// Height and width, if given.
    pub(super) fn get(&self) -> Option<[usize; 2]> {
        self.image_size.as_deref().map(|sides| [sides[0], sides[1]])
    }

    /// Refuses the option beside a run.
    pub(super) fn refuse_for_run(&self) -> Result<(), Failure> {
        if self.image_size.is_none() {
            return Ok(());
        }
        Err(Failure::Error(
            "--image-size applies to weight files, not to a run; export the run with `weights RUN --output DIR` first, \
             then pass the exported directory"
                .into(),
        ))
    }
}
