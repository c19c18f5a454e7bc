//! The frame header: size, components and their sampling (T.81 B.2.2).

use super::u16_at;

/// How coefficients are spread over scans.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Every coefficient of a block in one scan.
    Sequential,
    /// Spectral selection and successive approximation over several scans.
    Progressive,
}

/// What the components mean.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Colors {
    Grey,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

/// A picture being decoded.
pub(super) struct Frame {
    pub coding: Coding,
    pub width: usize,
    pub height: usize,
    pub max_h: usize,
    pub max_v: usize,
    /// Minimum coded units across and down.
    pub mcus: (usize, usize),
    pub components: Vec<Component>,
}

/// One colour plane.
pub(super) struct Component {
    pub id: u8,
    /// Sampling factors.
    pub h: usize,
    pub v: usize,
    pub quantisation_slot: usize,
    /// The table in force at the component's first scan.
    pub quantisation: Option<[u16; 64]>,
    /// Samples that belong to the picture.
    pub width: usize,
    pub height: usize,
    /// Blocks stored per row, and rows of blocks; padded to whole coded units.
    pub stored_blocks: (usize, usize),
    /// `8 * stored_blocks` samples; filled by the scans of a sequential frame.
    pub samples: Vec<u8>,
    /// `64 * stored_blocks` coefficients in natural order; only in a progressive frame.
    pub coefficients: Vec<i16>,
}

impl Frame {
    /// Reads a frame header and allocates its planes.
    pub fn read(
        segment: &[u8],
        coding: Coding,
        check_size: impl Fn(u64, u64) -> Result<(), String>,
    ) -> Result<Self, String> {
        let precision = *segment.first().ok_or("the JPEG frame header is cut short")?;
        if precision != 8 {
            return Err(format!("{precision}-bit JPEG is not supported, only 8-bit"));
        }
        let (height, width) = (usize::from(u16_at(segment, 1)?), usize::from(u16_at(segment, 3)?));
        check_size(width as u64, height as u64)?;
        let count = usize::from(*segment.get(5).ok_or("the JPEG frame header is cut short")?);
        if !matches!(count, 1 | 3 | 4) {
            return Err(format!("a JPEG of {count} components: expected 1, 3 or 4"));
        }
        let headers = segment
            .get(6..6 + 3 * count)
            .ok_or("the JPEG frame header is cut short")?
            .chunks_exact(3)
            .map(|c| (c[0], usize::from(c[1] >> 4), usize::from(c[1] & 15), usize::from(c[2])))
            .collect::<Vec<_>>();
        if headers
            .iter()
            .any(|&(_, h, v, slot)| !(1..=4).contains(&h) || !(1..=4).contains(&v) || slot > 3)
        {
            return Err("a JPEG component has an impossible sampling factor or table".into());
        }
        let max_h = headers.iter().map(|c| c.1).max().unwrap_or(1);
        let max_v = headers.iter().map(|c| c.2).max().unwrap_or(1);
        if headers.iter().any(|&(_, h, v, _)| max_h % h != 0 || max_v % v != 0) {
            return Err("fractional JPEG chroma sampling is not supported".into());
        }
        let mcus = (width.div_ceil(8 * max_h), height.div_ceil(8 * max_v));
        let components = headers
            .into_iter()
            .map(|(id, h, v, quantisation_slot)| {
                let stored_blocks = (mcus.0 * h, mcus.1 * v);
                let size = 64 * stored_blocks.0 * stored_blocks.1;
                let progressive = coding == Coding::Progressive;
                Component {
                    id,
                    h,
                    v,
                    quantisation_slot,
                    quantisation: None,
                    width: (width * h).div_ceil(max_h),
                    height: (height * v).div_ceil(max_v),
                    stored_blocks,
                    samples: vec![0; if progressive { 0 } else { size }],
                    coefficients: vec![0; if progressive { size } else { 0 }],
                }
            })
            .collect();
        Ok(Self { coding, width, height, max_h, max_v, mcus, components })
    }

    /// What the components mean, by the rules of libjpeg's `default_decompress_parms`.
    pub fn colors(&self, jfif: bool, adobe: Option<u8>) -> Result<Colors, String> {
        let ids: Vec<u8> = self.components.iter().map(|c| c.id).collect();
        Ok(match (ids.as_slice(), adobe) {
            ([_], _) => Colors::Grey,
            ([_, _, _], Some(0)) if !jfif => Colors::Rgb,
            ([b'R', b'G', b'B'], None) if !jfif => Colors::Rgb,
            ([_, _, _], _) => Colors::YCbCr,
            ([_, _, _, _], None | Some(0)) => Colors::Cmyk,
            ([_, _, _, _], _) => Colors::Ycck,
            _ => return Err(format!("a JPEG of {} components", ids.len())),
        })
    }
}

impl Component {
    /// Blocks that belong to the picture: what a scan of this component alone codes.
    pub fn blocks(&self) -> (usize, usize) {
        (self.width.div_ceil(8), self.height.div_ceil(8))
    }

    /// Samples per stored row.
    pub fn stride(&self) -> usize {
        8 * self.stored_blocks.0
    }

    /// The `y`-th row of samples that belong to the picture.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.stride()..][..self.width]
    }
}
