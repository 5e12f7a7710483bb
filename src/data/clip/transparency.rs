//! Whether a video is transparent, which `ffprobe` tells.

use std::path::Path;
use std::process::{Command, Stdio};

use super::ffmpeg::{FFPROBE, input, not_started};
use crate::error::Result;

/// Beginnings of the names of pixel formats with transparency.
const TRANSPARENT_FORMATS: [&str; 11] = [
    "yuva", "ya", "rgba", "bgra", "argb", "abgr", "gbrap", "ayuv", "vuya", "uyva", "pal8",
];

/// Transparency of a video stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transparency {
    /// All pixels are opaque.
    None,
    /// Pixels have an alpha channel.
    InPixels,
    /// The alpha channel is a second stream within the first, which only this decoder reads.
    WithDecoder(&'static str),
}

/// Asks whether the first video stream of a file is transparent.
///
/// A damaged file counts as opaque: decoding it finds the damage.
///
/// # Errors
///
/// If the program cannot be started.
pub(super) fn transparency(path: &Path) -> Result<Transparency> {
    let output = Command::new(FFPROBE)
        .args(["-v", "quiet", "-protocol_whitelist", "file"])
        .args(["-select_streams", "V:0", "-show_entries"])
        .arg("stream=codec_name,pix_fmt:stream_tags=alpha_mode")
        .args(["-of", "default=noprint_wrappers=1"])
        .arg(input(path))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| not_started(FFPROBE, error).within(path.display()))?;
    Ok(told_transparency(&String::from_utf8_lossy(&output.stdout)))
}

/// Reads the output of [`FFPROBE`]: one line `key=value` for each fact.
fn told_transparency(output: &str) -> Transparency {
    let value = |wanted: &str| {
        let mut facts = output.lines().filter_map(|line| line.split_once('='));
        let (_, value) = facts.find(|(key, _)| key.eq_ignore_ascii_case(wanted))?;
        Some(value.trim())
    };
    let format = value("pix_fmt").unwrap_or_default();
    let is_in_pixels = TRANSPARENT_FORMATS
        .iter()
        .any(|name| format.starts_with(name));
    match (value("TAG:alpha_mode"), value("codec_name")) {
        _ if is_in_pixels => Transparency::InPixels,
        (Some("1"), Some("vp8")) => Transparency::WithDecoder("libvpx"),
        (Some("1"), Some("vp9")) => Transparency::WithDecoder("libvpx-vp9"),
        _ => Transparency::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparency_is_read_from_the_facts_about_a_stream() {
        let plain = "codec_name=h264\npix_fmt=yuv420p\n";
        let prores = "codec_name=prores\r\npix_fmt=yuva444p12le\r\n";
        let vp9 = "codec_name=vp9\npix_fmt=yuv420p\nTAG:alpha_mode=1\n";
        assert_eq!(told_transparency(plain), Transparency::None);
        assert_eq!(told_transparency(""), Transparency::None);
        assert_eq!(told_transparency(prores), Transparency::InPixels);
        let decoder = Transparency::WithDecoder("libvpx-vp9");
        assert_eq!(told_transparency(vp9), decoder);
        // A version that decodes it itself needs no other decoder.
        let decoded = vp9.replace("yuv420p", "yuva420p");
        assert_eq!(told_transparency(&decoded), Transparency::InPixels);
    }
}
