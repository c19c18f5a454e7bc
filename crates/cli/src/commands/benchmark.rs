//! `quintet benchmark`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::builder::PossibleValuesParser;
use indicatif::ProgressBar;
use quintet_data::formats::atomic;
use quintet_endpoint::Options;
use quintet_eval::{
    Receipt,
    benchmarks::{
        self, Answers, BENCHMARKS, Benchmark, Item, Judge, JudgePrompt, Local, Mode, Outcome,
        Ranking, RecordedReplies, Remote, Respondent, ask,
    },
};
use serde::Serialize;

use crate::{
    device::DeviceArg,
    endpoint,
    failure::usage,
    interrupt::Interrupt,
    model::{Loaded, ModelArgs},
    output, progress,
};

/// Answers and replies are kept beside the receipt (NAME.answers.jsonl, NAME.replies.jsonl) as they
/// come; the same command goes on from there.
#[derive(clap::Args)]
pub struct Args {
    /// Which benchmark
    #[arg(value_parser = PossibleValuesParser::new(BENCHMARKS.iter().map(|b| b.name())))]
    benchmark: String,
    /// Its official files: the folder of POPE's three files of questions (or one of them), MME's or
    /// LLaVA-Bench's folder, SEED-Bench.json, mm-vet.json
    path: PathBuf,
    /// The folder of its pictures [default: where the official layout has them]
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Whose questions, judges and rules: the authors' (official) or those of lmms-eval (harness)
    #[arg(long, value_parser = mode, default_value = "official")]
    mode: Mode,
    /// Ask about the first N pictures of each of its parts (splits, categories) only
    #[arg(long, short, value_name = "N")]
    n: Option<usize>,
    /// Where the receipt goes: the scores, and all that decides them
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print the receipt as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
    /// Ask a model behind an OpenAI-compatible endpoint: the URL before /chat/completions
    #[arg(long, value_name = "URL", conflicts_with = "model", requires = "endpoint_model")]
    endpoint: Option<String>,
    /// The endpoint's model
    #[arg(long, value_name = "NAME", requires = "endpoint")]
    endpoint_model: Option<String>,
    /// The environment variable that holds the endpoint's key
    #[arg(long, value_name = "VARIABLE", requires = "endpoint")]
    key_env: Option<String>,
    /// Score answers that were made elsewhere: JSON lines {"id", "answer"}, or what the benchmark's
    /// own programs write
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "endpoint"])]
    answers: Option<PathBuf>,
    /// Rank the options by how likely the model finds their words, as SEED-Bench's own program does,
    /// instead of asking for a letter
    #[arg(long, conflicts_with_all = ["endpoint", "answers"])]
    rank: bool,
    /// Questions asked at a time
    #[arg(long, value_name = "N", default_value_t = 8)]
    batch: usize,
    /// Longest answer, in tokens
    #[arg(long, value_name = "N", default_value_t = 512)]
    max_tokens: usize,
    /// The model that grades free answers (llava-bench, mm-vet): one of this machine, or with
    /// --judge-endpoint the endpoint's
    #[arg(long, value_name = "MODEL")]
    judge: Option<String>,
    /// An OpenAI-compatible endpoint that grades
    #[arg(long, value_name = "URL", requires = "judge")]
    judge_endpoint: Option<String>,
    /// The environment variable that holds the key of --judge-endpoint
    #[arg(long, value_name = "VARIABLE", requires = "judge_endpoint")]
    judge_key_env: Option<String>,
    /// Replies of a judge that are there already
    #[arg(long, value_name = "FILE", conflicts_with = "judge")]
    replies: Option<PathBuf>,
}

fn mode(text: &str) -> Result<Mode, String> {
    let found = Mode::ALL.into_iter().find(|mode| mode.to_string() == text);
    found.ok_or_else(|| "expected official or harness".into())
}

/// What decides the scores, beside the model.
#[derive(Serialize)]
struct Settings<'a> {
    benchmark: &'a str,
    path: &'a Path,
    images: Option<&'a Path>,
    mode: Mode,
    max_tokens: usize,
    rank: bool,
    answers: Option<&'a Path>,
    judge: Option<String>,
}

/// Asks, judges and scores.
pub fn run(args: &Args) -> anyhow::Result<()> {
    output::check_target(&args.out)?;
    let benchmark = benchmarks::find(&args.benchmark)
        .ok_or_else(|| usage(format!("no benchmark {}", args.benchmark)))?;
    if benchmark.needs_judge() && args.judge.is_none() && args.replies.is_none() {
        let name = benchmark.name();
        return Err(usage(format!("{name} has free answers: --judge MODEL grades them")));
    }
    let items = benchmark.read(&args.path, args.images.as_deref(), args.mode)?;
    if args.rank && items.iter().any(|item| item.options.is_empty()) {
        let name = benchmark.name();
        return Err(usage(format!("{name} has no options to rank: leave out --rank")));
    }
    let started = Instant::now();
    let mut respondent = None::<(Loaded, BTreeMap<String, String>)>;
    // Answers may be to all questions, also where a part of them is scored.
    let elsewhere = args.answers.as_deref().map(|path| benchmark.read_answers(&items, path));
    let items = match args.n {
        Some(pictures) => benchmarks::first(items, pictures),
        None => items,
    };
    let answers = match elsewhere {
        Some(answers) => answers?,
        None => args.ask(&items, &mut respondent)?,
    };
    let outcome = args.score(benchmark, &items, &answers)?;
    let settings = Settings {
        benchmark: benchmark.name(),
        path: &args.path,
        images: args.images.as_deref(),
        mode: args.mode,
        max_tokens: args.max_tokens,
        rank: args.rank,
        answers: args.answers.as_deref(),
        judge: args.judge_name(),
    };
    let data = format!("{} questions of {}", items.len(), args.path.display());
    let seconds = started.elapsed().as_secs_f64();
    let (name, files, device) = match respondent {
        Some((loaded, files)) => (loaded.name, files, loaded.device),
        None => (args.elsewhere(), BTreeMap::new(), "elsewhere"),
    };
    let receipt = Receipt::new(&name, files, device, data, settings, seconds, outcome);
    atomic::write_json(&args.out, &receipt)?;
    match args.json {
        true => output::json(&receipt),
        false => output::line(&receipt.scores),
    }
}

impl Args {
    /// The answers, of a model that is put into `respondent` with its files, or of an endpoint's.
    fn ask(
        &self,
        items: &[Item],
        respondent: &mut Option<(Loaded, BTreeMap<String, String>)>,
    ) -> anyhow::Result<Answers> {
        let journal = self.out.with_extension("answers.jsonl");
        let interrupt = Interrupt::install()?;
        let bar = progress::bar("questions");
        let asked = match self.endpoint.as_deref().zip(self.endpoint_model.as_deref()) {
            Some((url, model)) => {
                let endpoint = endpoint::open(url, self.key_env.as_deref())?;
                let options = Options {
                    temperature: Some(0.0),
                    max_tokens: Some(u32::try_from(self.max_tokens)?),
                    ..Options::new(model)
                };
                let remote = Remote { endpoint: &endpoint, options, parallel: self.batch };
                ask(items, &remote, &journal, &bar, interrupt.stop())?
            }
            None => {
                let loaded = self.model.load()?;
                loaded.must_see()?;
                let files = loaded.files()?;
                let (loaded, files) = respondent.insert((loaded, files));
                let local = local(loaded, files.clone(), self);
                let respondent: Box<dyn Respondent> =
                    if self.rank { Box::new(Ranking(local)) } else { Box::new(local) };
                ask(items, respondent.as_ref(), &journal, &bar, interrupt.stop())?
            }
        };
        bar.finish_and_clear();
        for (id, reason) in &asked.failed {
            eprintln!("error: {id}: {reason}");
        }
        anyhow::ensure!(
            asked.failed.is_empty(),
            "{} of {} questions got no answer; the others are kept in {}, and the same command \
             asks again",
            asked.failed.len(),
            items.len(),
            journal.display()
        );
        Ok(asked.answers)
    }

    fn score(
        &self,
        benchmark: &dyn Benchmark,
        items: &[Item],
        answers: &Answers,
    ) -> anyhow::Result<Outcome> {
        let score =
            |judge: Option<&dyn Judge>| Ok(benchmark.score(items, answers, self.mode, judge)?);
        if !benchmark.needs_judge() {
            return score(None);
        }
        let Some(name) = &self.judge else {
            let replies = self.replies.as_deref().ok_or_else(|| usage("--judge is missing"))?;
            return score(Some(&RecordedReplies::open(replies, None)?));
        };
        let kept = self.out.with_extension("replies.jsonl");
        let bar = progress::bar("judged");
        bar.set_length(items.len() as u64);
        let with = |judge: &dyn Judge| {
            let watched = Watched { judge, bar: &bar };
            let outcome = score(Some(&RecordedReplies::open(&kept, Some(&watched))?));
            bar.finish_and_clear();
            outcome
        };
        match &self.judge_endpoint {
            Some(url) => {
                let endpoint = endpoint::open(url, self.judge_key_env.as_deref())?;
                with(&Remote { endpoint: &endpoint, options: Options::new(name), parallel: 1 })
            }
            None => {
                let device = DeviceArg::default();
                let loaded = ModelArgs::named(name.clone(), device).load()?;
                with(&local(&loaded, loaded.files()?, self))
            }
        }
    }

    /// Who answered, where it was no model of this machine.
    fn elsewhere(&self) -> String {
        match self.endpoint.as_deref().zip(self.endpoint_model.as_deref()) {
            Some((url, model)) => format!("{model} at {url}"),
            None => "unknown".to_owned(),
        }
    }

    fn judge_name(&self) -> Option<String> {
        let name = self.judge.as_ref()?;
        Some(match &self.judge_endpoint {
            Some(url) => format!("{name} at {url}"),
            None => name.clone(),
        })
    }
}

fn local<'a>(loaded: &'a Loaded, files: BTreeMap<String, String>, args: &Args) -> Local<'a> {
    Local {
        name: &loaded.name,
        files,
        model: &loaded.model,
        processor: &loaded.processor,
        batch: args.batch,
        max_tokens: args.max_tokens,
    }
}

/// A judge whose work is seen.
struct Watched<'a> {
    judge: &'a dyn Judge,
    bar: &'a ProgressBar,
}

impl Judge for Watched<'_> {
    fn judge(&self, prompt: &JudgePrompt) -> quintet_eval::Result<String> {
        let reply = self.judge.judge(prompt);
        self.bar.inc(u64::from(prompt.attempt == 0));
        reply
    }
}
