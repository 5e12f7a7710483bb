//! Devices that are selected by name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Tensor};

use crate::error::{Error, Result};

/// Names of all devices; each is also the name of the cargo feature that it needs.
pub const DEVICES: [&str; 6] = ["flex", "ndarray", "wgpu", "vulkan", "metal", "cuda"];

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
/// Graphics cards are numbered from 0: `cuda:1` is the second, and `cuda` the first. For `wgpu`, `vulkan` and
/// `metal` the number is that among the discrete cards, and without it the most powerful adapter is chosen.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if the name is unknown; [`Error::is_device_error`] if the program was built
/// without the device, or if it does not work on this machine.
pub fn open_device(name: &str) -> Result<Device> {
    let parsed = DeviceName::parse(name)?;
    let opened = quietly(|| {
        let device = parsed.device()?;
        // A device is only a name until the first operation, which opens the driver.
        let sum = Tensor::<1>::ones([4], &device).sum();
        (sum.try_into_scalar::<f32>().ok()? == 4.0).then_some(device)
    });
    match opened {
        Ok(Some(device)) => Ok(device),
        Ok(None) if !is_built_in(parsed.backend) => Err(is_missing(parsed.backend)),
        Ok(None) => Err(Error::device(format!(
            "device `{name}` computes wrong sums"
        ))),
        Err(reason) => Err(Error::device(format!(
            "device `{name}` cannot be opened: {reason}; see `burn-topology devices` for those that can"
        ))),
    }
}

/// Checks that the program was built with the device of this name, without opening it.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if the name is unknown; [`Error::is_device_error`] if the program was built without
/// the device.
pub fn check_device(name: &str) -> Result<()> {
    let DeviceName { backend, .. } = DeviceName::parse(name)?;
    if is_built_in(backend) {
        Ok(())
    } else {
        Err(is_missing(backend))
    }
}

/// Error about a device that the program was built without.
fn is_missing(backend: &str) -> Error {
    Error::device(format!(
        "this program was built without the device `{backend}`; build it with `--features {backend}`"
    ))
}

/// Opens devices that train one model together: names of one kind, separated by commas.
///
/// The first is the main one. A name may be repeated; its device then does the work of several.
///
/// # Errors
///
/// As [`open_device`], and [`Error::is_invalid_parameter`] if the devices are of different kinds.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn_topology::run::open_devices;
///
/// assert_eq!(open_devices("flex")?.len(), 1);
/// assert!(open_devices("flex,cuda:0").is_err());
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn open_devices(names: &str) -> Result<Vec<Device>> {
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    let first = DeviceName::parse(names[0])?;
    for name in &names[1..] {
        let other = DeviceName::parse(name)?;
        if other.backend != first.backend {
            return Err(Error::invalid_parameter(format!(
                "`{}` and `{name}` are devices of different kinds, expected several of one kind, such as \
                 `cuda:0,cuda:1`",
                names[0]
            )));
        }
    }
    names.into_iter().map(open_device).collect()
}

/// Name of a device: its backend, and a number where there can be several.
#[derive(Debug, Clone, Copy)]
struct DeviceName<'a> {
    backend: &'a str,
    #[cfg_attr(
        not(feature = "gpu"),
        allow(dead_code, reason = "a processor has no number")
    )]
    index: Option<usize>,
}

impl<'a> DeviceName<'a> {
    fn parse(name: &'a str) -> Result<Self> {
        let (backend, index) = match name.split_once(':') {
            None => (name, None),
            Some((backend, index)) => (backend, Some(index)),
        };
        if !DEVICES.contains(&backend) {
            return Err(Error::invalid_parameter(format!(
                "unknown device `{backend}`, expected one of {}",
                DEVICES.join(", ")
            )));
        }
        let Some(index) = index else {
            let index = None;
            return Ok(Self { backend, index });
        };
        if matches!(backend, "flex" | "ndarray") {
            return Err(Error::invalid_parameter(format!(
                "unknown device `{name}`: all processors together are the device `{backend}`, expected no number"
            )));
        }
        let index = index.parse().map_err(|_| {
            Error::invalid_parameter(format!(
                "unknown device `{name}`, expected a number after the colon, such as `{backend}:1`"
            ))
        })?;
        Ok(Self {
            backend,
            index: Some(index),
        })
    }

    /// Returns the device; `None` if the program was built without its backend.
    fn device(self) -> Option<Device> {
        match self.backend {
            #[cfg(feature = "flex")]
            "flex" => Some(Device::flex()),
            #[cfg(feature = "ndarray")]
            #[allow(deprecated, reason = "kept until Burn 0.23 removes it")]
            "ndarray" => Some(Device::ndarray()),
            #[cfg(feature = "wgpu")]
            "wgpu" => Some(Device::wgpu(self.adapter())),
            #[cfg(feature = "vulkan")]
            "vulkan" => Some(Device::vulkan(self.adapter())),
            #[cfg(feature = "metal")]
            "metal" => Some(Device::metal(self.adapter())),
            #[cfg(feature = "cuda")]
            "cuda" => Some(Device::cuda(self.index.unwrap_or_default())),
            _ => None,
        }
    }

    /// Returns the adapter of a graphics interface.
    #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
    fn adapter(self) -> burn::tensor::DeviceKind {
        self.index
            .map_or_else(Default::default, burn::tensor::DeviceKind::DiscreteGpu)
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
        let _ = first_panic.set(short_reason(text));
    }));
    // Safe to assert: `open` is consumed, so nothing that it left half-changed is used again.
    let outcome = catch_unwind(AssertUnwindSafe(open));
    std::panic::set_hook(hook);
    outcome.map_err(|_| Error::device(cause.get().cloned().unwrap_or_default()))
}

/// Largest number of characters of a driver's message that is repeated.
const MAX_REASON: usize = 200;

/// First line of a driver's message, without what only Rust adds, and cut after a word if it is very long.
///
/// Without a driver for CUDA, the message lists some thirty names of libraries.
fn short_reason(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line = line
        .strip_prefix("called `Result::unwrap()` on an `Err` value: ")
        .unwrap_or(line);
    let Some((end, _)) = line.char_indices().nth(MAX_REASON) else {
        return line.to_owned();
    };
    let words = line[..end]
        .rsplit_once(' ')
        .map_or(&line[..end], |(words, _)| words);
    format!("{words} ...")
}

fn is_built_in(name: &str) -> bool {
    match name {
        "flex" => cfg!(feature = "flex"),
        "ndarray" => cfg!(feature = "ndarray"),
        "wgpu" => cfg!(feature = "wgpu"),
        "vulkan" => cfg!(feature = "vulkan"),
        "metal" => cfg!(feature = "metal"),
        "cuda" => cfg!(feature = "cuda"),
        _ => false,
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

#[cfg(feature = "gpu")]
fn adapter(device: &Device) -> String {
    match device.identity() {
        Some(identity) => identity.name,
        None => format!("{device:?}"),
    }
}

#[cfg(not(feature = "gpu"))]
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
    fn unknown_names_are_no_errors_of_a_device() {
        let cases = [
            ("abacus", "unknown device `abacus`, expected one of flex, "),
            (
                "abacus:1",
                "unknown device `abacus`, expected one of flex, ",
            ),
            ("flex:1", "unknown device `flex:1`: all processors together"),
            ("cuda:one", "unknown device `cuda:one`, expected a number"),
            ("cuda:", "unknown device `cuda:`, expected a number"),
            ("cuda:-1", "unknown device `cuda:-1`, expected a number"),
            ("flex,", "unknown device ``, expected one of flex, "),
            (
                "flex,cuda:1",
                "`flex` and `cuda:1` are devices of different kinds",
            ),
        ];
        for (names, expected) in cases {
            let error = open_devices(names).unwrap_err();
            assert!(error.is_invalid_parameter() && !error.is_device_error());
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_processor_can_be_named_more_than_once() {
        assert_eq!(open_devices("flex, flex").unwrap().len(), 2);
    }

    #[test]
    fn long_messages_of_drivers_are_cut() {
        let invalid = "called `Result::unwrap()` on an `Err` value: DriverError(1)\nmore";
        assert_eq!(short_reason(invalid), "DriverError(1)");
        let libraries = format!("no library {}", "libcud\u{e4}.so ".repeat(40));
        let reason = short_reason(&libraries);
        assert!(reason.chars().count() <= MAX_REASON + 4, "{reason}");
        assert!(reason.ends_with("libcud\u{e4}.so ..."), "{reason}");
    }

    #[test]
    fn a_panic_becomes_an_error_of_one_line() {
        let reason: Result<()> = quietly(|| panic!("no driver {}\nmore", 1));
        assert_eq!(reason, Err(Error::device("no driver 1")));
    }
}
