//! Writes built scenes as PNG files with one contact sheet, and tells how fast they are made.
//!
//! `cargo run --release -p quintet-data --example scenes -- --out DIR -n 16`
//!
//! `--split validation` draws as for measuring, `--styles noto,twemoji` chooses styles, `--crops`
//! makes small pictures of one thing, `--chart` shows every drawing, `--dataset`
//! writes COCO and Parquet, `--bundled` needs no network.

use std::{path::PathBuf, sync::Arc, time::Instant};

use image::{Rgb, RgbImage, imageops};
use quintet_data::scene::{
    Crop, CropSpec, SceneDataset, SceneSpec, Split, SpriteSet, Style, tasks::Phrasing,
    write_dataset,
};
use rayon::prelude::*;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

struct Options {
    out: PathBuf,
    count: u64,
    seed: u64,
    size: u32,
    styles: Vec<Style>,
    split: Split,
    crops: bool,
    chart: bool,
    dataset: bool,
    bundled: bool,
}

fn options() -> Outcome<Options> {
    let mut options = Options {
        out: PathBuf::from("scenes"),
        count: 16,
        seed: 1,
        size: 160,
        styles: vec![Style::Noto, Style::NotoV1, Style::Fluent, Style::Openmoji],
        split: Split::Train,
        crops: false,
        chart: false,
        dataset: false,
        bundled: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--out" => options.out = value()?.into(),
            "-n" => options.count = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            "--size" => options.size = value()?.parse()?,
            "--styles" => {
                options.styles = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            "--split" if value()? == "validation" => options.split = Split::Validation,
            "--split" => options.split = Split::Train,
            "--crops" => options.crops = true,
            "--chart" => options.chart = true,
            "--dataset" => options.dataset = true,
            "--bundled" => options.bundled = true,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(options)
}

fn main() -> Outcome<()> {
    let options = options()?;
    let start = Instant::now();
    let sprites =
        if options.bundled { SpriteSet::bundled()? } else { SpriteSet::load(&options.styles)? };
    let sprites = Arc::new(sprites);
    println!("sprites ready in {:.1} s", start.elapsed().as_secs_f32());
    std::fs::create_dir_all(&options.out)?;

    if options.chart {
        chart(&options, &sprites).save(options.out.join("chart.png"))?;
        return Ok(());
    }
    let data = scenes(&options, &sprites);
    if options.dataset {
        return Ok(write_dataset(&options.out, &data)?);
    }
    let start = Instant::now();
    let pictures = if options.crops { crops(&options, &sprites) } else { shown(&options, &data) };
    let seconds = start.elapsed().as_secs_f64();
    println!("{} pictures, {:.0} a second", pictures.len(), pictures.len() as f64 / seconds);

    for (i, (picture, _)) in pictures.iter().take(64).enumerate() {
        picture.save(options.out.join(format!("{i:04}.png")))?;
    }
    let sheet: Vec<_> = pictures.iter().take(64).map(|(picture, _)| picture).collect();
    contact_sheet(&sheet).save(options.out.join("sheet.png"))?;
    for (i, (_, text)) in pictures.iter().take(16).enumerate() {
        println!("{i:04}: {text}");
    }
    Ok(())
}

fn scenes(options: &Options, sprites: &Arc<SpriteSet>) -> SceneDataset {
    let (mut spec, phrasing) = match options.split {
        Split::Train => (SceneSpec::train(&options.styles), Phrasing::Varied),
        Split::Validation => (SceneSpec::validation(&options.styles), Phrasing::Canonical),
    };
    spec.size = options.size;
    SceneDataset::new(spec, sprites.clone(), phrasing, options.seed, options.count as usize)
}

fn shown(options: &Options, data: &SceneDataset) -> Vec<(RgbImage, String)> {
    let describe = |i| {
        let (scene, questions) = data.scene(i);
        let objects = scene.objects.iter().map(|o| match o.colour {
            Some(colour) => format!("{colour} {}", o.name().name),
            None => o.name().name.to_owned(),
        });
        let words = scene.words.iter().map(|w| format!("{:?}", w.text));
        let mut text = objects.chain(words).collect::<Vec<_>>().join(", ");
        for question in questions {
            text += &format!("\n      {} {}", question.text, question.answer);
        }
        (scene.image, text)
    };
    (0..options.count as usize).into_par_iter().map(describe).collect()
}

fn crops(options: &Options, sprites: &SpriteSet) -> Vec<(RgbImage, String)> {
    let spec = match options.split {
        Split::Train => CropSpec::train(&options.styles, options.size),
        Split::Validation => CropSpec::validation(&options.styles, options.size),
    };
    (0..options.count)
        .into_par_iter()
        .filter_map(|i| Crop::generate(&spec, sprites, options.seed, i))
        .map(|crop| (crop.image, Crop::label(crop.class).unwrap_or_default().to_owned()))
        .collect()
}

/// Every name in every style: a row per name, in columns of thirty.
fn chart(options: &Options, sprites: &SpriteSet) -> RgbImage {
    let (side, styles) = (40, options.styles.len() as u32);
    let columns = (sprites.names().len() as u32).div_ceil(30);
    let (width, height) = (columns * (styles * side + side / 2), 30 * side);
    let mut chart = RgbImage::from_pixel(width, height, Rgb([235; 3]));
    for (i, name) in (0u32..).zip(sprites.names()) {
        for (j, style) in (0u32..).zip(&options.styles) {
            let Some(drawing) = sprites.drawing(*style, *name) else { continue };
            let scale = (side - 4) as f32 / drawing.width().max(drawing.height()) as f32;
            let size = |s: u32| ((s as f32 * scale) as u32).max(1);
            let small =
                imageops::thumbnail(&drawing, size(drawing.width()), size(drawing.height()));
            let (x, y) = (i / 30 * (styles * side + side / 2) + j * side, i % 30 * side);
            for (dx, dy, pixel) in small.enumerate_pixels() {
                let under = &mut chart.get_pixel_mut(x + dx, y + dy).0;
                for (channel, over) in under.iter_mut().zip(pixel.0) {
                    let alpha = u32::from(pixel.0[3]);
                    let mixed = u32::from(over) * alpha + u32::from(*channel) * (255 - alpha);
                    *channel = (mixed / 255) as u8;
                }
            }
        }
    }
    chart
}

fn contact_sheet(pictures: &[&RgbImage]) -> RgbImage {
    let columns = (pictures.len() as f64).sqrt().ceil().max(1.0) as u32;
    let rows = (pictures.len() as u32).div_ceil(columns);
    let side = pictures.first().map_or(1, |p| p.width()) + 4;
    let mut sheet = RgbImage::from_pixel(columns * side, rows * side, Rgb([255; 3]));
    for (i, picture) in (0u32..).zip(pictures) {
        let (x, y) = (i % columns * side + 2, i / columns * side + 2);
        imageops::replace(&mut sheet, *picture, i64::from(x), i64::from(y));
    }
    sheet
}
