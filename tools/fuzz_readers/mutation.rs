//! Random changes of files that keep enough of their form to get past the first check of a reader.
//!
//! A file is taken apart by its format, which its first bytes tell; a part is changed, and lengths and checksums around it
//! are made right again. One change in eight is made to the bytes as they are instead.

use std::io::{Cursor, Read, Write};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, Crc};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::case::Case;
use burn_topology::run::sha256_hex;

/// Largest size that a file may grow to by mutation, in bytes.
const MAX_SIZE: usize = 1 << 20;

/// Words at which readers of numbers go wrong.
const NUMBERS: [&str; 38] = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "16",
    "100",
    "255",
    "256",
    "1000",
    "65535",
    "65536",
    "1000000",
    "16777216",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "1000000000000",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e9",
    "1e18",
    "1e30",
    "1e308",
    "1e999",
    "5e-324",
    "-0.0",
    "0.5",
    "0.999999999",
    "nan",
    "inf",
    "-inf",
];

/// Words at which readers of text go wrong.
const TEXTS: [&str; 16] = [
    "",
    ".",
    "..",
    "/",
    "../../x",
    "a/b",
    "null",
    "true",
    "[]",
    "{}",
    "=1+1",
    "\u{202e}abc",
    "\u{0}",
    "ä€𝄞",
    "\\u0000",
    "<script>",
];

/// Changes a case between one and eight times. `others` are the cases that parts are taken from.
pub fn mutated(case: &Case, others: &[Case], random: &mut ChaCha8Rng) -> Case {
    let mut case = case.clone();
    let mut n_left = 8;
    while n_left > 0 {
        change(&mut case, others, random);
        n_left = if random.random_bool(0.5) {
            0
        } else {
            n_left - 1
        };
    }
    // A checkpoint with wrong sums is not read any further.
    if !random.random_bool(1.0 / 16.0) {
        correct_sums(&mut case);
    }
    case
}

/// Changes one file, or the list of files.
fn change(case: &mut Case, others: &[Case], random: &mut ChaCha8Rng) {
    let n_files = case.files.len();
    if n_files == 0 {
        return;
    }
    let index = random.random_range(0..n_files);
    let donor = &others[random.random_range(0..others.len())];
    let donor = donor.files.get(index.min(donor.files.len().max(1) - 1));
    if n_files > 1 && random.random_bool(1.0 / 32.0) {
        match (random.random_range(0..3), donor) {
            (0, _) => drop(case.files.remove(index)),
            (1, Some((_, bytes))) => case.files[index].1.clone_from(bytes),
            _ => {
                let copy = case.files[index].1.clone();
                let other = random.random_range(0..n_files);
                case.files[other].1 = copy;
            }
        }
        return;
    }
    let bytes = std::mem::take(&mut case.files[index].1);
    let donor: &[u8] = donor.map_or(&[], |(_, bytes)| bytes);
    let mut bytes = changed(bytes, donor, random);
    bytes.truncate(MAX_SIZE);
    case.files[index].1 = bytes;
}

/// Changes the content of a file once, within its format.
fn changed(bytes: Vec<u8>, donor: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    if random.random_bool(1.0 / 8.0) {
        return changed_bytes(bytes, donor, random);
    }
    if bytes.starts_with(b"\x89PNG") {
        changed_png(&bytes, donor, random)
    } else if bytes.starts_with(b"PK\x03\x04") {
        changed_zip(&bytes, donor, random)
    } else if bytes.starts_with(&[0x1f, 0x8b]) {
        changed_gzip(&bytes, donor, random)
    } else if bytes.starts_with(b"\x93NUMPY") {
        changed_npy(&bytes, donor, random)
    } else if bytes.get(8) == Some(&b'{') && bytes.get(4..8) == Some(&[0; 4]) {
        changed_safetensors(&bytes, donor, random)
    } else if let Some(text) = text(&bytes) {
        changed_text(text, donor, random).into_bytes()
    } else {
        changed_bytes(bytes, donor, random)
    }
}

/// Content of a text file; `None` if it is none.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_text = |c: char| c == '\n' || c == '\t' || !c.is_control();
    text.chars().take(200).all(is_text).then_some(text)
}

/// Changes bytes without any regard to their meaning.
fn changed_bytes(mut bytes: Vec<u8>, donor: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    if bytes.is_empty() {
        return donor.to_vec();
    }
    // Headers are at the start, and what is wrong in them matters most.
    let near_start = random.random_bool(0.5);
    let at = random.random_range(
        0..if near_start {
            bytes.len().min(64)
        } else {
            bytes.len()
        },
    );
    let length = random.random_range(1..=bytes.len() - at).min(256);
    match random.random_range(0..10) {
        0 => bytes[at] ^= 1 << random.random_range(0..8),
        1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.random_range(0..5)],
        2 => bytes[at] = random.random_range(0..=255),
        3 | 4 => {
            let value = number(random);
            let width = [2, 4, 8][random.random_range(0..3)];
            let encoded = if random.random_bool(0.5) {
                value.to_le_bytes()[..width].to_vec()
            } else {
                value.to_be_bytes()[8 - width..].to_vec()
            };
            for (byte, new) in bytes[at..].iter_mut().zip(encoded) {
                *byte = new;
            }
        }
        5 => drop(bytes.drain(at..at + length)),
        6 => {
            let part = bytes[at..at + length].to_vec();
            let to = random.random_range(0..=bytes.len());
            bytes.splice(to..to, part);
        }
        7 => bytes.truncate(at),
        8 if !donor.is_empty() => {
            let from = random.random_range(0..donor.len());
            let n = length.min(donor.len() - from);
            bytes.splice(at..at + length, donor[from..from + n].iter().copied());
        }
        _ => bytes[at..at + length].fill(random.random_range(0..=255)),
    }
    bytes
}

/// One of [`NUMBERS`] as the bits of an integer or of a floating-point number.
fn number(random: &mut ChaCha8Rng) -> u64 {
    let word = NUMBERS[random.random_range(0..NUMBERS.len())];
    let integer = word.parse::<i128>().map(|value| value as u64);
    integer.unwrap_or_else(|_| word.parse().map_or(0, f64::to_bits))
}

/// Changes words, lines or signs of a text.
fn changed_text(text: &str, donor: &[u8], random: &mut ChaCha8Rng) -> String {
    let words = words(text);
    if words.is_empty() {
        return String::from_utf8_lossy(donor).into_owned();
    }
    let (start, end) = words[random.random_range(0..words.len())];
    let word = &text[start..end];
    let with = |new: &str| format!("{}{new}{}", &text[..start], &text[end..]);
    let mut lines: Vec<&str> = text.split('\n').collect();
    let line = random.random_range(0..lines.len());
    match random.random_range(0..12) {
        0..=3 => {
            // A number for a number more often than for a name, and the other way round.
            let is_number = word.parse::<f64>().is_ok();
            if is_number == random.random_bool(0.9) {
                with(NUMBERS[random.random_range(0..NUMBERS.len())])
            } else {
                with(TEXTS[random.random_range(0..TEXTS.len())])
            }
        }
        4 | 5 => {
            let donor = String::from_utf8_lossy(donor);
            let other = self::words(&donor);
            match other.len() {
                0 => with(""),
                n => {
                    let (start, end) = other[random.random_range(0..n)];
                    with(&donor[start..end])
                }
            }
        }
        6 => with(&word.repeat(random.random_range(2..50))),
        7 => {
            lines.remove(line);
            lines.join("\n")
        }
        8 => {
            lines.insert(line, lines[random.random_range(0..lines.len())]);
            lines.join("\n")
        }
        9 => {
            let other = random.random_range(0..lines.len());
            lines.swap(line, other);
            lines.join("\n")
        }
        10 => {
            let sign = ["[", "]", "{", "}", "\"", "'", ",", ":", "=", "#", ".", "\n"]
                [random.random_range(0..12)];
            let n = [1, 1, 1, 2, 200][random.random_range(0..5)];
            format!("{}{}{}", &text[..start], sign.repeat(n), &text[start..])
        }
        _ => String::from_utf8_lossy(&changed_bytes(text.as_bytes().to_vec(), donor, random))
            .into_owned(),
    }
}

/// Ranges of the words of a text: names and numbers.
fn words(text: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        let is_word = c.is_alphanumeric() || c == '_' || c == '.' || c == '-' || c == '+';
        match (is_word, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|from| (from, text.len())));
    words
}

/// Changes a chunk of a PNG file, or the list of chunks, and computes the checksums again.
fn changed_png(bytes: &[u8], donor: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut chunks = png_chunks(bytes);
    if chunks.is_empty() {
        return changed_bytes(bytes.to_vec(), donor, random);
    }
    let index = random.random_range(0..chunks.len());
    match random.random_range(0..8) {
        0 => drop(chunks.remove(index)),
        1 => chunks.insert(index, chunks[random.random_range(0..chunks.len())].clone()),
        2 => {
            let other = png_chunks(donor);
            if !other.is_empty() {
                chunks.insert(index, other[random.random_range(0..other.len())].clone());
            }
        }
        3 => {
            let other = random.random_range(0..chunks.len());
            chunks.swap(index, other);
        }
        _ => {
            let (_, content) = &mut chunks[index];
            *content = changed_bytes(std::mem::take(content), donor, random);
        }
    }
    let mut png = bytes[..8].to_vec();
    for (kind, content) in chunks {
        png.extend((content.len() as u32).to_be_bytes());
        let mut crc = Crc::new();
        for part in [&kind[..], &content] {
            crc.update(part);
            png.extend(part);
        }
        png.extend(crc.sum().to_be_bytes());
    }
    png
}

/// Kind and content of each complete chunk of a PNG file.
fn png_chunks(bytes: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let mut chunks = Vec::new();
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((&[a, b, c, d, kind @ ..], after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(content) = after.get(..length) else {
            break;
        };
        chunks.push((kind, content.to_vec()));
        rest = after.get(length + 4..).unwrap_or_default();
    }
    chunks
}

/// Changes a member of a zip archive, which is written again with right lengths and checksums.
fn changed_zip(bytes: &[u8], donor: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let Some(mut members) = zip_members(bytes) else {
        return changed_bytes(bytes.to_vec(), donor, random);
    };
    if members.is_empty() {
        return changed_bytes(bytes.to_vec(), donor, random);
    }
    let index = random.random_range(0..members.len());
    match random.random_range(0..12) {
        0 => drop(members.remove(index)),
        1 => {
            let other = random.random_range(0..members.len());
            members[index].1 = members[other].1.clone();
        }
        2 => {
            let name = changed_text(&members[index].0, b"dgm0 dgm1 offsets0 data.pkl", random);
            members[index].0 = name;
        }
        _ => {
            let content = std::mem::take(&mut members[index].1);
            // The donor is an archive too; the content of its members fits better than its bytes.
            let other = zip_members(donor).unwrap_or_default();
            let donor = other
                .get(index.min(other.len().max(1) - 1))
                .map_or(donor, |(_, content)| content);
            members[index].1 = changed(content, donor, random);
        }
    }
    let method = if random.random_bool(0.9) {
        CompressionMethod::Stored
    } else {
        CompressionMethod::Deflated
    };
    let options = SimpleFileOptions::default().compression_method(method);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in &members {
        // Two members of one name are refused by the writer.
        if archive.start_file(name.as_str(), options).is_ok() {
            archive.write_all(content).expect("memory can be written");
        }
    }
    archive
        .finish()
        .expect("memory can be written")
        .into_inner()
}

/// Names and contents of the members of a zip archive; `None` if it cannot be read or is too large.
fn zip_members(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    (0..archive.len())
        .map(|index| {
            let file = archive.by_index(index).ok()?;
            let name = file.name().ok()?.into_owned();
            let mut content = Vec::new();
            file.take(MAX_SIZE as u64).read_to_end(&mut content).ok()?;
            Some((name, content))
        })
        .collect()
}

/// Changes what a gzip file holds, and compresses it again.
fn changed_gzip(bytes: &[u8], donor: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let unpacked = |bytes: &[u8]| {
        let mut content = Vec::new();
        let mut decoder = GzDecoder::new(bytes).take(MAX_SIZE as u64);
        decoder.read_to_end(&mut content).map(|_| content)
    };
    let Ok(content) = unpacked(bytes) else {
        return changed_bytes(bytes.to_vec(), donor, random);
    };
    let donor = unpacked(donor).unwrap_or_default();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(&changed(content, &donor, random))
        .expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

/// Changes the header or the numbers of an array; the length of the header is made right.
fn changed_npy(bytes: &[u8], donor: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let start = if bytes.get(6) == Some(&1) { 10 } else { 12 };
    let length = bytes
        .get(8..10)
        .map_or(0, |two| u16::from_le_bytes([two[0], two[1]]) as usize);
    let header = bytes.get(start..start + length).and_then(text);
    let Some(header) = header.filter(|_| random.random_bool(0.7)) else {
        let at = (start + length).min(bytes.len());
        let (head, numbers) = bytes.split_at(at);
        let numbers = changed_bytes(numbers.to_vec(), donor, random);
        return [head, &numbers].concat();
    };
    let mut header = changed_text(header, donor, random).into_bytes();
    header.truncate(usize::from(u16::MAX));
    let mut new = bytes[..start].to_vec();
    new[8..10].copy_from_slice(&(header.len() as u16).to_le_bytes());
    new.extend(header);
    new.extend(&bytes[start + length..]);
    new
}

/// Changes the header or the tensors of a safetensors file; the length of the header is made right.
fn changed_safetensors(bytes: &[u8], donor: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    let header = bytes.get(8..8 + length).and_then(text);
    let Some(header) = header.filter(|_| random.random_bool(0.8)) else {
        let at = (8 + length).min(bytes.len());
        let (head, tensors) = bytes.split_at(at);
        let tensors = changed_bytes(tensors.to_vec(), donor, random);
        return [head, &tensors].concat();
    };
    let donor = donor.get(8..donor.len().min(2000)).unwrap_or_default();
    let header = changed_text(header, donor, random).into_bytes();
    let mut new = (header.len() as u64).to_le_bytes().to_vec();
    new.extend(header);
    new.extend(&bytes[8 + length..]);
    new
}

/// Writes the right checksums into every file of checksums.
fn correct_sums(case: &mut Case) {
    let sums: Vec<String> = case
        .files
        .iter()
        .map(|(name, _)| name.clone())
        .filter(|name| name.ends_with("SHA256SUMS"))
        .collect();
    for name in sums {
        let directory = name.strip_suffix("SHA256SUMS").unwrap_or_default();
        let lines: String = case
            .files
            .iter()
            .filter(|(other, _)| *other != name)
            .filter_map(|(other, bytes)| {
                let file = other.strip_prefix(directory)?;
                Some(format!("{}  {file}\n", sha256_hex(bytes)))
            })
            .collect();
        if let Some((_, bytes)) = case.files.iter_mut().find(|(other, _)| *other == name) {
            *bytes = lines.into_bytes();
        }
    }
}
