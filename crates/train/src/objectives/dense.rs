//! Encoder warm-up: each patch of a built scene names what it shows, and where and of what colour
//! that is.
//!
//! An encoder that starts from nothing learns to see far faster from a label per patch than from
//! a word per picture. Trained alone, it is read by a head that is thrown away afterwards. Trained
//! with projector and backbone, it names what a patch shows in the backbone's own vocabulary: the
//! projected features go straight to the backbone's last norm and to the vectors of the tokens that
//! spell the name. So projector and vocabulary learn each other, and the backbone, when its turn
//! comes, finds visual tokens that already lie beside the words for what they show.
//!
//! Where scenes are marked, patches also say which tag is written on them.

use std::{collections::BTreeMap, sync::Arc};

use burn::{Int, Tensor, TensorData, activation};
use quintet_data::{
    Mask,
    image_processor::{ImageProcessor, PixelValues},
    scene::{Colour, Crop, NAMES, Scene, SceneSpec, SpriteSet, tasks::spellings},
    tokenizer::Tokenizer,
};
use quintet_kernels::linear;
use quintet_models::{
    Multimodal,
    multimodal::{PARTS, cross_entropy},
};
use quintet_nn::Linear;
use quintet_som::{
    marks::{Marker, Marks},
    regions::Found,
};
use rayon::prelude::*;

use crate::{LossParts, Objective, error::BoxError};

/// Where the head's parameters live.
pub const HEAD: &str = "warmup_head";

/// A thing must cover this share of a patch to name it.
const COVER: f32 = 0.12;
/// Weight of patches that show nothing named, of which there are many.
const EMPTY: f32 = 0.3;
/// Most tags of a scene that are told apart.
const TAGS: usize = 16;
/// Distance, in shares of the picture, that counts as one in the box loss.
const BOX_SCALE: f32 = 0.1;

/// What scenes are built from.
#[derive(Clone)]
pub struct Built {
    /// How.
    pub spec: SceneSpec,
    /// Drawings.
    pub sprites: Arc<SpriteSet>,
    /// What draws a tag on each object, if they are marked.
    pub marker: Option<Arc<Marker>>,
}

/// Scenes with a label per patch.
pub struct DenseScenes<'a> {
    model: &'a Multimodal,
    images: &'a ImageProcessor,
    head: Linear,
    /// The share of each token in the vector of each class and each tag, `[classes + TAGS,
    /// vocab_size]`; none when the head names them.
    spelling: Option<Tensor<2>>,
    built: Built,
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
    /// Left, top, right, bottom of the thing's box from the centre of patch or picture, `[m, 4]`.
    edges: Vec<f32>,
    /// The number of the tag that is written on each patch, from 1; 0 for none. Empty where scenes
    /// are not marked.
    tag: Vec<i32>,
    /// Patches that show an object of a known colour, and the colour.
    coloured: Vec<i32>,
    colour: Vec<i32>,
}

impl<'a> DenseScenes<'a> {
    /// Scenes for a model that reads square pictures of the scenes' size. Patches are named in the
    /// backbone's vocabulary if [`Self::in_vocabulary`], which needs one token per patch from the
    /// projector.
    ///
    /// `head` has the dimensions of [`Self::head_dims`].
    ///
    /// # Errors
    /// If the model has no encoder, its projector joins patches, or the tokenizer cannot spell a
    /// name.
    pub fn new(
        model: &'a Multimodal,
        (images, tokenizer): (&'a ImageProcessor, &Tokenizer),
        head: Linear,
        built: Built,
        [batch, accumulate]: [u32; 2],
        seed: u64,
    ) -> Result<Self, BoxError> {
        let vision = model.vision().ok_or("an encoder stage needs a model with an encoder")?;
        let patches = vision.encoder().patch_count();
        let spelling = match Self::in_vocabulary(model) {
            false => None,
            true if vision.image_tokens() == patches => Some(spelling(model, tokenizer)?),
            true => {
                return Err(format!(
                    "an encoder stage that trains the backbone needs a projector that gives one \
                     token per patch; this one gives {} for {patches}",
                    vision.image_tokens()
                )
                .into());
            }
        };
        let grid = patches.isqrt();
        Ok(Self { model, images, head, spelling, built, batch, accumulate, seed, grid })
    }

    /// Whether patches are named in the backbone's vocabulary: if that learns.
    pub fn in_vocabulary(model: &Multimodal) -> bool {
        model.backbone().vocabulary_trains()
    }

    /// Width that the head reads, and its outputs per patch: nothing, a centre, a box, a colour,
    /// where scenes are marked, no tag, and where the head names classes and tags, these.
    ///
    /// # Errors
    /// If the model has no encoder.
    pub fn head_dims(model: &Multimodal, marked: bool) -> Result<[usize; 2], BoxError> {
        let vision = model.vision().ok_or("an encoder stage needs a model with an encoder")?;
        let rest = 1 + 1 + 4 + Colour::ALL.len() + usize::from(marked);
        Ok(match Self::in_vocabulary(model) {
            true => [model.text_config().word_embed_proj_dim, rest],
            false => {
                let tags = if marked { TAGS } else { 0 };
                [vision.encoder().width(), rest + Crop::CLASSES + tags]
            }
        })
    }

    /// Whether the loss reaches the model's parameter of this name.
    pub fn reaches(model: &Multimodal, name: &str) -> bool {
        match Self::in_vocabulary(model) {
            true => !name.starts_with(PARTS[2].1) || model.backbone().finishes(name),
            false => name.starts_with(PARTS[0].1),
        }
    }

    fn labels(&self, index: u64) -> Result<Labels, BoxError> {
        let Built { spec, sprites, marker } = &self.built;
        let scene = Scene::generate(spec, sprites, self.seed, index);
        let size = spec.size as f32;
        let patch = size / self.grid as f32;
        let mut labels = Labels::default();
        let image = match marker {
            None => None,
            Some(marker) => match marker.mark(&scene.image, &Found::from(&scene).regions) {
                Ok(marked) => {
                    labels.tag = self.tags(&marked.marks);
                    Some(marked.image)
                }
                // Without room for the labels the scene stays as it is.
                Err(quintet_som::Error::Picture(_)) => {
                    labels.tag = vec![0; self.grid * self.grid];
                    None
                }
                Err(error) => return Err(error.into()),
            },
        };
        let pixels = self.images.process(image.as_ref().unwrap_or(&scene.image))?;
        labels.pixels.push(Arc::new(pixels));
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
                // A patch by itself knows its own surroundings; the backbone needs to know where
                // in the picture.
                let origin = match self.spelling {
                    None => corner.map(|edge| edge + patch / 2.0),
                    Some(_) => [size / 2.0; 2],
                };
                let bbox = best.map_or([0.0; 4], |thing| thing.bbox);
                let edges = bbox.iter().enumerate();
                labels
                    .edges
                    .extend(edges.map(|(i, edge)| (edge - origin[i % 2]) / (size * BOX_SCALE)));
                if let Some(colour) = best.and_then(|thing| thing.colour) {
                    labels.coloured.push(at);
                    labels.colour.push(colour as i32);
                }
            }
        }
        Ok(labels)
    }

    /// The tag whose label covers most of each patch.
    fn tags(&self, marks: &Marks) -> Vec<i32> {
        let patch = self.built.spec.size as f32 / self.grid as f32;
        let labels: Vec<Thing<'_>> = (0..)
            .zip(&marks.marks)
            .take(TAGS)
            .filter_map(|(class, mark)| {
                let bbox = mark.label?.map(|edge| edge as f32);
                Some(Thing { class, bbox, mask: None, colour: None })
            })
            .collect();
        let patches = (0..self.grid * self.grid).map(|at| {
            let corner = [at % self.grid, at / self.grid].map(|i| i as f32 * patch);
            let covers = labels.iter().map(|label| (label.cover(corner, patch), label.class));
            let best = covers.max_by(|a, b| a.0.total_cmp(&b.0));
            best.filter(|(cover, _)| *cover >= COVER).map_or(0, |(_, class)| i32::from(class) + 1)
        });
        patches.collect()
    }
}

/// For each class, and each tag after them, the mean over its spellings of the mean of their tokens,
/// as a matrix over the vocabulary.
fn spelling(model: &Multimodal, tokenizer: &Tokenizer) -> Result<Tensor<2>, BoxError> {
    let vocabulary = model.text_config().vocab_size;
    let classes = (0..Crop::CLASSES).map(|class| spellings(class as u16));
    let tags = (1..=TAGS).map(|tag| vec![tag.to_string(), format!(" {tag}")]);
    let mut shares = vec![0.0_f32; (Crop::CLASSES + TAGS) * vocabulary];
    for (row, spellings) in shares.chunks_exact_mut(vocabulary).zip(classes.chain(tags)) {
        for text in &spellings {
            let ids = tokenizer.encode(text, false)?;
            for &id in &ids {
                let share = row.get_mut(id as usize).ok_or("a token beyond the vocabulary")?;
                *share += 1.0 / (ids.len() * spellings.len()) as f32;
            }
        }
    }
    let device = model.device().clone().without_autodiff();
    let shape = [Crop::CLASSES + TAGS, vocabulary];
    Ok(Tensor::from_data(TensorData::new(shares, shape), &device))
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
        self.edges.extend(other.edges);
        self.tag.extend(other.tag);
        self.coloured.extend(other.coloured.into_iter().map(|at| at + before));
        self.colour.extend(other.colour);
        self
    }
}

impl DenseScenes<'_> {
    /// What the head reads.
    fn see(&self, pixels: Tensor<4>) -> Result<Tensor<3>, BoxError> {
        if self.spelling.is_some() {
            let tokens = self.model.image_features(pixels)?;
            return Ok(self.model.backbone().finish(tokens));
        }
        let vision = self.model.vision().ok_or("an encoder stage needs a model with an encoder")?;
        Ok(vision.features(pixels))
    }

    /// Scores of nothing and of each class, `[m, 1 + classes]`, and of no tag and of each tag,
    /// `[m, 1 + TAGS]`, if scenes are marked.
    fn classes(&self, seen: Tensor<2>, out: &Tensor<2>) -> (Tensor<2>, Option<Tensor<2>>) {
        let marked = self.built.marker.is_some();
        let column = |first: usize, count: usize| out.clone().narrow(1, first, count);
        let (nothing, rest) = (column(0, 1), 6 + Colour::ALL.len());
        let join = |first: Tensor<2>, then: Tensor<2>| Tensor::cat(vec![first, then], 1);
        let Some(spelling) = &self.spelling else {
            let tags = marked.then(|| column(rest + Crop::CLASSES, 1 + TAGS));
            return (join(nothing, column(rest, Crop::CLASSES)), tags);
        };
        let vocabulary = self.model.backbone().vocabulary(); // [vocab, e]
        let vectors = linear(vocabulary.transpose(), spelling.clone(), None); // [e, classes + TAGS]
        let spelled = linear(seen, vectors.transpose(), None);
        let tags =
            marked.then(|| join(column(rest, 1), spelled.clone().narrow(1, Crop::CLASSES, TAGS)));
        (join(nothing, spelled.narrow(1, 0, Crop::CLASSES)), tags)
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
        let seen = self.see(pixels)?; // [n, v, e]
        let [_, v, e] = seen.dims();
        if n * v != m {
            return Err(format!("{v} features per picture, labels for {}", m / n.max(1)).into());
        }
        let seen = seen.reshape([m, e]);
        let out = self.head.forward(seen.clone()); // [m, outputs]
        let (classes, tags) = self.classes(seen, &out);
        let tensor = |values: Vec<f32>, width: usize| {
            Tensor::<2>::from_data(TensorData::new(values, [m, width]), device)
        };

        let named = names(&classes);
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
        let naming = cross_entropy(classes, labels.class);
        let naming = (naming * weight).sum().div_scalar(total);

        // Binary cross-entropy, -log σ(±x); centres are rare, so each counts five times.
        let sign = tensor(labels.centre.iter().map(|on| 2.0 * on - 1.0).collect(), 1);
        let rarity = tensor(labels.centre.iter().map(|on| 1.0 + 4.0 * on).collect(), 1);
        let centre = out.clone().narrow(1, 1, 1) * sign;
        let centre = (activation::log_sigmoid(centre) * rarity).mean().neg();

        let boxes = out.clone().narrow(1, 2, 4) - tensor(labels.edges, 4);
        let boxes = (boxes.abs() * tensor(object, 1)).sum().div_scalar(4.0 * shown);

        let mut loss = naming + centre + boxes.mul_scalar(0.5);
        if !labels.coloured.is_empty() {
            let count = labels.coloured.len();
            let places = TensorData::new(labels.coloured, [count]);
            let colours = out.clone().narrow(1, 6, Colour::ALL.len());
            let colours = colours.select(0, Tensor::<1, Int>::from_data(places, device));
            loss = loss + cross_entropy(colours, labels.colour).mean().mul_scalar(0.3);
        }
        let mut metrics = vec![("patches_named", patches_named), ("things_named", things_named)];
        if let Some(tags) = tags {
            let read = names(&tags);
            let written = |tag: &&i32| **tag > 0;
            let right =
                read.iter().zip(&labels.tag).filter(|(read, tag)| written(tag) && read == tag);
            let count = labels.tag.iter().filter(written).count().max(1) as f32;
            metrics.push(("tags_read", right.count() as f32 / count));
            let weight: Vec<f32> =
                labels.tag.iter().map(|tag| if *tag > 0 { 1.0 } else { EMPTY }).collect();
            let total: f32 = weight.iter().sum();
            let weight = tensor(weight, 1).squeeze_dim::<1>(1);
            loss = loss + (cross_entropy(tags, labels.tag) * weight).sum().div_scalar(total);
        }
        Ok(LossParts { loss, weight: n as f64, samples: n as u64, tokens: m as u64, metrics })
    }
}

/// The class that each patch is given, 0 for nothing.
fn names(classes: &Tensor<2>) -> Vec<i32> {
    let named = classes.clone().without_autodiff().argmax(1);
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
    use quintet_data::scene::Style;
    use quintet_nn::Vars;
    use quintet_som::marks::Options;

    use super::*;
    use crate::job::{ModelSpec, tests::TINY};

    /// The conformance law: what the loss reaches gets a finite gradient that is not zero, and
    /// nothing else gets one.
    fn check_gradients(trained: &[&str], in_vocabulary: bool, marked: bool) {
        let spec: ModelSpec = toml::from_str(TINY).unwrap();
        let (model, processor) = spec.build(3, &burn::Device::flex()).unwrap();
        let images = processor.images.as_ref().unwrap();
        model.params().set_trainable(|name| trained.iter().any(|part| name.starts_with(part)));
        assert_eq!(DenseScenes::in_vocabulary(&model), in_vocabulary);
        let vars = Vars::random(4, model.device());
        let [width, outputs] = DenseScenes::head_dims(&model, marked).unwrap();
        let head = Linear::new(&vars.at(HEAD), width, outputs, true).unwrap();
        let params = vars.finish().unwrap();
        params.set_trainable(|_| true);
        let marker = marked.then(|| Arc::new(Marker::new(Options::default()).unwrap()));
        let built = Built {
            spec: SceneSpec { size: 32, ..SceneSpec::train(&[Style::Noto]) },
            sprites: Arc::new(SpriteSet::bundled().unwrap()),
            marker,
        };
        let reads = (images, &processor.tokenizer);
        let objective = DenseScenes::new(&model, reads, head, built, [4, 1], 5).unwrap();
        let parts = objective.loss(objective.batch(0, 0).unwrap()).unwrap();
        let mut gradients = parts.loss.backward();
        for cell in model.params().iter().chain(params.iter()) {
            let size = cell.take_grad(&mut gradients).map(|g| g.abs().sum().into_scalar::<f32>());
            let name = cell.name();
            let reached = name.starts_with(HEAD)
                || model.takes_part(name)
                    && cell.is_trainable()
                    && DenseScenes::reaches(&model, name);
            assert_eq!(
                size.is_some_and(|size| size.is_finite() && size > 0.0),
                reached,
                "{name}: {size:?}"
            );
        }
    }

    #[test]
    fn an_encoder_alone_learns_by_a_head_of_its_own() {
        check_gradients(&["vision_tower."], false, false);
        check_gradients(&["vision_tower."], false, true);
    }

    #[test]
    fn all_parts_together_learn_in_the_vocabulary() {
        let all = ["vision_tower.", "multi_modal_projector.", "language_model."];
        check_gradients(&all, true, false);
        check_gradients(&all, true, true);
    }

    #[test]
    fn patches_vote_and_empty_ones_do_not() {
        let named = [0, 0, 0, 7, 7, 3, 3, 9];
        assert_eq!(most_said(&[0, 1, 2, 7], &named), 9);
        assert_eq!(most_said(&[3, 4, 5], &named), 7);
        assert_eq!(most_said(&[4, 6], &named), 3);
        assert_eq!(most_said(&[0, 1], &named), 0);
    }
}
