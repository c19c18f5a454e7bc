//! Pictures and prompts in, masks out; reference: `predictor.py` of `segment-anything`.

use std::{collections::BTreeMap, path::Path};

use burn::{Device, Tensor, TensorData};
use image::RgbImage;
use quintet_data::Mask;
use quintet_kernels::on_workers;
use rayon::prelude::*;

use crate::{
    Error, Logits, Prompt, Result, Sam,
    checkpoint::load,
    frame::Frame,
    masks::Upsampler,
    network::{Decoded, Masks, PlacedPoint, SharedImage},
};

/// Prompts that are decoded together: few enough that their copies of the image stay in the
/// processor's cache.
const TOGETHER: usize = 8;
/// The shift of the bound by which stability is measured.
const OFFSET: f32 = 1.0;

/// A model that finds the object that a prompt means.
#[derive(Debug)]
pub struct Segmenter {
    sam: Sam,
    device: Device,
}

/// An answer to a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The object's pixels; `None` if there are none.
    pub mask: Option<Mask>,
    /// The IoU with the object that the model predicts for this mask.
    pub score: f32,
    /// The share of the mask that stays when the bound on its logits moves from -1 to 1; 0 if it
    /// has no pixels.
    pub stability: f32,
    /// The mask as a prompt for another question.
    pub logits: Logits,
}

/// A picture that the model has seen, and questions can be asked about.
#[derive(Debug)]
pub struct Embedded<'a> {
    segmenter: &'a Segmenter,
    frame: Frame,
    upsampler: Upsampler,
    image: SharedImage,
}

/// What the decoder says to some prompts.
pub(crate) struct Batch {
    /// Logits of each prompt's masks, `[prompts, masks, side²]`.
    pub logits: Vec<f32>,
    /// `[prompts, masks]`
    pub scores: Vec<f32>,
}

impl Segmenter {
    /// Reads a model; see [`load`].
    ///
    /// # Errors
    /// As [`load`].
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        Ok(Self::new(load(path, device)?.0, device))
    }

    /// A segmenter with this model.
    pub fn new(sam: Sam, device: &Device) -> Self {
        Self { sam, device: device.clone() }
    }

    /// The model.
    pub fn sam(&self) -> &Sam {
        &self.sam
    }

    /// Shows the model a picture, which is what costs the most.
    ///
    /// # Errors
    /// If the picture has no pixels or too many.
    pub fn set_image(&self, image: &RgbImage) -> Result<Embedded<'_>> {
        let config = self.sam.config();
        let frame = Frame::new([image.width(), image.height()], config.image_size)?;
        let pixels = frame.pixels(image, &self.device)?;
        Ok(Embedded {
            segmenter: self,
            frame,
            upsampler: Upsampler::new(&frame, config.mask_size()),
            image: on_workers(|| self.sam.share(self.sam.embed(pixels))),
        })
    }
}

impl Embedded<'_> {
    /// Width and height of the picture.
    pub fn size(&self) -> [u32; 2] {
        self.frame.picture
    }

    /// The image's embedding, `[1, g², d]`.
    pub fn embedding(&self) -> &Tensor<3> {
        self.image.embedding()
    }

    /// The masks that the model finds for each prompt, in the prompts' order.
    ///
    /// # Errors
    /// If a prompt says nothing, or something that is not in a picture.
    pub fn ask(&self, prompts: &[Prompt], masks: Masks) -> Result<Vec<Vec<Answer>>> {
        let side = self.segmenter.sam.config().mask_size();
        prompts.iter().try_for_each(|prompt| prompt.check(side))?;
        // Prompts of one form make a batch.
        let mut forms: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        let placed: Vec<_> = prompts.iter().map(|prompt| prompt.placed(&self.frame)).collect();
        for (i, prompt) in prompts.iter().enumerate() {
            forms.entry((placed[i].len(), prompt.mask.is_some())).or_default().push(i);
        }
        on_workers(|| {
            let mut answers = vec![Vec::new(); prompts.len()];
            for batch in forms.values().flat_map(|form| form.chunks(TOGETHER)) {
                let points: Vec<_> = batch.iter().map(|i| placed[*i].clone()).collect();
                let earlier = batch.iter().filter_map(|i| prompts[*i].mask.as_ref());
                let decoded = self.decode(&points, earlier, masks)?;
                for (i, found) in batch.iter().zip(self.answers(&decoded, batch.len())) {
                    answers[*i] = found;
                }
            }
            Ok(answers)
        })
    }

    /// Decodes prompts that have the same number of points, and an earlier mask each or none.
    fn decode<'m>(
        &self,
        points: &[Vec<PlacedPoint>],
        earlier: impl Iterator<Item = &'m Logits>,
        masks: Masks,
    ) -> Result<Batch> {
        let Segmenter { sam, device } = self.segmenter;
        let side = sam.config().mask_size();
        let earlier: Vec<f32> = earlier.flat_map(|logits| logits.values.iter().copied()).collect();
        let earlier = (!earlier.is_empty()).then(|| {
            let data = TensorData::new(earlier, [points.len(), side, side]);
            Tensor::from_data(data, device)
        });
        let Decoded { logits, scores } = sam.decode(&self.image, points, earlier, masks);
        Ok(Batch { logits: values(logits)?, scores: values(scores)? })
    }

    /// Decodes the prompts of which any mask has a greater score than `least`; which these are is
    /// told too. Masks of the others are not made.
    pub(crate) fn decode_sure(
        &self,
        points: &[Vec<PlacedPoint>],
        masks: Masks,
        least: f32,
    ) -> Result<(Vec<usize>, Batch)> {
        let sam = &self.segmenter.sam;
        let reading = sam.read(&self.image, points, None);
        let scores = values(sam.scores(&reading, masks))?;
        let each = (scores.len() / points.len().max(1)).max(1);
        let sure = |(i, scores): (usize, &[f32])| scores.iter().any(|s| *s > least).then_some(i);
        let sure: Vec<usize> = scores.chunks_exact(each).enumerate().filter_map(sure).collect();
        if sure.is_empty() {
            return Ok((sure, Batch { logits: Vec::new(), scores: Vec::new() }));
        }
        let reading = if sure.len() == points.len() { reading } else { reading.pick(&sure) };
        let logits = values(sam.logits(&reading, masks))?;
        let scores = sure.iter().flat_map(|i| &scores[i * each..(i + 1) * each]).copied().collect();
        Ok((sure, Batch { logits, scores }))
    }

    pub(crate) fn upsampler(&self) -> &Upsampler {
        &self.upsampler
    }

    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
    }

    fn answers(&self, decoded: &Batch, prompts: usize) -> Vec<Vec<Answer>> {
        let side = self.segmenter.sam.config().mask_size();
        let all: Vec<Answer> = decoded
            .logits
            .par_chunks_exact(side * side)
            .zip(&decoded.scores)
            .map(|(logits, score)| {
                let cut = self.upsampler.cut(logits, OFFSET);
                Answer {
                    mask: cut.runs.mask(),
                    score: *score,
                    stability: if cut.stability.is_nan() { 0.0 } else { cut.stability },
                    logits: Logits { side, values: logits.into() },
                }
            })
            .collect();
        let masks = all.len() / prompts.max(1);
        let mut all = all.into_iter();
        (0..prompts).map(|_| all.by_ref().take(masks).collect()).collect()
    }
}

/// The values, row by row.
fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let values = tensor.into_data().try_into_vec::<f32>();
    values.map_err(|_| Error::Request("the device gave no single precision numbers".into()))
}
