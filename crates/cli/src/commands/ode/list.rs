//! `quintet ode list`.

use quintet_ode::{FAMILIES, families::Info};
use serde::Serialize;

use crate::output;

#[derive(clap::Args)]
pub struct Args {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    state: &'static [&'static str],
    parameters: Vec<&'static str>,
    end: f64,
}

/// Prints the families.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let entry = |info: &Info| Entry {
        name: info.name,
        state: info.states,
        parameters: info.parameters.iter().map(|(name, _)| *name).collect(),
        end: super::problem::end(info),
    };
    let entries: Vec<Entry> = FAMILIES.iter().map(|family| entry(&family.info)).collect();
    if args.json {
        return output::json(&entries);
    }
    let mut rows = vec![["system", "state", "parameters", "until"].map(String::from)];
    rows.extend(entries.iter().map(|entry| {
        let list = |names: &[&str]| names.join(" ");
        [entry.name.into(), list(entry.state), list(&entry.parameters), entry.end.to_string()]
    }));
    output::text(&output::table(&rows))
}
