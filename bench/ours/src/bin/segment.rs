//! All objects of a picture: `segment MODEL PICTURE POINTS`, asked about so many points along each
//! side. The values are their masks, each as the number of its runs, then the first pixel and the
//! length of each, pixels counted row by row.

use std::path::Path;

use burn::Device;
use quintet_sam::{Automatic, Segment, Segmenter};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, model, picture, points] = args.as_slice() else {
        anyhow::bail!("usage: segment MODEL PICTURE POINTS");
    };
    let options = Automatic { points_per_side: points.parse()?, ..Automatic::default() };
    let image = image::open(picture)?.to_rgb8();
    let segmenter = Segmenter::open(Path::new(model), &Device::flex())?;
    quintet_bench::serve(|| {
        let found = segmenter.segment_all(&image, &options)?;
        Ok(found.iter().flat_map(|segment| runs(segment, image.width())).collect())
    })
}

/// The runs of a mask, behind their number.
fn runs(segment: &Segment, width: u32) -> Vec<f64> {
    let [left, ..] = segment.mask.bbox();
    let mut values = vec![0.0];
    for (y, row) in segment.mask.rows() {
        let mut x = left;
        for run in row.chunk_by(|a, b| a == b) {
            if run[0] {
                values.extend([f64::from(y) * f64::from(width) + f64::from(x), run.len() as f64]);
            }
            x += run.len() as u32;
        }
    }
    values[0] = (values.len() / 2) as f64;
    values
}
