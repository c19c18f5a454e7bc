//! [`DecoderConfig`] from and to the `config.json` of `transformers`.
//!
//! Reads what versions 4 (`rope_theta`, `rope_scaling`) and 5 (`rope_parameters`) write, with the
//! defaults of the configuration classes for what is absent. Writes the version 4 form, which both
//! read.

use quintet_nn::{Activation, RopeScaling};
use serde_json::{Map, Value, json};

use super::config::{DecoderConfig, Family};

/// What the configuration classes of `transformers` assume for absent fields.
struct Defaults {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    layers: usize,
    heads: usize,
    /// `None`: as many as there are query heads.
    kv_heads: Option<usize>,
    max_positions: usize,
    bos: Option<usize>,
    eos: Option<u32>,
    pad: Option<usize>,
    tied: bool,
}

impl Family {
    fn defaults(self) -> Defaults {
        let llama = Defaults {
            vocab_size: 32_000,
            hidden_size: 4096,
            intermediate_size: 11_008,
            layers: 32,
            heads: 32,
            kv_heads: None,
            max_positions: 2048,
            bos: Some(1),
            eos: Some(2),
            pad: None,
            tied: false,
        };
        match self {
            Self::Llama => llama,
            Self::Mistral => Defaults {
                intermediate_size: 14_336,
                kv_heads: Some(8),
                max_positions: 4096 * 32,
                ..llama
            },
            Self::Qwen2 => Defaults {
                vocab_size: 151_936,
                intermediate_size: 22_016,
                kv_heads: Some(32),
                max_positions: 32_768,
                bos: None,
                eos: None,
                ..llama
            },
            Self::Opt => Defaults {
                vocab_size: 50_272,
                hidden_size: 768,
                intermediate_size: 3072,
                layers: 12,
                heads: 12,
                bos: Some(2),
                pad: Some(1),
                tied: true,
                ..llama
            },
        }
    }
}

type Parsed<T> = Result<T, String>;

impl TryFrom<Value> for DecoderConfig {
    type Error = String;

    fn try_from(value: Value) -> Parsed<Self> {
        let fields = Fields(value.as_object().ok_or("expected a JSON object")?);
        let family = fields.family()?;
        let defaults = family.defaults();
        let opt = family == Family::Opt;
        let hidden_size = fields.size("hidden_size", defaults.hidden_size)?;
        let layers = fields.size("num_hidden_layers", defaults.layers)?;
        let heads = fields.size("num_attention_heads", defaults.heads)?;
        let kv_heads = match opt {
            true => None,
            false => fields.optional_size("num_key_value_heads", defaults.kv_heads)?,
        };
        let head_dim = hidden_size.checked_div(heads).unwrap_or(0);
        let max_positions = fields.size("max_position_embeddings", defaults.max_positions)?;
        let (rope_theta, rope_scaling) = fields.rope(max_positions)?;
        let (sliding_window, sliding_layers) = fields.windows(family, layers)?;
        let opt_bias = opt && fields.flag("enable_bias", true)?;
        let llama_bias = |key| Ok::<_, String>(family == Family::Llama && fields.flag(key, false)?);
        let config = Self {
            family,
            vocab_size: fields.size("vocab_size", defaults.vocab_size)?,
            hidden_size,
            intermediate_size: fields.size(
                if opt { "ffn_dim" } else { "intermediate_size" },
                defaults.intermediate_size,
            )?,
            num_hidden_layers: layers,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads.unwrap_or(heads),
            head_dim: match opt {
                true => head_dim,
                false => fields.size("head_dim", head_dim)?,
            },
            hidden_act: match opt {
                true => fields.activation("activation_function", Activation::Relu)?,
                false => fields.activation("hidden_act", Activation::Silu)?,
            },
            max_position_embeddings: max_positions,
            norm_eps: if opt { 1e-5 } else { fields.number("rms_norm_eps")?.unwrap_or(1e-6) },
            tie_word_embeddings: fields.flag("tie_word_embeddings", defaults.tied)?,
            attention_bias: family == Family::Qwen2 || opt_bias || llama_bias("attention_bias")?,
            mlp_bias: opt_bias || llama_bias("mlp_bias")?,
            rope_theta,
            rope_scaling,
            sliding_window,
            sliding_layers,
            word_embed_proj_dim: match opt {
                true => fields.size("word_embed_proj_dim", hidden_size)?,
                false => hidden_size,
            },
            do_layer_norm_before: fields.flag("do_layer_norm_before", true)?,
            remove_final_layer_norm: fields.flag("_remove_final_layer_norm", false)?,
            layer_norm_elementwise_affine: fields.flag("layer_norm_elementwise_affine", true)?,
            bos_token_id: fields.token("bos_token_id", defaults.bos)?,
            eos_token_ids: fields.tokens("eos_token_id", defaults.eos)?,
            pad_token_id: fields.token("pad_token_id", defaults.pad)?,
        };
        config.validate()?;
        Ok(config)
    }
}

/// Typed access to an object's fields. Null counts as absent unless said otherwise.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn family(&self) -> Parsed<Family> {
        let known = Family::ALL.map(Family::model_type).join(", ");
        let name = self
            .get("model_type")
            .and_then(Value::as_str)
            .ok_or_else(|| format!("model_type is missing; the decoder covers {known}"))?;
        Family::ALL.into_iter().find(|family| family.model_type() == name).ok_or_else(|| {
            format!("model_type '{name}' is not one that the decoder covers: {known}")
        })
    }

    fn size(&self, key: &str, default: usize) -> Parsed<usize> {
        Ok(self.optional_size(key, None)?.unwrap_or(default))
    }

    /// Null means none, absent means the default.
    fn optional_size(&self, key: &str, default: Option<usize>) -> Parsed<Option<usize>> {
        match self.0.get(key) {
            None => Ok(default),
            Some(Value::Null) => Ok(None),
            Some(value) => as_size(value)
                .map(Some)
                .ok_or_else(|| format!("{key} is {value}; expected a whole number")),
        }
    }

    fn number(&self, key: &str) -> Parsed<Option<f64>> {
        self.get(key)
            .map(|v| v.as_f64().ok_or_else(|| format!("{key} is {v}; expected a number")))
            .transpose()
    }

    fn flag(&self, key: &str, default: bool) -> Parsed<bool> {
        self.get(key).map_or(Ok(default), |value| {
            value.as_bool().ok_or_else(|| format!("{key} is {value}; expected true or false"))
        })
    }

    fn activation(&self, key: &str, default: Activation) -> Parsed<Activation> {
        self.get(key).map_or(Ok(default), |value| {
            serde_json::from_value(value.clone()).map_err(|error| format!("{key}: {error}"))
        })
    }

    fn token(&self, key: &str, default: Option<usize>) -> Parsed<Option<u32>> {
        self.optional_size(key, default)?
            .map(|id| u32::try_from(id).map_err(|_| format!("{key} {id} is no token id")))
            .transpose()
    }

    /// One token or a list of them.
    fn tokens(&self, key: &str, default: Option<u32>) -> Parsed<Vec<u32>> {
        let one = |value: &Value| {
            let id = as_size(value).and_then(|id| u32::try_from(id).ok());
            id.ok_or_else(|| format!("{key} holds {value}; expected token ids"))
        };
        match self.0.get(key) {
            None => Ok(default.into_iter().collect()),
            Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(one).collect(),
            Some(value) => Ok(vec![one(value)?]),
        }
    }

    /// The base and scaling of the rotary frequencies, from either version's fields.
    fn rope(&self, max_positions: usize) -> Parsed<(f64, RopeScaling)> {
        let found = self.get("rope_scaling").or_else(|| self.get("rope_parameters"));
        let mut rope = match found {
            None => Map::new(),
            Some(Value::Object(rope)) => rope.clone(),
            Some(other) => return Err(format!("rope_scaling is {other}; expected an object")),
        };
        rope.retain(|_, value| !value.is_null());
        if let Some((key, _)) = rope.iter().find(|(_, value)| value.is_object()) {
            return Err(format!(
                "rope_parameters differ by layer ('{key}'), which is not supported"
            ));
        }
        let inner = Fields(&rope);
        let theta = inner.number("rope_theta")?.or(self.number("rope_theta")?).unwrap_or(1e4);
        for place in [&inner, self] {
            if place.number("partial_rotary_factor")?.is_some_and(|factor| factor != 1.0) {
                return Err("partial_rotary_factor other than 1 is not supported".to_owned());
            }
        }
        // The name of the field before transformers 4.43.
        let legacy = rope.get("type").cloned();
        let kind = rope
            .entry("rope_type")
            .or_insert_with(|| legacy.unwrap_or_else(|| json!("default")))
            .clone();
        if kind == "llama3" || kind == "yarn" {
            let key = "original_max_position_embeddings";
            let outer = self.optional_size(key, None)?;
            let original = outer.map_or(rope.get(key).cloned(), |outer| Some(json!(outer)));
            let original = original.unwrap_or_else(|| json!(max_positions));
            let stretch = max_positions as f64 / original.as_f64().unwrap_or(1.0);
            rope.insert(key.to_owned(), original);
            rope.entry("factor").or_insert_with(|| json!(stretch));
        }
        let scaling = serde_json::from_value(Value::Object(rope))
            .map_err(|error| format!("rope_scaling: {error}"))?;
        Ok((theta, scaling))
    }

    /// The sliding window and the layers it holds for.
    fn windows(&self, family: Family, layers: usize) -> Parsed<(Option<usize>, Vec<bool>)> {
        // Checked again with the other sizes; here it bounds the list's length.
        let layers = layers.min(1 << 16);
        let window = match family {
            Family::Llama | Family::Opt => None,
            Family::Mistral => self.optional_size("sliding_window", Some(4096))?,
            Family::Qwen2 if !self.flag("use_sliding_window", false)? => None,
            Family::Qwen2 => self.optional_size("sliding_window", Some(4096))?,
        };
        let types = self.get("layer_types").filter(|_| family == Family::Qwen2);
        if let Some(types) = types {
            let kinds = types.as_array().ok_or("layer_types is no list")?;
            let slides = |kind: &Value| match kind.as_str() {
                Some("full_attention") => Ok(false),
                Some("sliding_attention") => Ok(true),
                _ => Err(format!("layer_types holds {kind}; expected full or sliding_attention")),
            };
            return Ok((window, kinds.iter().map(slides).collect::<Parsed<_>>()?));
        }
        let first = match family {
            Family::Qwen2 => self.size("max_window_layers", 28)?,
            _ => 0,
        };
        Ok((window, (0..layers).map(|layer| window.is_some() && layer >= first).collect()))
    }
}

/// A whole number, which some exporters write with a decimal point.
fn as_size(value: &Value) -> Option<usize> {
    let whole = |x: &f64| *x >= 0.0 && x.fract() == 0.0 && *x < 9e15;
    value
        .as_u64()
        .and_then(|n| usize::try_from(n).ok())
        .or_else(|| value.as_f64().filter(whole).map(|x| x as usize))
}

impl From<DecoderConfig> for Value {
    fn from(config: DecoderConfig) -> Self {
        let eos = match config.eos_token_ids.as_slice() {
            [] => Value::Null,
            [one] => json!(one),
            several => json!(several),
        };
        let mut json = json!({
            "architectures": [config.family.architecture()],
            "model_type": config.family.model_type(),
            "vocab_size": config.vocab_size,
            "hidden_size": config.hidden_size,
            "num_hidden_layers": config.num_hidden_layers,
            "num_attention_heads": config.num_attention_heads,
            "max_position_embeddings": config.max_position_embeddings,
            "tie_word_embeddings": config.tie_word_embeddings,
            "bos_token_id": config.bos_token_id,
            "eos_token_id": eos,
            "pad_token_id": config.pad_token_id,
        });
        let own = match config.family {
            Family::Opt => json!({
                "ffn_dim": config.intermediate_size,
                "activation_function": config.hidden_act,
                "word_embed_proj_dim": config.word_embed_proj_dim,
                "do_layer_norm_before": config.do_layer_norm_before,
                "_remove_final_layer_norm": config.remove_final_layer_norm,
                "layer_norm_elementwise_affine": config.layer_norm_elementwise_affine,
                "enable_bias": config.attention_bias,
            }),
            _ => json!({
                "intermediate_size": config.intermediate_size,
                "hidden_act": config.hidden_act,
                "num_key_value_heads": config.num_key_value_heads,
                "head_dim": config.head_dim,
                "rms_norm_eps": config.norm_eps,
                "rope_theta": config.rope_theta,
                "rope_scaling": rope_scaling(&config.rope_scaling),
            }),
        };
        let windows = match config.family {
            Family::Llama => json!({
                "attention_bias": config.attention_bias,
                "mlp_bias": config.mlp_bias,
            }),
            Family::Mistral => json!({ "sliding_window": config.sliding_window }),
            Family::Qwen2 => {
                let kind = |&slides| if slides { "sliding_attention" } else { "full_attention" };
                json!({
                    "use_sliding_window": config.sliding_window.is_some(),
                    "sliding_window": config.sliding_window,
                    "layer_types": config.sliding_layers.iter().map(kind).collect::<Vec<_>>(),
                })
            }
            Family::Opt => json!({}),
        };
        for part in [own, windows] {
            if let (Value::Object(json), Value::Object(part)) = (&mut json, part) {
                json.extend(part);
            }
        }
        json
    }
}

/// Null for none; `transformers` takes a null inside the object for a value.
fn rope_scaling(scaling: &RopeScaling) -> Value {
    if *scaling == RopeScaling::Default {
        return Value::Null;
    }
    let mut json = json!(scaling);
    if let Value::Object(fields) = &mut json {
        fields.retain(|_, value| !value.is_null());
    }
    json
}
