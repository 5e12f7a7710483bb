//! Decoded and scaled frames of videos, kept in memory and on disk, so that every video is decoded once.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::super::content_digest::FileVersion;
use super::super::user_cache::{cache_folder, cached_files, store};
use super::ClipSampling;
use crate::error::{Error, Result};
use crate::hexadecimal::hexadecimal;
use crate::input_file;

/// Environment variables with the largest sizes of the cache in memory and on disk, in GiB; 0 for none.
const GIB_IN_MEMORY: &str = "BURN_TOPOLOGY_CACHE_MEMORY_GIB";
const GIB_ON_DISK: &str = "BURN_TOPOLOGY_CACHE_DISK_GIB";

/// Largest sizes if these are not set, in GiB.
const DEFAULT_IN_MEMORY: f64 = 1.0;
const DEFAULT_ON_DISK: f64 = 10.0;

/// Start of a file of the cache. The number changes with the way in which frames are decoded and scaled.
const MAGIC: &[u8] = b"burn-topology frames 1\n";

/// Length of a SHA-256 in bytes.
const N_DIGEST: usize = 32;

/// Time after which the use of a file is noted again.
const NOTED_FOR: Duration = Duration::from_secs(3600);

/// Frames of the videos of a data set.
#[derive(Debug)]
pub(super) struct FrameCache {
    /// Version and digest of the content of every video, when the data set was opened.
    videos: HashMap<PathBuf, (FileVersion, String)>,
    /// Everything else on which the frames depend: the version of `ffmpeg`, and the sampling.
    settings: String,
    /// Number of bytes of a clip.
    clip_len: usize,
    memory: Mutex<Memory>,
    disk: Option<Mutex<Disk>>,
}

/// Clips in memory, by the name that they have on disk.
#[derive(Debug)]
struct Memory {
    clips: HashMap<String, Arc<[u8]>>,
    n_bytes: usize,
    max_bytes: usize,
}

/// Clips on disk, which several processes may share.
#[derive(Debug)]
struct Disk {
    folder: PathBuf,
    /// Bytes of all files, as far as this process knows.
    n_bytes: u64,
    max_bytes: u64,
    /// Files that were used after this time are not removed to make room.
    start: SystemTime,
    is_full: bool,
}

/// Largest sizes of a cache, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct CacheLimits {
    in_memory: f64,
    on_disk: f64,
}

impl CacheLimits {
    /// Reads the limits of the environment.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if one is not a number of at least 0.
    pub(super) fn from_environment() -> Result<Self> {
        let bytes = |name: &str, default: f64| {
            let gib = match std::env::var_os(name) {
                None => default,
                Some(text) => text
                    .to_str()
                    .and_then(|text| text.trim().parse().ok())
                    .filter(|&gib: &f64| gib >= 0.0)
                    .ok_or_else(|| {
                        let text = text.to_string_lossy();
                        Error::invalid_parameter(format!(
                            "the environment variable {name} is `{text}`, expected a number of GiB of at least 0"
                        ))
                    })?,
            };
            Ok(gib * (1u64 << 30) as f64)
        };
        Ok(Self {
            in_memory: bytes(GIB_IN_MEMORY, DEFAULT_IN_MEMORY)?,
            on_disk: bytes(GIB_ON_DISK, DEFAULT_ON_DISK)?,
        })
    }
}

impl FrameCache {
    /// Creates the cache of a data set from the digests of the contents of its videos.
    pub(super) fn new(
        videos: impl IntoIterator<Item = (PathBuf, String)>,
        sampling: &ClipSampling,
        ffmpeg_version: &str,
        limits: CacheLimits,
    ) -> Self {
        Self::new_in(
            cache_folder("frames"),
            videos,
            sampling,
            ffmpeg_version,
            limits,
        )
    }

    fn new_in(
        folder: Option<PathBuf>,
        videos: impl IntoIterator<Item = (PathBuf, String)>,
        sampling: &ClipSampling,
        ffmpeg_version: &str,
        limits: CacheLimits,
    ) -> Self {
        let versions = videos.into_iter().filter_map(|(path, digest)| {
            // One that is gone is an error when it is read.
            let version = FileVersion::of(&path).ok()?;
            Some((path, (version, digest)))
        });
        // Conversions to integers saturate.
        let disk = folder.filter(|_| limits.on_disk > 0.0);
        Self {
            videos: versions.collect(),
            settings: format!("{sampling:?}\n{ffmpeg_version}\n"),
            clip_len: sampling.n_frames * sampling.n_bytes(),
            memory: Mutex::new(Memory {
                clips: HashMap::new(),
                n_bytes: 0,
                max_bytes: limits.in_memory as usize,
            }),
            disk: disk.map(|folder| Mutex::new(Disk::open(folder, limits.on_disk as u64))),
        }
    }

    /// Returns the frames of a video, one after the other, and decodes them only if they are not kept.
    ///
    /// A file that was changed since the data set was opened is always decoded.
    ///
    /// # Errors
    ///
    /// Those of `decode`.
    pub(super) fn read(
        &self,
        path: &Path,
        decode: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Arc<[u8]>> {
        let is_current =
            |version: &FileVersion| FileVersion::of(path).is_ok_and(|now| now == *version);
        let Some((_, digest)) = self
            .videos
            .get(path)
            .filter(|(version, _)| is_current(version))
        else {
            return decode().map(Arc::from);
        };
        let name = hexadecimal(&Sha256::digest(format!("{digest}\n{}", self.settings)));
        if let Some(clip) = locked(&self.memory).clips.get(&name) {
            return Ok(Arc::clone(clip));
        }
        let file = self.disk.as_ref().map(|disk| locked(disk).path(&name));
        let kept = file
            .as_ref()
            .and_then(|file| load(file, &name, self.clip_len));
        let is_new = kept.is_none();
        let clip: Arc<[u8]> = kept.map_or_else(decode, Ok)?.into();
        locked(&self.memory).keep(name.clone(), &clip);
        if let (true, Some(disk), Some(file)) = (is_new, &self.disk, file) {
            let n_bytes = (MAGIC.len() + name.len() + N_DIGEST + clip.len()) as u64;
            // Written without the lock, so that several threads can write.
            if locked(disk).makes_room(n_bytes) {
                let sum = Sha256::digest(&clip);
                let is_stored = store(&file, &[MAGIC, name.as_bytes(), &sum, &clip]);
                locked(disk).wrote(n_bytes, is_stored);
            }
        }
        Ok(clip)
    }
}

/// Locks a value that stays valid if a thread panics.
fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// Keeps a clip if there is room. None is removed for it: where not all have room, the order of training would
    /// remove each before it is used again.
    fn keep(&mut self, name: String, clip: &Arc<[u8]>) {
        if self.n_bytes + clip.len() <= self.max_bytes
            && self.clips.insert(name, Arc::clone(clip)).is_none()
        {
            self.n_bytes += clip.len();
        }
    }
}

impl Disk {
    fn open(folder: PathBuf, max_bytes: u64) -> Self {
        Self {
            n_bytes: cached_files(&folder).iter().map(|file| file.n_bytes).sum(),
            folder,
            max_bytes,
            // File systems round times down, by up to two seconds.
            start: SystemTime::now() - Duration::from_secs(3),
            is_full: false,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.frames"))
    }

    /// Makes room for a file; false if there is none. Files that were not used for longest are removed, but none that
    /// this process has used.
    fn makes_room(&mut self, n_bytes: u64) -> bool {
        if self.is_full {
            return false;
        }
        if self.n_bytes + n_bytes > self.max_bytes {
            let mut files = cached_files(&self.folder);
            self.n_bytes = files.iter().map(|file| file.n_bytes).sum();
            files.retain(|file| file.time < self.start);
            files.sort_by_key(|file| file.time);
            for file in files {
                // Down to nine tenths, so that this is rarely done.
                if self.n_bytes + n_bytes <= self.max_bytes / 10 * 9 {
                    break;
                }
                if std::fs::remove_file(file.path).is_ok() {
                    self.n_bytes -= file.n_bytes;
                }
            }
        }
        self.is_full = self.n_bytes + n_bytes > self.max_bytes;
        if !self.is_full {
            self.n_bytes += n_bytes;
        }
        !self.is_full
    }

    /// Takes note of whether a file for which there was room could be written.
    fn wrote(&mut self, n_bytes: u64, is_stored: bool) {
        if !is_stored {
            self.n_bytes -= n_bytes;
            // The disk is full or cannot be written, which takes too long to find out for every clip.
            self.is_full = true;
        }
    }
}

/// Reads a clip of the cache; `None` if it is not there, or if it is damaged.
fn load(file: &Path, name: &str, clip_len: usize) -> Option<Vec<u8>> {
    let n_header = MAGIC.len() + name.len() + N_DIGEST;
    let mut bytes = input_file::read_up_to(file, (n_header + clip_len) as u64).ok()?;
    let rest = bytes.strip_prefix(MAGIC)?.strip_prefix(name.as_bytes())?;
    let (sum, clip) = rest.split_at_checked(N_DIGEST)?;
    if clip.len() != clip_len || Sha256::digest(clip)[..] != *sum {
        return None;
    }
    // So that it is among those that are removed last.
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    if modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > NOTED_FOR)) {
        let opened = File::options().write(true).open(file);
        let _ = opened.and_then(|file| file.set_modified(SystemTime::now()));
    }
    Some(bytes.split_off(n_header))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::tests::sampling;
    use super::*;

    const UNLIMITED: CacheLimits = CacheLimits {
        in_memory: 1e9,
        on_disk: 1e9,
    };

    struct TestCache {
        root: PathBuf,
        sampling: ClipSampling,
        n_decoded: Cell<usize>,
    }

    impl TestCache {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            std::fs::create_dir_all(&root).unwrap();
            for name in ["a", "b"] {
                std::fs::write(root.join(name), name).unwrap();
            }
            Self {
                root,
                sampling: sampling(2, 1),
                n_decoded: Cell::new(0),
            }
        }

        fn open(&self, version: &str, limits: CacheLimits) -> FrameCache {
            let videos = ["a", "b"].map(|name| (self.root.join(name), format!("digest of {name}")));
            let folder = Some(self.root.join("cache"));
            FrameCache::new_in(folder, videos, &self.sampling, version, limits)
        }

        /// Reads a clip whose pixels are all `pixel`; returns the pixel, and whether it was decoded.
        fn read(&self, cache: &FrameCache, name: &str, pixel: u8) -> (u8, bool) {
            let before = self.n_decoded.get();
            let clip = cache.read(&self.root.join(name), || {
                self.n_decoded.set(before + 1);
                Ok(vec![pixel; cache.clip_len])
            });
            let clip = clip.unwrap();
            assert_eq!(clip.len(), 2 * 3 * 8 * 8);
            (clip[0], self.n_decoded.get() > before)
        }

        fn files(&self) -> Vec<PathBuf> {
            let files = cached_files(&self.root.join("cache"));
            files.into_iter().map(|file| file.path).collect()
        }
    }

    impl Drop for TestCache {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.root).unwrap();
        }
    }

    #[test]
    fn clips_are_decoded_once_and_kept_for_other_processes() {
        let test = TestCache::new("burn-topology-frames");
        let first = test.open("7.1", UNLIMITED);
        assert_eq!(test.read(&first, "a", 1), (1, true));
        assert_eq!(test.read(&first, "b", 2), (2, true));
        assert_eq!(test.read(&first, "a", 9), (1, false));
        let second = test.open("7.1", UNLIMITED);
        assert_eq!(test.read(&second, "a", 9), (1, false));
        // Another version, and other settings, give other frames.
        assert_eq!(test.read(&test.open("8.0", UNLIMITED), "a", 3), (3, true));
        // A changed file is decoded, and not kept.
        std::fs::write(test.root.join("b"), "longer").unwrap();
        assert_eq!(test.read(&first, "b", 4), (4, true));
        assert_eq!(test.read(&first, "b", 5), (5, true));
        assert_eq!(test.files().len(), 3);
    }

    #[test]
    fn damaged_files_are_decoded_and_written_anew() {
        let test = TestCache::new("burn-topology-damaged-frames");
        test.read(&test.open("7.1", UNLIMITED), "a", 1);
        let file = test.files().pop().unwrap();
        let whole = std::fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let longer = [&whole[..], b"x"].concat();
        for damaged in [&flipped[..], &whole[..whole.len() - 1], &longer, b""] {
            std::fs::write(&file, damaged).unwrap();
            assert_eq!(test.read(&test.open("7.1", UNLIMITED), "a", 1), (1, true));
            assert_eq!(std::fs::read(&file).unwrap(), whole);
        }
        // A folder in place of the file: nothing can be kept.
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        let cache = test.open("7.1", UNLIMITED);
        assert_eq!(test.read(&cache, "a", 1), (1, true));
        assert_eq!(test.files().len(), 0);
    }

    #[test]
    fn sizes_are_limited_and_old_files_make_room() {
        let test = TestCache::new("burn-topology-full-frames");
        let one = CacheLimits {
            in_memory: 384.0,
            on_disk: 600.0,
        };
        let cache = test.open("7.1", one);
        test.read(&cache, "a", 1);
        test.read(&cache, "b", 2);
        assert_eq!(test.files().len(), 1);
        assert_eq!(test.read(&cache, "a", 9), (1, false));
        assert_eq!(test.read(&cache, "b", 3), (3, true));
        // A process that starts later may remove what the first one kept.
        let file = File::options()
            .write(true)
            .open(test.files().pop().unwrap());
        let earlier = SystemTime::now() - Duration::from_secs(60);
        file.unwrap().set_modified(earlier).unwrap();
        let cache = test.open("7.1", one);
        test.read(&cache, "b", 2);
        assert_eq!(test.files().len(), 1);
        assert_eq!(test.read(&test.open("7.1", one), "b", 9), (2, false));
        let none = CacheLimits {
            in_memory: 0.0,
            on_disk: 0.0,
        };
        let cache = test.open("7.1", none);
        assert_eq!(test.read(&cache, "b", 5), (5, true));
        assert_eq!(test.read(&cache, "b", 6), (6, true));
    }
}
