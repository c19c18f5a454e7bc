//! Marks a picture as microsoft/SoM does: `mark PICTURE MASKS COLOURS ROUNDS OUT`, so many times in
//! a run. `MASKS` is an annotation file in COCO's format, `COLOURS` a list with commas. The values
//! are the points that the marks are placed by; the marked picture is written to `OUT` first.

use std::path::Path;

use quintet_som::{
    marks::{Colour, Marker, Options},
    regions::{CocoFile, Source},
};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, picture, masks, colours, rounds, out] = args.as_slice() else {
        anyhow::bail!("usage: mark PICTURE MASKS COLOURS ROUNDS OUT");
    };
    let rounds: usize = rounds.parse()?;
    let colours = colours.split(',').map(str::parse::<Colour>);
    let colours = colours.collect::<Result<_, _>>().map_err(anyhow::Error::msg)?;
    let image = image::open(picture)?.to_rgb8();
    let regions = CocoFile::load(masks, true)?.regions(Path::new(picture), &image)?.regions;
    let marker = Marker::new(Options { colours, ..Options::som() })?;
    marker.mark(&image, &regions)?.image.save(out)?;
    quintet_bench::serve(|| {
        let mut values = Vec::new();
        for _ in 0..rounds {
            let marks = marker.mark(&image, &regions)?.marks.marks;
            values = marks.iter().flat_map(|mark| mark.point.map(f64::from)).collect();
        }
        Ok(values)
    })
}
