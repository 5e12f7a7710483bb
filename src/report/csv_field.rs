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
/// assert_eq!(csv_field("=1+2"), "'=1+2");
/// assert_eq!(["a\nb", "a\rb"].map(csv_field), ["\"a\nb\"", "\"a\rb\""]);
/// ```
pub fn csv_field(field: &str) -> String {
    // Spreadsheets compute a cell that begins with one of these as a formula, which may start a program.
    let field = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{field}")
    } else {
        field.to_owned()
    };
    // Readers also end a line at a carriage return alone.
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}
