//! `quintet models`.

use std::path::{Path, PathBuf};

use indicatif::DecimalBytes;
use quintet_hub::{Catalogue, Options, Places};
use serde::Serialize;

use crate::output;

#[derive(clap::Args)]
pub struct Args {
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

/// One model.
#[derive(Serialize)]
struct Listed {
    key: String,
    title: String,
    licence: String,
    /// Bytes on disk.
    size: u64,
    purpose: String,
    bundled: bool,
    /// Where it is, when it is on this machine.
    path: Option<PathBuf>,
}

/// Lists the bundled models, then the catalogue.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let places = Places::from_env()?;
    let bundled = places.bundled().into_iter().map(|key| bundled(&places, key));
    let mut listed = bundled.collect::<anyhow::Result<Vec<_>>>()?;
    listed.extend(Catalogue::load().iter().map(|entry| Listed {
        key: entry.key.clone(),
        title: entry.title.clone(),
        licence: entry.licence.clone(),
        size: entry.size(),
        purpose: entry.purpose.clone(),
        bundled: false,
        path: entry.cached(&places.cache),
    }));
    if args.json {
        return output::json(&listed);
    }
    let mut rows = vec![["key", "size", "licence", "state", "title", "purpose"].map(str::to_owned)];
    rows.extend(listed.into_iter().map(|model| {
        let state = match (model.bundled, model.path.is_some()) {
            (true, _) => "bundled",
            (false, true) => "cached",
            (false, false) => "to pull",
        };
        let size = DecimalBytes(model.size).to_string();
        [model.key, size, model.licence, state.into(), model.title, model.purpose]
    }));
    output::text(&output::table(&rows))
}

fn bundled(places: &Places, key: String) -> anyhow::Result<Listed> {
    let path = places.resolve(&key, &Options { offline: true, ..Options::default() })?.path;
    Ok(Listed {
        title: format!("Quintet {key}"),
        licence: env!("CARGO_PKG_LICENSE").to_owned(),
        size: bytes_in(&path)?,
        purpose: "travels with the project".to_owned(),
        bundled: true,
        path: Some(path),
        key,
    })
}

fn bytes_in(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?.metadata()?;
        bytes += if entry.is_file() { entry.len() } else { 0 };
    }
    Ok(bytes)
}
