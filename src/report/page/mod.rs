//! Reports as one HTML file that needs no network.
//!
//! [`Page`] is the shell: title, contents, sections, light and dark. [`Control`]s set a state, kept in
//! the page's address; what carries a [`Condition`] is shown while it holds. Pages need JavaScript of
//! their own only for what is drawn while it is looked at, see [`Page::drawn_by`].

mod condition;
mod control;
mod document;
mod parts;
mod pixel_image;
mod table;

pub use condition::Condition;
pub use control::{Control, Steps, controls};
pub use document::{Page, Section};
pub use parts::{figure, shown_when, side_by_side, value_of};
pub use pixel_image::PixelImage;
pub use table::{Column, Table, number};

#[cfg(test)]
mod tests;
