//! Plain functions of answers and truths, one file per group of metrics.

mod accuracy;
mod boxes;
mod confusion;
mod counts;
mod lists;

pub use accuracy::Accuracy;
pub use boxes::{BoxScore, iou};
pub use confusion::Confusion;
pub use counts::CountScore;
pub use lists::ListScore;

/// `part / whole`, or 0 of nothing.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Harmonic mean of precision and recall, 0 when both are.
fn f1(precision: f64, recall: f64) -> f64 {
    share(2.0 * precision * recall, precision + recall)
}
