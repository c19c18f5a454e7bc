//! Questions about a picture: `prompt MODEL PICTURE encode` shows the model the picture in each run;
//! the values are a sample of its embedding. `prompt MODEL PICTURE SIDE` shows it once and then asks
//! about one point after the other, a grid of so many along each side; the values are the area and
//! the score of each point's masks.

use std::path::Path;

use anyhow::Context;
use burn::Device;
use image::RgbImage;
use quintet_sam::{Masks, Prompt, Segmenter};

/// Numbers of the embedding from one of the sample to the next.
const STEP: usize = 4099;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, model, picture, what] = args.as_slice() else {
        anyhow::bail!("usage: prompt MODEL PICTURE encode|SIDE");
    };
    let image = image::open(picture)?.to_rgb8();
    let segmenter = Segmenter::open(Path::new(model), &Device::flex())?;
    if what == "encode" {
        return quintet_bench::serve(|| {
            let seen = segmenter.set_image(&image)?;
            let embedding = seen.embedding().to_data();
            Ok(embedding.iter::<f64>().step_by(STEP).collect())
        });
    }
    let side = what.parse().with_context(|| format!("{what:?} is neither encode nor a number"))?;
    let prompts = grid(side, &image);
    let seen = segmenter.set_image(&image)?;
    quintet_bench::serve(|| {
        let mut values = Vec::new();
        for prompt in &prompts {
            for answer in seen.ask(std::slice::from_ref(prompt), Masks::Several)?.concat() {
                let area = answer.mask.map_or(0, |mask| mask.area());
                values.extend([f64::from(area), f64::from(answer.score)]);
            }
        }
        Ok(values)
    })
}

/// Points in the middle of each of `side × side` parts of a picture.
fn grid(side: usize, image: &RgbImage) -> Vec<Prompt> {
    let place = |i: usize, size: u32| (i as f32 + 0.5) / side as f32 * size as f32;
    let point = |i| Prompt::point(place(i % side, image.width()), place(i / side, image.height()));
    (0..side * side).map(point).collect()
}
