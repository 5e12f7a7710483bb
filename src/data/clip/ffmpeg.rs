//! The program `ffmpeg` as a child process that writes frames into a pipe.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What is looked for on the search path.
pub(super) const FFMPEG: &str = "ffmpeg";

/// Rate that frames are written with, one for each that the filters let through: stated as equally
/// spaced, they are neither repeated nor dropped. The option that says so has two names, and no
/// version of the program knows both for good.
const WRITTEN: (&str, &str) = ("settb=1/25,setpts=N", "25");

/// Whether there is such a program.
///
/// # Errors
///
/// One sentence that says what to do if there is not.
pub(super) fn check(program: &str) -> Result<(), String> {
    let started = Command::new(program)
        .arg("-version")
        .stdin(Stdio::null())
        .output();
    started.map(|_| ()).map_err(|error| not_started(&error))
}

fn not_started(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "ffmpeg is not on PATH; it decodes video files; install it (Debian: apt-get install ffmpeg), or give folders of frames or GIFs".to_owned(),
        _ => format!("ffmpeg cannot be started: {error}"),
    }
}

/// Decodes the first video stream of a file, puts it through `filters` and hands over frame by
/// frame, `frame.len()` bytes each, until `visit` breaks. Covers of audio files are no video.
///
/// # Errors
///
/// One sentence with the file if the program complains of anything, even if it goes on; it then has
/// come upon a part of the file that is missing or damaged.
pub(super) fn each_frame(
    program: &str,
    path: &Path,
    filters: &str,
    frame: &mut [u8],
    mut visit: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<(), String> {
    let named = |message: String| format!("{}: {message}", path.display());
    let started = start(program, path, filters).map_err(|error| named(not_started(&error)))?;
    let mut running = Running(started);
    let (Some(mut pixels), Some(errors)) = (running.0.stdout.take(), running.0.stderr.take())
    else {
        return Err(named("ffmpeg was started without pipes".to_owned()));
    };
    // Read beside the frames: the program would wait forever on a full pipe.
    let listener = std::thread::spawn(move || complaint(errors));
    let end = loop {
        match filled(&mut pixels, frame) {
            Ok(n) if n == frame.len() => {
                if visit(frame).is_break() {
                    return Ok(());
                }
            }
            end => break end,
        }
    };
    let status = running.0.wait();
    let said = listener.join().unwrap_or_default();
    let complaint = match (said, status, end) {
        (None, Ok(status), Ok(0)) if status.success() => return Ok(()),
        (Some(line), ..) => plain(&line, path),
        (None, Ok(status), Ok(_)) => format!("ffmpeg ended early, {status}"),
        (None, Err(error), _) | (None, _, Err(error)) => format!("ffmpeg: {error}"),
    };
    Err(named(format!(
        "cannot be decoded ({complaint}), expected a whole video file"
    )))
}

/// A child process that ends with this value at the latest, and leaves no zombie.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &str, path: &Path, filters: &str) -> std::io::Result<Child> {
    // With the protocol named, no name of a file is taken for an option or an address.
    let mut input = OsString::from("file:");
    input.push(path);
    let (spaced, rate) = WRITTEN;
    Command::new(program)
        .args(["-v", "error", "-nostdin", "-xerror"])
        .args(["-protocol_whitelist", "file", "-threads", "1", "-i"])
        .arg(input)
        .args(["-map", "0:V:0", "-vf"])
        .arg(format!("{filters},{spaced}"))
        .args(["-r", rate, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Fills the buffer as far as the bytes go.
fn filled(source: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
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

/// The first line that is not empty; the rest is read and forgotten.
fn complaint(errors: impl Read) -> Option<String> {
    let mut first = None;
    for line in BufReader::new(errors).split(b'\n') {
        let Ok(line) = line else { break };
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        if first.is_none() && !line.is_empty() {
            first = Some(line);
        }
    }
    first
}

/// A line of the program without the path, which the caller says, and without addresses in memory,
/// so that the same file always gives the same sentence.
fn plain(line: &str, path: &Path) -> String {
    if line.contains("matches no streams") {
        return "no video stream".to_owned();
    }
    let said = line
        .strip_prefix(&format!("file:{}: ", path.display()))
        .unwrap_or(line);
    match (said.find(" @ 0x"), said.find(']')) {
        (Some(start), Some(end)) if start < end => {
            format!("{}{}", &said[..start], &said[end..])
        }
        _ => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_says_what_to_do() {
        let expected = "ffmpeg is not on PATH; it decodes video files; install it (Debian: apt-get install ffmpeg), or give folders of frames or GIFs";
        assert_eq!(check("no-such-program").unwrap_err(), expected);
        let found = each_frame("no-such-program", Path::new("a"), "null", &mut [0], |_| {
            ControlFlow::Continue(())
        });
        assert_eq!(found.unwrap_err(), format!("a: {expected}"));
    }

    #[test]
    fn complaints_lose_paths_and_addresses() {
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
            assert_eq!(plain(line, path), expected);
        }
        let many = "\n first \n".to_owned() + &"more\n".repeat(100_000);
        assert_eq!(complaint(many.as_bytes()), Some("first".to_owned()));
        assert_eq!(complaint(&b""[..]), None);
    }
}
