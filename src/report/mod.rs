//! Drawings and files of persistence diagrams, and plots, tables and HTML pages for reports.

mod condition;
mod csv_field;
mod diagram_archive;
mod diagram_file;
mod npz;
pub mod page;
pub mod plot;
mod raster;
mod ticks;

/// Text in the place of an interval that does not exist, because there is one seed, or all seeds have the same value.
pub(crate) const NO_INTERVAL: &str = "no interval";

pub use csv_field::csv_field;
pub use diagram_archive::{encode_cubical_diagrams, encode_diagrams};
pub use diagram_file::read_diagrams;
pub use npz::{Npz, NpzNumber, npy_bytes};
pub use raster::{
    ClipPanel, EncodedImage, VinePanel, barcode, clip_animation, clip_grid, clip_rows,
    persistence_diagram, vine_chart,
};
