//! `quintet som tagged`.

use std::{
    io::Cursor,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use image::{ImageFormat, RgbImage, imageops};
use quintet_data::{
    formats::atomic,
    media,
    scene::{Scene, SceneSpec, SpriteSet, Style},
};
use quintet_eval::{TagProbe, TagScores, tagged::features};
use quintet_som::{
    marks::{Labels, Marker, Options},
    regions::Found,
};
use serde_json::json;

use super::files;
use crate::{
    device::DeviceArg,
    failure,
    interrupt::Interrupt,
    model::{Loaded, ModelArgs},
    output, progress,
};

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Fit a probe that tells pictures with tags from others
    Fit(Fit),
    /// Rank pictures by the chance that they carry tags
    Find(Find),
}

/// Without --marked and --plain, built scenes are marked in several ways.
#[derive(clap::Args)]
struct Fit {
    #[command(flatten)]
    model: ModelArgs,
    /// Pictures with tags: files, folders or patterns
    #[arg(long, value_name = "IMAGE|DIR|GLOB", requires = "plain", num_args = 1..)]
    marked: Vec<String>,
    /// Pictures without
    #[arg(long, value_name = "IMAGE|DIR|GLOB", requires = "marked", num_args = 1..)]
    plain: Vec<String>,
    /// Built scenes to fit to, every other one marked
    #[arg(long, value_name = "N", default_value_t = 2000, conflicts_with = "marked")]
    scenes: usize,
    /// Drawing styles of scenes, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "noto,noto-v1,fluent,openmoji")]
    styles: Vec<Style>,
    /// Draw scenes from the dozen drawings that quintet carries with it: needs no network
    #[arg(long)]
    bundled: bool,
    /// Seed of scenes
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the probe goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Find {
    /// Pictures, folders (with all below them), or patterns like 'photos/*.jpg'
    #[arg(required = true, value_name = "IMAGE|DIR|GLOB")]
    pictures: Vec<String>,
    /// The probe that `som tagged fit` wrote
    #[arg(long, value_name = "FILE")]
    probe: PathBuf,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// Pictures shown, the likeliest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Draw these pictures, in rows, into one PNG file to look through
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Finds tagged pictures (*List Items One by One*, §3.2).
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        What::Fit(fit) => fit.run(),
        What::Find(find) => find.run(),
    }
}

/// Pictures looked at between two moves of the progress bar.
const BATCH: usize = 32;

/// One picture in so many is kept from the fit, to measure the probe.
const HELD: usize = 5;

impl Fit {
    fn run(&self) -> anyhow::Result<()> {
        output::check_target(&self.out)?;
        if self.model.adapter.is_some() {
            return Err(failure::usage(
                "a probe keeps its model's name: name the merged model in place of --adapter",
            ));
        }
        let loaded = self.model.load()?;
        let (rows, tagged) = match self.marked.is_empty() {
            true => self.scenes(&loaded)?,
            false => {
                let (marked, plain) =
                    (files::pictures(&self.marked)?, files::pictures(&self.plain)?);
                let tagged = [vec![true; marked.len()], vec![false; plain.len()]].concat();
                (read(&loaded, &[marked, plain].concat())?, tagged)
            }
        };
        let part = |held: bool| -> (Vec<_>, Vec<_>) {
            let numbered = rows.iter().zip(&tagged).enumerate();
            // Marked and plain ones may alternate: an odd distance takes from both.
            let part = numbered.filter(|(i, _)| (i % HELD == HELD - 1) == held);
            part.map(|(_, (row, tagged))| (row.clone(), *tagged)).unzip()
        };
        let ((fitted, fitted_tagged), (held, held_tagged)) = (part(false), part(true));
        let probe = TagProbe::fit(&fitted, &fitted_tagged)?;
        let scores = probe.measure(&held, &held_tagged)?;
        probe.save(&self.out, &loaded.name)?;
        if self.json {
            return output::json(
                &json!({ "out": self.out, "fitted": fitted.len(), "held": scores }),
            );
        }
        let TagScores { n, accuracy, auc } = scores;
        output::line(format_args!(
            "{}: {accuracy:.3} of {n} held-out pictures told rightly, area under ROC {auc:.3}",
            self.out.display()
        ))
    }

    /// Scenes, of which every other one is marked.
    fn scenes(&self, loaded: &Loaded) -> anyhow::Result<(Vec<Vec<f32>>, Vec<bool>)> {
        let sprites = match self.bundled {
            true => SpriteSet::bundled()?,
            false => SpriteSet::load(&self.styles)?,
        };
        let letters = Options { labels: Labels::Letter, ..Options::default() };
        let markers = [Options::default(), Options::som(), Options::som_llava(), letters];
        let markers = markers.map(Marker::new).into_iter().collect::<Result<Vec<_>, _>>()?;
        let spec = SceneSpec::train(&self.styles);
        let picture = |i: usize| -> anyhow::Result<(RgbImage, bool)> {
            let scene = Scene::generate(&spec, &sprites, self.seed, i as u64);
            if i.is_multiple_of(2) || scene.objects.is_empty() {
                return Ok((scene.image, false));
            }
            let marker = &markers[i / 2 % markers.len()];
            Ok((marker.mark(&scene.image, &Found::from(&scene).regions)?.image, true))
        };
        let rows = batches(self.scenes, |range| {
            let (pictures, tagged): (Vec<_>, Vec<_>) =
                range.map(picture).collect::<anyhow::Result<Vec<_>>>()?.into_iter().unzip();
            let rows = features(&loaded.model, &loaded.processor, &pictures)?;
            Ok(rows.into_iter().zip(tagged).collect())
        })?;
        Ok(rows.into_iter().unzip())
    }
}

impl Find {
    fn run(&self) -> anyhow::Result<()> {
        if let Some(sheet) = &self.sheet {
            output::check_target(sheet)?;
        }
        let (probe, model) = TagProbe::open(&self.probe)?;
        let loaded = ModelArgs::named(model, self.device).load()?;
        let paths = files::pictures(&self.pictures)?;
        let mut failed = 0;
        let mut ranked = batches(paths.len(), |range| {
            let mut known = Vec::new();
            for path in paths.get(range).unwrap_or_default() {
                match look(&loaded, path) {
                    Ok(row) => {
                        anyhow::ensure!(
                            row.len() == probe.width(),
                            "{}: the probe reads {} features, but model {} has {}",
                            self.probe.display(),
                            probe.width(),
                            loaded.name,
                            row.len()
                        );
                        known.push((probe.chance(&row), path));
                    }
                    Err(error) => {
                        failed += 1;
                        eprintln!("error: {}", failure::one_line(&error));
                    }
                }
            }
            Ok(known)
        })?;
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let top = ranked.get(..self.top.min(ranked.len())).unwrap_or_default();
        if let Some(file) = &self.sheet {
            let mut png = Cursor::new(Vec::new());
            sheet(top)?.write_to(&mut png, ImageFormat::Png)?;
            atomic::write_bytes(file, png.get_ref())?;
        }
        if self.json {
            let rows: Vec<_> = ranked
                .iter()
                .map(|(chance, path)| json!({ "picture": path, "chance": chance }))
                .collect();
            output::json(&json!({ "pictures": rows, "failed": failed }))?;
        } else {
            for (chance, path) in top {
                output::line(format_args!("{chance:.3}  {}", path.display()))?;
            }
        }
        anyhow::ensure!(failed == 0, "{failed} pictures could not be read; the others were");
        Ok(())
    }
}

/// What `work` makes of numbers below `count`, some at a time, with a progress bar.
fn batches<T>(
    count: usize,
    mut work: impl FnMut(Range<usize>) -> anyhow::Result<Vec<T>>,
) -> anyhow::Result<Vec<T>> {
    let interrupt = Interrupt::install()?;
    let bar = progress::bar("pictures");
    bar.set_length(count as u64);
    let mut all = Vec::with_capacity(count);
    for start in (0..count).step_by(BATCH) {
        anyhow::ensure!(!interrupt.requested(), "stopped after {start} of {count} pictures");
        let range = start..(start + BATCH).min(count);
        bar.set_position(range.start as u64);
        all.extend(work(range)?);
    }
    bar.finish_and_clear();
    Ok(all)
}

fn read(loaded: &Loaded, paths: &[PathBuf]) -> anyhow::Result<Vec<Vec<f32>>> {
    batches(paths.len(), |range| {
        paths.get(range).unwrap_or_default().iter().map(|path| look(loaded, path)).collect()
    })
}

/// A picture's features.
fn look(loaded: &Loaded, path: &Path) -> anyhow::Result<Vec<f32>> {
    let picture = Arc::unwrap_or_clone(media::decode_file(path)?);
    let rows = features(&loaded.model, &loaded.processor, &[picture])?;
    rows.into_iter().next().with_context(|| format!("{}: it has no features", path.display()))
}

/// Side of a picture on a sheet, in pixels.
const THUMBNAIL: u32 = 160;
/// Pictures in a row of a sheet.
const ROW: u32 = 8;

/// Small pictures in rows, in order.
fn sheet(ranked: &[(f32, &PathBuf)]) -> anyhow::Result<RgbImage> {
    let rows = (ranked.len() as u32).div_ceil(ROW).max(1);
    let mut sheet = RgbImage::new(ROW * THUMBNAIL, rows * THUMBNAIL);
    for (i, (_, path)) in (0..).zip(ranked) {
        let picture = Arc::unwrap_or_clone(media::decode_file(path)?);
        let small = image::DynamicImage::from(picture).thumbnail(THUMBNAIL, THUMBNAIL).to_rgb8();
        let at = |i: u32| i64::from(i * THUMBNAIL);
        imageops::replace(&mut sheet, &small, at(i % ROW), at(i / ROW));
    }
    Ok(sheet)
}
