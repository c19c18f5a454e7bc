//! `quintet pull`.

use quintet_hub::{Options, Progress};
use serde_json::json;

use crate::output;

#[derive(clap::Args)]
pub struct Args {
    /// A key of `quintet models`, or a hub name (owner/name)
    model: String,
    /// Branch, tag or commit of a hub repository
    #[arg(long)]
    revision: Option<String>,
    /// One file of a hub repository: which of several GGUF files
    #[arg(long, value_name = "NAME")]
    file: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Fetches a model, or completes what an interrupted run left.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let options = Options {
        progress: Progress::auto(),
        refresh: true,
        revision: args.revision.clone(),
        file: args.file.clone(),
        ..Options::default()
    };
    let found = quintet_hub::resolve(&args.model, &options)?;
    let (path, origin) = (found.path.display().to_string(), found.origin.to_string());
    match args.json {
        true => output::json(&json!({ "model": args.model, "origin": origin, "path": path })),
        false => output::line(format_args!("{path}  ({origin})")),
    }
}
