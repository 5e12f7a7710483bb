//! `devices`: values that `--device` can have on this machine.

use super::output::print;
use super::{Failure, tables};
use crate::run::device_reports;

/// Prints a table of all devices and whether they can be used.
pub(super) fn run() -> Result<(), Failure> {
    print(&format!("{}\n", tables::devices(&device_reports())))
}
