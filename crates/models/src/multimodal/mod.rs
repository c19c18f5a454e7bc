//! The model that joins the voices: features are projected and spliced into the text at the
//! placeholders, and the backbone reads the whole (survey, §2, Eq. 1–3).

mod adapter;
mod batch;
mod config;
mod load;

use burn::{DType, Device, Int, Tensor, TensorData};
use quintet_nn::{KvCache, Layout, Params, Vars, in_dtype};

pub use batch::{Batch, Image, Row, Side};
pub use config::MultimodalConfig;

use crate::{
    Error, Result,
    backbones::{Decoder, DecoderConfig},
    encoders::{Encoder, Stage},
    input_projectors::InputProjector,
};

/// The parts of a model and the prefix of their parameters' names, as training stages call them.
pub const PARTS: [(&str, &str); 3] = [
    ("encoder", "vision_tower."),
    ("projector", "multi_modal_projector."),
    ("backbone", "language_model."),
];

/// A backbone, and the voices before it if it has any.
#[derive(Debug)]
pub struct Multimodal {
    vision: Option<Vision>,
    backbone: Decoder,
    params: Params,
    device: Device,
}

/// The voices of sight: an encoder, a projector, and which features go from one to the other.
#[derive(Debug)]
pub struct Vision {
    config: MultimodalConfig,
    encoder: Encoder,
    projector: InputProjector,
    image_tokens: usize,
}

impl Multimodal {
    /// The model at `vars`, under the names of `LlavaForConditionalGeneration` checkpoints.
    ///
    /// # Errors
    /// If the parts do not fit each other or the checkpoint.
    pub fn new(vars: &Vars, config: &MultimodalConfig) -> Result<Self> {
        config.validate()?;
        let [encoder, projector, backbone] =
            PARTS.map(|(_, prefix)| vars.at(prefix.trim_end_matches('.')));
        let encoder = Encoder::new(&encoder, &config.vision)?;
        let projector = InputProjector::new(&projector, &config.projector)?;
        let backbone = Decoder::new(&backbone, &config.text)?;
        let meets = |what: &str, from: usize, to: usize| match from == to {
            true => Ok(()),
            false => Err(Error::Request(format!("{what}: widths {from} and {to} do not meet"))),
        };
        meets("encoder and projector", encoder.width(), projector.input_dim())?;
        meets("projector and backbone", projector.output_dim(), config.text.hidden_size)?;
        encoder.feature_stage(config.feature_layer)?;
        let image_tokens = projector.token_count(encoder.token_count(config.select))?;
        let config = config.clone();
        Ok(Self {
            vision: Some(Vision { config, encoder, projector, image_tokens }),
            backbone,
            params: vars.finish()?,
            device: vars.device().clone(),
        })
    }

    /// A backbone that only reads text.
    pub fn text_only(backbone: Decoder, params: Params, device: &Device) -> Self {
        Self { vision: None, backbone, params, device: device.clone() }
    }

    /// The voices of sight.
    pub fn vision(&self) -> Option<&Vision> {
        self.vision.as_ref()
    }

    /// The LLM backbone.
    pub fn backbone(&self) -> &Decoder {
        &self.backbone
    }

    /// What the backbone was built from.
    pub fn text_config(&self) -> &DecoderConfig {
        self.backbone.config()
    }

    /// All parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// All parameters, to add adapters to.
    pub fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    /// The device of the parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether the parameter influences the text; others get no gradient.
    pub fn takes_part(&self, name: &str) -> bool {
        match &self.vision {
            Some(vision) if name.starts_with(PARTS[0].1) => vision.takes_part(name),
            _ => true,
        }
    }

    /// Projected features of pictures, `P_X = Θ(ME(I_X))`.
    ///
    /// # Shapes
    /// - pixels: `[n, c, h, w]`
    /// - output: `[n, v', d]`
    ///
    /// # Errors
    /// If the model has no encoder.
    pub fn image_features(&self, pixels: Tensor<4>) -> Result<Tensor<3>> {
        let vision = self.vision.as_ref().ok_or_else(|| {
            Error::Request("this model only reads text; choose one with an encoder".into())
        })?;
        Ok(vision.projector.forward(vision.features(pixels)))
    }

    /// Embeddings of a batch with the pictures' features in place of their placeholders.
    ///
    /// # Shapes
    /// - output: `[b, t, d]`
    ///
    /// # Errors
    /// If there are pictures and the model has no encoder, or a picture has another number of
    /// placeholders than features.
    pub fn embed(&self, batch: &Batch) -> Result<Tensor<3>> {
        let (b, t) = batch.size();
        let ids = TensorData::new(batch.padded_ids(), [b, t]);
        let text = self.backbone.embed(Tensor::<2, Int>::from_data(ids, &self.device)); // [b, t, d]
        if batch.images.is_empty() {
            return Ok(text);
        }
        let pixels = batch.pixels(&self.device, text.dtype())?;
        let features = in_dtype(self.image_features(pixels)?, text.dtype()); // [n, v', d]
        let [n, v, d] = features.dims();
        // One table of text and feature vectors, and for each token the place it takes its own
        // from: a single gather, whose gradient is a single scatter.
        let mut places: Vec<i32> = (0..(b * t) as i32).collect();
        for (i, image) in batch.images.iter().enumerate() {
            if image.tokens.len() != v {
                return Err(Error::Request(format!(
                    "picture {i} has {} placeholder tokens, but {v} features",
                    image.tokens.len()
                )));
            }
            for (offset, token) in image.tokens.clone().enumerate() {
                places[image.row * t + token] = (b * t + i * v + offset) as i32;
            }
        }
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [b * t]), &self.device);
        let table = vec![text.reshape([b * t, d]), features.reshape([n * v, d])];
        Ok(Tensor::cat(table, 0).select(0, places).reshape([b, t, d]))
    }

    /// Hidden states after the last norm. With a cache, the batch continues the tokens in it and
    /// `layout` describes all of them.
    ///
    /// # Shapes
    /// - output: `[b, t, d]`
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub fn hidden(
        &self,
        batch: &Batch,
        layout: &Layout,
        cache: Option<&mut KvCache>,
    ) -> Result<Tensor<3>> {
        Ok(self.backbone.forward_laid_out(self.embed(batch)?, layout, cache))
    }

    /// Mean next-token cross-entropy over the supervised tokens (Eq. 2), and their number.
    ///
    /// Logits are computed at supervised positions only.
    ///
    /// # Errors
    /// If nothing is supervised, or as [`embed`](Self::embed).
    pub fn loss(&self, batch: &Batch) -> Result<(Tensor<1>, usize)> {
        let (positions, targets) = batch.targets();
        let count = targets.len();
        let hidden = self.hidden_at(batch, positions)?;
        Ok((self.backbone.mean_cross_entropy(hidden, targets), count))
    }

    /// For each row of a batch padded on the right, the sum of the log-probabilities of its supervised
    /// tokens, and their number.
    ///
    /// # Errors
    /// As [`loss`](Self::loss).
    pub fn log_likelihoods(&self, batch: &Batch) -> Result<Vec<(f64, usize)>> {
        let (b, t) = batch.size();
        let (positions, targets) = batch.targets();
        let rows: Vec<usize> = positions.iter().map(|&position| position as usize / t).collect();
        let hidden = self.hidden_at(batch, positions)?;
        let losses = cross_entropy(self.backbone.logits(hidden), targets).into_data();
        let mut sums = vec![(0.0, 0); b];
        for (row, loss) in rows.into_iter().zip(losses.iter::<f64>()) {
            sums[row].0 -= loss;
            sums[row].1 += 1;
        }
        Ok(sums)
    }

    /// Hidden states at flat positions in `[b·t]`, `[m, d]`.
    fn hidden_at(&self, batch: &Batch, positions: Vec<i32>) -> Result<Tensor<2>> {
        let ((b, t), count) = (batch.size(), positions.len());
        if count == 0 {
            return Err(Error::Request("a batch without supervised tokens".into()));
        }
        let hidden = self.hidden(batch, &batch.layout(), None)?;
        let d = hidden.dims()[2];
        let positions =
            Tensor::<1, Int>::from_data(TensorData::new(positions, [count]), &self.device);
        Ok(hidden.reshape([b * t, d]).select(0, positions))
    }
}

impl Vision {
    /// What the model was built from.
    pub fn config(&self) -> &MultimodalConfig {
        &self.config
    }

    /// The modality encoder.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Tokens that one picture's placeholder expands to.
    pub fn image_tokens(&self) -> usize {
        self.image_tokens
    }

    /// The encoder's features that the projector reads, `F_X = ME(I_X)`.
    ///
    /// # Shapes
    /// - pixels: `[n, c, h, w]`
    /// - output: `[n, v, d_enc]`
    pub fn features(&self, pixels: Tensor<4>) -> Tensor<3> {
        self.encoder.features(pixels, self.config.feature_layer, self.config.select)
    }

    fn takes_part(&self, name: &str) -> bool {
        let stage = self.encoder.feature_stage(self.config.feature_layer).unwrap_or(Stage::Last);
        self.encoder.takes_part(name, stage)
    }
}

/// `-log softmax(logits)[target]` of each row.
///
/// # Shapes
/// - logits: `[m, classes]`
/// - targets: `m`
/// - output: `[m]`
pub fn cross_entropy(logits: Tensor<2>, targets: Vec<i32>) -> Tensor<1> {
    let (device, m) = (logits.device().without_autodiff(), targets.len());
    let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [m, 1]), &device);
    let chances = burn::activation::log_softmax(logits.cast(DType::F32), 1);
    chances.gather(1, targets).squeeze_dim::<1>(1).neg()
}
