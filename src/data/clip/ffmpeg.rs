//! Video decoding by the programs `ffmpeg` and `ffprobe`, which come together: child processes that write into pipes.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{Error, Result};

/// Name of the program that decodes, on the search path.
pub(super) const FFMPEG: &str = "ffmpeg";

/// Name of the program that tells what is in a file, on the search path.
pub(super) const FFPROBE: &str = "ffprobe";

/// Filter that numbers the frames at 25 per second, whatever their times.
///
/// Together with [`OUTPUT_RATE`] it makes `ffmpeg` write each frame that the other filters let through
/// exactly once. The option for that is called `-vsync` in old versions and `-fps_mode` in new ones, and
/// no spelling works in all of them.
const EQUAL_SPACING: &str = "settb=1/25,setpts=N";

/// Frame rate of the output that matches [`EQUAL_SPACING`].
const OUTPUT_RATE: &str = "25";

/// Checks that the program that decodes can be started, and the one that comes with it.
///
/// # Errors
///
/// If one cannot; the message tells how to install it.
pub(super) fn check(program: &str) -> Result<()> {
    for program in [program, FFPROBE] {
        let started = Command::new(program)
            .arg("-version")
            .stdin(Stdio::null())
            .output();
        started.map_err(|error| not_started(program, error))?;
    }
    Ok(())
}

/// Error of a program that did not start.
pub(super) fn not_started(program: &str, error: std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::file(format!("{program} is not on PATH, expected {FFMPEG} and {FFPROBE} there to decode video files; install them (Debian: apt-get install ffmpeg), or use folders of frames or animated images")).caused_by(error),
        _ => Error::file(format!("{program} cannot be started")).because(error),
    }
}

/// Settings by which `ffmpeg` turns a video into frames.
pub(super) struct Decoding {
    /// Filters that are applied to each frame, in the notation of `ffmpeg`.
    pub(super) filters: String,
    /// Decoder to use in place of the one that `ffmpeg` chooses.
    pub(super) decoder: Option<&'static str>,
}

/// Decodes the first video stream of a file, and calls `visit` with each frame of `frame.len()` bytes until it breaks.
///
/// Cover images of audio files are not treated as video.
///
/// # Errors
///
/// If the program reports any error, even if it continues: a part of the file is then missing or damaged.
pub(super) fn each_frame(
    program: &str,
    path: &Path,
    decoding: &Decoding,
    frame: &mut [u8],
    mut visit: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<()> {
    let started = start(program, path, decoding)
        .map_err(|error| not_started(program, error).within(path.display()))?;
    let mut running = Running(started);
    let (Some(mut pixels), Some(errors)) = (running.0.stdout.take(), running.0.stderr.take())
    else {
        return Err(Error::file("ffmpeg was started without pipes").within(path.display()));
    };
    // Errors are read on a thread of their own: the program would wait forever on a full error pipe while
    // this thread waits for pixels.
    let error_reader = std::thread::spawn(move || first_line(errors));
    let end = loop {
        match fill(&mut pixels, frame) {
            Ok(n) if n == frame.len() => {
                if visit(frame).is_break() {
                    // Dropping `running` kills the program; its closed pipe then ends the thread that reads errors.
                    return Ok(());
                }
            }
            end => break end,
        }
    };
    let status = running.0.wait();
    let reported = error_reader.join().unwrap_or_default();
    let describe =
        |reason: String| format!("cannot be decoded ({reason}), expected a complete video file");
    let error = match (reported, status, end) {
        // 0 bytes after the last frame: the stream ended at a frame boundary.
        (None, Ok(status), Ok(0)) if status.success() => return Ok(()),
        (Some(line), ..) => Error::invalid_format(describe(strip_line(&line, path))),
        (None, Ok(status), Ok(_)) => {
            Error::invalid_format(describe(format!("ffmpeg ended early, {status}")))
        }
        (None, Err(error), _) | (None, _, Err(error)) => {
            Error::file(describe(format!("ffmpeg: {error}"))).caused_by(error)
        }
    };
    Err(error.within(path.display()))
}

/// Child process that is killed and waited for when this value is dropped, so that no zombie remains.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Argument that names a file: with an explicit protocol, no name is taken for an option or a network address.
pub(super) fn input(path: &Path) -> OsString {
    let mut input = OsString::from("file:");
    input.push(path);
    input
}

/// Starts the decoding of a file.
fn start(program: &str, path: &Path, decoding: &Decoding) -> std::io::Result<Child> {
    let decoder = decoding.decoder.map(|name| ["-c:v", name]);
    Command::new(program)
        .args(["-v", "error", "-nostdin", "-xerror"])
        // The list keeps playlists from opening network addresses. One thread, as clips are decoded in parallel.
        .args(["-protocol_whitelist", "file", "-threads", "1"])
        .args(decoder.iter().flatten())
        .arg("-i")
        .arg(input(path))
        .args(["-map", "0:V:0", "-vf"])
        .arg(format!("{},{EQUAL_SPACING}", decoding.filters))
        .args([
            "-r",
            OUTPUT_RATE,
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Fills a buffer and returns the number of bytes read, which is smaller only at the end of the source.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut n = 0;
    while n < buffer.len() {
        match source.read(&mut buffer[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n)
}

/// Returns the first line that is not empty; reads the source to its end.
fn first_line(errors: impl Read) -> Option<String> {
    let mut first = None;
    for line in BufReader::new(errors).split(b'\n') {
        let Ok(line) = line else { break };
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        // Later lines mostly follow from the first; they are read only to keep the pipe empty.
        if first.is_none() && !line.is_empty() {
            first = Some(line);
        }
    }
    first
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

    #[test]
    fn a_missing_program_is_reported_with_advice() {
        let expected = "no-such-program is not on PATH, expected ffmpeg and ffprobe there to decode video files; install them (Debian: apt-get install ffmpeg), or use folders of frames or animated images";
        let error = check("no-such-program").unwrap_err();
        assert!(error.is_file_error());
        assert_eq!(error.to_string(), expected);
        let decoding = Decoding {
            filters: "null".to_owned(),
            decoder: None,
        };
        let path = Path::new("a");
        let result = each_frame("no-such-program", path, &decoding, &mut [0], |_| {
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
        let many = "\n first \n".to_owned() + &"more\n".repeat(100_000);
        assert_eq!(first_line(many.as_bytes()), Some("first".to_owned()));
        assert_eq!(first_line(&b""[..]), None);
    }
}
