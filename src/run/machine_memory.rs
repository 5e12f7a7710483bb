//! Memory of this machine.

use std::fs::read_to_string;

/// Memory that this process can use, in bytes: that of the machine, or the limit of its control group if that is less.
///
/// `None` on systems other than Linux.
pub fn machine_memory() -> Option<u64> {
    let information = read_to_string("/proc/meminfo").ok()?;
    let total = information
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    // The kernel writes kB and means KiB.
    let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    // `max` where there is no limit, which is not a number.
    let limit = read_to_string("/sys/fs/cgroup/memory.max").ok();
    let limit: Option<u64> = limit.and_then(|limit| limit.trim().parse().ok());
    Some((1024 * kibibytes).min(limit.unwrap_or(u64::MAX)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_memory() {
        let bytes = machine_memory().expect("a Linux system states its memory");
        assert!((1 << 26..1 << 50).contains(&bytes), "{bytes}");
    }
}
