//! `devices`: what `--device` can be here.

use super::output::print;
use super::{Failure, tables};
use crate::run::usable_devices;

/// Prints a table of all devices.
pub fn run() -> Result<(), Failure> {
    print(&format!("{}\n", tables::devices(&usable_devices())))
}
