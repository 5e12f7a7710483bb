//! `devices`: what `--device` can be here.

use super::tables;
use crate::run::usable_devices;

/// Prints a table of all devices.
pub fn run() {
    println!("{}", tables::devices(&usable_devices()));
}
