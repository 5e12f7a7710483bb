//! Text in tables for other programs.

/// A field of a CSV file, in quotes where it needs them.
///
/// # Source
///
/// RFC 4180, section 2.
///
/// # Example
///
/// ```
/// use burn_topology::report::csv_field;
///
/// assert_eq!(["plain", "a,b", "say \"no\""].map(csv_field), ["plain", "\"a,b\"", "\"say \"\"no\"\"\""]);
/// ```
pub fn csv_field(field: &str) -> String {
    match field.contains([',', '"', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}
