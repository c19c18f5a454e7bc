//! `quintet ode plot`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde_json::json;

use super::{
    npy::Array,
    picture::{COLOURS, Legend, PANELS, Picture, SHOWN, Style},
    table::{self, Numbers},
};
use crate::{output, progress};

#[derive(clap::Args)]
pub struct Args {
    /// What --out of `quintet ode solve` or `quintet ode correct` wrote: .csv, .parquet or .npy
    states: PathBuf,
    /// Trajectories, by their numbers from 0 [default: the first three]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    members: Vec<u64>,
    /// Components of the state; u0, u1 and so on in a .npy [default: the first six]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    components: Vec<String>,
    /// The picture (SVG) [default: the name of the states with .svg]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Trajectories of a file.
struct States {
    /// The components that are drawn, `d` of them.
    components: Vec<String>,
    /// Their numbers.
    members: Vec<u64>,
    times: Vec<f64>,
    /// For each, `[times, d]`.
    values: Vec<Vec<f64>>,
    /// Half widths of bands, for each `[times, d]`, if the file has some.
    bands: Option<Vec<Vec<f64>>>,
}

/// Draws trajectories of a file.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let out = args.out.clone().unwrap_or_else(|| args.states.with_extension("svg"));
    output::check_target(&out)?;
    ensure!(
        args.members.len() <= COLOURS.len() && args.components.len() <= PANELS,
        "--members and --components: at most {} and {PANELS} fit into a picture",
        COLOURS.len()
    );
    let spinner = progress::spinner("reading states");
    let is_array = args.states.extension().is_some_and(|ending| ending == "npy");
    let read = if is_array { of_array } else { of_table };
    let states = read(&args.states, &args.members, &args.components);
    spinner.finish_and_clear();
    let States { components, members, times, values, bands } = states?;
    let mut picture = Picture::new(&components, &times, Legend::Members);
    let d = components.len();
    for (i, member) in members.iter().enumerate() {
        let (initial, states) = values[i].split_at(d);
        let bands = bands.as_ref().map(|bands| &bands[i][d..]);
        picture.add(Style::Line, *member as usize, initial, states, bands);
    }
    let title = args.states.file_stem().unwrap_or_default().to_string_lossy();
    picture.save(&out, &title)?;
    match args.json {
        true => output::json(&json!({
            "written": out, "members": members, "components": components, "times": times.len(),
            "bands": bands.is_some(),
        })),
        false => output::line(out.display()),
    }
}

fn of_table(path: &Path, members: &[u64], chosen: &[String]) -> anyhow::Result<States> {
    let names = table::names(path)?;
    let band = |name: &String| format!("{name}_band");
    let is_band = |name: &String| {
        name.strip_suffix("_band").is_some_and(|of| names.iter().any(|name| name == of))
    };
    let components: Vec<String> = match chosen.is_empty() {
        false => chosen.to_vec(),
        true => {
            let all = names.iter().filter(|name| !["trajectory", "time"].contains(&&name[..]));
            all.filter(|name| !is_band(name)).take(PANELS).cloned().collect()
        }
    };
    ensure!(!components.is_empty(), "{}: no components beside the time", path.display());
    let has_bands = components.iter().all(|name| names.contains(&band(name)));
    let mut wanted = vec!["trajectory".to_owned(), "time".to_owned()];
    wanted.extend(components.iter().cloned());
    wanted.extend(components.iter().filter(|_| has_bands).map(band));
    let tried = some(members);
    let mut rows = vec![(Vec::new(), Vec::new(), Vec::new()); tried.len()];
    let mut count = 0;
    table::read(path, &wanted, Numbers::All, |row| {
        count = count.max(row[0] as u64 + 1);
        let of = tried.iter().zip(&mut rows).filter(|(member, _)| **member as f64 == row[0]);
        for (_, (times, values, bands)) in of {
            let (state, band) = row[2..].split_at(components.len());
            times.push(row[1]);
            values.extend(state);
            bands.extend(band);
        }
        Ok(())
    })?;
    let members = there(path, members, count)?;
    rows.truncate(members.len());
    let times = rows.first().map(|(times, ..)| times.clone()).unwrap_or_default();
    for (member, (other, ..)) in members.iter().zip(&rows) {
        ensure!(
            *other == times,
            "{}: trajectory {member} has other times than {}",
            path.display(),
            members[0]
        );
    }
    let (values, bands) = rows.into_iter().map(|(_, values, bands)| (values, bands)).unzip();
    Ok(States { components, members, times, values, bands: has_bands.then_some(bands) })
}

fn of_array(path: &Path, members: &[u64], chosen: &[String]) -> anyhow::Result<States> {
    let mut array = Array::open(path)?;
    let name = path.display();
    let [n, times, d] = array.shape[..] else {
        bail!("{name}: an array of shape {:?}; expected [n, times, components]", array.shape)
    };
    let names: Vec<String> = (0..d).map(|i| format!("u{i}")).collect();
    let components: Vec<String> = match chosen.is_empty() {
        false => chosen.to_vec(),
        true => names.iter().take(PANELS).cloned().collect(),
    };
    let column = |wanted: &String| {
        names
            .iter()
            .position(|name| name == wanted)
            .with_context(|| format!("{name}: no component {wanted}; it has {}", names.join(", ")))
    };
    let columns = components.iter().map(column).collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(times > 0 && !columns.is_empty(), "{name}: no states");
    let members = there(path, members, n as u64)?;
    let mut values = Vec::new();
    for member in &members {
        let all = array.values(*member as usize * times * d, times * d)?;
        let rows = all.chunks(d).flat_map(|row| columns.iter().map(|column| row[*column]));
        values.push(rows.collect());
    }
    let times = (0..times).map(|time| time as f64).collect();
    Ok(States { components, members, times, values, bands: None })
}

/// Those that were chosen, or the first.
fn some(members: &[u64]) -> Vec<u64> {
    match members.is_empty() {
        true => (0..SHOWN as u64).collect(),
        false => members.to_vec(),
    }
}

/// Those that were chosen, or the first, of a file of so many.
fn there(path: &Path, members: &[u64], count: u64) -> anyhow::Result<Vec<u64>> {
    ensure!(count > 0, "{}: no trajectories", path.display());
    if let Some(member) = members.iter().find(|member| **member >= count) {
        bail!("{}: no trajectory {member}; it has {count}, from 0 on", path.display());
    }
    Ok(some(members).into_iter().filter(|member| *member < count).collect())
}
