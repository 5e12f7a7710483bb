//! The penalties and the regulariser.

mod collapse;
mod frames;
mod gradients;
mod regularizer;
