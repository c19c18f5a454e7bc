//! Memory of a run: predicted by part before it starts, measured while it runs.

mod predict;
mod system;

pub use predict::{Flow, Load, Prediction, Transformer, predict};
pub use system::{available, peak_rss, reset_peak_rss, rss};

use crate::{Error, Result};

/// Refuses a run that needs more than `allowed` bytes in all; see [`allowance`].
///
/// # Errors
/// If more is predicted than is allowed; the message gives the parts. Where the system does not
/// say what is free, nothing is refused.
pub fn check(prediction: &Prediction, allowed: Option<u64>) -> Result<()> {
    match allowed {
        Some(allowed) if prediction.total() > allowed => Err(Error::Memory(format!(
            "{} of memory are needed ({}), but only {} are free; lower batch or max_tokens, \
             train fewer parts, or ask for precision = \"half\"",
            human(prediction.total()),
            prediction.in_one_line(),
            human(allowed)
        ))),
        _ => Ok(()),
    }
}

/// Bytes that this process may hold in all: what it holds and what it could still take.
pub fn allowance() -> Option<u64> {
    Some(available()? + rss()?)
}

/// Bytes for people.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}
