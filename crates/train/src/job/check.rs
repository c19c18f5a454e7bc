//! Pre-flight of a recipe: every row of every stage, and its memory.

use std::sync::atomic::AtomicBool;

use burn::Device;
use quintet_data::sample::Sample;

use super::{Recipe, data};
use crate::{
    Result,
    error::job,
    preflight::{Report, RowFacts, check},
    progress::ProgressMode,
    recipe::ObjectiveKind,
};

/// Checks every row that the recipe's language stages train on.
///
/// # Errors
/// If model or data cannot be opened; rows that fail are in the reports.
pub fn preflight(
    recipe: &Recipe,
    device: &Device,
    progress: ProgressMode,
    stop: &AtomicBool,
) -> Result<Vec<Report>> {
    let (_, mut processor) = recipe.model.build(recipe.seed, device).map_err(job)?;
    let mut reports = Vec::new();
    for stage in &recipe.stages {
        if stage.objective == ObjectiveKind::Encoder {
            continue;
        }
        processor.options.max_len = stage.max_tokens;
        for source in data::sources(recipe, stage).map_err(job)? {
            let facts = |sample: &Sample| {
                let row = match source.separate_turns {
                    true => processor.encode_turns(sample),
                    false => processor.encode(sample),
                }
                .map_err(|error| error.to_string())?;
                let spans = row.images.iter().map(|(span, _)| span.len());
                Ok(RowFacts {
                    tokens: row.ids.len(),
                    supervised: row.supervised.iter().filter(|on| **on).count(),
                    placeholders: spans.sum(),
                    features: row.images.len() * processor.image_tokens,
                })
            };
            reports.push(check(source.dataset.as_ref(), &facts, progress, stop));
        }
    }
    Ok(reports)
}
