//! `quintet pull`.

use serde_json::json;

#[derive(clap::Args)]
pub struct Args {
    /// A key of `quintet models`, or a hub name such as owner/model
    model: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Fetches a model, or completes what an interrupted run left.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let options = quintet_hub::Options { refresh: true, ..Default::default() };
    let found = quintet_hub::resolve(&args.model, &options)?;
    let (path, origin) = (found.path.display(), found.origin.to_string());
    match args.json {
        true => println!("{}", json!({ "path": path.to_string(), "origin": origin })),
        false => println!("{path}  ({origin})"),
    }
    Ok(())
}
