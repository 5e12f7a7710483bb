//! Digests as text.

/// Formats bytes as lower-case hexadecimal digits, two for each byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
