//! Small pictures of one thing, to warm an encoder up.

use image::RgbImage;
use rand::{RngExt, seq::IndexedRandom};

use super::{
    augment, background, build,
    names::NAMES,
    rng::{Purpose, stream},
    spec::CropSpec,
    sprites::SpriteSet,
    tile::Placement,
    words::WORDS,
};

/// One object or one word that fills most of a small picture.
#[derive(Clone, Debug)]
pub struct Crop {
    /// The picture.
    pub image: RgbImage,
    /// What it shows: a position in [`NAMES`], or `NAMES.len()` plus one in [`WORDS`].
    pub class: u16,
}

impl Crop {
    /// Number of classes.
    pub const CLASSES: usize = NAMES.len() + WORDS.len();

    /// Crop number `index` of the endless sequence that `spec` and `seed` describe.
    ///
    /// `None` when `sprites` has nothing in the styles asked for.
    pub fn generate(spec: &CropSpec, sprites: &SpriteSet, seed: u64, index: u64) -> Option<Crop> {
        let mut rng = stream(seed, spec.split, Purpose::Crop, index);
        let size = spec.size.max(8);
        let side = size as f32;
        let (mut image, _) = background::paint(size, sprites.photos(spec.split), &mut rng);
        let (class, tile) = if rng.random_bool(f64::from(spec.words.clamp(0.0, 1.0))) {
            let height = side * rng.random_range(0.3..0.8);
            let widest = side * rng.random_range(0.85..1.0);
            let (word, plate) = build::letter(sprites, spec.split, height, widest, 0.14, &mut rng)?;
            (NAMES.len() as u16 + word, plate.tile)
        } else {
            let name = *sprites.names().choose(&mut rng)?;
            let (_, sprite) = sprites.any_of(&spec.styles, name, &mut rng)?;
            let mut tile = sprite.place(Placement {
                size: side * rng.random_range(0.6..1.05),
                stretch: rng.random_range(0.85..1.18),
                angle: if rng.random_bool(0.6) { rng.random_range(-0.4..0.4) } else { 0.0 },
                flip: rng.random_bool(0.5),
            });
            if rng.random_bool(f64::from(spec.augment.hue.clamp(0.0, 1.0))) {
                tile.rotate_hue(rng.random_range(0.4..std::f32::consts::TAU - 0.4));
            }
            (name, tile)
        };
        // Objects may stick out a little; words may not, for a cut letter is another letter.
        let play = |extent: u32, rng: &mut _| {
            let free = size as i32 - extent as i32;
            let slack = if usize::from(class) < NAMES.len() { size as i32 / 12 } else { 0 };
            let (low, high) = (free.min(0) - slack, free.max(0) + slack);
            RngExt::random_range(rng, low..=high)
        };
        let (x, y) = (play(tile.width, &mut rng), play(tile.height, &mut rng));
        tile.draw(&mut image, x, y);
        augment::disturb(&mut image, &spec.augment, &mut rng);
        Some(Crop { image, class })
    }

    /// The class as text: the object's name or the word.
    pub fn label(class: u16) -> Option<&'static str> {
        let class = usize::from(class);
        match NAMES.get(class) {
            Some(name) => Some(name.name),
            None => WORDS.get(class - NAMES.len()).copied(),
        }
    }
}
