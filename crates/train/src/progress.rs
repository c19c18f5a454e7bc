//! What a person sees while a run goes on.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgressMode {
    /// A bar on a terminal, otherwise a plain line now and then. Both go to standard error.
    #[default]
    Auto,
    /// Nothing.
    Quiet,
}

/// Time between plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(30);

/// Weight of the newest step in the shown speed.
const SMOOTHING: f64 = 0.1;

/// Progress over the steps of a run.
pub struct Progress {
    out: Out,
    steps: u64,
    last: Instant,
    seconds_per_step: Option<f64>,
}

enum Out {
    Bar(ProgressBar),
    Lines { label: String, next: Instant },
    Quiet,
}

/// What a step adds to the display.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// Steps done.
    pub step: u64,
    /// Loss of the step.
    pub loss: f64,
    /// Learning rate of the step.
    pub lr: f64,
    /// Samples in the step.
    pub samples: u64,
    /// Tokens in the step.
    pub tokens: u64,
}

impl Progress {
    /// Progress that starts after `step` of `steps`.
    pub fn new(mode: ProgressMode, label: &str, step: u64, steps: u64) -> Self {
        let now = Instant::now();
        let out = match mode {
            ProgressMode::Quiet => Out::Quiet,
            ProgressMode::Auto if std::io::stderr().is_terminal() => {
                let bar = ProgressBar::new(steps).with_position(step);
                let style = "{prefix} {wide_bar} {pos}/{len}  {msg}";
                bar.set_style(
                    ProgressStyle::with_template(style)
                        .unwrap_or_else(|_| ProgressStyle::default_bar()),
                );
                bar.set_prefix(label.to_owned());
                Out::Bar(bar)
            }
            ProgressMode::Auto => Out::Lines { label: label.to_owned(), next: now },
        };
        Self { out, steps, last: now, seconds_per_step: None }
    }

    /// Counts one step.
    pub fn step(&mut self, shown: Shown) {
        let now = Instant::now();
        let newest = now.duration_since(self.last).as_secs_f64();
        self.last = now;
        let mean = self.seconds_per_step.map_or(newest, |old| old + (newest - old) * SMOOTHING);
        self.seconds_per_step = Some(mean);
        match &mut self.out {
            Out::Bar(bar) => {
                bar.set_position(shown.step);
                bar.set_message(message(shown, self.steps, mean));
            }
            Out::Lines { label, next } if now >= *next || shown.step == self.steps => {
                let text = message(shown, self.steps, mean);
                eprintln!("{label} {}/{}  {text}", shown.step, self.steps);
                *next = now + PLAIN_EVERY;
            }
            Out::Lines { .. } | Out::Quiet => {}
        }
    }

    /// Leaves the time out of the speed: evaluating or saving is not training.
    pub fn skip(&mut self) {
        self.last = Instant::now();
    }

    /// A line that stays, such as where a checkpoint went.
    pub fn note(&self, text: &str) {
        match &self.out {
            Out::Bar(bar) => bar.println(text),
            Out::Lines { label, .. } => eprintln!("{label} {text}"),
            Out::Quiet => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Out::Bar(bar) = &self.out {
            bar.abandon();
        }
    }
}

fn message(shown: Shown, steps: u64, seconds_per_step: f64) -> String {
    let rate = |count: u64| count as f64 / seconds_per_step.max(1e-9);
    let left = seconds_per_step * steps.saturating_sub(shown.step) as f64;
    format!(
        "loss {:.4}  lr {:.2e}  {:.1} samples/s  {:.0} tokens/s  {} left",
        shown.loss,
        shown.lr,
        rate(shown.samples),
        rate(shown.tokens),
        HumanDuration(Duration::from_secs_f64(left.min(1e9))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_gives_speed_and_time_left() {
        let shown = Shown { step: 40, loss: 1.25, lr: 3e-4, samples: 16, tokens: 2000 };
        let text = message(shown, 100, 2.0);
        assert_eq!(text, "loss 1.2500  lr 3.00e-4  8.0 samples/s  1000 tokens/s  2 minutes left");
    }
}
