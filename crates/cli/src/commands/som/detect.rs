//! `quintet som detect`.

use std::path::PathBuf;

use quintet_data::formats::{self, OpenOptions};
use quintet_som::listing::{Detector, share};

use crate::{output, progress};

#[derive(clap::Args)]
pub struct Args {
    /// LLaVA or ShareGPT JSON, JSON lines, or Parquet
    #[arg(required = true, value_name = "DATASET")]
    datasets: Vec<PathBuf>,
    /// Fewest entries of a listing
    #[arg(long, value_name = "N", default_value_t = 3)]
    least: usize,
    /// Listings shown of each dataset
    #[arg(long, value_name = "N", default_value_t = 3)]
    examples: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Counts listings in datasets (*List Items One by One*, Table 1).
pub fn run(args: &Args) -> anyhow::Result<()> {
    let detector = Detector { least: args.least };
    let mut rows =
        vec![["dataset", "rows", "answers", "with a listing", "share"].map(str::to_owned)];
    let (mut all, mut shown) = (serde_json::Map::new(), Vec::new());
    for path in &args.datasets {
        let data = formats::open(path, OpenOptions::default())?;
        let bar = progress::bar("rows");
        bar.set_length(data.len() as u64);
        let found =
            share(data.as_ref(), &detector, args.examples, |done| bar.set_position(done as u64));
        bar.finish_and_clear();
        if let Some(error) = &found.first_error {
            tracing::warn!("{} rows cannot be read, the first: {error}", found.unreadable);
        }
        rows.push([
            path.display().to_string(),
            found.rows.to_string(),
            found.answers.all.to_string(),
            found.answers.with.to_string(),
            format!("{:.2} %", 100.0 * found.answers.share()),
        ]);
        let texts = found.examples.iter();
        shown.extend(texts.map(|e| format!("{}, row {}:\n{}\n", path.display(), e.row, e.text)));
        all.insert(path.display().to_string(), serde_json::to_value(&found)?);
    }
    if args.json {
        return output::json(&all);
    }
    output::text(&output::table(&rows))?;
    shown.iter().try_for_each(|text| output::text(&format!("\n{text}")))
}
