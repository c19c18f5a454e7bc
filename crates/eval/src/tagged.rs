//! Telling pictures with tags from others (*List Items One by One*, §3.2): a linear probe on a
//! model's frozen encoder. With it one finds the pictures of a dataset that carry marks already.

use std::{collections::BTreeMap, path::Path};

use burn::Tensor;
use image::RgbImage;
use quintet_models::{Multimodal, Processor};
use quintet_weights::{SaveDType, Weights, save_safetensors};
use rayon::prelude::*;
use serde::Serialize;

use crate::{Error, Result, metrics::Accuracy};

/// Pictures that the encoder sees at a time.
const BATCH: usize = 16;

/// Weight of `|w|² / 2` beside the mean loss.
const RIDGE: f32 = 1e-2;

/// Steps of the descent; the loss then changes in the fifth digit.
const STEPS: usize = 500;

/// What a picture is judged by: the mean and the largest of each feature over the encoder's tokens.
///
/// # Shapes
/// - output: a vector of `2 d_enc` for each picture
///
/// # Errors
/// If the model does not see, or a picture has no pixels.
pub fn features(
    model: &Multimodal,
    processor: &Processor,
    pictures: &[RgbImage],
) -> Result<Vec<Vec<f32>>> {
    let vision = model.vision();
    let vision = vision.ok_or_else(|| Error::Settings("the model only reads text".into()))?;
    let mut rows = Vec::with_capacity(pictures.len());
    for pictures in pictures.chunks(BATCH) {
        let pixels = pictures.par_iter().map(|picture| processor.pixels(picture, model.device()));
        for pixels in pixels.collect::<Vec<_>>() {
            let tokens = vision.features(pixels?); // [1, v, d]
            let pooled = Tensor::cat(vec![tokens.clone().mean_dim(1), tokens.max_dim(1)], 2);
            rows.push(
                pooled.into_data().convert::<f32>().try_into_vec::<f32>().map_err(|error| {
                    Error::Settings(format!("features are no numbers: {error:?}"))
                })?,
            );
        }
    }
    Ok(rows)
}

/// A logistic regression on [`features`]: the chance that a picture carries tags.
#[derive(Clone, Debug, PartialEq)]
pub struct TagProbe {
    /// Of each feature: what is taken off, what it is divided by, and its weight.
    mean: Vec<f32>,
    spread: Vec<f32>,
    weight: Vec<f32>,
    bias: f32,
}

/// How well a probe tells pictures apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TagScores {
    /// Pictures.
    pub n: usize,
    /// Told rightly, at even chances.
    pub accuracy: f64,
    /// The chance that a picture with tags scores above one without: the area under the ROC curve.
    pub auc: f64,
}

impl TagProbe {
    /// Fits to pictures with tags (`true`) and without, by accelerated descent (Nesterov, 1983) on
    /// the mean log-loss with a ridge.
    ///
    /// # Errors
    /// If one of the two kinds is missing, or vectors have other lengths.
    pub fn fit(features: &[Vec<f32>], tagged: &[bool]) -> Result<Self> {
        let refuse = |reason: &str| Err(Error::Settings(reason.into()));
        let width = features.first().map_or(0, Vec::len);
        if features.len() != tagged.len() || features.iter().any(|row| row.len() != width) {
            return refuse("a probe wants one vector and one label for each picture");
        }
        if !tagged.contains(&true) || !tagged.contains(&false) {
            return refuse("a probe wants pictures with tags and pictures without");
        }
        let count = features.len() as f32;
        let column = |j: usize| features.iter().map(move |row| row[j]);
        let mean: Vec<f32> = (0..width).map(|j| column(j).sum::<f32>() / count).collect();
        let spread: Vec<f32> = (0..width)
            .map(|j| {
                let variance = column(j).map(|x| (x - mean[j]).powi(2)).sum::<f32>() / count;
                variance.sqrt().max(1e-6)
            })
            .collect();
        let mut probe = Self { mean, spread, weight: vec![0.0; width], bias: 0.0 };
        let rows: Vec<Vec<f32>> = features.iter().map(|row| probe.standard(row)).collect();
        // The loss curves at most by a quarter of the largest eigenvalue of the rows' covariance.
        let step = 1.0 / (0.25 * (largest_eigenvalue(&rows) + 1.0) + RIDGE);
        let (mut ahead, mut ahead_bias) = (probe.weight.clone(), 0.0);
        for k in 0..STEPS {
            let (slope, bias_slope) = slope(&rows, tagged, &ahead, ahead_bias);
            let momentum = k as f32 / (k + 3) as f32;
            for (j, (ahead, weight)) in ahead.iter_mut().zip(&mut probe.weight).enumerate() {
                let next = *ahead - step * (slope[j] + RIDGE * *ahead);
                *ahead = next + momentum * (next - *weight);
                *weight = next;
            }
            let next = ahead_bias - step * bias_slope;
            ahead_bias = next + momentum * (next - probe.bias);
            probe.bias = next;
        }
        Ok(probe)
    }

    /// The chance that a picture with these features carries tags.
    pub fn chance(&self, features: &[f32]) -> f32 {
        sigmoid(dot(&self.standard(features), &self.weight) + self.bias)
    }

    /// How well it tells apart pictures that it was not fitted to.
    ///
    /// # Errors
    /// If one of the two kinds is missing.
    pub fn measure(&self, features: &[Vec<f32>], tagged: &[bool]) -> Result<TagScores> {
        if !tagged.contains(&true) || !tagged.contains(&false) {
            return Err(Error::Settings(
                "too few pictures: none with tags, or none without, is left to measure with".into(),
            ));
        }
        let mut scored: Vec<(f32, bool)> =
            features.iter().map(|row| self.chance(row)).zip(tagged.iter().copied()).collect();
        let mut accuracy = Accuracy::default();
        scored.iter().for_each(|(chance, tagged)| accuracy.add((*chance > 0.5) == *tagged));
        scored.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(TagScores { n: scored.len(), accuracy: accuracy.value(), auc: area(&scored) })
    }

    /// Writes it, with the name of the model whose features it reads.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path, model: &str) -> Result<()> {
        let width = [self.weight.len()];
        let tensors = [
            ("mean", width, self.mean.clone()),
            ("spread", width, self.spread.clone()),
            ("weight", width, self.weight.clone()),
            ("bias", [1], vec![self.bias]),
        ];
        let metadata = BTreeMap::from([(MODEL.to_owned(), model.to_owned())]);
        Ok(save_safetensors(path, tensors, SaveDType::F32, &metadata)?)
    }

    /// Reads what [`TagProbe::save`] wrote: the probe and the model's name.
    ///
    /// # Errors
    /// If the file cannot be read or holds no probe.
    pub fn open(path: &Path) -> Result<(Self, String)> {
        let bad = |reason: &str| Error::File { path: path.to_owned(), reason: reason.into() };
        let weights = Weights::open(path)?;
        let model = weights.metadata().get(MODEL).and_then(|value| value.as_str());
        let model = model.ok_or_else(|| bad("it does not say which model it belongs to"))?;
        let probe = Self {
            mean: weights.f32("mean")?,
            spread: weights.f32("spread")?,
            weight: weights.f32("weight")?,
            bias: *weights.f32("bias")?.first().ok_or_else(|| bad("it has no bias"))?,
        };
        let width = probe.weight.len();
        if width == 0 || probe.mean.len() != width || probe.spread.len() != width {
            return Err(bad("\"mean\", \"spread\" and \"weight\" have other lengths"));
        }
        Ok((probe, model.to_owned()))
    }

    /// The number of features that it reads.
    pub fn width(&self) -> usize {
        self.weight.len()
    }

    fn standard(&self, row: &[f32]) -> Vec<f32> {
        let scale = self.mean.iter().zip(&self.spread);
        row.iter().zip(scale).map(|(x, (mean, spread))| (x - mean) / spread).collect()
    }
}

/// Name of the model in the file of a probe.
const MODEL: &str = "model";

/// The mean log-loss's slope: of the weights, and of the bias.
fn slope(rows: &[Vec<f32>], tagged: &[bool], weight: &[f32], bias: f32) -> (Vec<f32>, f32) {
    let mut slope = vec![0.0; weight.len()];
    let mut bias_slope = 0.0;
    for (row, &tagged) in rows.iter().zip(tagged) {
        let error =
            (sigmoid(dot(row, weight) + bias) - f32::from(u8::from(tagged))) / rows.len() as f32;
        slope.iter_mut().zip(row).for_each(|(slope, x)| *slope += error * x);
        bias_slope += error;
    }
    (slope, bias_slope)
}

/// Of the mean of `x xᵀ`, by power iteration; at least the true one after a margin.
fn largest_eigenvalue(rows: &[Vec<f32>]) -> f32 {
    let mut vector = rows.first().cloned().unwrap_or_default();
    let mut value = 1.0;
    for _ in 0..30 {
        let norm = dot(&vector, &vector).sqrt().max(1e-20);
        vector.iter_mut().for_each(|x| *x /= norm);
        let mut next = vec![0.0; vector.len()];
        for row in rows {
            let share = dot(row, &vector) / rows.len() as f32;
            next.iter_mut().zip(row).for_each(|(next, x)| *next += share * x);
        }
        value = dot(&next, &vector);
        vector = next;
    }
    1.1 * value
}

/// The area under the ROC curve, from chances in rising order; equal ones count half.
fn area(scored: &[(f32, bool)]) -> f64 {
    let (mut below, mut pairs) = (0.0, 0.0);
    for equal in scored.chunk_by(|a, b| a.0 == b.0) {
        let with = equal.iter().filter(|(_, tagged)| *tagged).count() as f64;
        let without = equal.len() as f64 - with;
        pairs += with * (below + without / 2.0);
        below += without;
    }
    let with = scored.len() as f64 - below;
    pairs / (with * below)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Vectors of which only the second feature tells the two kinds apart, by `gap` of its spread.
    fn pictures(count: usize, gap: f32) -> (Vec<Vec<f32>>, Vec<bool>) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut normal = || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        let tagged: Vec<bool> = (0..count).map(|i| i % 3 == 0).collect();
        let row = |tagged: &bool| {
            let shift = if *tagged { gap } else { 0.0 };
            vec![5.0 * normal(), 100.0 + 3.0 * (normal() + shift), 2.0]
        };
        (tagged.iter().map(row).collect(), tagged)
    }

    #[test]
    fn the_telling_feature_is_found() {
        let (features, tagged) = pictures(600, 4.0);
        let probe = TagProbe::fit(&features[..300], &tagged[..300]).unwrap();
        let scores = probe.measure(&features[300..], &tagged[300..]).unwrap();
        assert!(scores.accuracy > 0.93 && scores.auc > 0.99, "{scores:?}");
        let [first, second, constant] = probe.weight[..] else { panic!("three weights") };
        assert!(second > 1.0 && first.abs() < 0.2 && constant == 0.0, "{probe:?}");
        // The slope is gone: where it stands is the lowest point.
        let rows: Vec<_> = features[..300].iter().map(|row| probe.standard(row)).collect();
        let (slope, bias) = slope(&rows, &tagged[..300], &probe.weight, probe.bias);
        for (slope, weight) in slope.iter().zip(&probe.weight) {
            assert!((slope + RIDGE * weight).abs() < 1e-4, "{slope}");
        }
        assert!(bias.abs() < 1e-4, "{bias}");
        let (features, tagged) = pictures(300, 0.0);
        let auc =
            TagProbe::fit(&features, &tagged).unwrap().measure(&features, &tagged).unwrap().auc;
        assert!((0.4..0.65).contains(&auc), "{auc}");
    }

    #[test]
    fn the_area_counts_pairs() {
        let scored = [(0.1, false), (0.2, true), (0.3, false), (0.3, true), (0.9, true)];
        // Of six pairs, the first negative is below all three, the second below one and equal to one.
        assert!((area(&scored) - 4.5 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn a_probe_is_kept_with_its_model() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tags.safetensors");
        let (features, tagged) = pictures(60, 2.0);
        let probe = TagProbe::fit(&features, &tagged).unwrap();
        probe.save(&path, "mini").unwrap();
        assert_eq!(TagProbe::open(&path).unwrap(), (probe, "mini".to_owned()));
        save_safetensors(&path, [("bias", [1], [0.0])], SaveDType::F32, &BTreeMap::new()).unwrap();
        let error = TagProbe::open(&path).unwrap_err().to_string();
        assert!(error.contains("which model it belongs to"), "{error}");
        assert!(TagProbe::fit(&features, &[true; 60]).is_err());
        assert!(TagProbe::fit(&features, &tagged[1..]).is_err());
    }
}
