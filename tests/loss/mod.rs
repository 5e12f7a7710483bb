//! Tests of the penalties and the regulariser.

mod collapse;
mod controls;
mod frames;
mod gradients;
mod regularizer;
mod views;
