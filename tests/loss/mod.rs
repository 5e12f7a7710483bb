//! The penalties and the regulariser.

mod gradients;
mod regularizer;
