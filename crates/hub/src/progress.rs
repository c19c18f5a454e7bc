//! Progress of downloads: a bar with rate and remaining time, on a terminal only.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const SIZED: &str = "{msg} [{bar:30}] {bytes}/{total_bytes} at {binary_bytes_per_sec}, {eta} left";
const UNSIZED: &str = "{spinner} {msg} {bytes} {elapsed}";

/// Whether, and how, progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is drawn.
    Quiet,
    /// A bar on standard error.
    Bar,
}

impl Progress {
    /// A bar when standard error is a terminal, else nothing.
    pub fn auto() -> Self {
        if std::io::stderr().is_terminal() { Self::Bar } else { Self::Quiet }
    }

    /// Starts a bar of `total` bytes, or a counter when the total is not known.
    pub(crate) fn start(self, label: &str, total: Option<u64>) -> ProgressBar {
        if self == Self::Quiet {
            return ProgressBar::hidden();
        }
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), SIZED),
            None => (ProgressBar::new_spinner(), UNSIZED),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(label.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid_and_quiet_is_quiet() {
        ProgressStyle::with_template(SIZED).unwrap();
        ProgressStyle::with_template(UNSIZED).unwrap();
        assert!(Progress::Quiet.start("x", Some(1)).is_hidden());
    }
}
