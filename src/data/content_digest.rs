//! SHA-256 of what files contain, which is remembered while size and times of a file stay the same.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::user_cache::{cache_folder, cached_files, store};
use crate::error::{Error, Result};
use crate::hexadecimal::hexadecimal;
use crate::input_file;

/// First line of a file of digests.
const HEADER: &str = "burn-topology digests 1";

/// Time in which a file may change again without another time of modification.
///
/// Some file systems store times in steps of two seconds.
const COARSEST_TIME: Duration = Duration::from_secs(3);

/// Age from which the digests of a data set that nobody opened are removed.
const UNUSED_AFTER: Duration = Duration::from_secs(180 * 24 * 3600);

/// Size and times of a file: they differ if its content was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileVersion {
    n_bytes: u64,
    /// Time of modification, in nanoseconds since 1970.
    modified: u128,
    /// Time at which content or attributes were changed, which programs cannot set, and number of the file; 0 where the
    /// system has none.
    changed: i128,
    number: u64,
}

impl FileVersion {
    /// Version of the file at a path, or of the file that it links to.
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        Ok(Self::from(&path.metadata()?))
    }

    /// True if the file cannot have been changed after `now` without another version.
    fn is_settled(self, now: SystemTime) -> bool {
        let limit = nanoseconds(now).saturating_sub(COARSEST_TIME.as_nanos());
        let changed = u128::try_from(self.changed).unwrap_or(0);
        self.modified < limit && changed < limit
    }
}

impl From<&Metadata> for FileVersion {
    fn from(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let (changed, number) = {
            use std::os::unix::fs::MetadataExt;
            let seconds = i128::from(metadata.ctime()) * 1_000_000_000;
            (seconds + i128::from(metadata.ctime_nsec()), metadata.ino())
        };
        #[cfg(not(unix))]
        let (changed, number) = (0, 0);
        Self {
            n_bytes: metadata.len(),
            modified: metadata.modified().map_or(0, nanoseconds),
            changed,
            number,
        }
    }
}

fn nanoseconds(time: SystemTime) -> u128 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_nanos()
}

/// Digests of the files of a data set, those of its last use among them.
pub(super) struct ContentDigests {
    /// File in which they are kept; `None` if they are not.
    file: Option<PathBuf>,
    /// By digest of the path: those of earlier.
    known: HashMap<String, (FileVersion, String)>,
    /// Those that were asked for and may be kept.
    used: Mutex<HashMap<String, (FileVersion, String)>>,
}

impl ContentDigests {
    /// Opens what is known of the files in a folder.
    pub(super) fn open(root: &Path) -> Self {
        Self::open_in(cache_folder("digests"), root)
    }

    fn open_in(folder: Option<PathBuf>, root: &Path) -> Self {
        let absolute = root.canonicalize().ok();
        let file = folder
            .zip(absolute)
            .map(|(folder, root)| folder.join(key(&root)).with_extension("txt"));
        let known = file
            .as_ref()
            .and_then(|file| input_file::read_text(file).ok());
        Self {
            file,
            known: known.and_then(|text| parse(&text)).unwrap_or_default(),
            used: Mutex::default(),
        }
    }

    /// SHA-256 of the content of a file, in hexadecimal; several threads may ask at the same time.
    ///
    /// The file is read unless it was before, and has had the same size and times ever since.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if the file cannot be read.
    pub(super) fn of(&self, path: &Path) -> Result<String> {
        let cannot_read = |error| Error::cannot_read(path, error);
        let key = key(path);
        let mut version = FileVersion::of(path).map_err(cannot_read)?;
        if let Some((known, digest)) = self.known.get(&key)
            && *known == version
        {
            self.remember(key, version, digest.clone());
            return Ok(digest.clone());
        }
        loop {
            let start = SystemTime::now();
            let digest = read_digest(path).map_err(cannot_read)?;
            let before =
                std::mem::replace(&mut version, FileVersion::of(path).map_err(cannot_read)?);
            // A file that is being written is read until it stays as it is.
            if before == version {
                if version.is_settled(start) {
                    self.remember(key, version, digest.clone());
                }
                return Ok(digest);
            }
        }
    }

    fn remember(&self, key: String, version: FileVersion, digest: String) {
        if let Ok(mut used) = self.used.lock() {
            used.insert(key, (version, digest));
        }
    }

    /// Keeps the digests for the next time, as far as possible.
    pub(super) fn store(self) {
        let (Some(file), Ok(used)) = (self.file, self.used.into_inner()) else {
            return;
        };
        if used == self.known {
            return;
        }
        let mut text = format!("{HEADER}\n");
        for (key, (version, digest)) in &used {
            let FileVersion {
                n_bytes,
                modified,
                changed,
                number,
            } = version;
            text += &format!("{key} {n_bytes} {modified} {changed} {number} {digest}\n");
        }
        // The last line tells whether the file is whole.
        let sum = hexadecimal(&Sha256::digest(&text));
        store(&file, &[text.as_bytes(), sum.as_bytes()]);
        for old in cached_files(file.parent().unwrap_or(Path::new("."))) {
            if old.time.elapsed().is_ok_and(|age| age > UNUSED_AFTER) {
                let _ = std::fs::remove_file(old.path);
            }
        }
    }
}

/// Name for a path in a list of digests, the same length for all.
fn key(path: &Path) -> String {
    let mut key = hexadecimal(&Sha256::digest(path.as_os_str().as_encoded_bytes()));
    // Half of it is enough to tell the files of one data set apart.
    key.truncate(32);
    key
}

/// Reads a list of digests; `None` if it is damaged.
fn parse(text: &str) -> Option<HashMap<String, (FileVersion, String)>> {
    let (lines, sum) = text.rsplit_once('\n')?;
    let lines = format!("{lines}\n");
    if hexadecimal(&Sha256::digest(&lines)) != sum {
        return None;
    }
    let mut lines = lines.lines();
    if lines.next()? != HEADER {
        return None;
    }
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let key = words.next()?.to_owned();
            let version = FileVersion {
                n_bytes: words.next()?.parse().ok()?,
                modified: words.next()?.parse().ok()?,
                changed: words.next()?.parse().ok()?,
                number: words.next()?.parse().ok()?,
            };
            Some((key, (version, words.next()?.to_owned())))
        })
        .collect()
}

/// Reads a file and returns its SHA-256 in hexadecimal.
fn read_digest(path: &Path) -> std::io::Result<String> {
    let mut file = input_file::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hexadecimal(&digest.finalize())),
            Ok(n) => digest.update(&buffer[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_kept_until_a_file_changes() {
        let root =
            std::env::temp_dir().join(format!("burn-topology-digests-{}", std::process::id()));
        let (data, cache) = (root.join("data"), root.join("cache"));
        std::fs::create_dir_all(&data).unwrap();
        let path = data.join("a");
        std::fs::write(&path, "first").unwrap();
        let sha256 = |text: &str| hexadecimal(&Sha256::digest(text));
        let open = || ContentDigests::open_in(Some(cache.clone()), &data);
        let ask = || {
            let digests = open();
            let digest = digests.of(&path).unwrap();
            digests.store();
            digest
        };
        assert_eq!(ask(), sha256("first"));
        // A file of this moment may change without another time; its digest is not kept.
        assert!(open().known.is_empty());
        let keep = || {
            let digests = open();
            let version = FileVersion::of(&path).unwrap();
            digests.remember(key(&path), version, "kept".to_owned());
            digests.store();
        };
        keep();
        assert_eq!(ask(), "kept");
        // The same size, and the same time of modification; times are rounded to some milliseconds.
        let modified = path.metadata().unwrap().modified().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        std::fs::write(&path, "other").unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
        if cfg!(unix) {
            assert_eq!(ask(), sha256("other"));
        }
        keep();
        assert_eq!(ask(), "kept");
        // A damaged list is not used.
        let list = cached_files(&cache).pop().unwrap().path;
        let text = std::fs::read_to_string(&list).unwrap();
        std::fs::write(&list, text.replace("kept", "lost")).unwrap();
        assert_eq!(ask(), sha256("other"));
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn files_are_settled_when_their_times_have_passed() {
        let now = SystemTime::now();
        let version = |age: u64| FileVersion {
            n_bytes: 1,
            modified: nanoseconds(now - Duration::from_secs(age)),
            changed: 0,
            number: 0,
        };
        assert!(version(60).is_settled(now));
        assert!(!version(1).is_settled(now));
    }
}
