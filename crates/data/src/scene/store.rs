//! Finished tiles on disk, so that the next start takes a moment.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::tile::Tile;
use crate::{Result, formats::atomic};

const MAGIC: &[u8; 8] = b"QTILES1\n";

/// Where tiles made from `parts` are kept: a change to any part changes the name.
pub(super) fn location(kind: &str, parts: &[&str]) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest: String = hash.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
    let root = quintet_hub::Cache::from_env()?.root().join("scenes");
    Ok(root.join(format!("{kind}-{digest}.tiles")))
}

/// The tiles at `path`, or else those that `make` makes, which are then kept there.
///
/// # Errors
/// When making fails or the folder cannot be written.
pub(super) fn load_or_make(
    path: &Path,
    make: impl FnOnce() -> Result<Vec<Tile>>,
) -> Result<Vec<Tile>> {
    if let Some(tiles) = std::fs::read(path).ok().and_then(|bytes| decode(&bytes)) {
        return Ok(tiles);
    }
    let tiles = make()?;
    atomic::write_bytes(path, &encode(&tiles))?;
    Ok(tiles)
}

fn encode(tiles: &[Tile]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend((tiles.len() as u32).to_le_bytes());
    for tile in tiles {
        bytes.extend(tile.width.to_le_bytes());
        bytes.extend(tile.height.to_le_bytes());
        bytes.extend(tile.pixels.as_flattened());
    }
    bytes
}

/// `None` when the bytes are not whole: the file is then made anew.
fn decode(bytes: &[u8]) -> Option<Vec<Tile>> {
    fn number(rest: &mut &[u8]) -> Option<u32> {
        let (head, tail) = rest.split_first_chunk()?;
        *rest = tail;
        Some(u32::from_le_bytes(*head))
    }
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let count = number(&mut rest)?;
    let mut tiles = Vec::new();
    for _ in 0..count {
        let (width, height) = (number(&mut rest)?, number(&mut rest)?);
        let length = usize::try_from(width).ok()?.checked_mul(height as usize)?.checked_mul(4)?;
        let (body, tail) = rest.split_at_checked(length)?;
        rest = tail;
        tiles.push(Tile { width, height, pixels: body.as_chunks().0.to_vec() });
    }
    rest.is_empty().then_some(tiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiles() -> Vec<Tile> {
        vec![
            Tile { width: 2, height: 1, pixels: vec![[1, 2, 3, 4], [5, 6, 7, 8]] },
            Tile { width: 0, height: 3, pixels: vec![] },
        ]
    }

    #[test]
    fn what_is_kept_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.tiles");
        assert_eq!(load_or_make(&path, || Ok(tiles())).unwrap(), tiles());
        assert_eq!(load_or_make(&path, || panic!("made twice")).unwrap(), tiles());
    }

    #[test]
    fn a_torn_file_is_made_anew() {
        let whole = encode(&tiles());
        for cut in 0..whole.len() {
            assert_eq!(decode(&whole[..cut]), None, "{cut}");
        }
        let mut long = whole.clone();
        long.push(0);
        assert_eq!(decode(&long), None);
        let mut greedy = whole;
        greedy[8..12].fill(255);
        assert_eq!(decode(&greedy), None);
    }
}
