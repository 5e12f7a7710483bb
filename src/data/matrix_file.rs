//! Matrices from NumPy's `.npy` files.

use std::io::Read;
use std::path::Path;

use npyz::{DType, NpyHeader, Order, TypeChar};

use crate::counted::counted;
use crate::error::{Error, Result};
use crate::input_file;

/// One matrix or a stack of matrices of one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrices {
    /// `[n_matrices, n_rows, n_columns]`
    pub shape: [usize; 3],
    /// True if the file held a stack, even one of a single matrix.
    pub is_stack: bool,
    /// Values row by row, matrix after matrix, in the precision of the file.
    pub values: MatrixValues,
}

/// Values of a `.npy` file, in single or double precision.
#[derive(Debug, Clone, PartialEq)]
pub enum MatrixValues {
    /// Values of type `float32`.
    F32(Vec<f32>),
    /// Values of type `float64`.
    F64(Vec<f64>),
}

/// Largest product of the axes with entries of an array that has no numbers, since another axis has the length 0.
///
/// Such an array still stands for matrices or points, each of which takes time and memory.
const MAX_EMPTY: usize = 1 << 16;

/// Reads a `.npy` file of one matrix `[rows, columns]` or a stack `[matrices, rows, columns]`.
///
/// The file may be little-endian or big-endian, in C or Fortran order.
///
/// # Errors
///
/// - [`Error::is_file_error`] if the file cannot be read.
/// - [`Error::is_invalid_format`] if it is not a `.npy` file of `float32` or `float64`, has another number of
///   dimensions, or holds more or fewer bytes than its header states.
pub fn read_matrices(path: &Path) -> Result<Matrices> {
    let bytes =
        input_file::read(path).map_err(|e| Error::file(path.display().to_string()).because(e))?;
    parse(&bytes).map_err(|error| error.within(path.display()))
}

/// Largest length of a header that [`shape_of_array`] reads, in bytes; headers of plain arrays are far shorter.
const MAX_PEEKED: u64 = 4096;

/// Shape that the header of a `.npy` file states, without reading the numbers; `None` if it is no such file.
pub(crate) fn shape_of_array(path: &Path) -> Option<Vec<u64>> {
    let mut start = Vec::new();
    let file = input_file::open(path).ok()?;
    file.take(MAX_PEEKED).read_to_end(&mut start).ok()?;
    if !start.starts_with(b"\x93NUMPY") {
        return None;
    }
    check_header(&start).ok()?;
    let header = NpyHeader::from_reader(&mut &start[..]).ok()?;
    Some(header.shape().to_vec())
}

/// Parses the bytes of a `.npy` file.
fn parse(bytes: &[u8]) -> Result<Matrices> {
    if bytes.is_empty() {
        return Err(Error::invalid_format(
            "the file is empty, expected one written by numpy.save",
        ));
    }
    // An `.npz` archive is a zip file, and those begin with these letters.
    if bytes.starts_with(b"PK") {
        return Err(Error::invalid_format(
            "this is an .npz archive, expected an .npy file of one array",
        ));
    }
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(Error::invalid_format(
            "this is not an .npy file, expected one written by numpy.save",
        ));
    }
    check_header(bytes)?;
    let mut rest = bytes;
    let header = NpyHeader::from_reader(&mut rest)
        .map_err(|e| Error::invalid_format("the header cannot be read").because(e))?;
    let is_double = is_double(&header.dtype())?;
    let (shape, is_stack) = match *header.shape() {
        [rows, columns] => ([1, rows, columns], false),
        [matrices, rows, columns] => ([matrices, rows, columns], true),
        ref other => {
            return Err(Error::invalid_format(format!(
                "the array has {}, expected [rows, columns] or [matrices, rows, columns]",
                counted(other.len(), "dimension")
            )));
        }
    };
    let shape = to_usize(shape)?;
    let width = if is_double { 8 } else { 4 };
    // In bytes; `None` if the product does not fit into a word of this machine.
    let count = shape
        .iter()
        .try_fold(width, |n: usize, &axis| n.checked_mul(axis));
    if count != Some(rest.len()) {
        return Err(Error::invalid_format(format!(
            "the file holds {} of numbers, expected {} for a {}: it is truncated or damaged",
            counted(rest.len(), "byte"),
            count.map_or_else(|| "more".to_owned(), |n| n.to_string()),
            describe(shape, is_stack)
        )));
    }
    // Without numbers, the size of the file does not limit the other axes.
    let mut entries = shape.iter().filter(|&&axis| axis > 0);
    let is_small = entries
        .try_fold(1, |n: usize, &axis| n.checked_mul(axis))
        .is_some_and(|n| n <= MAX_EMPTY);
    if count == Some(0) && !is_small {
        return Err(Error::invalid_format(format!(
            "the file holds no numbers for a {}, expected a product of at most {MAX_EMPTY} of the axes that are not 0",
            describe(shape, is_stack)
        )));
    }
    let is_big = is_big_endian(&header.dtype());
    let fortran = header.order() == Order::Fortran;
    let values = match (is_double, is_big) {
        (true, true) => MatrixValues::F64(decode(rest, f64::from_be_bytes)),
        (true, false) => MatrixValues::F64(decode(rest, f64::from_le_bytes)),
        (false, true) => MatrixValues::F32(decode(rest, f32::from_be_bytes)),
        (false, false) => MatrixValues::F32(decode(rest, f32::from_le_bytes)),
    };
    let values = match values {
        MatrixValues::F64(values) => MatrixValues::F64(to_row_major(values, shape, fortran)),
        MatrixValues::F32(values) => MatrixValues::F32(to_row_major(values, shape, fortran)),
    };
    Ok(Matrices {
        shape,
        is_stack,
        values,
    })
}

/// Checks a header before it is parsed: `npyz` trusts the lengths in it.
///
/// # Errors
///
/// [`Error::is_invalid_format`] if the header is longer than the file, its shape is impossibly large, or it is nested deeply.
pub(crate) fn check_header(bytes: &[u8]) -> Result<()> {
    let end = header_end(bytes)?;
    check_nesting(&bytes[..end])?;
    check_shape(bytes)
}

/// Returns where the header ends, and refuses one that claims to be longer than the file.
///
/// The parser would allocate memory of that size.
fn header_end(bytes: &[u8]) -> Result<usize> {
    // Byte 6 is the version of the format; it decides whether the length takes 2 or 4 bytes.
    let (start, claimed) = match *bytes {
        [_, _, _, _, _, _, 1, _, low, high, ..] => (10, u64::from(u16::from_le_bytes([low, high]))),
        [_, _, _, _, _, _, 2 | 3, _, a, b, c, d, ..] => {
            (12, u64::from(u32::from_le_bytes([a, b, c, d])))
        }
        _ => {
            return Err(Error::invalid_format(
                "the header cannot be read: the file is truncated or of an unknown version",
            ));
        }
    };
    if claimed > bytes.len() as u64 {
        return Err(Error::invalid_format(format!(
            "the header claims to have {claimed} bytes and the file has {}: it is truncated or damaged",
            counted(bytes.len(), "byte")
        )));
    }
    // A header that ends just beyond the file is refused by the parser.
    Ok(bytes.len().min(start + claimed as usize))
}

/// Largest depth of brackets in a header: a dictionary, in it a list of fields, each a tuple with a tuple.
const MAX_DEPTH: usize = 8;

/// Refuses brackets within brackets within brackets, for which the parser takes twice as long with every level.
fn check_nesting(header: &[u8]) -> Result<()> {
    let mut depth = 0_usize;
    for byte in header {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Error::invalid_format(format!(
                "the header cannot be read: it has brackets {MAX_DEPTH} deep, expected that of a plain array"
            )));
        }
    }
    Ok(())
}

/// Refuses a shape whose number of entries exceeds 64 bits.
///
/// The parser would multiply the lengths without a check for overflow.
fn check_shape(bytes: &[u8]) -> Result<()> {
    // Headers of plain arrays are far shorter; the numbers after them need not be scanned.
    let header = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    let axes = header
        .split_once("'shape':")
        .and_then(|(_, rest)| rest.split_once('('))
        .and_then(|(_, rest)| rest.split_once(')'))
        .map_or("", |(axes, _)| axes);
    let lengths = axes
        .split(',')
        .filter_map(|axis| axis.trim().parse::<u64>().ok());
    match lengths.into_iter().try_fold(1_u64, u64::checked_mul) {
        Some(_) => Ok(()),
        None => Err(Error::invalid_format(format!(
            "the shape is ({axes}), which is impossibly large"
        ))),
    }
}

/// Converts the lengths of the axes to the word size of this machine.
fn to_usize(shape: [u64; 3]) -> Result<[usize; 3]> {
    let mut out = [0; 3];
    for (axis, &length) in out.iter_mut().zip(&shape) {
        *axis = usize::try_from(length).map_err(|_| {
            Error::invalid_format(format!(
                "an axis has {length} entries, more than memory can hold"
            ))
        })?;
    }
    Ok(out)
}

/// Describes a shape for a message.
fn describe([matrices, rows, columns]: [usize; 3], is_stack: bool) -> String {
    if is_stack {
        format!(
            "stack of {} of {rows} by {columns}",
            counted(matrices, "matrix")
        )
    } else {
        format!("matrix of {rows} by {columns}")
    }
}

/// True for `float64`, false for `float32`; an error for every other type.
fn is_double(dtype: &DType) -> Result<bool> {
    if let DType::Plain(kind) = dtype
        && kind.type_char() == TypeChar::Float
        && matches!(kind.num_bytes(), Some(4 | 8))
    {
        return Ok(kind.num_bytes() == Some(8));
    }
    Err(Error::invalid_format(format!(
        "the array is of type {}, expected float32 or float64; convert it with \
         numpy.asarray(x, dtype=\"float32\")",
        dtype.descr()
    )))
}

/// True if the values are stored with their most significant byte first.
fn is_big_endian(dtype: &DType) -> bool {
    matches!(dtype, DType::Plain(kind) if kind.endianness() == npyz::Endianness::Big)
}

/// Decodes values of `WIDTH` bytes each.
fn decode<T, const WIDTH: usize>(bytes: &[u8], number: impl Fn([u8; WIDTH]) -> T) -> Vec<T> {
    // The remainder is empty: the number of bytes was compared with the shape.
    let (chunks, _) = bytes.as_chunks::<WIDTH>();
    chunks.iter().map(|&chunk| number(chunk)).collect()
}

/// Reorders values to C order, in which the last index varies fastest; in Fortran order it is the first.
fn to_row_major<T: Copy>(
    values: Vec<T>,
    [matrices, rows, columns]: [usize; 3],
    fortran: bool,
) -> Vec<T> {
    if !fortran || values.is_empty() {
        return values;
    }
    let mut out = Vec::with_capacity(values.len());
    for matrix in 0..matrices {
        for row in 0..rows {
            // Fortran order of all three axes: the index of the matrix varies fastest.
            let indices = (0..columns).map(|column| matrix + matrices * (row + rows * column));
            out.extend(indices.map(|index| values[index]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a file as numpy.save writes it.
    fn file(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
        let order = if fortran { "True" } else { "False" };
        let mut header =
            format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
        let padding = 63 - (header.len() + 10) % 64;
        header.push_str(&" ".repeat(padding));
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(data);
        bytes
    }

    fn little(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    #[test]
    fn every_order_and_precision_is_read() {
        let expected = MatrixValues::F32(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let c = file(
            "<f4",
            false,
            "(2, 3)",
            &little(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
        );
        let fortran = file(
            "<f4",
            true,
            "(2, 3)",
            &little(&[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
        );
        let big: Vec<u8> = (0..6).flat_map(|x| (x as f32).to_be_bytes()).collect();
        for bytes in [c, fortran, file(">f4", false, "(2, 3)", &big)] {
            let actual = parse(&bytes).unwrap();
            assert_eq!((actual.shape, actual.is_stack), ([1, 2, 3], false));
            assert_eq!(actual.values, expected);
        }
        let wide: Vec<u8> = [0.5_f64, 1.5]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let actual = parse(&file("<f8", false, "(2, 1, 1)", &wide)).unwrap();
        assert_eq!((actual.shape, actual.is_stack), ([2, 1, 1], true));
        assert_eq!(actual.values, MatrixValues::F64(vec![0.5, 1.5]));
        let stack = file("<f4", true, "(2, 1, 2)", &little(&[0.0, 2.0, 1.0, 3.0]));
        assert_eq!(
            parse(&stack).unwrap().values,
            MatrixValues::F32(vec![0.0, 1.0, 2.0, 3.0])
        );
        for (shape, expected) in [
            ("(0, 0)", [1, 0, 0]),
            ("(0, 256, 256)", [0, 256, 256]),
            ("(16384, 4, 0)", [16384, 4, 0]),
        ] {
            let matrices = parse(&file("<f4", true, shape, &[])).unwrap();
            assert_eq!(matrices.shape, expected);
        }
    }

    #[test]
    fn other_files_are_refused() {
        let message = |bytes: &[u8]| {
            let error = parse(bytes).unwrap_err();
            assert!(error.is_invalid_format());
            error.to_string()
        };
        assert!(message(b"").starts_with("the file is empty"));
        assert!(message(b"PK\x03\x04").starts_with("this is an .npz archive"));
        assert!(message(b"hello").starts_with("this is not an .npy file"));
        assert!(message(b"\x93NUMPY\x01").starts_with("the header cannot be read"));
        assert!(message(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{").starts_with("the header claims to"));
        for descr in ["<i4", "<f2", "<c8", "|b1", "|O"] {
            let message = message(&file(descr, false, "(1, 1)", &[0; 8]));
            assert!(
                message.contains("expected float32 or float64"),
                "{descr}: {message}"
            );
        }
        let short = message(&file("<f4", false, "(2, 2)", &[0; 12]));
        assert_eq!(
            short,
            "the file holds 12 bytes of numbers, expected 16 for a matrix of 2 by 2: it is truncated \
             or damaged"
        );
        // The parser would take as many steps as there are atoms in the world.
        let nested = format!("({})", "{(".repeat(200));
        assert!(message(&file("<f4", false, &nested, &[])).contains("brackets 8 deep"));
        let huge = "(18446744073709551615, 4, 4)";
        assert!(message(&file("<f4", false, huge, &[])).contains("impossibly large"));
        for shape in [
            "(1000000000000, 0, 0)",
            "(0, 4000000000000000000)",
            "(65535, 4, 0)",
            "(65537, 0)",
        ] {
            for fortran in [false, true] {
                let message = message(&file("<f4", fortran, shape, &[]));
                assert!(message.contains("holds no numbers"), "{message}");
            }
        }
        for shape in ["(4,)", "()", "(1, 1, 1, 1)"] {
            assert!(message(&file("<f4", false, shape, &[0; 16])).contains(", expected"));
        }
    }
}
