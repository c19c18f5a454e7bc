//! The decoder: one architecture with switches, which all presets are settings of.

use std::path::Path;

use burn::{DType, Device, Int, Tensor, TensorData};
use quintet_kernels::{mean_cross_entropy, mixed_precision};
use quintet_nn::{
    Checkpoint, Embedding, KvCache, Layout, Linear, Params, Rope, Rows, Vars, attention_bias,
    mask::Visibility, rope::Rotation,
};

use super::{
    block::{Block, Norm},
    config::{DecoderConfig, OPT_POSITION_OFFSET},
    gguf::GgufCheckpoint,
};
use crate::{Result, multimodal::cross_entropy};

/// Tokens from which on products of quantised matrices go by panels.
const MANY: usize = 16;

#[derive(Debug)]
enum Positions {
    Rotary(Rope),
    Learned(Embedding),
}

/// A decoder-only language model: the backbone of a quintet.
///
/// Agrees with `LlamaForCausalLM`, `MistralForCausalLM`, `Qwen2ForCausalLM` and `OPTForCausalLM`
/// of `transformers`.
#[derive(Debug)]
pub struct Decoder {
    config: DecoderConfig,
    embed_tokens: Embedding,
    positions: Positions,
    /// OPT's maps between token width and hidden width.
    projections: Option<(Linear, Linear)>,
    layers: Vec<Block>,
    norm: Option<Norm>,
    lm_head: Linear,
}

impl Decoder {
    /// The decoder at `vars`, under the names of Hugging Face checkpoints
    /// (`model.layers.0.self_attn.q_proj`, …, `lm_head`).
    ///
    /// # Errors
    /// If the configuration is impossible or the checkpoint does not match it.
    pub fn new(vars: &Vars, config: &DecoderConfig) -> Result<Self> {
        config.validate().map_err(quintet_nn::Error::Config)?;
        let inner = if config.is_opt() { vars.at("model").at("decoder") } else { vars.at("model") };
        let (d, narrow) = (config.hidden_size, config.word_embed_proj_dim);
        let embed_tokens = Embedding::new(&inner.at("embed_tokens"), config.vocab_size, narrow)?;
        let positions = if config.is_opt() {
            let rows = config.max_position_embeddings + OPT_POSITION_OFFSET;
            Positions::Learned(Embedding::new(&inner.at("embed_positions"), rows, d)?)
        } else {
            Positions::Rotary(Rope::new(
                config.head_dim,
                config.rope_theta,
                config.max_position_embeddings,
                config.rope_scaling.clone(),
            ))
        };
        let projections = if narrow == d {
            None
        } else {
            let into = Linear::new(&inner.at("project_in"), narrow, d, false)?;
            Some((into, Linear::new(&inner.at("project_out"), d, narrow, false)?))
        };
        let layers = (0..config.num_hidden_layers)
            .map(|layer| Block::new(&inner.at("layers").at(layer), config, layer))
            .collect::<quintet_nn::Result<_>>()?;
        let norm = match config.is_opt() {
            _ if !config.final_norm() => None,
            true => Some(Norm::new(&inner.at("final_layer_norm"), config)?),
            false => Some(Norm::new(&inner.at("norm"), config)?),
        };
        let lm_head = match config.tie_word_embeddings {
            true => Linear::from_params(embed_tokens.weight().clone(), None),
            false => Linear::new(&vars.at("lm_head"), narrow, config.vocab_size, false)?,
        };
        let config = config.clone();
        Ok(Self { config, embed_tokens, positions, projections, layers, norm, lm_head })
    }

    /// Loads a plain language model: a directory with `config.json` and weights, a GGUF file, or
    /// a directory that holds one.
    ///
    /// # Errors
    /// If a file is missing or unreadable, or the weights do not fit the configuration.
    pub fn load(path: &Path, device: &Device, dtype: DType) -> Result<(Self, Params)> {
        let json = path.join("config.json");
        let (vars, config) = if json.is_file() {
            let config = DecoderConfig::load(&json)?;
            let source = Checkpoint::open(path, |name| config.parameter_name(name))?;
            (Vars::load(source, device, dtype), config)
        } else {
            let source = GgufCheckpoint::open(path)?;
            let config = source.config().clone();
            (Vars::load(source, device, dtype), config)
        };
        let decoder = Self::new(&vars, &config)?;
        Ok((decoder, vars.finish()?))
    }

    /// What it was built from.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// An empty cache with a place for each layer.
    pub fn new_cache(&self) -> KvCache {
        KvCache::new(self.layers.len())
    }

    /// The tokens' embeddings.
    ///
    /// # Shapes
    /// - ids: `[b, t]`, each below `vocab_size`
    /// - output: `[b, t, e]`, where `e` is `word_embed_proj_dim` (all but OPT-350m: `d`)
    pub fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.embed_tokens.forward(ids)
    }

    /// Hidden states after the last norm. With a cache, `embeds` continue the tokens in it.
    ///
    /// `rows` describe all tokens, those in the cache included; a token's position counts from
    /// the start of its row.
    ///
    /// # Shapes
    /// - embeds and output: `[b, t, e]`
    ///
    /// # Panics
    /// If `rows` or the cache belong to another batch size, or a text is longer than
    /// [`DecoderConfig::position_limit`].
    pub fn forward(
        &self,
        embeds: Tensor<3>,
        rows: Option<&Rows>,
        cache: Option<&mut KvCache>,
    ) -> Tensor<3> {
        self.run(embeds, rows.cloned().map(Layout::Rows).as_ref(), cache, |_| {})
    }

    /// As [`forward`](Self::forward), for any layout.
    ///
    /// # Shapes
    /// - embeds and output: `[b, t, e]`
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_laid_out(
        &self,
        embeds: Tensor<3>,
        layout: &Layout,
        cache: Option<&mut KvCache>,
    ) -> Tensor<3> {
        self.run(embeds, Some(layout), cache, |_| {})
    }

    /// As [`forward`](Self::forward), also giving what each layer reads: `num_hidden_layers + 1`
    /// tensors, the last of which is the output, as `output_hidden_states` of `transformers`.
    ///
    /// # Shapes
    /// - embeds: `[b, t, e]`
    /// - output: `[b, t, d]` each, the last `[b, t, e]`
    pub fn forward_hidden(
        &self,
        embeds: Tensor<3>,
        rows: Option<&Rows>,
        cache: Option<&mut KvCache>,
    ) -> Vec<Tensor<3>> {
        let mut states = Vec::with_capacity(self.layers.len() + 1);
        let layout = rows.cloned().map(Layout::Rows);
        let last = self.run(embeds, layout.as_ref(), cache, |reads| states.push(reads.x.clone()));
        states.push(last);
        states
    }

    /// What each head attends to, layer by layer, as `output_attentions` of `transformers`. `see`
    /// receives a layer's number and its weights.
    ///
    /// # Shapes
    /// - embeds: `[b, t, e]`
    /// - weights: `[b, h, t, t]`, in `f32`; rows of padding mean nothing
    pub fn attentions(
        &self,
        embeds: Tensor<3>,
        rows: Option<&Rows>,
        mut see: impl FnMut(usize, Tensor<4>),
    ) {
        let layout = rows.cloned().map(Layout::Rows);
        self.run(embeds, layout.as_ref(), None, |Reads { number, layer, x, bias, rotation }| {
            see(number, layer.attention_weights(x.clone(), bias, rotation));
        });
    }

    /// What the layers write, as [`logits`](Self::logits) reads it. Applied to what some layer
    /// reads, or to embeddings, it shows what they would say as they stand (the "logit lens").
    ///
    /// # Shapes
    /// - x: `[b, t, d]`
    /// - output: `[b, t, e]`
    pub fn finish(&self, x: Tensor<3>) -> Tensor<3> {
        let x = match &self.norm {
            None => x,
            Some(norm) => norm.forward(x),
        };
        match &self.projections {
            None => x,
            Some((_, out)) => out.forward(x),
        }
    }

    /// The vocabulary's vectors, `[vocab_size, e]`.
    pub fn vocabulary(&self) -> Tensor<2> {
        self.lm_head.weight().tensor()
    }

    /// Whether the vocabulary's vectors train.
    pub fn vocabulary_trains(&self) -> bool {
        self.lm_head.weight().cell().is_trainable()
    }

    /// Whether [`finish`](Self::finish) or [`vocabulary`](Self::vocabulary) reads the parameter
    /// of this full name.
    pub fn finishes(&self, name: &str) -> bool {
        name == self.lm_head.weight().cell().name()
            || !name.contains(".layers.")
                && (name.contains("norm.") || name.contains("project_out"))
    }

    /// Scores of each token of the vocabulary.
    ///
    /// # Shapes
    /// - hidden: `[.., e]`
    /// - output: `[.., vocab_size]`
    pub fn logits<const D: usize>(&self, hidden: Tensor<D>) -> Tensor<D> {
        self.lm_head.forward(hidden)
    }

    /// The mean cross-entropy of the vocabulary's scores, of which only some are held at a time.
    ///
    /// # Shapes
    /// - hidden: `[m, e]`
    /// - targets: `m`, each below `vocab_size`
    /// - output: `[1]`
    pub fn mean_cross_entropy(&self, hidden: Tensor<2>, targets: Vec<i32>) -> Tensor<1> {
        match self.lm_head.bare() {
            Some(weight) => mean_cross_entropy(hidden, weight, targets),
            None => cross_entropy(self.logits(hidden), targets).mean(),
        }
    }

    /// Whether [`mean_cross_entropy`](Self::mean_cross_entropy) goes without the scores of all rows at a
    /// time.
    pub fn fuses_loss(&self) -> bool {
        self.lm_head.is_bare()
    }

    fn run(
        &self,
        embeds: Tensor<3>,
        layout: Option<&Layout>,
        mut cache: Option<&mut KvCache>,
        mut before_layer: impl FnMut(Reads<'_>),
    ) -> Tensor<3> {
        let [b, t, _] = embeds.dims();
        if let Some(layout) = layout {
            assert_eq!(layout.batch(), b, "the layout is of another batch size");
        }
        let past = cache.as_ref().map_or(0, |cache| cache.len());
        let mut x = match &self.projections {
            None => embeds,
            Some((into, _)) => into.forward(embeds),
        }; // [b, t, d]
        let positions =
            layout.map_or_else(|| vec![(past..past + t).collect()], |l| l.positions(past, t));
        let rotation = self.rotation(&positions, &x);
        if let Positions::Learned(table) = &self.positions {
            x = x.clone() + table.forward(self.position_ids(&positions, &x));
        }
        let masks = Masks::new(&self.layers, layout, t, past + t, &x);
        let through_layers = || {
            for (i, layer) in self.layers.iter().enumerate() {
                let (bias, rotation) = (masks.of(layer), rotation.as_ref());
                before_layer(Reads { number: i, layer, x: &x, bias, rotation });
                let cache = cache.as_deref_mut().and_then(|cache| cache.layers.get_mut(i));
                x = layer.forward(x, bias, rotation, cache);
            }
            x
        };
        // Where the maps round their operands, attention may too; for few tokens it is not worth it.
        let rounds = t >= MANY && self.layers.iter().any(Block::rounds);
        let x = if rounds { mixed_precision(through_layers) } else { through_layers() };
        self.finish(x)
    }

    fn rotation(&self, positions: &[Vec<usize>], x: &Tensor<3>) -> Option<Rotation> {
        match &self.positions {
            Positions::Rotary(rope) => Some(rope.at(positions, x.dtype(), &x.device())),
            Positions::Learned(_) => None,
        }
    }

    /// Rows of the position table, `[b or 1, t]`.
    fn position_ids(&self, positions: &[Vec<usize>], x: &Tensor<3>) -> Tensor<2, Int> {
        let limit = self.config.max_position_embeddings;
        let ids: Vec<i32> = positions
            .iter()
            .flatten()
            .map(|&position| {
                assert!(position < limit, "position {position} in a decoder that has {limit}");
                (position + OPT_POSITION_OFFSET) as i32
            })
            .collect();
        let shape = [positions.len(), ids.len() / positions.len()];
        Tensor::from_data(TensorData::new(ids, shape), &x.device())
    }
}

/// What a layer is about to read.
struct Reads<'a> {
    number: usize,
    layer: &'a Block,
    x: &'a Tensor<3>,
    bias: Option<&'a Tensor<4>>,
    rotation: Option<&'a Rotation>,
}

/// The masks of one forward pass: one for each window that some layer has.
struct Masks(Vec<(Option<usize>, Option<Tensor<4>>)>);

impl Masks {
    fn new(layers: &[Block], layout: Option<&Layout>, t: usize, s: usize, x: &Tensor<3>) -> Self {
        let mut masks: Vec<(Option<usize>, _)> = Vec::new();
        for window in layers.iter().map(|layer| layer.window) {
            if masks.iter().all(|(known, _)| *known != window) {
                let visibility = Visibility { causal: true, window };
                let bias = match layout {
                    Some(layout) => layout.bias(visibility, t, s, x.dtype(), &x.device()),
                    None => attention_bias(visibility, None, t, s, x.dtype(), &x.device()),
                };
                masks.push((window, bias));
            }
        }
        Self(masks)
    }

    fn of(&self, layer: &Block) -> Option<&Tensor<4>> {
        self.0.iter().find(|(window, _)| *window == layer.window)?.1.as_ref()
    }
}
