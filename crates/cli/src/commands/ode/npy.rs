//! NumPy's file format, version 1.0: one array of 64-bit numbers.

use std::io::{self, Write};

/// Writes the head of an array; its numbers follow in C order, little-endian.
pub fn head(out: &mut impl Write, shape: &[u64]) -> io::Result<()> {
    const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
    let shape: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}");
    // What comes before the numbers is a multiple of 64 bytes and ends with a line break.
    let len = (MAGIC.len() + 2 + text.len() + 1).next_multiple_of(64) - MAGIC.len() - 2;
    text.push_str(&" ".repeat(len - 1 - text.len()));
    text.push('\n');
    out.write_all(MAGIC)?;
    out.write_all(&(len as u16).to_le_bytes())?;
    out.write_all(text.as_bytes())
}

/// Writes numbers.
pub fn numbers(out: &mut impl Write, numbers: &[f64]) -> io::Result<()> {
    numbers.iter().try_for_each(|number| out.write_all(&number.to_le_bytes()))
}
