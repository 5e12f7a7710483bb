//! Names of files and directories that are being written, by which those of ended processes are recognised.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use super::checksums::sha256_hex;
use super::host::host;

/// End of the names of everything that is being written.
const SUFFIX: &str = ".partial";

/// Time without a change after which what a process of another machine began counts as left behind.
///
/// Nothing tells here whether that process still runs.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Creates something beside `path`, under a name that only this call uses; returns the name too.
///
/// What processes that have ended left of `path` is removed first.
pub(super) fn create_partial<T>(
    path: &Path,
    create: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(PathBuf, T)> {
    static N_CREATED: AtomicUsize = AtomicUsize::new(0);
    remove_abandoned(path);
    loop {
        // The name is appended to, so that `a.json` and `a.npz` differ; with machine, process and number, so that two
        // machines, two processes and two threads do.
        let mut partial: OsString = path.as_os_str().to_owned();
        let number = N_CREATED.fetch_add(1, Ordering::Relaxed);
        let (machine, process) = (machine(), std::process::id());
        partial.push(format!(".{machine}-{process}-{number}{SUFFIX}"));
        let partial = PathBuf::from(partial);
        match create(&partial) {
            // Left by an earlier process with the same number, as processes in containers often have it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|created| (partial, created)),
        }
    }
}

/// True for names that [`create_partial`] gives for a path with this name.
pub(super) fn is_partial(name: &str, of: &str) -> bool {
    writer(name, of).is_some()
}

/// Removes a file, or a directory with everything in it; nothing at this path is no error.
pub(super) fn remove_all(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Directory of a file.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Removes what ended processes left of `path`; as far as possible, since nothing depends on it.
pub(super) fn remove_abandoned(path: &Path) {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return;
    };
    for entry in std::fs::read_dir(directory_of(path))
        .into_iter()
        .flatten()
        .flatten()
    {
        let other = entry.file_name();
        let Some((other_machine, process)) = other.to_str().and_then(|other| writer(other, name))
        else {
            continue;
        };
        let is_left = if other_machine == machine() {
            !is_running(process)
        } else {
            last_change(&entry.path())
                .and_then(|time| time.elapsed().ok())
                .is_some_and(|age| age > ABANDONED_AFTER)
        };
        if is_left {
            let _ = remove_all(&entry.path());
        }
    }
}

/// Machine and process that write, or wrote, `other` in place of `name`; `None` if it is something else.
fn writer<'a>(other: &'a str, name: &str) -> Option<(&'a str, u32)> {
    let parts = other.strip_prefix(name)?.strip_prefix('.')?;
    let mut parts = parts.strip_suffix(SUFFIX)?.split('-');
    let (machine, process, number) = (parts.next()?, parts.next()?, parts.next()?);
    let is_machine = machine.len() == 8 && machine.bytes().all(|byte| byte.is_ascii_hexdigit());
    number.parse::<usize>().ok()?;
    let process = process.parse().ok()?;
    (is_machine && parts.next().is_none()).then_some((machine, process))
}

/// Short name of this machine, of 8 characters that every file system allows.
fn machine() -> String {
    let mut digest = sha256_hex(host().as_bytes());
    digest.truncate(8);
    digest
}

/// True if a process of this machine has the number, or if that cannot be told.
fn is_running(process: u32) -> bool {
    !Path::new("/proc/self").exists() || Path::new("/proc").join(process.to_string()).exists()
}

/// Time of the last change of a file, or of anything in a directory.
fn last_change(path: &Path) -> Option<SystemTime> {
    let metadata = path.symlink_metadata().ok()?;
    let own = metadata.modified().ok();
    if !metadata.is_dir() {
        return own;
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let inner = entries.filter_map(|entry| last_change(&entry.path())).max();
    own.max(inner)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn only_what_ended_processes_left_is_removed() {
        let name = format!("burn-topology-abandoned-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        // No process has this number: the kernel gives at most 2^22.
        let ended = u32::MAX;
        let (here, elsewhere) = (machine(), "01234567");
        let this = std::process::id();
        let cases = [
            (format!("a.json.{here}-{ended}-0.partial"), 0, false),
            (format!("a.json.{here}-{this}-0.partial"), 48, true),
            (format!("a.json.{elsewhere}-{ended}-0.partial"), 48, false),
            (format!("a.json.{elsewhere}-{ended}-1.partial"), 23, true),
            (format!("b.json.{here}-{ended}-0.partial"), 48, true),
            (format!("a.json.{here}-{ended}.partial"), 48, true),
            (format!("a.json.{ended}-0.partial"), 48, true),
            ("a.json.partial".to_owned(), 48, true),
        ];
        for (name, hours, _) in &cases {
            let file = File::create(directory.join(name)).unwrap();
            let age = Duration::from_secs(3600 * hours);
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        // A directory counts as changed when something in it was.
        let changed = directory.join(format!("a.json.{elsewhere}-{ended}-2.partial"));
        std::fs::create_dir(&changed).unwrap();
        std::fs::write(changed.join("new"), "").unwrap();
        let left = directory.join(format!("a.json.{here}-{ended}-2.partial"));
        std::fs::create_dir_all(left.join("inner")).unwrap();
        remove_abandoned(&directory.join("a.json"));
        for (name, _, stays) in &cases {
            assert_eq!(directory.join(name).exists(), *stays, "{name}");
        }
        assert!(changed.exists() && !left.exists());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_name_that_is_taken_is_passed_over() {
        let taken = std::cell::Cell::new(2);
        let create = |_: &Path| {
            taken.set(taken.get() - 1);
            match taken.get() {
                0 => Ok("created"),
                _ => Err(io::ErrorKind::AlreadyExists.into()),
            }
        };
        let path = std::env::temp_dir().join("nowhere/a");
        let (partial, created) = create_partial(&path, create).unwrap();
        assert_eq!(created, "created");
        let name = partial.file_name().unwrap().to_str().unwrap();
        assert!(is_partial(name, "a") && !is_partial("a.partial", "a"));
    }
}
