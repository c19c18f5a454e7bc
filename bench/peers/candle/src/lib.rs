//! The peers' side of `bench/pair.py`, as `bench/ours/src/lib.rs`.

use std::{
    io::{BufRead, Write},
    time::Instant,
};

use serde_json::json;

/// Runs `f` once for each line of the standard input.
pub fn serve(mut f: impl FnMut() -> anyhow::Result<Vec<f64>>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", json!({ "ready": true }))?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let begun = Instant::now();
        let values = f()?;
        let seconds = begun.elapsed().as_secs_f64();
        writeln!(out, "{}", json!({ "seconds": seconds, "values": values }))?;
        out.flush()?;
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM:"));
    let peak = peak.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    writeln!(out, "{}", json!({ "peak_bytes": peak.map(|kib| kib * 1024) }))?;
    Ok(())
}

/// The ids that all contestants read.
pub fn ids(batch: usize, tokens: usize, vocabulary: usize) -> Vec<u32> {
    (0..batch * tokens).map(|i| ((i * i * 31 + i * 7919) % vocabulary) as u32).collect()
}
