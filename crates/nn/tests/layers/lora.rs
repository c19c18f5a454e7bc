use burn::Device;
use quintet_nn::{Adapters, Linear, LoraConfig, Params, Vars};

use crate::{assert_close, numbers, tensor, values};

#[test]
fn an_adapted_map_is_equation_3_and_so_is_the_merged_one() {
    let vars = Vars::random(0, &Device::flex());
    let linear = Linear::new(&vars.at("map"), 6, 4, true).expect("a map");
    let mut params = vars.finish().expect("parameters");
    let config = LoraConfig { rank: 3, alpha: 6.0 };
    let adapters = Adapters::attach(&mut params, config, 0, |_| true).expect("attached");
    for (i, cell) in params.iter().enumerate() {
        Params::assign(cell, numbers(cell.len(), i));
    }
    let get = |name: &str| params.get(name).expect("a parameter").to_f32();
    let (weight, bias) = (get("map.weight"), get("map.bias"));
    let (down, up) = (get("map.lora_A.weight"), get("map.lora_B.weight"));
    let x = tensor::<2>([2, 6], 9);
    let mut expected = Vec::new();
    for x in values(&x).chunks(6) {
        let dot = |row: &[f32]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
        let low: Vec<f32> = down.chunks(6).map(dot).collect();
        for out in 0..4 {
            let update: f32 = up[out * 3..][..3].iter().zip(&low).map(|(b, a)| b * a).sum();
            expected.push(dot(&weight[out * 6..][..6]) + bias[out] + 2.0 * update);
        }
    }
    assert_close(&values(&linear.forward(x.clone())), &expected, 1e-5, "adapted");
    adapters.merge(&mut params);
    assert_close(&values(&linear.forward(x)), &expected, 1e-5, "merged");
    assert_eq!(params.count(), 6 * 4 + 4);
}
