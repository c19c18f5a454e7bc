//! `step MODEL_DIR forward|train BATCH TOKENS`, as `bench/ours/src/bin/step.rs`: a LLaMA of candle's
//! differentiable operations (its fused ones have no backward pass).

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{
    Embedding, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap, embedding,
    linear_no_bias, loss::cross_entropy, ops::softmax, rotary_emb::rope_slow,
};
use candle_peer::{ids, serve};

struct Norm(Tensor);

impl Norm {
    fn new(d: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self(vb.get(d, "weight")?))
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let size = (x.sqr()?.mean_keepdim(D::Minus1)? + 1e-6)?.sqrt()?;
        x.broadcast_div(&size)?.broadcast_mul(&self.0)
    }
}

struct Block {
    norms: [Norm; 2],
    maps: [Linear; 7],
    heads: usize,
}

impl Block {
    fn new(d: usize, ffn: usize, heads: usize, vb: VarBuilder) -> Result<Self> {
        let norms =
            [Norm::new(d, vb.pp("input_layernorm"))?, Norm::new(d, vb.pp("post_attention_layernorm"))?];
        let (attn, mlp) = (vb.pp("self_attn"), vb.pp("mlp"));
        let maps = [
            linear_no_bias(d, d, attn.pp("q_proj"))?,
            linear_no_bias(d, d, attn.pp("k_proj"))?,
            linear_no_bias(d, d, attn.pp("v_proj"))?,
            linear_no_bias(d, d, attn.pp("o_proj"))?,
            linear_no_bias(d, ffn, mlp.pp("gate_proj"))?,
            linear_no_bias(d, ffn, mlp.pp("up_proj"))?,
            linear_no_bias(ffn, d, mlp.pp("down_proj"))?,
        ];
        Ok(Self { norms, maps, heads })
    }

    fn forward(&self, x: &Tensor, cos: &Tensor, sin: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let [q, k, v, o, gate, up, down] = &self.maps;
        let (b, t, d) = x.dims3()?;
        let h = self.norms[0].forward(x)?;
        let heads = |map: &Linear| {
            map.forward(&h)?.reshape((b, t, self.heads, d / self.heads))?.transpose(1, 2)?.contiguous()
        };
        let (q, k, v) = (heads(q)?, heads(k)?, heads(v)?);
        let (q, k) = (rope_slow(&q, cos, sin)?, rope_slow(&k, cos, sin)?);
        let scale = 1.0 / ((d / self.heads) as f64).sqrt();
        let scores = (q.matmul(&k.t()?.contiguous()?)? * scale)?.broadcast_add(mask)?;
        let out = softmax(&scores, D::Minus1)?.matmul(&v)?.transpose(1, 2)?.reshape((b, t, d))?;
        let x = (x + o.forward(&out)?)?;
        let h = self.norms[1].forward(&x)?;
        let h = (gate.forward(&h)?.silu()? * up.forward(&h)?)?;
        x + down.forward(&h)?
    }
}

struct Llama {
    embed: Embedding,
    blocks: Vec<Block>,
    norm: Norm,
    head: Linear,
    head_dim: usize,
}

impl Llama {
    fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let t = ids.dim(1)?;
        let device = ids.device();
        let half = self.head_dim / 2;
        let angles: Vec<f32> = (0..t)
            .flat_map(|at| (0..half).map(move |i| (at, i)))
            .map(|(at, i)| at as f32 / 10000f32.powf(i as f32 / half as f32))
            .collect();
        let angles = Tensor::from_vec(angles, (t, half), device)?;
        let (cos, sin) = (angles.cos()?, angles.sin()?);
        let mask: Vec<f32> = (0..t * t)
            .map(|i| if i % t > i / t { f32::NEG_INFINITY } else { 0.0 })
            .collect();
        let mask = Tensor::from_vec(mask, (t, t), device)?;
        let mut x = self.embed.forward(ids)?;
        for block in &self.blocks {
            x = block.forward(&x, &cos, &sin, &mask)?;
        }
        self.head.forward(&self.norm.forward(&x)?)
    }
}

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, mode, batch, tokens] = args.as_slice() else {
        anyhow::bail!("usage: step MODEL_DIR forward|train BATCH TOKENS");
    };
    let (batch, tokens): (usize, usize) = (batch.parse()?, tokens.parse()?);
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(format!("{dir}/config.json"))?)?;
    let size = |key: &str| config[key].as_u64().map(|n| n as usize).ok_or(anyhow::anyhow!("{key}"));
    let (d, ffn, heads) =
        (size("hidden_size")?, size("intermediate_size")?, size("num_attention_heads")?);
    let (layers, vocabulary) = (size("num_hidden_layers")?, size("vocab_size")?);
    let device = Device::Cpu;
    let mut vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &device);
    let inner = vb.pp("model");
    let model = Llama {
        embed: embedding(vocabulary, d, inner.pp("embed_tokens"))?,
        blocks: (0..layers)
            .map(|i| Block::new(d, ffn, heads, inner.pp("layers").pp(i)))
            .collect::<Result<_>>()?,
        norm: Norm::new(d, inner.pp("norm"))?,
        head: linear_no_bias(d, vocabulary, vb.pp("lm_head"))?,
        head_dim: d / heads,
    };
    vars.load(format!("{dir}/model.safetensors"))?;
    let ids = Tensor::from_vec(ids(batch, tokens, vocabulary).concat(), (batch, tokens), &device)?;
    let inputs = ids.narrow(1, 0, tokens - 1)?.contiguous()?;
    let targets = ids.narrow(1, 1, tokens - 1)?.contiguous()?.flatten_all()?;
    match mode.as_str() {
        "forward" => serve(|| {
            let mean = model.forward(&ids)?.mean_all()?.to_scalar::<f32>()?;
            Ok(vec![f64::from(mean)])
        }),
        "train" => {
            let params = ParamsAdamW { lr: 1e-4, weight_decay: 0.01, ..ParamsAdamW::default() };
            let mut optimiser = candle_nn::AdamW::new(vars.all_vars(), params)?;
            serve(|| {
                let logits = model.forward(&inputs)?.flatten_to(1)?;
                let loss = cross_entropy(&logits, &targets)?;
                optimiser.backward_step(&loss)?;
                Ok(vec![f64::from(loss.to_scalar::<f32>()?)])
            })
        }
        other => anyhow::bail!("{other:?} is neither forward nor train"),
    }
}
