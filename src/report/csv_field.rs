//! Quotes text for CSV files.

/// Returns text as a field of a CSV file, in quotes if it contains a comma, a quote or a line break.
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
    if field.contains([',', '"', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
