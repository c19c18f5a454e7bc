//! Memory of a run: predicted by part before it starts, measured while it runs.

mod predict;
mod system;

pub use predict::{Flow, Load, Prediction, Transformer, predict};
pub use system::{available, peak_rss, reset_peak_rss, rss};

use crate::{Error, Result};

/// Refuses a run that would not fit into what is free.
///
/// # Errors
/// If more is predicted than is free; the message gives the parts. Where the system does not say
/// what is free, nothing is refused.
pub fn check(prediction: &Prediction) -> Result<()> {
    match available() {
        Some(free) if prediction.total() > free => Err(Error::Memory(format!(
            "this run needs {} of memory, but only {} is free; lower batch or max_tokens, or \
             train fewer parts\n{prediction}",
            human(prediction.total()),
            human(free)
        ))),
        _ => Ok(()),
    }
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
