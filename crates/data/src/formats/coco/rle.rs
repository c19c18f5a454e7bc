//! Run-length coded masks: alternating runs of 0 and 1 down the columns, starting with 0.

use serde::{Deserialize, Serialize};

/// 16384 × 16384; larger pictures have no place here, and a file's sizes are not to be believed.
const MAX_PIXELS: u64 = 1 << 28;

/// Runs and the size they fill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rle {
    /// Height and width.
    pub size: [u32; 2],
    /// The runs.
    pub counts: Counts,
}

/// Runs as numbers, or packed into text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Counts {
    /// The lengths.
    Runs(Vec<u32>),
    /// `pycocotools`' compressed form: signed differences in base 32, six bits to a character.
    Packed(String),
}

/// A binary mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    width: u32,
    height: u32,
    /// Down the columns, as COCO counts.
    pixels: Vec<bool>,
}

impl Mask {
    /// A mask of zeros.
    ///
    /// # Errors
    /// The size exceeds 2²⁸ pixels; the text says so.
    pub fn empty(width: u32, height: u32) -> Result<Self, String> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels > MAX_PIXELS {
            return Err(format!("{width} × {height} pixels are more than {MAX_PIXELS}"));
        }
        Ok(Self { width, height, pixels: vec![false; pixels as usize] })
    }

    /// A mask from a function of `x` and `y`.
    ///
    /// # Errors
    /// As [`empty`](Self::empty).
    pub fn from_fn(
        width: u32,
        height: u32,
        inside: impl Fn(u32, u32) -> bool,
    ) -> Result<Self, String> {
        let mut mask = Self::empty(width, height)?;
        let places = (0..width).flat_map(|x| (0..height).map(move |y| (x, y)));
        for (pixel, (x, y)) in mask.pixels.iter_mut().zip(places) {
            *pixel = inside(x, y);
        }
        Ok(mask)
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Whether a pixel is in; `false` outside the picture.
    pub fn get(&self, x: u32, y: u32) -> bool {
        let at = x as usize * self.height as usize + y as usize;
        x < self.width && y < self.height && self.pixels.get(at).copied().unwrap_or(false)
    }

    /// The number of pixels that are in.
    pub fn area(&self) -> usize {
        self.pixels.iter().filter(|&&pixel| pixel).count()
    }

    /// Adds the pixels between the toggles: positions down the columns, in any order.
    pub(super) fn add_runs(&mut self, mut toggles: Vec<usize>) {
        toggles.sort_unstable();
        toggles.push(self.pixels.len());
        for run in toggles.chunks(2) {
            if let &[start, end] = run
                && let Some(pixels) = self.pixels.get_mut(start..end)
            {
                pixels.fill(true);
            }
        }
    }
}

impl Rle {
    /// The runs of a mask, uncompressed.
    pub fn encode(mask: &Mask) -> Self {
        let mut runs = Vec::new();
        let mut length = 0u32;
        let mut value = false;
        for &pixel in &mask.pixels {
            if pixel != value {
                runs.push(length);
                length = 0;
                value = pixel;
            }
            length += 1;
        }
        runs.push(length);
        Self { size: [mask.height, mask.width], counts: Counts::Runs(runs) }
    }

    /// The mask.
    ///
    /// # Errors
    /// The runs do not add up to the size, or their text is malformed.
    pub fn decode(&self) -> Result<Mask, String> {
        let [height, width] = self.size;
        let total = u64::from(width) * u64::from(height);
        // Checked before anything of that size is made.
        let runs = match &self.counts {
            Counts::Runs(runs) => runs.clone(),
            Counts::Packed(text) => unpack(text, total)?,
        };
        let filled: u64 = runs.iter().map(|&run| u64::from(run)).sum();
        if filled != total {
            return Err(format!("the runs fill {filled} pixels of {width} × {height}"));
        }
        let mut mask = Mask::empty(width, height)?;
        let mut rest = mask.pixels.as_mut_slice();
        for (i, run) in runs.into_iter().enumerate() {
            let Some((head, tail)) = rest.split_at_mut_checked(run as usize) else { break };
            head.fill(i % 2 == 1);
            rest = tail;
        }
        Ok(mask)
    }

    /// The same runs, packed.
    ///
    /// # Errors
    /// The runs are packed already and malformed.
    pub fn packed(&self) -> Result<Self, String> {
        let runs = match &self.counts {
            Counts::Runs(runs) => runs.clone(),
            Counts::Packed(text) => {
                unpack(text, u64::from(self.size[0]) * u64::from(self.size[1]))?
            }
        };
        Ok(Self { size: self.size, counts: Counts::Packed(pack(&runs)) })
    }
}

/// From the fourth run on, the difference to the run two before is stored.
fn pack(runs: &[u32]) -> String {
    let mut text = String::new();
    for (i, &run) in runs.iter().enumerate() {
        let before = if i > 2 { runs.get(i - 2).copied().unwrap_or_default() } else { 0 };
        let mut left = i64::from(run) - i64::from(before);
        loop {
            let digit = (left & 31) as u8;
            left >>= 5;
            let sign = digit & 16 != 0;
            let more = left != if sign { -1 } else { 0 };
            text.push(char::from(48 + digit + if more { 32 } else { 0 }));
            if !more {
                break;
            }
        }
    }
    text
}

fn unpack(text: &str, total: u64) -> Result<Vec<u32>, String> {
    let mut runs: Vec<u32> = Vec::new();
    let mut value = 0i64;
    let mut shift = 0u32;
    for byte in text.bytes() {
        let digit = byte.checked_sub(48).filter(|&d| d < 64);
        let digit = digit.ok_or_else(|| format!("byte {byte} is not of a packed run"))?;
        if shift > 30 {
            return Err("a packed run is longer than 35 bits".into());
        }
        value |= i64::from(digit & 31) << shift;
        shift += 5;
        if digit & 32 != 0 {
            continue;
        }
        if digit & 16 != 0 {
            value |= -1i64 << shift;
        }
        let before = runs.len().checked_sub(2).filter(|_| runs.len() > 2);
        let before = before.and_then(|at| runs.get(at).copied()).unwrap_or_default();
        let run = u32::try_from(value + i64::from(before)).ok();
        let run = run.filter(|&run| u64::from(run) <= total);
        runs.push(run.ok_or_else(|| format!("run {} does not fit the picture", runs.len()))?);
        (value, shift) = (0, 0);
    }
    if shift != 0 {
        return Err("the packed runs end inside a run".into());
    }
    Ok(runs)
}
