//! Building a scene.

use image::RgbImage;
use rand::{Rng, RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    augment,
    background::{self, Background},
    colour::Colour,
    names::{NAMES, Name},
    plan,
    rng::{Purpose, stream},
    spec::{Augment, SceneSpec},
    sprites::SpriteSet,
    style::{Split, Style},
    text::{Lettering, Plate},
    tile::{Placement, Tile},
    words::WORDS,
};
use crate::Mask;

/// A picture and all that is true of it.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The picture.
    pub image: RgbImage,
    /// The objects, in the order they were laid down.
    pub objects: Vec<Object>,
    /// The written words.
    pub words: Vec<Word>,
    /// What is behind them.
    pub background: Background,
}

/// One object of a scene.
#[derive(Clone, Debug)]
pub struct Object {
    /// Position of its name in [`NAMES`].
    pub name_id: u16,
    /// How it is drawn.
    pub style: Style,
    /// `[x1, y1, x2, y2]` in pixels, tight around what can be seen of it; the pixel column `x2`
    /// and row `y2` lie just outside.
    pub bbox: [f32; 4],
    /// The pixels that can be seen of it.
    pub mask: Mask,
    /// Its colour, when it has one above all others. Told before brightness and contrast change.
    pub colour: Option<Colour>,
}

impl Object {
    /// Its name.
    pub fn name(&self) -> &'static Name {
        NAMES.get(usize::from(self.name_id)).unwrap_or(&NAMES[0])
    }

    /// The middle of its box.
    pub fn centre(&self) -> [f32; 2] {
        let [x1, y1, x2, y2] = self.bbox;
        [(x1 + x2) / 2.0, (y1 + y2) / 2.0]
    }
}

/// One written word of a scene.
#[derive(Clone, Debug)]
pub struct Word {
    /// The word in lower case; it may be written in capitals.
    pub text: &'static str,
    /// Its position in [`WORDS`].
    pub word_id: u16,
    /// `[x1, y1, x2, y2]` in pixels around the letters.
    pub bbox: [f32; 4],
}

/// Least share of an object that must stay visible behind later ones.
const VISIBLE: f32 = 0.8;

/// Positions tried for an object or word before it is left out.
const TRIES: usize = 24;

/// Object sizes are given for this picture size and scale with it.
const REFERENCE: f32 = 160.0;

/// Marks pixels of words in the canvas' map of owners; objects are counted from 0 below it.
const LETTERS: u8 = 254;
const NOBODY: u8 = 255;

impl Scene {
    /// Scene number `index` of the endless sequence that `spec` and `seed` describe.
    ///
    /// The result depends on nothing else: any thread, any order, the same bytes. Styles that
    /// `sprites` lacks are not used.
    pub fn generate(spec: &SceneSpec, sprites: &SpriteSet, seed: u64, index: u64) -> Scene {
        let mut rng = stream(seed, spec.split, Purpose::Scene, index);
        let size = spec.size.max(16);
        let (image, background) = background::paint(size, sprites.photos(spec.split), &mut rng);
        let mut canvas = Canvas {
            image,
            size,
            owners: vec![NOBODY; (size * size) as usize],
            areas: Vec::new(),
            spots: Vec::new(),
        };

        let words = match rng.random::<f32>() {
            _ if spec.crowded => spec.words,
            p if p < 0.5 => 0,
            p if p < 0.88 => 1,
            _ => 2,
        };
        let words = (0..words.min(spec.words))
            .filter_map(|_| canvas.add_word(spec, sprites, &mut rng))
            .collect();

        let known = plan::vocabulary(sprites.names(), spec.vocabulary);
        let names = match spec.crowded {
            true => plan::crowd(&known, spec.objects, spec.names, &mut rng),
            false => plan::draw(&known, spec.objects, &mut rng),
        };
        let [smallest, largest] = spec.sizes;
        // Many objects must be small to find room.
        let room: f32 = match names.len() {
            _ if spec.crowded => largest,
            0..=3 => 72.0,
            4..=5 => 56.0,
            6..=8 => 48.0,
            _ => 44.0,
        };
        let largest = largest.min(room).max(smallest);
        let mut placed = Vec::new();
        for name in names {
            // Where there is no room for a large one there may be for a small one.
            let style = [largest, smallest].into_iter().find_map(|most| {
                canvas.add_object(spec, sprites, name, [smallest, most], &mut rng)
            });
            placed.extend(style.map(|style| (name, style)));
        }
        let objects = (0..).zip(placed).filter_map(|(i, p)| canvas.object(i, p)).collect();

        let mut image = canvas.image;
        augment::disturb(&mut image, &spec.augment, &mut rng);
        Scene { image, objects, words, background }
    }
}

/// A scene while it is built.
struct Canvas {
    image: RgbImage,
    size: u32,
    /// Whose each pixel is.
    owners: Vec<u8>,
    /// For each object: all its pixels, and how many can still be seen.
    areas: Vec<(u32, u32)>,
    /// For each object: where it was laid, `[x1, y1, x2, y2)`.
    spots: Vec<[u32; 4]>,
}

impl Canvas {
    fn add_word(
        &mut self,
        spec: &SceneSpec,
        sprites: &SpriteSet,
        rng: &mut ChaCha8Rng,
    ) -> Option<Word> {
        let scale = self.size as f32 / REFERENCE;
        let height = rng.random_range(14.0..=30.0) * scale;
        let (word_id, plate) =
            letter(sprites, spec.split, height, 0.8 * self.size as f32, 0.14, rng)?;
        let text = WORDS.get(usize::from(word_id)).copied()?;
        let tile = &plate.tile;
        let (x, y) = (0..TRIES).find_map(|_| {
            let (x, y) = self.position(tile, rng)?;
            let free = whole(tile).all(|(dx, dy)| self.owner(x + dx, y + dy) == NOBODY);
            free.then_some((x, y))
        })?;
        for (dx, dy) in whole(tile) {
            self.claim(x + dx, y + dy, LETTERS);
        }
        tile.draw(&mut self.image, x as i32, y as i32);
        let [x1, y1, x2, y2] = plate.letters;
        let (x, y) = (x as f32, y as f32);
        Some(Word { text, word_id, bbox: [x + x1, y + y1, x + x2, y + y2] })
    }

    fn add_object(
        &mut self,
        spec: &SceneSpec,
        sprites: &SpriteSet,
        name: u16,
        [smallest, largest]: [f32; 2],
        rng: &mut ChaCha8Rng,
    ) -> Option<Style> {
        let (style, sprite) = sprites.any_of(&spec.styles, name, rng)?;
        let size = rng.random_range(smallest..=largest) * self.size as f32 / REFERENCE;
        let Augment { hue, saturation, shape, .. } = spec.augment;
        let happens = |chance: f32, rng: &mut ChaCha8Rng| rng.random::<f32>() < chance;
        let (stretch, turn) = match happens(shape, rng) {
            true => (rng.random_range(0.8..1.25), 0.5),
            false => (1.0, 0.35),
        };
        let mut tile = sprite.place(Placement {
            size,
            stretch,
            angle: if rng.random_bool(0.4) { rng.random_range(-turn..turn) } else { 0.0 },
            flip: rng.random_bool(0.5),
        });
        if happens(hue, rng) {
            tile.rotate_hue(rng.random_range(0.7..std::f32::consts::TAU - 0.7));
        }
        if happens(saturation, rng) {
            tile.saturate(rng.random_range(0.2..1.6));
        }
        let solid: Vec<_> = tile.solid().collect();
        if solid.is_empty() {
            return None;
        }
        let (x, y) = (0..TRIES).find_map(|attempt| {
            let (x, y) = self.position(&tile, rng)?;
            // Overlap is allowed only when a free place is hard to find.
            let spot = [x, y, x + tile.width, y + tile.height];
            let apart = self.spots.iter().all(|other| disjoint(spot, *other));
            let fits = (apart || attempt >= TRIES / 2) && self.fits(&solid, x, y, apart);
            fits.then_some((x, y))
        })?;
        let id = u8::try_from(self.areas.len()).ok().filter(|id| *id < LETTERS)?;
        for (dx, dy) in &solid {
            let under = self.owner(x + dx, y + dy);
            if let Some((_, seen)) = self.areas.get_mut(usize::from(under)) {
                *seen -= 1;
            }
            self.claim(x + dx, y + dy, id);
        }
        self.areas.push((solid.len() as u32, solid.len() as u32));
        self.spots.push([x, y, x + tile.width, y + tile.height]);
        tile.draw(&mut self.image, x as i32, y as i32);
        Some(style)
    }

    /// What can be seen of an object once everything is in place.
    fn object(&self, id: u8, (name_id, style): (u16, Style)) -> Option<Object> {
        let spot = *self.spots.get(usize::from(id))?;
        let mask = Mask::collect(spot, |x, y| self.owner(x, y) == id)?;
        let colour = Colour::dominant(mask.pixels().map(|(x, y)| self.image.get_pixel(x, y).0));
        let bbox = mask.bbox().map(|v| v as f32);
        Some(Object { name_id, style, bbox, mask, colour })
    }

    /// Whether an object may lie here: no word is covered, and enough stays visible of others.
    fn fits(&self, solid: &[(u32, u32)], x: u32, y: u32, apart: bool) -> bool {
        let mut hidden = [0u32; 16];
        for (dx, dy) in solid {
            match self.owner(x + dx, y + dy) {
                NOBODY => {}
                LETTERS => return false,
                other => match hidden.get_mut(usize::from(other)) {
                    Some(count) => *count += 1,
                    None => return false,
                },
            }
        }
        apart
            || self.areas.iter().zip(hidden).all(|((whole, seen), hidden)| {
                seen.saturating_sub(hidden) as f32 >= VISIBLE * *whole as f32
            })
    }

    /// A random position at which the tile lies within the picture.
    fn position(&self, tile: &Tile, rng: &mut impl Rng) -> Option<(u32, u32)> {
        let free_x = self.size.checked_sub(tile.width)?;
        let free_y = self.size.checked_sub(tile.height)?;
        Some((rng.random_range(0..=free_x), rng.random_range(0..=free_y)))
    }

    fn owner(&self, x: u32, y: u32) -> u8 {
        self.owners.get((y * self.size + x) as usize).copied().unwrap_or(NOBODY)
    }

    fn claim(&mut self, x: u32, y: u32, owner: u8) {
        if let Some(pixel) = self.owners.get_mut((y * self.size + x) as usize) {
            *pixel = owner;
        }
    }
}

/// Draws a random word at most `widest` pixels wide, with letters about `height` pixels high.
pub(super) fn letter(
    sprites: &SpriteSet,
    split: Split,
    height: f32,
    widest: f32,
    tilt: f32,
    rng: &mut impl Rng,
) -> Option<(u16, Plate)> {
    let face = sprites.faces(split).choose(rng)?;
    let word_id = u16::try_from(rng.random_range(0..WORDS.len())).ok()?;
    let word = WORDS.get(usize::from(word_id))?;
    let text = if rng.random_bool(0.4) { word.to_uppercase() } else { (*word).to_owned() };
    // Ascenders and descenders together take about nine tenths of the em.
    let em = (height / 0.9).min(widest / (face.width(&text) + 0.6));
    let [light, dark] = [rng.random_range(185..=255u8), rng.random_range(0..=70u8)];
    let shade = |grey: u8, rng: &mut _| -> [u8; 3] {
        std::array::from_fn(|_| grey.saturating_add_signed(RngExt::random_range(rng, -25..=25i8)))
    };
    let (ink, ground) = if rng.random_bool(0.5) { (dark, light) } else { (light, dark) };
    let lettering = Lettering {
        em,
        ink: shade(ink, rng),
        ground: shade(ground, rng),
        plate: rng.random_bool(0.65),
        angle: if rng.random_bool(0.4) { rng.random_range(-tilt..tilt) } else { 0.0 },
    };
    Plate::draw(face, &text, lettering).map(|plate| (word_id, plate))
}

fn whole(tile: &Tile) -> impl Iterator<Item = (u32, u32)> {
    let (width, height) = (tile.width, tile.height);
    (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)))
}

fn disjoint(a: [u32; 4], b: [u32; 4]) -> bool {
    a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1]
}
