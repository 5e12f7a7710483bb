//! Video decoding by the programs `ffmpeg` and `ffprobe`, which come together: child processes that write into pipes.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::child_process::{ChildError, RunningChild, run_to_end};
use crate::error::{Error, Result};

/// Environment variable with the longest time for which the programs may write nothing, in seconds.
const SECONDS: &str = "BURN_TOPOLOGY_FFMPEG_SECONDS";

/// Longest time for which the programs may write nothing, unless [`SECONDS`] says otherwise.
///
/// Minutes, since a program that waits for its turn on a busy machine must not count as one that hangs.
const SILENCE: Duration = Duration::from_secs(300);

/// Largest number of bytes that the programs may print about a file or about themselves.
const MAX_FACTS: usize = 1 << 16;

/// Filter that numbers the frames at 25 per second, whatever their times.
///
/// Together with [`OUTPUT_RATE`] it makes `ffmpeg` write each frame that the other filters let through
/// exactly once. The option for that is called `-vsync` in old versions and `-fps_mode` in new ones, and
/// no spelling works in all of them.
const EQUAL_SPACING: &str = "settb=1/25,setpts=N";

/// Frame rate of the output that matches [`EQUAL_SPACING`].
const OUTPUT_RATE: &str = "25";

/// The programs that decode videos, which are installed together.
#[derive(Debug, Clone)]
pub(super) struct VideoPrograms {
    /// Name or path of the program that decodes.
    pub(super) ffmpeg: String,
    /// Name or path of the program that tells what is in a file.
    pub(super) ffprobe: String,
    /// Longest time for which they may write nothing.
    pub(super) silence: Duration,
}

impl VideoPrograms {
    /// The programs on the search path, with the time limit of the environment.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the time limit is not a positive number.
    pub(super) fn on_path() -> Result<Self> {
        let silence = match std::env::var_os(SECONDS) {
            None => SILENCE,
            Some(text) => text
                .to_str()
                .and_then(|text| text.trim().parse().ok())
                .filter(|&seconds| seconds > 0.0)
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .ok_or_else(|| {
                    let text = text.to_string_lossy();
                    Error::invalid_parameter(format!(
                        "the environment variable {SECONDS} is `{text}`, expected a number of seconds above 0"
                    ))
                })?,
        };
        Ok(Self {
            ffmpeg: "ffmpeg".to_owned(),
            ffprobe: "ffprobe".to_owned(),
            silence,
        })
    }

    /// Checks that the programs can be started; returns the version of the one that decodes.
    ///
    /// # Errors
    ///
    /// If one cannot be started, or does not tell its version; the message says how to install it.
    pub(super) fn check(&self) -> Result<String> {
        let [version, _] = [&self.ffmpeg, &self.ffprobe].map(|program| {
            let mut command = Command::new(program);
            let told = run_to_end(command.arg("-version"), self.silence, MAX_FACTS);
            let (printed, _) = told.map_err(|error| match error {
                ChildError::Io(error) => not_started(program, error),
                error => Error::file(format!(
                    "`{program} -version` does not work ({error}), expected a version of ffmpeg; {MORE_TIME}"
                )),
            })?;
            let printed = String::from_utf8_lossy(&printed);
            Ok(printed.lines().next().unwrap_or_default().to_owned())
        });
        version
    }

    /// Prints facts about a file with `ffprobe`; returns what it wrote, as `key=value` lines.
    ///
    /// A damaged file gives no facts: decoding it finds the damage.
    ///
    /// # Errors
    ///
    /// If the program cannot be started, writes nothing for too long or writes too much.
    pub(super) fn facts(&self, path: &Path, entries: &str) -> Result<String> {
        let mut command = Command::new(&self.ffprobe);
        command
            .args(["-v", "quiet", "-protocol_whitelist", "file"])
            .args(["-select_streams", "V:0", "-show_entries", entries])
            .args(["-of", "default=noprint_wrappers=1"])
            .arg(input(path));
        let told = run_to_end(&mut command, self.silence, MAX_FACTS);
        let (printed, _) =
            told.map_err(|error| self.failure(&self.ffprobe, error).within(path.display()))?;
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }

    /// Error of a program that was given a file.
    fn failure(&self, program: &str, error: ChildError) -> Error {
        match error {
            ChildError::Io(error) => not_started(program, error),
            ChildError::Silent(_) => Error::file(format!(
                "cannot be decoded ({program}: {error}); {MORE_TIME}"
            )),
            error => Error::file(format!("cannot be decoded ({program}: {error})")),
        }
    }
}

/// Advice for a program that wrote nothing for too long.
const MORE_TIME: &str = "if it only needs longer, set BURN_TOPOLOGY_FFMPEG_SECONDS to more seconds";

/// Error of a program that did not start.
fn not_started(program: &str, error: std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::file(format!("{program} is not on PATH, expected ffmpeg and ffprobe there to decode video files; install them (Debian: apt-get install ffmpeg), or use folders of frames or animated images")).caused_by(error),
        _ => Error::file(format!("{program} cannot be started")).because(error),
    }
}

/// Settings by which `ffmpeg` turns a video into frames.
pub(super) struct Decoding {
    /// Filters that are applied to each frame, in the notation of `ffmpeg`.
    pub(super) filters: String,
    /// Decoder to use in place of the one that `ffmpeg` chooses.
    pub(super) decoder: Option<&'static str>,
    /// Largest number of frames that are read.
    pub(super) max_frames: usize,
    /// Where that number comes from, for messages.
    pub(super) max_frames_reason: String,
}

/// Decodes the first video stream of a file, and calls `visit` with each frame of `frame_len` bytes until it breaks.
///
/// Cover images of audio files are not treated as video.
///
/// # Errors
///
/// - If the program reports any error, even if it continues: a part of the file is then missing or damaged.
/// - If it writes nothing for too long, or if it writes more than `max_frames` frames.
pub(super) fn each_frame(
    programs: &VideoPrograms,
    path: &Path,
    decoding: &Decoding,
    frame_len: usize,
    mut visit: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<()> {
    let failed = |error: ChildError| {
        programs
            .failure(&programs.ffmpeg, error)
            .within(path.display())
    };
    let mut command = command(&programs.ffmpeg, path, decoding);
    let mut running = RunningChild::start(&mut command, programs.silence)
        .map_err(|error| not_started(&programs.ffmpeg, error).within(path.display()))?;
    let mut frame = Vec::with_capacity(frame_len);
    let mut n_frames = 0;
    while let Some(chunk) = running.next_chunk().map_err(failed)? {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let (part, later) = rest.split_at(rest.len().min(frame_len - frame.len()));
            frame.extend_from_slice(part);
            rest = later;
            if frame.len() < frame_len {
                continue;
            }
            n_frames += 1;
            if n_frames > decoding.max_frames {
                return Err(Error::invalid_format(format!(
                    "cannot be decoded (ffmpeg gives more than {} frames), expected at most that many {}",
                    decoding.max_frames, decoding.max_frames_reason
                ))
                .within(path.display()));
            }
            if visit(&frame).is_break() {
                // Dropping `running` kills the program.
                return Ok(());
            }
            frame.clear();
        }
    }
    let ending = running.finish().map_err(failed)?;
    let describe =
        |reason: String| format!("cannot be decoded ({reason}), expected a complete video file");
    let error = match ending.first_error {
        // 0 bytes after the last frame: the stream ended at a frame boundary.
        None if ending.status.success() && frame.is_empty() => return Ok(()),
        Some(line) => Error::invalid_format(describe(strip_line(&line, path))),
        None => Error::invalid_format(describe(format!("ffmpeg ended early, {}", ending.status))),
    };
    Err(error.within(path.display()))
}

/// Argument that names a file: with an explicit protocol, no name is taken for an option or a network address.
fn input(path: &Path) -> OsString {
    let mut input = OsString::from("file:");
    input.push(path);
    input
}

/// Command that decodes a file.
fn command(program: &str, path: &Path, decoding: &Decoding) -> Command {
    let decoder = decoding.decoder.map(|name| ["-c:v", name]);
    let mut command = Command::new(program);
    command
        .args(["-v", "error", "-nostdin", "-xerror"])
        // The list keeps playlists from opening network addresses. One thread, as clips are decoded in parallel.
        .args(["-protocol_whitelist", "file", "-threads", "1"])
        .args(decoder.iter().flatten())
        .arg("-i")
        .arg(input(path))
        .args(["-map", "0:V:0", "-vf"])
        .arg(format!("{},{EQUAL_SPACING}", decoding.filters))
        .args(["-r", OUTPUT_RATE, "-f", "rawvideo"])
        .args(["-pix_fmt", "rgb24", "-"]);
    command
}

/// Shortens an error line of the program to its reason.
///
/// The path is removed because the caller adds it. Memory addresses are removed so that the same file
/// always gives the same message.
fn strip_line(line: &str, path: &Path) -> String {
    // The line of the program names the stream selector `0:V:0`, which tells users nothing.
    if line.contains("matches no streams") {
        return "no video stream".to_owned();
    }
    let reason = line
        .strip_prefix(&format!("file:{}: ", path.display()))
        .unwrap_or(line);
    match (reason.find(" @ 0x"), reason.find(']')) {
        (Some(start), Some(end)) if start < end => {
            format!("{}{}", &reason[..start], &reason[end..])
        }
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoding() -> Decoding {
        Decoding {
            filters: "null".to_owned(),
            decoder: None,
            max_frames: 1000,
            max_frames_reason: "in a test".to_owned(),
        }
    }

    #[test]
    fn a_missing_program_is_reported_with_advice() {
        let programs = VideoPrograms {
            ffmpeg: "no-such-program".to_owned(),
            ..VideoPrograms::on_path().unwrap()
        };
        let expected = "no-such-program is not on PATH, expected ffmpeg and ffprobe there to decode video files; install them (Debian: apt-get install ffmpeg), or use folders of frames or animated images";
        let error = programs.check().unwrap_err();
        assert!(error.is_file_error());
        assert_eq!(error.to_string(), expected);
        let result = each_frame(&programs, Path::new("a"), &decoding(), 1, |_| {
            ControlFlow::Continue(())
        });
        let error = result.unwrap_err();
        assert_eq!(error.to_string(), format!("a: {expected}"));
        assert_eq!(error.io_kind(), Some(ErrorKind::NotFound));
    }

    #[test]
    fn error_lines_lose_paths_and_addresses() {
        let path = Path::new("a b.mp4");
        for (line, expected) in [
            (
                "[mov,mp4 @ 0x55de4aa0ba40] moov atom not found",
                "[mov,mp4] moov atom not found",
            ),
            ("file:a b.mp4: Invalid data found", "Invalid data found"),
            ("Stream map '0:V:0' matches no streams.", "no video stream"),
            ("Conversion failed!", "Conversion failed!"),
        ] {
            assert_eq!(strip_line(line, path), expected);
        }
    }

    /// Programs in whose place a shell script runs.
    #[cfg(unix)]
    fn fake(name: &str, script: &str) -> VideoPrograms {
        use std::os::unix::fs::PermissionsExt;

        let path = std::env::temp_dir().join(format!("fake-{name}-{}", std::process::id()));
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let program = path.display().to_string();
        VideoPrograms {
            ffmpeg: program.clone(),
            ffprobe: program,
            silence: Duration::from_millis(1200),
        }
    }

    #[cfg(unix)]
    #[test]
    fn programs_that_hang_or_flood_end_with_one_sentence() {
        let decode = |programs: &VideoPrograms| {
            let mut n_frames = 0;
            let decoded = each_frame(programs, Path::new("a.mp4"), &decoding(), 12, |_| {
                n_frames += 1;
                ControlFlow::Continue(())
            });
            let message = decoded.map_or_else(|error| error.to_string(), |()| String::new());
            (n_frames, message.replace(&programs.ffmpeg, "ffmpeg"))
        };
        let start = std::time::Instant::now();
        let sleeping = fake("sleep", "sleep 60");
        let silent = format!("it wrote nothing for 1.2 s); {MORE_TIME}");
        let expected = format!("a.mp4: cannot be decoded (ffmpeg: {silent}");
        assert_eq!(decode(&sleeping), (0, expected.clone()));
        let error = sleeping.check().unwrap_err().to_string();
        assert!(
            error.contains("-version` does not work (it wrote nothing for 1.2 s)"),
            "{error}"
        );
        let error = sleeping
            .facts(Path::new("a.mp4"), "x")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("a.mp4: cannot be decoded ("), "{error}");

        // Errors without a newline, for ever.
        let flooding = fake("errors", "exec cat /dev/zero >&2");
        assert_eq!(decode(&flooding), (0, expected));
        let flooding = fake("frames", "exec cat /dev/zero");
        let (n_frames, message) = decode(&flooding);
        assert_eq!(n_frames, 1000);
        assert_eq!(
            message,
            "a.mp4: cannot be decoded (ffmpeg gives more than 1000 frames), expected at most that many in a test"
        );
        let error = flooding.check().unwrap_err().to_string();
        assert!(error.contains("it wrote more than 65536 bytes"), "{error}");

        // A process that keeps the pipes open does not delay the end of a good file.
        let leaving = fake("leave", "sleep 60 & printf 123456789012; exit 0");
        assert_eq!(decode(&leaving), (1, String::new()));
        // A frame in part, without a word.
        let (_, message) = decode(&fake("part", "printf 1234567890123"));
        assert!(
            message.contains("ffmpeg ended early, exit status: 0"),
            "{message}"
        );
        assert!(start.elapsed() < Duration::from_secs(30));
        for name in ["sleep", "errors", "frames", "leave", "part"] {
            let path = std::env::temp_dir().join(format!("fake-{name}-{}", std::process::id()));
            std::fs::remove_file(path).unwrap();
        }
    }
}
