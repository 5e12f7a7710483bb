//! Bars of grey images and clips, drawn over their pixels.

mod bars;
mod files;
mod page;

pub use bars::{PixelBars, ShownBar, ShownImage};
pub use files::write_report;
