//! `quintet data`.

use std::{path::PathBuf, sync::Arc};

use quintet_data::{
    formats::coco::Coco,
    scene::{SceneDataset, SceneSpec, Split, SpriteSet, Style, tasks::Phrasing, write_dataset},
};
use quintet_eval::benchmarks::pope_from_coco as pope;
use serde_json::json;

use crate::output;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Scenes of named objects and words, with boxes, masks and questions
    Scenes(Scenes),
    /// POPE questions about annotated pictures, in the official files' format
    Pope(Pope),
}

#[derive(clap::Args)]
struct Pope {
    /// Annotations in COCO's format, such as those of `data scenes`
    #[arg(long, value_name = "FILE")]
    coco: PathBuf,
    /// The folder to write coco_pope_random.json, coco_pope_popular.json and
    /// coco_pope_adversarial.json into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Pictures asked about
    #[arg(long, short, default_value_t = 500)]
    n: usize,
    /// Least number of different objects in a picture
    #[arg(long, value_name = "N", default_value_t = 4)]
    objects: usize,
    /// Questions about a picture in each file, half of them answered with yes
    #[arg(long, value_name = "N", default_value_t = 6)]
    questions: usize,
    /// Seed of the choice of pictures and objects
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Scenes {
    /// The folder to write images/, annotations.json (COCO) and conversations.parquet into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of scenes
    #[arg(long, short)]
    n: usize,
    /// Drawing styles of the objects, separated by commas: noto, noto-v1, fluent, twemoji,
    /// openmoji, fluent-shaded, emojione, emojione-v1, fxemoji, and tuxpaint where Debian's
    /// tuxpaint-stamps-default is installed
    #[arg(long, value_delimiter = ',', default_value = "noto,noto-v1,fluent,openmoji")]
    styles: Vec<Style>,
    /// To train on (disturbed pictures, varied questions) or to measure on (clean, canonical)
    #[arg(long, value_enum, default_value_t)]
    split: SplitArg,
    /// Seed of scenes and questions
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Width and height in pixels
    #[arg(long, default_value_t = 160, value_parser = clap::value_parser!(u32).range(32..=2048))]
    size: u32,
    /// Most questions about a scene
    #[arg(long, value_name = "N", default_value_t = 8)]
    turns: usize,
    /// Use the dozen drawings (noto, noto-v1) that quintet carries with it: needs no network
    #[arg(long)]
    bundled: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum SplitArg {
    #[default]
    Train,
    Validation,
}

/// Builds a dataset.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        What::Scenes(scenes) => scenes.write(),
        What::Pope(pope) => pope.write(),
    }
}

impl Scenes {
    fn write(&self) -> anyhow::Result<()> {
        let (spec, phrasing) = match self.split {
            SplitArg::Train => (SceneSpec::train(&self.styles), Phrasing::Varied),
            SplitArg::Validation => (SceneSpec::validation(&self.styles), Phrasing::Canonical),
        };
        let spec = SceneSpec { size: self.size, ..spec };
        let sprites = match self.bundled {
            true => SpriteSet::bundled()?,
            false => SpriteSet::load(&self.styles)?,
        };
        let loaded: Vec<Style> = sprites.styles().collect();
        anyhow::ensure!(
            self.styles.iter().any(|style| loaded.contains(style)),
            "none of the styles asked for is bundled; there are noto and noto-v1"
        );
        let split = match spec.split {
            Split::Train => "train",
            Split::Validation => "validation",
        };
        let data = SceneDataset::new(spec, Arc::new(sprites), phrasing, self.seed, self.n)
            .with_turns(self.turns);
        write_dataset(&self.out, &data)?;
        let out = self.out.display().to_string();
        match self.json {
            true => output::json(
                &json!({ "out": out, "scenes": self.n, "split": split, "seed": self.seed }),
            ),
            false => output::line(out),
        }
    }
}

impl Pope {
    fn write(&self) -> anyhow::Result<()> {
        let settings = pope::Settings {
            pictures: self.n,
            objects: self.objects,
            questions: self.questions,
            seed: self.seed,
        };
        let splits = pope::build(&Coco::load(&self.coco)?, &settings)?;
        let files = pope::write(&self.out, &splits)?;
        let questions: usize = splits.values().map(Vec::len).sum();
        match self.json {
            true => output::json(&json!({ "files": files, "questions": questions })),
            false => files.iter().try_for_each(|file| output::line(file.display())),
        }
    }
}
