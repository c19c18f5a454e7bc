//! The directory of a zip file: where each stored entry lies. Source: PKWARE APPNOTE 6.3.10,
//! §4.3.7 (local header), §4.3.12 (central directory), §4.3.14–16 (end records), §4.5.3 (zip64).

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use crate::cursor::Cursor;
use crate::{Error, Result};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_LEN: usize = 22;
const END64: u32 = 0x0606_4b50;
const LOCATOR64: u32 = 0x0706_4b50;
const LOCATOR64_LEN: usize = 20;
const EXTRA64: u16 = 1;

/// Name to byte range of every entry.
pub(super) fn read<'a>(path: &'a Path, bytes: &'a [u8]) -> Result<HashMap<&'a str, Range<usize>>> {
    let (count, offset) = directory(path, bytes)?;
    let mut cursor = Cursor::starting(path, bytes, offset);
    let mut entries = HashMap::new();
    for _ in 0..count {
        let (name, range) = entry(path, bytes, &mut cursor)?;
        entries.insert(name, range);
    }
    Ok(entries)
}

/// Number of entries and offset of the central directory.
fn directory(path: &Path, bytes: &[u8]) -> Result<(u64, u64)> {
    // The end record is followed only by a comment of at most 65535 bytes.
    let last = bytes.len().saturating_sub(END_LEN);
    let first = last.saturating_sub(usize::from(u16::MAX));
    let end = (first..=last)
        .rev()
        .find(|&at| bytes.get(at..).is_some_and(|b| b.starts_with(&END.to_le_bytes())))
        .ok_or_else(|| Error::Malformed {
            path: path.into(),
            what: "zip file".into(),
            expected: "an end record".into(),
            found: "none; the file may be cut short".into(),
        })?;

    let mut cursor = Cursor::starting(path, bytes, end as u64);
    cursor.take(10, "zip end record")?;
    let count = u64::from(cursor.u16("zip entry count")?);
    cursor.take(4, "zip end record")?;
    let offset = u64::from(cursor.u32("zip directory offset")?);

    let Some(locator) = end.checked_sub(LOCATOR64_LEN) else { return Ok((count, offset)) };
    let mut cursor = Cursor::starting(path, bytes, locator as u64);
    if cursor.u32("zip64 locator")? != LOCATOR64 {
        return Ok((count, offset));
    }
    cursor.take(4, "zip64 locator")?;
    let mut cursor = Cursor::starting(path, bytes, cursor.u64("zip64 end record offset")?);
    signature(path, &mut cursor, END64, "zip64 end record")?;
    cursor.take(28, "zip64 end record")?;
    let count = cursor.u64("zip64 entry count")?;
    cursor.take(8, "zip64 end record")?;
    Ok((count, cursor.u64("zip64 directory offset")?))
}

fn entry<'a>(
    path: &Path,
    bytes: &'a [u8],
    cursor: &mut Cursor<'a>,
) -> Result<(&'a str, Range<usize>)> {
    const WHAT: &str = "zip directory entry";
    signature(path, cursor, CENTRAL, WHAT)?;
    cursor.take(4, WHAT)?;
    let flags = cursor.u16(WHAT)?;
    let method = cursor.u16(WHAT)?;
    cursor.take(8, WHAT)?;
    let mut stored = u64::from(cursor.u32(WHAT)?);
    let mut size = u64::from(cursor.u32(WHAT)?);
    let name_len = cursor.u16(WHAT)?;
    let extra_len = cursor.u16(WHAT)?;
    let comment_len = cursor.u16(WHAT)?;
    cursor.take(8, WHAT)?;
    let mut offset = u64::from(cursor.u32(WHAT)?);
    let name = cursor.text(name_len.into(), u16::MAX.into(), "name of a zip entry")?;
    let extra = cursor.take(extra_len.into(), WHAT)?;
    cursor.take(comment_len.into(), WHAT)?;
    widen(path, extra, [&mut size, &mut stored, &mut offset])?;

    let encrypted = flags & 1 == 1;
    if method != 0 || encrypted || stored != size {
        return Err(Error::Malformed {
            path: path.into(),
            what: format!("zip entry {name:?}"),
            expected: "plain stored bytes, as torch.save writes".into(),
            found: if encrypted { "encryption".into() } else { format!("compression {method}") },
        });
    }
    Ok((name, content(path, bytes, name, offset, size)?))
}

/// Where the bytes of the entry with its local header at `offset` lie.
fn content(path: &Path, bytes: &[u8], name: &str, offset: u64, size: u64) -> Result<Range<usize>> {
    let what = format!("zip entry {name:?}");
    let mut cursor = Cursor::starting(path, bytes, offset);
    signature(path, &mut cursor, LOCAL, &what)?;
    cursor.take(22, &what)?;
    let name_len = cursor.u16(&what)?;
    let extra_len = cursor.u16(&what)?;
    cursor.take(name_len.into(), &what)?;
    cursor.take(extra_len.into(), &what)?;
    let start = cursor.at();
    cursor.take(size, &what)?;
    Ok(start..cursor.at())
}

/// Replaces each field that holds the 32-bit maximum by its 64-bit value from the extra fields.
fn widen(path: &Path, extra: &[u8], fields: [&mut u64; 3]) -> Result<()> {
    let mut cursor = Cursor::new(path, extra);
    while cursor.left() >= 4 {
        let id = cursor.u16("zip extra field")?;
        let len = cursor.u16("zip extra field")?;
        let field = cursor.take(len.into(), "zip extra field")?;
        if id == EXTRA64 {
            let mut wide = Cursor::new(path, field);
            for field in fields {
                if *field == u64::from(u32::MAX) {
                    *field = wide.u64("zip64 extra field")?;
                }
            }
            return Ok(());
        }
    }
    Ok(())
}

fn signature(path: &Path, cursor: &mut Cursor<'_>, expected: u32, what: &str) -> Result<()> {
    let found = cursor.u32(what)?;
    if found == expected {
        return Ok(());
    }
    Err(Error::Malformed {
        path: path.into(),
        what: format!("signature of {what}"),
        expected: format!("{expected:#010x}"),
        found: format!("{found:#010x}"),
    })
}
