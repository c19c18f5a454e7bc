//! Encoded conversations put together for one forward pass.

use std::{ops::Range, sync::Arc};

use burn::{DType, Device, Tensor, TensorData};
use quintet_data::image_processor::PixelValues;
use quintet_nn::{Layout, Rows, Segments};

use crate::{Error, Result};

/// One encoded conversation.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Token ids, placeholders expanded.
    pub ids: Vec<u32>,
    /// Whether each id is a target of training.
    pub supervised: Vec<bool>,
    /// Pictures in the order of their placeholders, with the tokens they fill.
    pub images: Vec<(Range<usize>, Arc<PixelValues>)>,
    /// Where independent continuations of a shared prefix start; empty for an ordinary row.
    pub segments: Option<Segments>,
}

/// Where padding goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Before the text, so that all rows end together and can be continued.
    Left,
    /// After the text.
    #[default]
    Right,
}

/// A picture of a batch.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its row.
    pub row: usize,
    /// The tokens its features fill.
    pub tokens: Range<usize>,
    /// Its pixels.
    pub pixels: Arc<PixelValues>,
}

/// Rows padded to the longest.
#[derive(Clone, Debug)]
pub struct Batch {
    rows: Vec<Row>,
    length: usize,
    side: Side,
    /// All pictures, row by row.
    pub images: Vec<Image>,
}

impl Batch {
    /// Puts rows together.
    pub fn new(rows: Vec<Row>, side: Side) -> Self {
        let length = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        let images = rows
            .iter()
            .enumerate()
            .flat_map(|(index, row)| {
                let shift = if side == Side::Left { length - row.ids.len() } else { 0 };
                row.images.iter().map(move |(tokens, pixels)| Image {
                    row: index,
                    tokens: tokens.start + shift..tokens.end + shift,
                    pixels: pixels.clone(),
                })
            })
            .collect();
        Self { rows, length, side, images }
    }

    /// `(b, t)`.
    pub fn size(&self) -> (usize, usize) {
        (self.rows.len(), self.length)
    }

    /// Tokens without padding.
    pub fn token_count(&self) -> usize {
        self.rows.iter().map(|row| row.ids.len()).sum()
    }

    /// Ids, row-major `[b, t]`; padding is id 0, which nothing sees.
    pub fn padded_ids(&self) -> Vec<i32> {
        let mut ids = Vec::with_capacity(self.rows.len() * self.length);
        for row in &self.rows {
            let padding = std::iter::repeat_n(0, self.length - row.ids.len());
            let text = row.ids.iter().map(|&id| id as i32);
            match self.side {
                Side::Left => ids.extend(padding.chain(text)),
                Side::Right => ids.extend(text.chain(padding)),
            }
        }
        ids
    }

    /// What may see what.
    pub fn layout(&self) -> Layout {
        let lengths: Vec<usize> = self.rows.iter().map(|row| row.ids.len()).collect();
        if self.side == Side::Left {
            return Layout::Rows(Rows::left_padded(&lengths, self.length));
        }
        if self.rows.iter().all(|row| row.segments.is_none()) {
            return Layout::Rows(Rows::right_padded(&lengths));
        }
        let whole = |row: &Row| Segments::whole(row.ids.len());
        let segments = |row: &Row| row.segments.clone().unwrap_or_else(|| whole(row));
        Layout::Segments(self.rows.iter().map(segments).collect())
    }

    /// Flat positions in `[b·t]`, of a batch padded on the right, whose next token is supervised, and those next tokens.
    pub fn targets(&self) -> (Vec<i32>, Vec<i32>) {
        let mut positions = Vec::new();
        let mut targets = Vec::new();
        for (b, row) in self.rows.iter().enumerate() {
            for (next, _) in row.supervised.iter().enumerate().filter(|(at, on)| **on && *at > 0) {
                positions.push((b * self.length + next - 1) as i32);
                targets.push(row.ids[next] as i32);
            }
        }
        (positions, targets)
    }

    /// The pictures, `[n, 3, h, w]`.
    ///
    /// # Errors
    /// If they differ in size: an encoder reads one size at a time.
    pub fn pixels(&self, device: &Device, dtype: DType) -> Result<Tensor<4>> {
        let (height, width) =
            self.images.first().map_or((0, 0), |image| (image.pixels.height, image.pixels.width));
        let mut values = Vec::with_capacity(self.images.len() * 3 * height * width);
        for image in &self.images {
            let size = (image.pixels.height, image.pixels.width);
            if size != (height, width) {
                return Err(Error::Request(format!(
                    "pictures of {width}x{height} and {}x{} in one batch; set a crop or an exact \
                     size in preprocessor_config.json",
                    size.1, size.0
                )));
            }
            values.extend_from_slice(&image.pixels.data);
        }
        let shape = [self.images.len(), 3, height, width];
        Ok(Tensor::from_data(TensorData::new(values, shape), (device, dtype)))
    }
}
