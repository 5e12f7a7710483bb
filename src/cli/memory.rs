//! Refuses runs that cannot fit into the memory, before anything is allocated.

use std::path::Path;

use super::{DEFAULT_DEVICE, Failure};
use crate::config::Config;
use crate::run::machine_memory;

/// Units of `--memory-limit`, with their sizes in bytes.
const UNITS: [(&str, f64); 8] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
];

/// Reads a size such as `80GB` or `64 GiB`, in bytes.
pub(super) fn parse_size(text: &str) -> Result<f64, String> {
    let expected = || format!("`{text}` is not a size, expected one such as `80GB` or `64GiB`");
    let (number, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .ok_or_else(expected)?;
    let number: f64 = number.trim().parse().map_err(|_| expected())?;
    if number > 0.0 && number.is_finite() {
        Ok(number * factor)
    } else {
        Err(expected())
    }
}

/// Checks that a run on a device can fit into `limit`, or on the CPU into the memory of this machine.
///
/// Compares a lower bound, so that a run that passes may still need more.
pub(super) fn check_memory(
    path: &Path,
    config: &Config,
    device: &str,
    limit: Option<f64>,
) -> Result<(), Failure> {
    // The memory of other devices is not known here.
    let machine = || machine_memory().filter(|_| device == DEFAULT_DEVICE);
    let Some(available) = limit.or_else(|| machine().map(|bytes| bytes as f64)) else {
        return Ok(());
    };
    let least = config.spec.least_memory();
    if least.total() <= available {
        return Ok(());
    }
    let owner = if limit.is_some() {
        "--memory-limit allows"
    } else {
        "this process can use"
    };
    Err(Failure::Error(format!(
        "{}: training needs at least {} of memory, {} for {} parameters and {} for the {} of a forward pass, but {owner} {}; \
         make the model, the samples or training.batch_size smaller, or pass --memory-limit if it is meant for another machine",
        path.display(),
        size(least.total()),
        size(least.parameters),
        count(least.n_parameters),
        size(least.samples),
        super::tables::counted(least.n_samples, "sample"),
        size(available),
    )))
}

/// Size in the largest decimal unit in which it is at least 1.
fn size(bytes: f64) -> String {
    let units = UNITS.iter().filter(|(unit, _)| !unit.contains('i')).rev();
    match units.into_iter().find(|(_, factor)| bytes >= *factor) {
        Some((unit, factor)) => format!("{} {unit}", count(bytes / factor)),
        None => format!("{bytes} bytes"),
    }
}

/// Number with three digits, or as a power of ten if it is long.
fn count(number: f64) -> String {
    if number >= 1e6 {
        format!("{number:.1e}")
    } else if number >= 100.0 {
        format!("{number:.0}")
    } else {
        format!("{number:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!(parse_size("80GB"), Ok(8e10));
        assert_eq!(parse_size("1.5 KiB"), Ok(1536.0));
        for text in ["80", "GB", "-1GB", "0GB", "nanGB", "infGB", ""] {
            assert!(
                parse_size(text)
                    .unwrap_err()
                    .contains("expected one such as")
            );
        }
        assert_eq!(size(8.25e10), "82.5 GB");
        assert_eq!(size(3e15), "3000 TB");
        assert_eq!(size(12.0), "12 bytes");
    }
}
