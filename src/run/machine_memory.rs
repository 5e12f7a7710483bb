//! Memory that this process can use.

use std::fs::read_to_string;
use std::path::{Component, Path, PathBuf};

/// Memory that this process can use, in bytes: that of the machine, or the least of its limits if that is less.
///
/// Limits are those of the control groups that the process is in (containers, jobs of a cluster), and that of its address
/// space (`ulimit -v`). `None` if nothing tells the memory, as on systems other than Linux.
pub fn machine_memory() -> Option<u64> {
    let machine = read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|information| total_memory(&information));
    let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = limit_files(&groups)
        .into_iter()
        // `max` where there is no limit, which is not a number.
        .filter_map(|file| read_to_string(file).ok()?.trim().parse().ok());
    machine
        .into_iter()
        .chain(limits)
        .chain(address_space())
        .min()
}

/// Finds the memory of the machine in `/proc/meminfo`.
fn total_memory(information: &str) -> Option<u64> {
    let mut lines = information.lines();
    let total = lines.find_map(|line| line.strip_prefix("MemTotal:"))?;
    // The kernel writes kB and means KiB.
    let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Files with the limits of the control groups in `/proc/self/cgroup`, and of the groups that these are in.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        // Number, controllers and path. Version 2 has one line, without controllers.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (mount, file) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        let mut group = PathBuf::from(mount);
        files.push(group.join(file));
        let names = Path::new(path).components();
        for name in names.filter(|name| matches!(name, Component::Normal(_))) {
            group.push(name);
            files.push(group.join(file));
        }
    }
    files
}

/// Limit of the address space of this process; `None` if there is none.
#[cfg(unix)]
fn address_space() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::As).current
}

/// Limit of the address space of this process, which only Unix has.
#[cfg(not(unix))]
fn address_space() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_machine_has_memory() {
        let bytes = machine_memory().expect("a Linux system states its memory");
        assert!((1 << 26..1 << 50).contains(&bytes), "{bytes}");
    }

    #[test]
    fn limits_of_all_groups_around_a_process_count() {
        assert_eq!(
            total_memory("MemFree: 1 kB\nMemTotal:   16 kB\n"),
            Some(16_384)
        );
        let files = |groups: &str| -> Vec<String> {
            let files = limit_files(groups);
            files
                .iter()
                .map(|file| file.display().to_string())
                .collect()
        };
        let version_2 = [
            "/sys/fs/cgroup/memory.max",
            "/sys/fs/cgroup/job.slice/memory.max",
            "/sys/fs/cgroup/job.slice/step/memory.max",
        ];
        assert_eq!(files("0::/job.slice/step\n"), version_2);
        let version_1 = [
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
        ];
        assert_eq!(files("9:cpu,cpuacct:/a\n8:memory:/a\nbroken\n"), version_1);
    }
}
