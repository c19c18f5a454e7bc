//! How long a model takes: `speed MODEL PICTURE [POINTS]`. Prints seconds of wall clock, and those that
//! the processor spent in the program and in the system, which other work on the machine changes less.

use std::{path::Path, time::Instant};

use burn::Device;
use quintet_sam::{Automatic, Masks, Prompt, Segmenter};

#[cfg(target_os = "linux")]
#[global_allocator]
static MEMORY: quintet_kernels::Recycler = quintet_kernels::Recycler::new();

/// Seconds that the processor spent in this program, and in the system on its behalf.
fn processor_seconds() -> [f64; 2] {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    std::array::from_fn(|_| {
        let ticks = fields.next().and_then(|field| field.parse::<f64>().ok());
        ticks.unwrap_or_default() / 100.0
    })
}

fn timed<T>(what: &str, count: usize, run: impl FnOnce() -> T) -> T {
    let (clock, before) = (Instant::now(), processor_seconds());
    let result = run();
    let (clock, after) = (clock.elapsed().as_secs_f64(), processor_seconds());
    let [program, system] = std::array::from_fn(|i| after[i] - before[i]);
    let each = program / count as f64 * 1000.0;
    println!(
        "{what}: {clock:.2} s; program {program:.2} s, {each:.1} ms each of {count}; \
         system {system:.2} s"
    );
    result
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, picture, rest @ ..] = arguments.as_slice() else {
        return Err("usage: speed MODEL PICTURE [POINTS]".into());
    };
    let points: usize = rest.first().map_or(Ok(16), |points| points.parse())?;
    let image = image::open(picture)?.to_rgb8();
    let (width, height) = (image.width() as f32, image.height() as f32);
    let segmenter = timed("load", 1, || Segmenter::open(Path::new(model), &Device::flex()))?;
    let seen = timed("encode", 1, || segmenter.set_image(&image))?;
    timed("encode again", 1, || segmenter.set_image(&image))?;
    let place = |i: usize, size: f32| (i as f32 + 0.5) / points as f32 * size;
    let prompt = |i: usize| Prompt::point(place(i % points, width), place(i / points, height));
    let prompts: Vec<_> = (0..points * points).map(prompt).collect();
    timed("one point", 1, || seen.ask(&prompts[..1], Masks::Several))?;
    timed("points", prompts.len(), || seen.ask(&prompts, Masks::Several))?;
    let options = Automatic { points_per_side: points, ..Automatic::default() };
    let found = timed("all objects", points * points, || segmenter.segment_all(&image, &options))?;
    println!("{} objects", found.len());
    Ok(())
}
