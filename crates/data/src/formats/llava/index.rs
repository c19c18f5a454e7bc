//! Where the rows of a JSON file start and end, found without parsing them.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
};

use crate::{Error, Result};

/// The byte range of every top-level object: the elements of an array, or of JSON lines.
pub(super) fn find_rows(file: &mut File, path: &Path) -> Result<Vec<Range<u64>>> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let mut scanner = Scanner::default();
    let mut reader = BufReader::with_capacity(1 << 20, &mut *file);
    let mut chunk = vec![0u8; 1 << 16];
    loop {
        let count = reader.read(&mut chunk).map_err(io)?;
        let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        for &byte in bytes {
            scanner.step(byte).map_err(|reason| scanner.error(path, reason))?;
        }
    }
    scanner.finish().map_err(|reason| scanner.error(path, reason))?;
    Ok(scanner.rows)
}

#[derive(Default)]
struct Scanner {
    rows: Vec<Range<u64>>,
    at: u64,
    row_start: u64,
    /// Open brackets of the row.
    depth: u64,
    in_string: bool,
    escaped: bool,
    layout: Layout,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Layout {
    #[default]
    Unknown,
    Array,
    ArrayEnded,
    Lines,
}

impl Scanner {
    fn step(&mut self, byte: u8) -> std::result::Result<(), String> {
        let at = self.at;
        self.at += 1;
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Ok(());
        }
        if self.depth > 0 {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
            if self.depth == 0 {
                self.rows.push(self.row_start..self.at);
            }
            return Ok(());
        }
        match (byte, self.layout) {
            // U+FEFF, which some editors put first.
            (0xef | 0xbb | 0xbf, Layout::Unknown) if at < 3 => {}
            (byte, _) if byte.is_ascii_whitespace() => {}
            (b'[', Layout::Unknown) => self.layout = Layout::Array,
            (b']', Layout::Array) => self.layout = Layout::ArrayEnded,
            (b',', Layout::Array) => {}
            (b'{', Layout::Unknown | Layout::Lines | Layout::Array) => {
                if self.layout == Layout::Unknown {
                    self.layout = Layout::Lines;
                }
                self.row_start = at;
                self.depth = 1;
            }
            (byte, _) => {
                return Err(format!(
                    "malformed JSON: {:?} at byte {at}, where a row {{…}} was expected",
                    char::from(byte)
                ));
            }
        }
        Ok(())
    }

    fn finish(&self) -> std::result::Result<(), String> {
        if self.depth > 0 {
            return Err(format!(
                "the file ends inside this row, which starts at byte {}",
                self.row_start
            ));
        }
        if self.layout == Layout::Array {
            return Err("the file ends before its closing bracket; it is cut off".into());
        }
        Ok(())
    }

    fn error(&self, path: &Path, reason: String) -> Error {
        Error::Row { path: path.to_owned(), row: self.rows.len(), reason }
    }
}
