//! Tasks for FMint: `tasks FAMILY POINTS TRAJECTORIES COUNT`. Reports a mean of their states.

use quintet_ode::{Protocol, Tasks, families};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, name, points, trajectories, count] = args.as_slice() else {
        anyhow::bail!("usage: tasks FAMILY POINTS TRAJECTORIES COUNT");
    };
    let family = families::find(name).ok_or(anyhow::anyhow!("no family {name}"))?;
    let (points, trajectories) = (points.parse()?, trajectories.parse()?);
    let protocol = Protocol::Aligned;
    let tasks = Tasks { family, points, trajectories, stride: None, protocol, seed: 1 };
    let count = count.parse()?;
    quintet_bench::serve(|| {
        let tasks = tasks.draw(0..count)?;
        let all = || tasks.iter().flat_map(|task| &task.fine);
        Ok(vec![all().sum::<f64>() / all().count() as f64])
    })
}
