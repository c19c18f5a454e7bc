//! Golden models and comparisons.

use std::{path::PathBuf, sync::Arc};

use burn::{DType, Device, Tensor};
use quintet_data::{
    image_processor::PixelValues,
    sample::{Media, Message, Part, Role, Sample},
};
use quintet_models::{
    Multimodal, Processor,
    multimodal::{Batch, Row, Side},
};
use quintet_weights::Weights;

pub const TOLERANCE: f32 = 1e-4;

/// The golden models, one for each kind of tower.
pub const MODELS: [&str; 2] = ["clip", "siglip"];

pub fn golden(name: &str) -> PathBuf {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden");
    std::env::var_os("QUINTET_GOLDEN")
        .map_or_else(|| PathBuf::from(committed), PathBuf::from)
        .join("llava")
        .join(name)
}

/// The bundled model.
pub fn mini() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../checkpoints/mini"))
}

/// A model directory.
pub struct Loaded {
    pub model: Multimodal,
    pub processor: Processor,
}

impl Loaded {
    pub fn open(dir: &std::path::Path) -> Self {
        let model = Multimodal::load(dir, &Device::flex(), DType::F32).expect("a model");
        let processor = Processor::load(dir, &model).expect("a processor");
        Self { model, processor }
    }

    /// Scores of every next token, `[b, t, vocab]`.
    pub fn logits(&self, batch: &Batch) -> Tensor<3> {
        let hidden = self.model.hidden(batch, &batch.layout(), None).expect("hidden states");
        self.model.backbone().logits(hidden)
    }
}

/// What the reference computes with a golden model.
pub struct Expected(Weights);

impl Expected {
    pub fn open(name: &str) -> Self {
        let path = golden(name).join("expected.safetensors");
        Self(Weights::open(&path).expect("expected values"))
    }

    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.0.info(name).expect("an expected tensor").shape.clone()
    }

    pub fn values(&self, name: &str) -> Vec<f32> {
        self.0.f32(name).expect("an expected tensor")
    }

    pub fn ids(&self, name: &str) -> Vec<u32> {
        self.values(name).into_iter().map(|id| id as u32).collect()
    }

    /// The rows of a table of ids.
    pub fn table(&self, name: &str) -> Vec<Vec<u32>> {
        let width = self.shape(name)[1];
        self.ids(name).chunks(width).map(<[u32]>::to_vec).collect()
    }

    /// Pictures of equal size.
    pub fn pictures(&self, name: &str) -> Vec<PixelValues> {
        let shape = self.shape(name);
        let (height, width) = (shape[2], shape[3]);
        let picture = |data: &[f32]| PixelValues { data: data.to_vec(), height, width };
        self.values(name).chunks(3 * height * width).map(picture).collect()
    }

    /// The rows without padding, their pictures where the placeholders are.
    pub fn rows(&self, placeholder: u32, features: usize) -> Vec<Row> {
        let mut pictures = self.pictures("pixels").into_iter().map(Arc::new);
        let mut row = |ids: &[u32], mask: &[u32]| {
            let ids: Vec<u32> =
                ids.iter().zip(mask).filter(|(_, real)| **real == 1).map(|(id, _)| *id).collect();
            let places: Vec<usize> = (0..ids.len()).filter(|&i| ids[i] == placeholder).collect();
            let spans = places.chunks(features).map(|span| span[0]..span[0] + features);
            let images = spans.zip(&mut pictures).collect();
            Row { supervised: vec![false; ids.len()], ids, images, segments: None }
        };
        let (ids, masks) = (self.table("ids"), self.table("mask"));
        ids.iter().zip(&masks).map(|(ids, mask)| row(ids, mask)).collect()
    }

    /// The same, padded before the text as the reference's batch is.
    pub fn batch(&self, model: &Multimodal) -> Batch {
        let vision = model.vision().expect("a model that sees");
        let rows = self.rows(vision.config().image_token, vision.image_tokens());
        Batch::new(rows, Side::Left)
    }
}

/// `CONVERSATION` of `golden/llava/make.py`.
pub fn conversation(name: &str) -> Sample {
    let text = |text: &str| Part::Text(text.into());
    let content =
        vec![text("what is in this"), Part::Image, text("and that"), Part::Image, text("?")];
    let picture = |i: usize| Media::File(golden(name).join(format!("picture{i}.png")));
    Sample {
        id: name.into(),
        messages: vec![Message { role: Role::User, content }],
        media: vec![picture(0), picture(1)],
    }
}

pub fn same_prompts(a: &Row, b: &Row) -> bool {
    a.ids == b.ids && a.images == b.images
}

pub fn values<const D: usize>(x: &Tensor<D>) -> Vec<f32> {
    x.clone().into_data().iter::<f32>().collect()
}

/// Largest difference; infinite where one is not finite.
pub fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "shapes differ");
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    apart.map(|d| if d.is_finite() { d } else { f32::INFINITY }).fold(0.0, f32::max)
}
