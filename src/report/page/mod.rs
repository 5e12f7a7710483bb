//! Reports as single HTML files that need no network.
//!
//! A [`Page`] has a title, a table of contents, sections, and a light and a dark theme. Readers set the values of its
//! [`Control`]s, which are kept in the page's address; elements with a [`Condition`] on these values are shown while it
//! holds. Only interactive drawings need JavaScript of their own, see [`Page::with_style_and_script`].

mod control;
mod document;
mod marked_image;
mod parts;
mod pixel_image;
mod table;

pub use super::condition::Condition;
pub use control::{Control, Steps, controls};
pub use document::{Page, Section};
pub use marked_image::{MarkedImage, MarkedRegion};
pub use parts::{control_value, figure, shown_when, side_by_side};
pub use pixel_image::PixelImage;
pub use table::{Column, Table, number};

#[cfg(test)]
mod tests;
