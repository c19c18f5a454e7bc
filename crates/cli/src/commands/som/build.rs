//! `quintet som build`.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    sync::Arc,
};

use anyhow::Context;
use quintet_data::scene::{SceneSpec, SpriteSet, Style};
use quintet_endpoint::{Encoding, Options, Prices, Usage};
use quintet_som::listing::{
    Builder, CocoPictures, Error, Format, MarkedScenes, Output, Pictures, RecordedPictures,
    Settings, Task, Wording, build,
    teacher::{self, Mode, Seed, Step, Teacher},
};
use serde_json::json;

use super::options::{OptionArgs, named};
use crate::{endpoint, failure::usage, interrupt::Interrupt, output, progress};

/// Exactly one of --marked, --coco and --scenes says where pictures come from.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("pictures").required(true).args(["marked", "coco", "scenes"])))]
pub struct Args {
    /// Pictures that `som mark` marked
    #[arg(long, value_name = "DIR", conflicts_with = "OptionArgs")]
    marked: Option<PathBuf>,
    /// Their records (`som mark --json`) [default: the same folder]
    #[arg(long, value_name = "DIR", requires = "marked")]
    marks: Option<PathBuf>,
    /// Annotations in COCO's format, whose objects are marked on the way
    #[arg(long, value_name = "FILE", requires = "images")]
    coco: Option<PathBuf>,
    /// The folder of the pictures of --coco
    #[arg(long, value_name = "DIR", requires = "coco")]
    images: Option<PathBuf>,
    /// This many built scenes, marked on the way
    #[arg(long, value_name = "N")]
    scenes: Option<usize>,
    /// Drawing styles of scenes, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "noto,noto-v1,fluent,openmoji")]
    styles: Vec<Style>,
    /// Draw scenes from the dozen drawings that quintet carries with it: needs no network
    #[arg(long)]
    bundled: bool,
    /// What to write: a new folder with samples.json and images/ (LLaVA's layout), or a file
    /// ending in .parquet
    #[arg(long, value_name = "DIR|FILE")]
    out: PathBuf,
    /// listing (list every mark), qa (questions about marks), mixed (one or the other), or both
    /// (in one conversation)
    #[arg(long, value_parser = named::<Task>, default_value = "listing")]
    task: Task,
    /// lines (`1. person`, `2. cat` below it) or inline (`1. person, 2. cat`)
    #[arg(long, value_parser = named::<Format>, default_value = "lines")]
    format: Format,
    /// How questions are answered by rule: sentences or words
    #[arg(
        long,
        value_parser = named::<Wording>,
        default_value = "sentences",
        conflicts_with = "endpoint"
    )]
    answers: Wording,
    /// Most questions about a picture
    #[arg(long, value_name = "N", default_value_t = 6)]
    turns: usize,
    /// Seed of scenes, wordings and questions
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    teacher: TeacherArgs,
    #[command(flatten)]
    options: OptionArgs,
}

/// A vision model behind an endpoint that describes what is marked, where names are not known.
#[derive(clap::Args)]
struct TeacherArgs {
    /// An OpenAI-compatible endpoint that describes the marks of --marked: the URL before
    /// /chat/completions
    #[arg(long, value_name = "URL", requires_all = ["teacher", "marked"])]
    endpoint: Option<String>,
    /// The endpoint's model
    #[arg(long, value_name = "NAME", requires = "endpoint")]
    teacher: Option<String>,
    /// The environment variable that holds the endpoint's key
    #[arg(long, value_name = "VARIABLE", requires = "endpoint")]
    key_env: Option<String>,
    /// Right examples that the teacher is shown: a dataset of marked pictures and their listings
    #[arg(long, value_name = "FILE", requires = "endpoint")]
    examples: Option<PathBuf>,
    /// Where answers are kept, so that a run that was stopped goes on; one file for each model and
    /// task [default: OUT.answers.jsonl]
    #[arg(long, value_name = "FILE", requires = "endpoint")]
    journal: Option<PathBuf>,
    /// Longest answer of the teacher, in tokens [default: the endpoint's]
    #[arg(long, value_name = "N", requires = "endpoint")]
    max_tokens: Option<u32>,
    /// What a million tokens read and a million written cost, for the estimate: 2.5,10
    #[arg(long, value_name = "READ,WRITTEN", value_delimiter = ',', requires = "endpoint")]
    prices: Vec<f64>,
    /// Pictures asked about at a time
    #[arg(long, value_name = "N", default_value_t = 4, requires = "endpoint")]
    parallel: usize,
    /// Ask without showing the estimate and waiting for a yes
    #[arg(long, requires = "endpoint")]
    yes: bool,
}

/// Builds listing data.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let output = args.output()?;
    match &args.teacher.endpoint {
        Some(url) => args.ask_teacher(url, &output),
        None => args.by_rule(&output),
    }
}

impl Args {
    /// Where samples go. What would be in the way is told before anything is asked or built.
    fn output(&self) -> anyhow::Result<Output> {
        if self.out.extension().is_some_and(|end| end.eq_ignore_ascii_case("parquet")) {
            output::check_target(&self.out)?;
            return Ok(Output::Parquet(self.out.clone()));
        }
        let journal = self.journal();
        let kept = match self.teacher.endpoint.is_some() && journal.exists() {
            true => format!(" with --journal {}, where answers are kept", journal.display()),
            false => String::new(),
        };
        anyhow::ensure!(
            !self.out.exists(),
            "{} is there already: delete it or name another --out{kept}",
            self.out.display()
        );
        Ok(Output::Llava(self.out.clone()))
    }

    fn by_rule(&self, output: &Output) -> anyhow::Result<()> {
        let pictures = self.pictures()?;
        let settings = Settings {
            task: self.task,
            format: self.format,
            answers: self.answers,
            turns: self.turns,
            seed: self.seed,
        };
        let builder = Builder::new(settings, pictures.names());
        let interrupt = Interrupt::install()?;
        let bar = progress::bar("pictures");
        bar.set_length(pictures.count() as u64);
        let built = build(pictures.as_ref(), &builder, output, Encoding::Png, |done| {
            bar.set_position(done as u64);
            interrupt.flow()
        });
        bar.finish_and_clear();
        let built = built?;
        tell_unusable(&built.unusable);
        let failed = built.unusable.len();
        self.tell(built.samples, failed, None)?;
        anyhow::ensure!(failed == 0, "{failed} pictures could not be used; the others were");
        Ok(())
    }

    fn pictures(&self) -> anyhow::Result<Box<dyn Pictures>> {
        if let Some(count) = self.scenes {
            let sprites = match self.bundled {
                true => SpriteSet::bundled()?,
                false => SpriteSet::load(&self.styles)?,
            };
            let (spec, marks) = (SceneSpec::train(&self.styles), self.options.options());
            let settings = Settings::default();
            let sprites = Arc::new(sprites);
            return Ok(Box::new(MarkedScenes::new(
                spec, sprites, marks, settings, self.seed, count,
            )?));
        }
        if let Some((file, images)) = self.coco.as_ref().zip(self.images.as_ref()) {
            return Ok(Box::new(CocoPictures::open(file, images, self.options.options())?));
        }
        Ok(Box::new(self.recorded()?))
    }

    fn recorded(&self) -> anyhow::Result<RecordedPictures> {
        let pictures = self.marked.as_deref().context("--marked says where the pictures are")?;
        Ok(RecordedPictures::open(pictures, self.marks.as_deref().unwrap_or(pictures))?)
    }

    fn ask_teacher(&self, url: &str, output: &Output) -> anyhow::Result<()> {
        let mode = match self.task {
            Task::Listing => Mode::Listing,
            Task::Qa => Mode::Qa,
            Task::Mixed | Task::Both => {
                return Err(usage("a teacher is asked for one --task at a time: listing or qa"));
            }
        };
        let args = &self.teacher;
        let model = args.teacher.as_deref().context("--teacher names the endpoint's model")?;
        let endpoint = endpoint::open(url, args.key_env.as_deref())?;
        let examples = args.examples.as_deref().map(|path| Seed::load(path, mode)).transpose()?;
        let settings = teacher::Settings {
            threads: args.parallel,
            turns: self.turns,
            ..teacher::Settings::new(
                mode,
                Options { max_tokens: args.max_tokens, ..Options::new(model) },
            )
        };
        let teacher = Teacher::new(&endpoint, settings, examples.unwrap_or_default());
        let recorded = self.recorded()?;
        let (mut pictures, mut failed) = (Vec::new(), Vec::new());
        for i in 0..recorded.count() {
            match recorded.tagged(i) {
                Ok(picture) => pictures.push(picture),
                Err(error) => failed.push((recorded.title(i), error.to_string())),
            }
        }
        tell_unusable(&failed);
        let journal = self.journal();
        args.confirm(&teacher.estimate(&pictures, &journal)?)?;

        let interrupt = Interrupt::install()?;
        let bar = progress::bar("pictures");
        bar.set_length(pictures.len() as u64);
        let report = teacher.run(pictures.iter().cloned(), &journal, |step| {
            if let Step::Rejected(id, reason) = step {
                bar.suspend(|| eprintln!("error: {id}: {reason}"));
            }
            bar.inc(1);
            interrupt.flow()
        })?;
        bar.finish_and_clear();
        anyhow::ensure!(
            !interrupt.requested(),
            "stopped; {} answers are in {}, run it again to go on",
            report.kept + report.accepted,
            journal.display()
        );
        failed.extend(report.rejected);
        let answers = teacher.answers(&journal)?;
        let samples = pictures.iter().filter_map(|p| answers.sample(p, self.format, self.seed));
        let mut samples = samples.peekable();
        if samples.peek().is_none() {
            return Err(Error::no_samples(recorded.count(), &failed).into());
        }
        let written = output.write(samples.map(|sample| match interrupt.requested() {
            true => Err(Error::Stopped),
            false => Ok(sample),
        }))?;
        self.tell(written, failed.len(), Some(&report.usage))?;
        anyhow::ensure!(
            failed.is_empty(),
            "{} pictures were left out; to ask about them again, delete {} and run this again: the \
             other answers are kept in {}",
            failed.len(),
            self.out.display(),
            journal.display()
        );
        Ok(())
    }

    /// Where the teacher's answers are kept.
    fn journal(&self) -> PathBuf {
        let beside = || self.out.with_added_extension("answers.jsonl");
        self.teacher.journal.clone().unwrap_or_else(beside)
    }

    fn tell(&self, samples: usize, failed: usize, usage: Option<&Usage>) -> anyhow::Result<()> {
        let out = self.out.display().to_string();
        match self.json {
            true => output::json(&json!({
                "out": out, "samples": samples, "failed": failed, "usage": usage,
            })),
            false => output::line(format_args!("{samples} samples in {out}")),
        }
    }
}

impl TeacherArgs {
    /// Shows what asking may cost and waits for a yes, where somebody is there to say it.
    fn confirm(&self, estimate: &Usage) -> anyhow::Result<()> {
        let prices = match self.prices.as_slice() {
            [] => None,
            [prompt, completion] => Some(Prices { prompt: *prompt, completion: *completion }),
            _ => return Err(usage("--prices wants two numbers: read,written")),
        };
        let cost = prices.map_or_else(String::new, |p| format!(", about {:.2}", p.cost(estimate)));
        let Usage { requests, prompt_tokens, completion_tokens, .. } = estimate;
        eprintln!(
            "{requests} pictures to ask about: about {prompt_tokens} tokens read and \
             {completion_tokens} written{cost}"
        );
        if self.yes || *requests == 0 {
            return Ok(());
        }
        anyhow::ensure!(
            std::io::stdin().is_terminal(),
            "nobody is there to agree to this; --yes agrees"
        );
        eprint!("Go on? [y/N] ");
        std::io::stderr().flush()?;
        let mut said = String::new();
        std::io::stdin().read_line(&mut said)?;
        let agreed =
            said.trim().eq_ignore_ascii_case("y") || said.trim().eq_ignore_ascii_case("yes");
        anyhow::ensure!(agreed, "not asked");
        Ok(())
    }
}

/// Tells pictures that are left out, and why.
fn tell_unusable(pictures: &[(String, String)]) {
    for (picture, reason) in pictures {
        eprintln!("error: {picture}: {reason}");
    }
}
