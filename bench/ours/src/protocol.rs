//! The contestant's side of `bench/pair.py`.

use std::{
    io::{BufRead, Write},
    time::Instant,
};

use serde_json::json;

/// Runs `f` once for each line of the standard input and reports its time and what it computed;
/// at the end, the most memory that the process held.
///
/// # Errors
/// If `f` fails or the other side is gone.
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
    writeln!(out, "{}", json!({ "peak_bytes": peak_bytes() }))?;
    Ok(())
}

/// The most memory that this process held (`VmHWM`).
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// The ids that all contestants read: any fixed sequence without a pattern that a model could
/// learn in a few steps.
pub fn ids(batch: usize, tokens: usize, vocabulary: usize) -> Vec<Vec<u32>> {
    let id = |i: usize| ((i * i * 31 + i * 7919) % vocabulary) as u32;
    (0..batch).map(|row| (0..tokens).map(|t| id(row * tokens + t)).collect()).collect()
}

/// The pixels that all contestants see, between -1 and 1.
pub fn noise(count: usize) -> Vec<f32> {
    ids(1, count, 509).concat().into_iter().map(|id| id as f32 / 254.0 - 1.0).collect()
}
