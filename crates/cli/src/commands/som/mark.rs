//! `quintet som mark`.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::Context;
use image::{ImageFormat, RgbImage, codecs::jpeg::JpegEncoder};
use indicatif::ProgressBar;
use quintet_data::{formats::atomic, media};
use quintet_som::{
    marks::{Marked, Marker},
    regions::{Skipped, Source},
};

use super::{
    files::{self, Job},
    options::OptionArgs,
    source::SourceArgs,
};
use crate::{failure, interrupt::Interrupt, output, progress};

/// Quality of JPEG files; marks are drawn in lines of a pixel.
const QUALITY: u8 = 95;

#[derive(clap::Args)]
pub struct Args {
    /// Pictures, folders (with all below them), or patterns like 'photos/*.jpg'
    #[arg(required = true, value_name = "IMAGE|DIR|GLOB")]
    pictures: Vec<String>,
    #[command(flatten)]
    source: SourceArgs,
    /// Where marked pictures go: a folder, in which they keep their names; or a file, for one
    /// picture
    #[arg(long, value_name = "DIR|FILE")]
    out: PathBuf,
    /// Write what was marked (tags, boxes, points and labels in pixels, names, options) as JSON: a
    /// folder, for a file per picture; or a file ending in .json, for one picture
    #[arg(long, value_name = "DIR|FILE")]
    json: Option<PathBuf>,
    /// Write the masks too, in COCO's packed runs
    #[arg(long, requires = "json")]
    masks: bool,
    /// Leave out pictures whose results are there already
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    options: OptionArgs,
}

/// Marks pictures. One that cannot be marked is told on standard error, and the others go on.
/// Ctrl-C stops after the pictures in hand.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let jobs = files::jobs(&args.pictures, &args.out, args.json.as_deref())?;
    let marker = Marker::new(args.options.options())?;
    let source = args.source.open()?;
    let open: Vec<&Job> = jobs.iter().filter(|job| !(args.resume && job.done())).collect();
    let bar = if jobs.len() > 1 { progress::bar("pictures") } else { ProgressBar::hidden() };
    bar.set_length(open.len() as u64);
    let work = Work { marker, source, masks: args.masks, bar };
    let interrupt = Interrupt::install()?;
    if let ([job], [_]) = (open.as_slice(), jobs.as_slice()) {
        work.mark(job)?;
        return output::line(job.out.display());
    }

    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let worker = || {
        while !interrupt.requested()
            && let Some(job) = open.get(next.fetch_add(1, Ordering::Relaxed))
        {
            if let Err(error) = work.mark(job) {
                failed.fetch_add(1, Ordering::Relaxed);
                let (picture, line) = (job.picture.display(), failure::one_line(&error));
                // Many errors already name their file.
                let named = line.contains(&picture.to_string());
                let line = if named { line } else { format!("{picture}: {line}") };
                work.bar.suspend(|| eprintln!("error: {line}"));
            }
            work.bar.inc(1);
        }
    };
    let threads = args.source.threads().min(open.len());
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(worker))));
    work.bar.finish_and_clear();

    let failed = failed.into_inner();
    let begun = next.into_inner().min(open.len());
    let mut told = format!("{} marked", begun - failed);
    for (count, what) in [(jobs.len() - open.len(), "there already"), (failed, "failed")] {
        if count > 0 {
            told.push_str(&format!(", {count} {what}"));
        }
    }
    if begun < open.len() {
        anyhow::bail!("stopped after {told} of {}; --resume does the rest", jobs.len());
    }
    anyhow::ensure!(failed == 0, "of {} pictures {told}", jobs.len());
    output::line(format_args!("{told} in {}", args.out.display()))
}

/// What all pictures have in common.
struct Work {
    marker: Marker,
    source: Box<dyn Source>,
    masks: bool,
    bar: ProgressBar,
}

impl Work {
    fn mark(&self, job: &Job) -> anyhow::Result<()> {
        let format = files::format(&job.out).with_context(|| {
            format!("{}: end the name in .png, .jpg, .webp, .gif or .bmp", job.out.display())
        })?;
        for target in [Some(&job.out), job.json.as_ref()].into_iter().flatten() {
            output::check_target(target)?;
        }
        let picture = media::decode_file(&job.picture)?;
        let found = self.source.regions(&job.picture, &picture)?;
        let mut marked = self.marker.mark(&picture, &found.regions)?;
        self.warn(&job.picture, &found.skipped, &marked);
        if self.masks {
            marked.record_masks()?;
        }
        marked.marks.picture = Some(job.picture.clone());
        marked.marks.skipped.splice(0..0, found.skipped);
        // The record first: a picture that is there has been done.
        if let Some(json) = &job.json {
            atomic::write_json(json, &marked.marks)?;
        }
        Ok(atomic::write_bytes(&job.out, &encode(&marked.image, format)?)?)
    }

    fn warn(&self, picture: &Path, skipped: &[Skipped], marked: &Marked) {
        let picture = picture.display();
        let warn = |text: String| self.bar.suspend(|| tracing::warn!("{picture}: {text}"));
        if let Some(Skipped { what, reason }) = skipped.first() {
            let others = match skipped.len() - 1 {
                0 => String::new(),
                count => format!(", and {count} more"),
            };
            warn(format!("{what} cannot be marked: {reason}{others}"));
        }
        if marked.marks.marks.is_empty() {
            warn("there is nothing to mark".into());
        }
        if marked.marks.shrunk() {
            let (count, size) = (marked.marks.marks.len(), marked.marks.size);
            warn(format!("{count} labels only have room {size:.1} px high, less than asked for"));
        }
    }
}

fn encode(image: &RgbImage, format: ImageFormat) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    match format {
        ImageFormat::Jpeg => {
            image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY))
        }
        format => image.write_to(&mut bytes, format),
    }
    .context("cannot encode the picture")?;
    Ok(bytes.into_inner())
}
