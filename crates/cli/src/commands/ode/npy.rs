//! NumPy's file format: one array of numbers.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, ensure};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Most bytes of a description: NumPy itself reads no more.
const HEAD: usize = 10_000;

/// Writes the head of an array, in version 1.0; its 64-bit numbers follow in C order, little-endian.
pub fn head(out: &mut impl Write, shape: &[u64]) -> io::Result<()> {
    let shape: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}");
    // What comes before the numbers is a multiple of 64 bytes and ends with a line break.
    let before = MAGIC.len() + 4;
    let len = (before + text.len() + 1).next_multiple_of(64) - before;
    text.push_str(&" ".repeat(len - 1 - text.len()));
    text.push('\n');
    out.write_all(MAGIC)?;
    out.write_all(&[1, 0])?;
    out.write_all(&(len as u16).to_le_bytes())?;
    out.write_all(text.as_bytes())
}

/// Writes numbers.
pub fn numbers(out: &mut impl Write, numbers: &[f64]) -> io::Result<()> {
    numbers.iter().try_for_each(|number| out.write_all(&number.to_le_bytes()))
}

/// An array that is read.
pub struct Array {
    path: PathBuf,
    file: BufReader<File>,
    pub shape: Vec<usize>,
    /// Whether its numbers have 64 bits, or 32.
    wide: bool,
    /// Where they begin.
    start: u64,
}

impl Array {
    /// Opens a file and reads its head.
    ///
    /// # Errors
    /// If it is no array of little-endian 64-bit or 32-bit floats in C order, or has not as many as its
    /// shape says.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let unread = || format!("{name}: cannot be read");
        let file = File::open(path).with_context(unread)?;
        let bytes = file.metadata().with_context(unread)?.len();
        let mut file = BufReader::new(file);
        let head = description(&mut file).map_err(|reason| anyhow!("{name}: {reason}"))?;
        let start = file.stream_position().with_context(unread)?;
        let (wide, shape) = layout(&head).map_err(|reason| anyhow!("{name}: {reason}"))?;
        let size = if wide { 8 } else { 4 };
        let expected = shape
            .iter()
            .try_fold(size, |product: u64, size| product.checked_mul(u64::try_from(*size).ok()?));
        ensure!(
            expected == Some(bytes - start),
            "{name}: its shape {shape:?} does not fit its {} bytes of numbers; is it cut off?",
            bytes - start
        );
        Ok(Self { path: path.to_owned(), file, shape, wide, start })
    }

    /// So many numbers from this one on, in C order.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn values(&mut self, first: usize, count: usize) -> anyhow::Result<Vec<f64>> {
        let size = if self.wide { 8 } else { 4 };
        let mut bytes = vec![0; count * size];
        self.file
            .seek(SeekFrom::Start(self.start + (first * size) as u64))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .with_context(|| format!("{}: cannot be read", self.path.display()))?;
        Ok(match self.wide {
            true => bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
            false => {
                let numbers = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
                numbers.map(f64::from).collect()
            }
        })
    }
}

/// The text that describes an array.
fn description(file: &mut impl Read) -> Result<String, String> {
    let cut = |_| "not a whole NumPy file".to_owned();
    let mut begin = [0; 8];
    file.read_exact(&mut begin).map_err(cut)?;
    if &begin[..6] != MAGIC {
        return Err("not a NumPy file; numpy.save writes them".into());
    }
    let len = match begin[6] {
        1 => {
            let mut len = [0; 2];
            file.read_exact(&mut len).map_err(cut)?;
            usize::from(u16::from_le_bytes(len))
        }
        2 | 3 => {
            let mut len = [0; 4];
            file.read_exact(&mut len).map_err(cut)?;
            u32::from_le_bytes(len) as usize
        }
        version => return Err(format!("version {version} of NumPy's format; expected 1 to 3")),
    };
    if len > HEAD {
        return Err(format!("a head of {len} bytes; expected {HEAD} at most"));
    }
    let mut text = vec![0; len];
    file.read_exact(&mut text).map_err(cut)?;
    String::from_utf8(text).map_err(|_| "its head is no text".into())
}

/// Whether numbers have 64 bits, and the shape, of a description such as
/// `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`.
fn layout(head: &str) -> Result<(bool, Vec<usize>), String> {
    let after = |key: &str| {
        let at = head.find(&format!("'{key}':")).map(|at| at + key.len() + 3);
        at.map(|at| head[at..].trim_start()).ok_or(format!("its head has no {key}"))
    };
    let numbers = after("descr")?;
    let wide = match () {
        () if numbers.starts_with("'<f8'") => true,
        () if numbers.starts_with("'<f4'") => false,
        () => {
            let found: String = numbers.chars().take_while(|c| *c != ',').take(40).collect();
            return Err(format!(
                "numbers of type {found}; expected '<f8' or '<f4': save array.astype(\"<f8\")"
            ));
        }
    };
    if !after("fortran_order")?.starts_with("False") {
        return Err("in Fortran's order; save numpy.ascontiguousarray(array)".into());
    }
    let inside = after("shape")?.strip_prefix('(').and_then(|shape| shape.split_once(')'));
    let (inside, _) = inside.ok_or("its head has no shape in brackets")?;
    let sizes = inside.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape = sizes.map(|size| size.parse().map_err(|_| format!("{size:?} in its shape")));
    Ok((wide, shape.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with this description.
    fn file(version: u8, text: &str, numbers: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(MAGIC).unwrap();
        file.write_all(&[version, 0]).unwrap();
        match version {
            1 => file.write_all(&(text.len() as u16).to_le_bytes()).unwrap(),
            _ => file.write_all(&(text.len() as u32).to_le_bytes()).unwrap(),
        }
        file.write_all(text.as_bytes()).unwrap();
        file.write_all(numbers).unwrap();
        file
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = tempfile::NamedTempFile::new().unwrap();
        head(&mut out, &[2, 3]).unwrap();
        numbers(&mut out, &[1.0, 2.0, 3.0, 4.0, 5.0, f64::NAN]).unwrap();
        let mut array = Array::open(out.path()).unwrap();
        assert_eq!(array.shape, [2, 3]);
        assert_eq!(array.values(3, 2).unwrap(), [4.0, 5.0]);
        assert!(array.values(5, 1).unwrap()[0].is_nan() && array.values(5, 2).is_err());
    }

    #[test]
    fn other_versions_and_narrow_numbers_are_read() {
        let bytes: Vec<u8> = [0.5f32, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        for version in [1, 2, 3] {
            let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
            let mut array = Array::open(file(version, text, &bytes).path()).unwrap();
            assert_eq!(
                (array.shape.clone(), array.values(0, 2).unwrap()),
                (vec![2], vec![0.5, -2.0])
            );
        }
    }

    #[test]
    fn hostile_heads_are_refused() {
        let good = "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n";
        for (from, to, said) in [
            ("<f8", "<i8", "numbers of type '<i8'"),
            ("'<f8'", "[('a', '<f8')]", "numbers of type [('a'"),
            ("False", "True", "Fortran"),
            ("(1,)", "(2,)", "[2] does not fit its 8 bytes"),
            ("(1,)", "(18446744073709551615, 18446744073709551615)", "does not fit"),
            ("(1,)", "(-1,)", "\"-1\" in its shape"),
            ("(1,)", "(99999999999999999999,)", "in its shape"),
            ("(1,)", "(1,", "no shape in brackets"),
            ("'shape'", "'form'", "no shape"),
        ] {
            let file = file(1, &good.replace(from, to), &[0; 8]);
            let error = Array::open(file.path()).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(said), "{to}: {error}");
        }
        let mut huge = tempfile::NamedTempFile::new().unwrap();
        huge.write_all(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").unwrap();
        for (bytes, said) in [(huge, "at most"), (file(9, good, &[]), "version 9")] {
            let error = Array::open(bytes.path()).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
