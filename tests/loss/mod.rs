//! The penalties and the regulariser.

mod collapse;
mod gradients;
mod regularizer;
