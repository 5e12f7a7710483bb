//! Devices that are selected by name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Tensor};

use crate::error::{Error, Result};

/// Names of all devices; each is also the name of the cargo feature that it needs.
pub const DEVICES: [&str; 5] = ["flex", "ndarray", "wgpu", "vulkan", "cuda"];

/// Device with its description, or the error of opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceReport {
    /// Name of the device, as for `--device`.
    pub name: &'static str,
    /// Description of the device, or the error of [`open_device`].
    pub state: Result<String>,
}

/// Tries every device, and describes those that work.
///
/// # Cost
///
/// Opens every device that the program was built with; a graphics card may take seconds.
pub fn device_reports() -> Vec<DeviceReport> {
    let report = |name| DeviceReport {
        name,
        state: open_device(name).map(|device| describe(name, &device)),
    };
    DEVICES.into_iter().map(report).collect()
}

/// Opens the device with this name, without autodiff, and tries it with a small sum.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if the name is unknown; [`Error::is_device_error`] if the program was built
/// without the device, or if it does not work on this machine.
pub fn open_device(name: &str) -> Result<Device> {
    if !DEVICES.contains(&name) {
        return Err(Error::invalid_parameter(format!(
            "unknown device `{name}`, expected one of {}",
            DEVICES.join(", ")
        )));
    }
    let opened = quietly(|| {
        let device = built_in(name)?;
        // A device is only a name until the first operation, which opens the driver.
        let sum = Tensor::<1>::ones([4], &device).sum();
        (sum.try_into_scalar::<f32>().ok()? == 4.0).then_some(device)
    });
    match opened {
        Ok(Some(device)) => Ok(device),
        Ok(None) if !is_built_in(name) => Err(Error::device(format!(
            "this program was built without the device `{name}`; build it with `--features {name}`"
        ))),
        Ok(None) => Err(Error::device(format!(
            "device `{name}` computes wrong sums"
        ))),
        Err(reason) => Err(Error::device(format!(
            "device `{name}` cannot be opened: {reason}; see `burn-topology devices` for those that can"
        ))),
    }
}

/// Runs a function that may panic, and returns the first line of the panic as an error.
///
/// Burn panics where a driver is missing.
fn quietly<T>(open: impl FnOnce() -> T) -> Result<T> {
    // A driver is opened on its own thread, so the first panic of any thread is the cause, and later
    // ones only follow from it.
    let cause = Arc::new(OnceLock::new());
    let first_panic = Arc::clone(&cause);
    // The usual hook would print the panic, of which the caller makes one sentence.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or("no reason was given");
        let _ = first_panic.set(text.lines().next().unwrap_or_default().to_owned());
    }));
    // Safe to assert: `open` is consumed, so nothing that it left half-changed is used again.
    let outcome = catch_unwind(AssertUnwindSafe(open));
    std::panic::set_hook(hook);
    outcome.map_err(|_| Error::device(cause.get().cloned().unwrap_or_default()))
}

fn is_built_in(name: &str) -> bool {
    match name {
        "flex" => cfg!(feature = "flex"),
        "ndarray" => cfg!(feature = "ndarray"),
        "wgpu" => cfg!(feature = "wgpu"),
        "vulkan" => cfg!(feature = "vulkan"),
        "cuda" => cfg!(feature = "cuda"),
        _ => false,
    }
}

fn built_in(name: &str) -> Option<Device> {
    match name {
        #[cfg(feature = "flex")]
        "flex" => Some(Device::flex()),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated, reason = "kept until Burn 0.23 removes it")]
        "ndarray" => Some(Device::ndarray()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(Device::wgpu(Default::default())),
        #[cfg(feature = "vulkan")]
        "vulkan" => Some(Device::vulkan(Default::default())),
        #[cfg(feature = "cuda")]
        "cuda" => Some(Device::cuda(0)),
        _ => None,
    }
}

fn describe(name: &str, device: &Device) -> String {
    let processor = || format!("{} threads", rayon::current_num_threads());
    match name {
        "flex" => format!("processor, Burn's own backend, {}", processor()),
        "ndarray" => format!("processor, deprecated by Burn, {}", processor()),
        _ => adapter(device),
    }
}

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
fn adapter(device: &Device) -> String {
    match device.identity() {
        Some(identity) => identity.name,
        None => format!("{device:?}"),
    }
}

#[cfg(not(any(feature = "wgpu", feature = "vulkan", feature = "cuda")))]
fn adapter(device: &Device) -> String {
    format!("{device:?}")
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_reported_and_flex_computes() {
        let reports = device_reports();
        assert_eq!(reports.len(), DEVICES.len());
        assert!(reports[0].state.is_ok());
        for report in reports {
            if let Err(error) = report.state {
                assert!(error.is_device_error());
                let reason = error.to_string();
                assert!(
                    reason.contains(report.name) && reason.lines().count() == 1,
                    "{reason}"
                );
            }
        }
    }

    #[test]
    fn an_unknown_name_is_no_error_of_a_device() {
        let error = open_device("abacus").unwrap_err();
        assert!(error.is_invalid_parameter() && !error.is_device_error());
    }

    #[test]
    fn a_panic_becomes_an_error_of_one_line() {
        let reason: Result<()> = quietly(|| panic!("no driver {}\nmore", 1));
        assert_eq!(reason, Err(Error::device("no driver 1")));
    }
}
