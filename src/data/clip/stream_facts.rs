//! What `ffprobe` tells of a video: whether it is transparent, and how long it is.

use std::path::Path;

use super::ffmpeg::VideoPrograms;
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

/// Facts about a video stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StreamFacts {
    pub(super) transparency: Transparency,
    /// Length in seconds, and smallest frame rate in which all frames have times of their own; `None` where the file
    /// does not tell.
    pub(super) length_and_rate: Option<(f64, f64)>,
}

/// Asks for facts about the first video stream of a file.
///
/// A damaged file counts as opaque and of unknown length: decoding it finds the damage.
///
/// # Errors
///
/// If the program cannot be started, writes nothing for too long or writes too much.
pub(super) fn stream_facts(programs: &VideoPrograms, path: &Path) -> Result<StreamFacts> {
    let entries =
        "stream=codec_name,pix_fmt,r_frame_rate,duration:stream_tags=alpha_mode:format=duration";
    let facts = programs.facts(path, entries)?;
    Ok(StreamFacts {
        transparency: told_transparency(&facts),
        length_and_rate: told_length(&facts),
    })
}

/// Finds length and frame rate among lines `key=value`.
fn told_length(output: &str) -> Option<(f64, f64)> {
    let facts = || output.lines().filter_map(|line| line.split_once('='));
    let values = |wanted: &'static str| {
        facts().filter_map(move |(key, value)| (key == wanted).then_some(value.trim()))
    };
    // The stream and the file have a length each, either of which can be missing.
    let length = values("duration")
        .filter_map(|value| value.parse().ok())
        .fold(0.0, f64::max);
    let rate = values("r_frame_rate").next().and_then(|rate| {
        let (frames, seconds) = rate.split_once('/')?;
        Some(frames.parse::<f64>().ok()? / seconds.parse::<f64>().ok()?)
    })?;
    (length > 0.0 && rate > 0.0 && rate.is_finite()).then_some((length, rate))
}

/// Finds the transparency among lines `key=value`.
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
    fn length_and_rate_are_read_where_they_are_told() {
        let told = |text: &str| told_length(text);
        let both = "r_frame_rate=25/1\nduration=4.000000\nduration=4.500000\n";
        assert_eq!(told(both), Some((4.5, 25.0)));
        assert_eq!(told("r_frame_rate=30000/1001\nduration=N/A\n"), None);
        assert_eq!(told("r_frame_rate=0/0\nduration=1\n"), None);
        assert_eq!(told(""), None);
    }

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
