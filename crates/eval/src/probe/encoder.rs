//! What the tokens of an encoder attend to.

use image::RgbImage;
use quintet_models::{Multimodal, Processor};

use super::{AttentionMap, Mean, Select};
use crate::{Error, Result};

/// The attention of each of an encoder's tokens to the patches of a picture.
#[derive(Clone, Debug)]
pub struct EncoderAttention {
    grid: [usize; 2],
    class_token: bool,
    /// `[v, patches]`, `v` one more than the patches where there is a class token.
    weights: Vec<f32>,
}

/// Shows a picture to the model's encoder and keeps what its tokens attend to.
///
/// # Errors
/// If the model does not see, the picture has no pixels, or the layer or head does not exist.
pub fn attend_encoder(
    model: &Multimodal,
    processor: &Processor,
    picture: &RgbImage,
    select: Select,
) -> Result<EncoderAttention> {
    let vision = model.vision();
    let vision = vision.ok_or_else(|| Error::Settings("the model only reads text".into()))?;
    let pixels = processor.pixels(picture, model.device())?;
    let geometry = vision.encoder().geometry();
    let [_, _, height, width] = pixels.dims();
    let grid = [height / geometry.patch_size, width / geometry.patch_size];
    let first = usize::from(geometry.class_token);
    let mut mean = Mean::of(select, first..first + grid[0] * grid[1]);
    vision.encoder().attentions(pixels, |layer, weights| mean.add(layer, weights));
    Ok(EncoderAttention { grid, class_token: geometry.class_token, weights: mean.finish()? })
}

impl EncoderAttention {
    /// Patches down and across.
    pub fn grid(&self) -> [usize; 2] {
        self.grid
    }

    /// What the class token attends to, if there is one.
    pub fn class(&self) -> Option<AttentionMap> {
        let class = self.rows().next().filter(|_| self.class_token)?;
        Some(AttentionMap::new(self.grid, class.to_vec()))
    }

    /// What each patch attends to, row by row.
    pub fn patches(&self) -> impl Iterator<Item = AttentionMap> {
        let rows = self.rows().skip(usize::from(self.class_token));
        rows.map(|row| AttentionMap::new(self.grid, row.to_vec()))
    }

    /// What patches attend to on the mean.
    pub fn mean(&self) -> AttentionMap {
        let count = self.grid[0] * self.grid[1];
        let mut weights = vec![0.0; count];
        for row in self.rows().skip(usize::from(self.class_token)) {
            weights.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight / count as f32);
        }
        AttentionMap::new(self.grid, weights)
    }

    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.weights.chunks_exact((self.grid[0] * self.grid[1]).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_token_is_told_from_patches() {
        let weights = vec![0.6, 0.1, 0.2, 0.8, 0.4, 0.0];
        let seen = EncoderAttention { grid: [1, 2], class_token: true, weights };
        assert_eq!(seen.class().unwrap().weights(), [0.6, 0.1]);
        let patches: Vec<_> = seen.patches().map(|map| map.weights().to_vec()).collect();
        assert_eq!(patches, [[0.2, 0.8], [0.4, 0.0]]);
        let mean = seen.mean();
        assert!((mean.weights()[0] - 0.3).abs() < 1e-6 && (mean.weights()[1] - 0.4).abs() < 1e-6);
        let plain = EncoderAttention { class_token: false, weights: vec![0.25; 4], ..seen };
        assert!(plain.class().is_none() && plain.patches().count() == 2);
    }
}
