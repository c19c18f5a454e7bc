use burn::{DType, Device, Tensor, TensorData};
use quintet_nn::{
    Attention, AttentionConfig, KvCache, Params, Rows, Vars, attention_bias, mask::Visibility,
};

use crate::{assert_close, numbers, tensor, values};

fn config(heads: usize, kv_heads: usize) -> AttentionConfig {
    AttentionConfig { kv_heads, ..AttentionConfig::new(8, heads) }
}

fn layer(config: &AttentionConfig) -> (Attention, Params) {
    let vars = Vars::random(1, &Device::flex());
    let layer = Attention::new(&vars, config).expect("a layer");
    let params = vars.finish().expect("parameters");
    for (i, cell) in params.iter().enumerate() {
        Params::assign(cell, numbers(cell.len(), i + 1));
    }
    (layer, params)
}

fn causal(t: usize) -> Option<Tensor<4>> {
    attention_bias(Visibility::CAUSAL, None, t, t, DType::F32, &Device::flex())
}

/// Weights `[out, in]` and bias of a map, in `f64`.
struct Map(Vec<f64>, Vec<f64>);

impl Map {
    fn of(params: &Params, name: &str) -> Self {
        let get = |part: &str| {
            let cell = params.get(&format!("{name}.{part}")).expect("parameter");
            cell.to_f32().into_iter().map(f64::from).collect()
        };
        Self(get("weight"), get("bias"))
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let row = |out: usize| {
            let weights = &self.0[out * x.len()..(out + 1) * x.len()];
            self.1[out] + weights.iter().zip(x).map(|(w, x)| w * x).sum::<f64>()
        };
        (0..self.1.len()).map(row).collect()
    }
}

/// Attention over one row as the formula says, one head and query at a time, in `f64`.
fn by_the_formula(params: &Params, config: &AttentionConfig, x: &[f32], causal: bool) -> Vec<f64> {
    let [q, k, v, o] = config.names.map(|name| Map::of(params, name));
    let tokens: Vec<Vec<f64>> =
        x.chunks(config.dim).map(|t| t.iter().map(|&x| f64::from(x)).collect()).collect();
    let apply = |map: &Map| tokens.iter().map(|t| map.apply(t)).collect::<Vec<_>>();
    let (queries, keys, values) = (apply(&q), apply(&k), apply(&v));
    let width = config.head_dim;
    let mut out = Vec::new();
    for (t, query) in queries.iter().enumerate() {
        let mut joined = Vec::new();
        for head in 0..config.heads {
            let shared = head / (config.heads / config.kv_heads) * width;
            let seen = if causal { t + 1 } else { tokens.len() };
            let query = &query[head * width..(head + 1) * width];
            let score = |key: &Vec<f64>| {
                let dot: f64 = query.iter().zip(&key[shared..]).map(|(q, k)| q * k).sum();
                (dot / (width as f64).sqrt()).exp()
            };
            let scores: Vec<f64> = keys[..seen].iter().map(score).collect();
            let total: f64 = scores.iter().sum();
            joined.extend((0..width).map(|i| {
                scores.iter().zip(&values).map(|(s, v)| s / total * v[shared + i]).sum::<f64>()
            }));
        }
        out.extend(o.apply(&joined));
    }
    out
}

fn as_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

#[test]
fn attention_is_the_formula() {
    for (heads, kv_heads) in [(1, 1), (2, 2), (4, 2), (4, 1)] {
        let config = config(heads, kv_heads);
        let (layer, params) = layer(&config);
        let x = tensor([1, 5, 8], 3);
        for (is_causal, bias) in [(true, causal(5)), (false, None)] {
            let ours = values(&layer.forward(x.clone(), bias.as_ref(), None, None));
            let theirs = by_the_formula(&params, &config, &values(&x), is_causal);
            let what = format!("{heads} heads, {kv_heads} kv heads, causal {is_causal}");
            assert_close(&ours, &as_f32(&theirs), 2e-5, &what);
        }
    }
}

#[test]
fn long_rows_take_the_same_formula() {
    // Above a number of scores the backend computes softmax in tiles.
    let (layer, params) = layer(&config(2, 1));
    let t = 600;
    let x = tensor([1, t, 8], 3);
    let ours = values(&layer.forward(x.clone(), causal(t).as_ref(), None, None));
    let theirs = by_the_formula(&params, &config(2, 1), &values(&x), true);
    assert_close(&ours, &as_f32(&theirs), 5e-5, "600 tokens");
}

#[test]
fn cross_attention_to_itself_is_bidirectional_self_attention() {
    let (layer, _) = layer(&config(4, 2));
    let x = tensor([2, 5, 8], 3);
    let own = values(&layer.forward(x.clone(), None, None, None));
    assert_close(&values(&layer.cross(x.clone(), x, None)), &own, 1e-6, "cross");
}

/// Every parameter's gradient and the input's, against central differences of the formula in
/// `f64`, at which rounding is no matter.
#[test]
fn gradients_are_the_slopes() {
    let config = config(4, 2);
    let (layer, params) = layer(&config);
    let weights = numbers(3 * 8, 9);
    let x = tensor::<3>([1, 3, 8], 3);
    params.set_trainable(|_| true);
    let input = x.clone().autodiff().require_grad();
    let out = layer.forward(input.clone(), causal(3).as_ref(), None, None);
    let weighted = Tensor::from_data(TensorData::new(weights.clone(), [1, 3, 8]), &Device::flex());
    let mut grads = (out * weighted).sum().backward();
    let input_grad = values(&input.grad(&grads).expect("the input's gradient"));
    let analytic: Vec<Vec<f32>> = params
        .iter()
        .map(|cell| values(&cell.take_grad(&mut grads).expect("a gradient")))
        .collect();

    let x = values(&x);
    let loss = |x: &[f32]| -> f64 {
        let out = by_the_formula(&params, &config, x, true);
        out.iter().zip(&weights).map(|(y, &w)| y * f64::from(w)).sum()
    };
    // A power of two, so that the steps are exact in f32.
    let step = 1.0 / 256.0;
    let slope = |plus: f64, minus: f64| ((plus - minus) / f64::from(2.0 * step)) as f32;
    let numeric: Vec<f32> = (0..x.len())
        .map(|i| {
            let moved = |by: f32| {
                let mut x = x.clone();
                x[i] += by;
                loss(&x)
            };
            slope(moved(step), moved(-step))
        })
        .collect();
    assert_close(&input_grad, &numeric, 2e-3, "input");
    for (cell, analytic) in params.iter().zip(&analytic) {
        let original = cell.to_f32();
        let numeric: Vec<f32> = (0..original.len())
            .map(|i| {
                let moved = |by: f32| {
                    let mut values = original.clone();
                    values[i] += by;
                    Params::assign(cell, values);
                    loss(&x)
                };
                slope(moved(step), moved(-step))
            })
            .collect();
        Params::assign(cell, original);
        assert_close(analytic, &numeric, 2e-3, cell.name());
    }
}

#[test]
fn the_cache_grows_and_keeps_what_it_held() {
    let mut cache = KvCache::new(1);
    assert!(cache.is_empty());
    let (mut keys, mut values_seen) = (Vec::new(), Vec::new());
    // Past the first capacity of 64, in steps of several sizes.
    for (step, t) in [1, 3, 60, 1, 70, 1, 200].into_iter().enumerate() {
        let (key, value) = (tensor::<4>([2, 2, t, 4], step), tensor::<4>([2, 2, t, 4], step + 50));
        keys.push(key.clone());
        values_seen.push(value.clone());
        let (all_keys, all_values) = cache.layers[0].append(key, value);
        let expected = Tensor::cat(keys.clone(), 2);
        assert_eq!(all_keys.dims(), expected.dims());
        assert_eq!(values(&all_keys), values(&expected));
        assert_eq!(values(&all_values), values(&Tensor::cat(values_seen.clone(), 2)));
        assert_eq!(cache.len(), expected.dims()[2]);
    }
    cache.truncate(5);
    let (key, value) = (tensor::<4>([2, 2, 1, 4], 90), tensor::<4>([2, 2, 1, 4], 91));
    let (all, _) = cache.layers[0].append(key.clone(), value);
    let expected = Tensor::cat(vec![Tensor::cat(keys, 2).narrow(2, 0, 5), key], 2);
    assert_eq!(values(&all), values(&expected));
}

#[test]
fn a_clone_of_a_cache_goes_its_own_way() {
    let mut cache = KvCache::new(1);
    cache.layers[0].append(tensor([1, 1, 2, 4], 0), tensor([1, 1, 2, 4], 1));
    let mut other = cache.clone();
    let (ours, _) = cache.layers[0].append(tensor([1, 1, 1, 4], 2), tensor([1, 1, 1, 4], 2));
    let (theirs, _) = other.layers[0].append(tensor([1, 1, 1, 4], 3), tensor([1, 1, 1, 4], 3));
    let (ours_again, _) = cache.layers[0].append(tensor([1, 1, 1, 4], 4), tensor([1, 1, 1, 4], 4));
    assert_eq!(values(&ours), values(&ours_again.narrow(2, 0, 3)));
    assert_ne!(values(&ours), values(&theirs));
}

#[test]
fn a_query_that_sees_nothing_stays_finite() {
    let (layer, params) = layer(&config(2, 2));
    params.set_trainable(|_| true);
    let rows = Rows::left_padded(&[2, 0], 4);
    let bias = attention_bias(Visibility::CAUSAL, Some(&rows), 4, 4, DType::F32, &Device::flex());
    let out = layer.forward(tensor([2, 4, 8], 3), bias.as_ref(), None, None);
    assert!(values(&out).iter().all(|x| x.is_finite()));
    let mut grads = out.square().sum().backward();
    for cell in params.iter() {
        let grad = values(&cell.take_grad(&mut grads).expect("a gradient"));
        assert!(grad.iter().all(|x| x.is_finite()), "{}", cell.name());
    }
}

#[test]
fn heads_that_do_not_divide_are_refused() {
    let vars = Vars::random(0, &Device::flex());
    for kv_heads in [0, 3] {
        let error = Attention::new(&vars, &config(4, kv_heads)).expect_err("refused").to_string();
        assert!(error.contains(&format!("4 query heads cannot share {kv_heads}")), "{error}");
    }
}
