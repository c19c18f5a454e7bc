//! Multi-head and grouped-query attention, with a KV cache.

use burn::{DType, Tensor, activation::softmax};
use quintet_kernels::attention;

use crate::{Linear, Result, Vars, rope::Rotation};

/// Sizes and names of an attention layer.
#[derive(Clone, Debug)]
pub struct AttentionConfig {
    /// Width of the queries' tokens.
    pub dim: usize,
    /// Width of the tokens that keys and values are made from; `dim` unless cross-attending.
    pub source_dim: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; fewer than `heads` for grouped queries (Ainslie et al., 2023).
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Whether query, key and value maps have a bias.
    pub qkv_bias: bool,
    /// Whether the output map has a bias.
    pub out_bias: bool,
    /// Names of the query, key, value and output maps.
    pub names: [&'static str; 4],
}

impl AttentionConfig {
    /// Plain multi-head self-attention with biases, named as CLIP names it.
    pub fn new(dim: usize, heads: usize) -> Self {
        Self {
            dim,
            source_dim: dim,
            heads,
            kv_heads: heads,
            head_dim: dim / heads.max(1),
            qkv_bias: true,
            out_bias: true,
            names: ["q_proj", "k_proj", "v_proj", "out_proj"],
        }
    }
}

/// `softmax(Q Kᵀ / √k + bias) V` over heads (Vaswani et al., 2017, Eq. 1).
#[derive(Clone, Debug)]
pub struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
    kv_heads: usize,
}

impl Attention {
    /// The four maps at `vars`.
    ///
    /// # Errors
    /// If the checkpoint does not match, or the heads do not divide.
    pub fn new(vars: &Vars, config: &AttentionConfig) -> Result<Self> {
        let AttentionConfig { dim, source_dim, heads, kv_heads, head_dim, .. } = *config;
        if kv_heads == 0 || heads % kv_heads != 0 {
            return Err(crate::Error::Config(format!(
                "{heads} query heads cannot share {kv_heads} key/value heads evenly"
            )));
        }
        let [q, k, v, o] = config.names;
        let bias = config.qkv_bias;
        Ok(Self {
            query: Linear::new(&vars.at(q), dim, heads * head_dim, bias)?,
            key: Linear::new(&vars.at(k), source_dim, kv_heads * head_dim, bias)?,
            value: Linear::new(&vars.at(v), source_dim, kv_heads * head_dim, bias)?,
            out: Linear::new(&vars.at(o), heads * head_dim, dim, config.out_bias)?,
            heads,
            kv_heads,
        })
    }

    /// Whether the maps round activations, as those with quantised matrices do.
    pub fn rounds(&self) -> bool {
        self.query.weight().quantised().is_some_and(|weight| weight.rounds())
    }

    /// Self-attention. With a cache, `x` continues the tokens already in it.
    ///
    /// # Shapes
    /// - x: `[b, t, d]`
    /// - bias: `[b or 1, 1, t, s]`, where `s` counts cached tokens too
    /// - output: `[b, t, d]`
    pub fn forward(
        &self,
        x: Tensor<3>,
        bias: Option<&Tensor<4>>,
        rotation: Option<&Rotation>,
        cache: Option<&mut LayerCache>,
    ) -> Tensor<3> {
        let [query, key, value] = Linear::together([&self.query, &self.key, &self.value], x);
        let mut query = split_heads(query, self.heads); // [b, h, t, k]
        let mut key = split_heads(key, self.kv_heads);
        let mut value = split_heads(value, self.kv_heads);
        if let Some(rotation) = rotation {
            query = rotation.apply(query);
            key = rotation.apply(key);
        }
        if let Some(cache) = cache {
            (key, value) = cache.append(key, value);
        }
        self.attend(query, key, value, bias)
    }

    /// What self-attention weighs the values by: `softmax(Q Kᵀ / √k + bias)` of each head, in
    /// `f32`. Rows that the bias hides whole mean nothing.
    ///
    /// # Shapes
    /// - x: `[b, t, d]`
    /// - bias: `[b or 1, 1, t, t]`
    /// - output: `[b, h, t, t]`
    pub fn weights(
        &self,
        x: Tensor<3>,
        bias: Option<&Tensor<4>>,
        rotation: Option<&Rotation>,
    ) -> Tensor<4> {
        let [query, key] = Linear::together([&self.query, &self.key], x);
        let mut query = split_heads(query, self.heads);
        let mut key = split_heads(key, self.kv_heads);
        if let Some(rotation) = rotation {
            query = rotation.apply(query);
            key = rotation.apply(key);
        }
        let [b, h, t, k] = query.dims();
        // Heads that share a key head are rows of one product.
        let query = query.cast(DType::F32).reshape([b, self.kv_heads, h / self.kv_heads * t, k]);
        let scores = query.matmul(key.cast(DType::F32).swap_dims(2, 3)).reshape([b, h, t, t]);
        let scores = scores.div_scalar((k as f64).sqrt());
        let scores = match bias {
            Some(bias) => scores + bias.clone().cast(DType::F32),
            None => scores,
        };
        softmax(scores, 3)
    }

    /// Cross-attention from `x` to `source`.
    ///
    /// # Shapes
    /// - x: `[b, t, d]`
    /// - source: `[b, s, d_source]`
    /// - bias: `[b or 1, 1, t, s]`
    /// - output: `[b, t, d]`
    pub fn cross(&self, x: Tensor<3>, source: Tensor<3>, bias: Option<&Tensor<4>>) -> Tensor<3> {
        let query = split_heads(self.query.forward(x), self.heads);
        let key = split_heads(self.key.forward(source.clone()), self.kv_heads);
        let value = split_heads(self.value.forward(source), self.kv_heads);
        self.attend(query, key, value, bias)
    }

    fn attend(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        bias: Option<&Tensor<4>>,
    ) -> Tensor<3> {
        self.out.forward(attention(query, key, value, bias))
    }
}

/// `[b, t, h·k]` to `[b, h, t, k]`
pub fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [b, t, d] = x.dims();
    x.reshape([b, t, heads, d / heads]).swap_dims(1, 2)
}

/// Keys and values of the tokens seen so far, one entry per layer.
#[derive(Clone, Debug, Default)]
pub struct KvCache {
    /// The layers' caches, first layer first.
    pub layers: Vec<LayerCache>,
}

impl KvCache {
    /// An empty cache for this many layers.
    pub fn new(layers: usize) -> Self {
        Self { layers: vec![LayerCache::default(); layers] }
    }

    /// Tokens held.
    pub fn len(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.len)
    }

    /// Whether nothing was seen yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What one row has seen, for so many rows that go on from there.
    #[must_use]
    pub fn repeated(&self, rows: usize) -> Self {
        let repeat = |layer: &LayerCache| LayerCache {
            buffers: layer.len.gt(&0).then(|| {
                let (keys, values) = layer.all();
                (keys.repeat_dim(0, rows), values.repeat_dim(0, rows))
            }),
            len: layer.len,
        };
        Self { layers: self.layers.iter().map(repeat).collect() }
    }

    /// Forgets all but the first `len` tokens.
    pub fn truncate(&mut self, len: usize) {
        for layer in &mut self.layers {
            layer.len = layer.len.min(len);
        }
    }
}

/// One layer's keys and values, in buffers that grow by doubling.
#[derive(Clone, Debug, Default)]
pub struct LayerCache {
    /// Two buffers `[b, h_kv, capacity, k]`.
    buffers: Option<(Tensor<4>, Tensor<4>)>,
    len: usize,
}

impl LayerCache {
    /// Appends keys and values and gives all of them, `[b, h_kv, s, k]`.
    pub fn append(&mut self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [b, h, t, k] = key.dims();
        let end = self.len + t;
        let grow = |old: Option<Tensor<4>>, new: Tensor<4>| {
            let capacity = old.as_ref().map_or(0, |old| old.dims()[2]);
            let buffer = if end <= capacity {
                old
            } else {
                let room =
                    Tensor::zeros([b, h, (end * 2).max(64), k], (&new.device(), new.dtype()));
                Some(match old {
                    None => room,
                    Some(old) => room.slice_assign([0..b, 0..h, 0..capacity, 0..k], old),
                })
            };
            buffer.map(|buffer| buffer.slice_assign([0..b, 0..h, self.len..end, 0..k], new))
        };
        let (keys, values) = match self.buffers.take() {
            None => (None, None),
            Some((keys, values)) => (Some(keys), Some(values)),
        };
        let buffers = grow(keys, key).zip(grow(values, value));
        self.len = end;
        self.buffers = buffers;
        self.all()
    }

    fn all(&self) -> (Tensor<4>, Tensor<4>) {
        let (keys, values) = self.buffers.clone().expect("append filled the buffers");
        (keys.narrow(2, 0, self.len), values.narrow(2, 0, self.len))
    }
}
