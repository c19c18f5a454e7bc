//! Encoder warm-up: each patch of a built scene names what it shows, and where and of what colour
//! that is.
//!
//! An encoder that starts from nothing learns to see far faster from a label per patch than from
//! a word per picture. The head is thrown away afterwards.

use std::{collections::BTreeMap, sync::Arc};

use burn::{Int, Tensor, TensorData, activation};
use quintet_data::{
    image_processor::{ImageProcessor, PixelValues},
    scene::{Colour, Crop, Mask, NAMES, Scene, SceneSpec, SpriteSet},
};
use quintet_models::multimodal::{Vision, cross_entropy};
use quintet_nn::Linear;
use rayon::prelude::*;

use crate::{LossParts, Objective, error::BoxError};

/// Where the head's parameters live.
pub const HEAD: &str = "warmup_head";

/// A thing must cover this share of a patch to name it.
const COVER: f32 = 0.12;
/// Weight of patches that show nothing named, of which there are many.
const EMPTY: f32 = 0.3;
/// Offset, in shares of the picture, that counts as one in the box loss.
const BOX_SCALE: f32 = 0.1;

/// Scenes with a label per patch.
pub struct DenseScenes<'a> {
    vision: &'a Vision,
    images: &'a ImageProcessor,
    head: Linear,
    spec: SceneSpec,
    sprites: Arc<SpriteSet>,
    batch: u32,
    accumulate: u32,
    seed: u64,
    /// Patches along a side.
    grid: usize,
}

/// What each patch of a micro-batch shows; `m` patches in all.
#[derive(Default)]
pub struct Labels {
    pixels: Vec<Arc<PixelValues>>,
    /// 0 for nothing, else the class plus 1.
    class: Vec<i32>,
    /// Weight of the patch's class.
    weight: Vec<f32>,
    /// Patches that show the things, and the things' classes, plus 1.
    things: Vec<(Vec<u32>, i32)>,
    /// Whether the centre of a thing lies here.
    centre: Vec<f32>,
    /// Left, top, right, bottom of the thing's box from the patch's centre, `[m, 4]`.
    offsets: Vec<f32>,
    /// Patches that show an object of a known colour, and the colour.
    coloured: Vec<i32>,
    colour: Vec<i32>,
}

impl<'a> DenseScenes<'a> {
    /// Outputs of the head per patch: nothing or a class, a centre, a box, a colour.
    pub const OUTPUTS: usize = 1 + Crop::CLASSES + 1 + 4 + Colour::ALL.len();

    /// Scenes for a model that reads square pictures of the scenes' size.
    pub fn new(
        vision: &'a Vision,
        images: &'a ImageProcessor,
        head: Linear,
        scenes: (SceneSpec, Arc<SpriteSet>),
        [batch, accumulate]: [u32; 2],
        seed: u64,
    ) -> Self {
        let grid = vision.encoder().patch_count().isqrt();
        let (spec, sprites) = scenes;
        Self { vision, images, head, spec, sprites, batch, accumulate, seed, grid }
    }

    fn labels(&self, index: u64) -> Result<Labels, BoxError> {
        let scene = Scene::generate(&self.spec, &self.sprites, self.seed, index);
        let pixels = Arc::new(self.images.process(&scene.image)?);
        let mut labels = Labels { pixels: vec![pixels], ..Labels::default() };
        let size = self.spec.size as f32;
        let patch = size / self.grid as f32;
        let things = things(&scene);
        labels.things = things.iter().map(|t| (Vec::new(), i32::from(t.class) + 1)).collect();
        for row in 0..self.grid {
            for column in 0..self.grid {
                let corner = [column as f32 * patch, row as f32 * patch];
                let (index, _) = things
                    .iter()
                    .map(|thing| thing.cover(corner, patch))
                    .enumerate()
                    .filter(|(_, cover)| *cover >= COVER)
                    .max_by(|a, b| a.1.total_cmp(&b.1))
                    .unzip();
                let best = index.and_then(|index| things.get(index));
                let at = labels.class.len() as i32;
                if let Some((patches, _)) = index.and_then(|index| labels.things.get_mut(index)) {
                    patches.push(at as u32);
                }
                labels.class.push(best.map_or(0, |thing| i32::from(thing.class) + 1));
                labels.weight.push(if best.is_some() { 1.0 } else { EMPTY });
                let holds_centre = |thing: &Thing| {
                    (0..2).all(|axis| {
                        let middle = (thing.bbox[axis] + thing.bbox[axis + 2]) / 2.0;
                        (corner[axis]..corner[axis] + patch).contains(&middle)
                    })
                };
                labels.centre.push(if things.iter().any(holds_centre) { 1.0 } else { 0.0 });
                let bbox = best.map_or([0.0; 4], |thing| thing.bbox);
                labels.offsets.extend(
                    bbox.iter()
                        .enumerate()
                        .map(|(i, edge)| (edge - corner[i % 2] - patch / 2.0) / (size * BOX_SCALE)),
                );
                if let Some(colour) = best.and_then(|thing| thing.colour) {
                    labels.coloured.push(at);
                    labels.colour.push(colour as i32);
                }
            }
        }
        Ok(labels)
    }
}

/// A named thing in a scene.
struct Thing<'a> {
    class: u16,
    bbox: [f32; 4],
    mask: Option<&'a Mask>,
    colour: Option<Colour>,
}

fn things(scene: &Scene) -> Vec<Thing<'_>> {
    let objects = scene.objects.iter().map(|object| Thing {
        class: object.name_id,
        bbox: object.bbox,
        mask: Some(&object.mask),
        colour: object.colour,
    });
    let words = scene.words.iter().map(|word| Thing {
        class: NAMES.len() as u16 + word.word_id,
        bbox: word.bbox,
        mask: None,
        colour: None,
    });
    objects.chain(words).collect()
}

impl Thing<'_> {
    /// Share of the patch at `corner` that it covers.
    fn cover(&self, corner: [f32; 2], patch: f32) -> f32 {
        let overlap = |axis: usize| {
            let end = self.bbox[axis + 2].min(corner[axis] + patch);
            (end - self.bbox[axis].max(corner[axis])).max(0.0)
        };
        let boxed = overlap(0) * overlap(1) / (patch * patch);
        let Some(mask) = self.mask.filter(|_| boxed > 0.0) else { return boxed };
        let range = |axis: usize| corner[axis] as u32..(corner[axis] + patch) as u32;
        let inside = range(1).flat_map(|y| range(0).map(move |x| (x, y)));
        inside.filter(|&(x, y)| mask.contains(x, y)).count() as f32 / (patch * patch)
    }
}

impl Labels {
    fn join(mut self, other: Self) -> Self {
        let before = self.class.len() as i32;
        self.things.extend(other.things.into_iter().map(|(mut patches, class)| {
            patches.iter_mut().for_each(|at| *at += before as u32);
            (patches, class)
        }));
        self.pixels.extend(other.pixels);
        self.class.extend(other.class);
        self.weight.extend(other.weight);
        self.centre.extend(other.centre);
        self.offsets.extend(other.offsets);
        self.coloured.extend(other.coloured.into_iter().map(|at| at + before));
        self.colour.extend(other.colour);
        self
    }
}

impl Objective for DenseScenes<'_> {
    type Batch = Labels;

    fn batch(&self, step: u64, micro: u32) -> Result<Labels, BoxError> {
        let first = (step * u64::from(self.accumulate) + u64::from(micro)) * u64::from(self.batch);
        let scenes = (first..first + u64::from(self.batch))
            .into_par_iter()
            .map(|index| self.labels(index))
            .collect::<Result<Vec<_>, BoxError>>()?;
        Ok(scenes.into_iter().fold(Labels::default(), Labels::join))
    }

    fn loss(&self, labels: Labels) -> Result<LossParts, BoxError> {
        let device = &self.head.weight().tensor().device().without_autodiff();
        let (n, m) = (labels.pixels.len(), labels.class.len());
        let side = labels.pixels.first().map_or(0, |pixels| pixels.width);
        let pixels: Vec<f32> =
            labels.pixels.iter().flat_map(|pixels| pixels.data.iter().copied()).collect();
        let pixels = Tensor::<4>::from_data(TensorData::new(pixels, [n, 3, side, side]), device);
        let features = self.vision.features(pixels); // [n, v, d]
        let [_, v, d] = features.dims();
        if n * v != m {
            return Err(format!("{v} features per picture, labels for {}", m / n.max(1)).into());
        }
        let out = self.head.forward(features.reshape([m, d])); // [m, outputs]
        let classes = 1 + Crop::CLASSES;
        let tensor = |values: Vec<f32>, width: usize| {
            Tensor::<2>::from_data(TensorData::new(values, [m, width]), device)
        };

        let named = names(&out, classes);
        let seen = labels.things.iter().filter(|(patches, _)| !patches.is_empty());
        let things = seen.clone().count().max(1) as f32;
        let right = seen.filter(|(patches, class)| most_said(patches, &named) == *class);
        let things_named = right.count() as f32 / things;
        let shown = labels.class.iter().filter(|&&class| class > 0).count().max(1) as f32;
        let patches = named.iter().zip(&labels.class);
        let patches_named =
            patches.filter(|(name, class)| **class > 0 && name == class).count() as f32 / shown;
        let total: f32 = labels.weight.iter().sum();
        let weight = tensor(labels.weight, 1).squeeze_dim::<1>(1);
        let object: Vec<f32> =
            labels.class.iter().map(|&class| if class > 0 { 1.0 } else { 0.0 }).collect();
        let naming = cross_entropy(out.clone().narrow(1, 0, classes), labels.class);
        let naming = (naming * weight).sum().div_scalar(total);

        // Binary cross-entropy, -log σ(±x); centres are rare, so each counts five times.
        let sign = tensor(labels.centre.iter().map(|on| 2.0 * on - 1.0).collect(), 1);
        let rarity = tensor(labels.centre.iter().map(|on| 1.0 + 4.0 * on).collect(), 1);
        let centre = out.clone().narrow(1, classes, 1) * sign;
        let centre = (activation::log_sigmoid(centre) * rarity).mean().neg();

        let boxes = out.clone().narrow(1, classes + 1, 4) - tensor(labels.offsets, 4);
        let boxes = (boxes.abs() * tensor(object, 1)).sum().div_scalar(4.0 * shown);

        let mut loss = naming + centre + boxes.mul_scalar(0.5);
        if !labels.coloured.is_empty() {
            let count = labels.coloured.len();
            let places = TensorData::new(labels.coloured, [count]);
            let colours = out.narrow(1, classes + 5, Colour::ALL.len());
            let colours = colours.select(0, Tensor::<1, Int>::from_data(places, device));
            loss = loss + cross_entropy(colours, labels.colour).mean().mul_scalar(0.3);
        }
        Ok(LossParts {
            loss,
            weight: n as f64,
            samples: n as u64,
            tokens: m as u64,
            metrics: vec![("patches_named", patches_named), ("things_named", things_named)],
        })
    }
}

/// The class that each patch is given, 0 for nothing.
fn names(out: &Tensor<2>, classes: usize) -> Vec<i32> {
    let named = out.clone().without_autodiff().narrow(1, 0, classes).argmax(1);
    named.into_data().iter::<i32>().collect()
}

/// The class that most of these patches are given; of several the first, and nothing last of all.
fn most_said(patches: &[u32], named: &[i32]) -> i32 {
    let mut votes = BTreeMap::<i32, usize>::new();
    for name in patches.iter().filter_map(|&at| named.get(at as usize)) {
        *votes.entry(*name).or_default() += usize::from(*name > 0);
    }
    votes.into_iter().rev().max_by_key(|(_, count)| *count).map_or(0, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::most_said;

    #[test]
    fn patches_vote_and_empty_ones_do_not() {
        let named = [0, 0, 0, 7, 7, 3, 3, 9];
        assert_eq!(most_said(&[0, 1, 2, 7], &named), 9);
        assert_eq!(most_said(&[3, 4, 5], &named), 7);
        assert_eq!(most_said(&[4, 6], &named), 3);
        assert_eq!(most_said(&[0, 1], &named), 0);
    }
}
