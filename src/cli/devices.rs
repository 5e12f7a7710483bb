//! `devices`: values that `--device` can have on this machine.

use clap::Args;
use serde_json::{Value, json};

use super::output::{print, print_json};
use super::{Failure, tables};
use crate::run::{DeviceReport, device_reports};

/// Arguments of `devices`.
#[derive(Debug, Args)]
pub(super) struct DevicesArguments {
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
}

/// Prints all devices and whether they can be used.
pub(super) fn run(arguments: &DevicesArguments) -> Result<(), Failure> {
    let reports = device_reports();
    if arguments.json {
        let devices: Vec<Value> = reports.iter().map(to_json).collect();
        return print_json(&json!(devices));
    }
    print(&format!("{}\n", tables::devices(&reports)))
}

/// Name of a device, whether it can be used, and what it is or why it cannot be used.
fn to_json(report: &DeviceReport) -> Value {
    let text = match &report.state {
        Ok(description) => description.clone(),
        Err(error) => error.to_string(),
    };
    json!({ "name": report.name, "is_usable": report.state.is_ok(), "description": text })
}
