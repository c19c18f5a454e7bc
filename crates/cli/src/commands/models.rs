//! `quintet models`.

use quintet_hub::{Cache, Catalogue, Places};
use serde_json::json;

#[derive(clap::Args)]
pub struct Args {
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

/// Lists bundled models and the catalogue.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let bundled = Places::from_env()?.bundled();
    let cache = Cache::from_env()?;
    if args.json {
        let known = Catalogue::load().iter().map(|entry| {
            json!({
                "key": entry.key,
                "title": entry.title,
                "licence": entry.licence,
                "bytes": entry.size(),
                "purpose": entry.purpose,
                "path": entry.cached(&cache),
            })
        });
        let bundled = bundled.iter().map(|key| json!({ "key": key, "bundled": true }));
        println!("{}", serde_json::Value::from_iter(bundled.chain(known)));
        return Ok(());
    }
    for key in bundled {
        println!("{key:<16} bundled");
    }
    for entry in Catalogue::load() {
        let state = if entry.cached(&cache).is_some() { "here" } else { "to pull" };
        let (size, licence) = (entry.size() / 1_000_000, &entry.licence);
        println!("{:<16} {state:<8} {size:>5} MB  {licence:<12} {}", entry.key, entry.title);
    }
    Ok(())
}
