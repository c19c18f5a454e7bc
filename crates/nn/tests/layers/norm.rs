use burn::{DType, Device};
use quintet_nn::{LayerNorm, Params, RmsNorm, Vars};

use crate::{assert_close, numbers, tensor, values};

#[test]
fn norms_are_their_formulas_in_every_number_kind() {
    let vars = Vars::random(0, &Device::flex());
    let layer = LayerNorm::new(&vars.at("layer"), 8, 1e-5).expect("a norm");
    let rms = RmsNorm::new(&vars.at("rms"), 8, 1e-5).expect("a norm");
    let plain = LayerNorm::plain(8, 1e-5);
    let params = vars.finish().expect("parameters");
    for (i, cell) in params.iter().enumerate() {
        Params::assign(cell, numbers(8, i + 5));
    }
    let get = |name: &str| params.get(name).expect("a parameter").to_f32();
    let (weight, bias, gain) = (get("layer.weight"), get("layer.bias"), get("rms.weight"));
    let x = tensor::<2>([3, 8], 1).add_scalar(0.5);
    let (mut centred, mut affine, mut scaled) = (Vec::new(), Vec::new(), Vec::new());
    for row in values(&x).chunks(8) {
        let mean = row.iter().sum::<f32>() / 8.0;
        let deviation = (row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 8.0 + 1e-5).sqrt();
        let rms = (row.iter().map(|x| x * x).sum::<f32>() / 8.0 + 1e-5).sqrt();
        for (i, x) in row.iter().enumerate() {
            centred.push((x - mean) / deviation);
            affine.push((x - mean) / deviation * weight[i] + bias[i]);
            scaled.push(x / rms * gain[i]);
        }
    }
    assert_close(&values(&plain.forward(x.clone())), &centred, 1e-5, "plain LayerNorm");
    assert_close(&values(&layer.forward(x.clone())), &affine, 1e-5, "LayerNorm");
    assert_close(&values(&rms.forward(x.clone())), &scaled, 1e-5, "RMSNorm");
    for (dtype, tolerance) in [(DType::F16, 4e-3), (DType::BF16, 3e-2)] {
        let ours = plain.forward(x.clone().cast(dtype));
        assert_eq!(ours.dtype(), dtype);
        assert_close(&values(&ours), &centred, tolerance, "plain LayerNorm in half precision");
        for cell in params.iter() {
            cell.set(cell.value().cast(dtype));
        }
        let ours = layer.forward(x.clone().cast(dtype));
        assert_close(&values(&ours), &affine, tolerance, "LayerNorm in half precision");
        let ours = rms.forward(x.clone().cast(dtype));
        assert_eq!(ours.dtype(), dtype);
        assert_close(&values(&ours), &scaled, tolerance, "RMSNorm in half precision");
    }
}

/// Squares above 65504 overflow in half precision; the mean is taken in `f32`.
#[test]
fn large_values_survive_in_f16() {
    let x = tensor::<2>([2, 8], 1).mul_scalar(2000.0);
    let half = x.clone().cast(DType::F16);
    let plain = LayerNorm::plain(8, 1e-5);
    assert_close(
        &values(&plain.forward(half)),
        &values(&plain.forward(x)),
        4e-3,
        "LayerNorm of large values",
    );
}
