//! Pre-flight of a job: the rows that every stage trains on, and the memory that it needs.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use burn::Device;
use quintet_data::sample::Sample;
use quintet_models::{Processor, multimodal::Row};
use quintet_nn::param::ParamCell;
use serde::Serialize;

use super::{Job, data, load, select};
use crate::{
    Error, Result,
    error::job,
    memory::{self, Prediction},
    objectives::Source,
    preflight::{Report, RowFacts, check},
    progress::ProgressMode,
    recipe::{ObjectiveKind, Stage},
};

/// Rows of a built dataset that are looked at: such a dataset has as many as one likes, all of
/// the same making.
pub const SAMPLE: usize = 256;

/// How many rows are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// All rows of files, and the first [`SAMPLE`] of built datasets.
    #[default]
    Usual,
    /// All rows.
    Full,
}

/// What was found about one stage.
#[derive(Clone, Debug, Serialize)]
pub struct StageReport {
    /// The stage.
    pub stage: String,
    /// Its datasets; none in an encoder stage, which builds its own batches.
    pub datasets: Vec<Report>,
    /// The memory it needs at its peak.
    pub memory: Prediction,
    /// The sum of that.
    pub memory_total: u64,
    /// What the process may hold in all; not known everywhere, nor of other devices.
    pub memory_allowed: Option<u64>,
}

impl Job<'_> {
    /// Checks the rows that each stage trains on, and predicts the memory it needs. `stop` (set by
    /// Ctrl-C) ends the check early.
    ///
    /// # Errors
    /// If the data cannot be opened, or a stage does not fit the model. Rows that fail and memory
    /// that lacks are told by the reports; see [`StageReport::refuse`].
    pub fn preflight(
        &mut self,
        depth: Depth,
        progress: ProgressMode,
        stop: &AtomicBool,
    ) -> Result<Vec<StageReport>> {
        let recipe = self.recipe;
        let mut plain = BTreeSet::new();
        let look = |stage| self.look_at(stage, &mut plain, depth, progress, stop);
        recipe.stages.iter().map(look).collect()
    }

    /// `plain` has the names of the parameters that stages before this one unpack, and gets those that
    /// this one does.
    fn look_at(
        &mut self,
        stage: &Stage,
        plain: &mut BTreeSet<String>,
        depth: Depth,
        progress: ProgressMode,
        stop: &AtomicBool,
    ) -> Result<StageReport> {
        self.processor.options.max_len = stage.max_tokens;
        let sources = data::sources(self.recipe, stage).map_err(job)?;
        let mut datasets = Vec::new();
        if stage.objective != ObjectiveKind::Encoder {
            for (source, (_, spec)) in sources.iter().zip(data::named(self.recipe, stage)) {
                let built = spec.scenes().is_some() && depth == Depth::Usual;
                let facts = |sample: &Sample| facts(&self.processor, source, sample);
                let limit = built.then_some(SAMPLE);
                datasets.push(check(source.dataset.as_ref(), &facts, limit, progress, stop));
            }
        }
        let params = self.model.params().iter();
        let copied = params.filter(|cell| !cell.is_mapped()).map(|cell| cell.bytes() as u64);
        let baseline = memory::rss().unwrap_or(0).saturating_sub(copied.sum());
        drop(sources);
        let adapters = select(stage, &mut self.model, self.recipe.seed)?;
        let memory = memory::predict(&load::load(self, stage, &datasets, plain, baseline));
        let name = |cell: &Arc<ParamCell>| cell.name().to_owned();
        plain.extend(self.model.params().trainable().map(name));
        if let Some(adapters) = adapters {
            plain.extend(adapters.linears().iter().map(|map| name(map.weight().cell())));
            adapters.detach(self.model.params_mut());
        }
        let on_processor = *self.model.device() == Device::flex();
        Ok(StageReport {
            stage: stage.name.clone(),
            datasets,
            memory_total: memory.total(),
            memory,
            memory_allowed: memory::allowance().filter(|_| on_processor),
        })
    }
}

fn facts(
    processor: &Processor,
    source: &Source,
    sample: &Sample,
) -> std::result::Result<RowFacts, String> {
    let row = match source.separate_turns {
        true => processor.encode_turns(sample),
        false => processor.encode(sample),
    }
    .map_err(|error| error.to_string())?;
    Ok(row_facts(processor, &row))
}

fn row_facts(processor: &Processor, row: &Row) -> RowFacts {
    let placeholder = processor.tokenizer.id(&processor.options.placeholders.image);
    RowFacts {
        tokens: row.ids.len(),
        supervised: row.supervised.iter().filter(|on| **on).count(),
        placeholders: row.ids.iter().filter(|&&id| Some(id) == placeholder).count(),
        features: row.images.len() * processor.image_tokens,
    }
}

impl StageReport {
    /// Refuses a stage that cannot be trained.
    ///
    /// # Errors
    /// If a row failed, the check was stopped, or less memory is free than needed.
    pub fn refuse(&self) -> Result<()> {
        let fail = |reason: String| Error::Stage { stage: self.stage.clone(), reason };
        if self.datasets.iter().any(|report| report.stopped) {
            return Err(fail("stopped before the last row was checked".to_owned()));
        }
        let failed: usize = self.datasets.iter().map(|report| report.failed).sum();
        let failures = self.datasets.iter().flat_map(|report| &report.failures);
        match failures.into_iter().next() {
            None => {}
            Some(first) if failed == 1 => return Err(fail(first.message.clone())),
            Some(first) => {
                let others = failed - 1;
                return Err(fail(format!("{}; and {others} more rows fail", first.message)));
            }
        }
        memory::check(&self.memory, self.memory_allowed).map_err(|error| fail(error.to_string()))
    }
}

impl fmt::Display for StageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "stage '{}'", self.stage)?;
        self.datasets.iter().try_for_each(|report| write!(f, "{report}"))?;
        writeln!(f, "memory at the peak\n{}", self.memory)?;
        match self.memory_allowed {
            Some(bytes) => writeln!(f, "  {:<24} {:>12}", "free", memory::human(bytes)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use quintet_data::image_processor::PixelValues;

    use super::*;
    use crate::job::{ModelSpec, model::tests::TINY};

    #[test]
    fn placeholders_are_counted_where_they_stand() {
        let spec: ModelSpec = toml::from_str(TINY).unwrap();
        let (_, processor) = spec.build(3, &Device::flex()).unwrap();
        let image = processor.tokenizer.id("<image>").unwrap();
        let picture = Arc::new(PixelValues { data: Vec::new(), height: 0, width: 0 });
        let counted = |placeholders: usize| {
            let row = Row {
                ids: [vec![image; placeholders], vec![image + 1; 3]].concat(),
                images: vec![(0..processor.image_tokens, picture.clone())],
                ..Row::default()
            };
            let facts = row_facts(&processor, &row);
            (facts.placeholders, facts.features)
        };
        assert_eq!(counted(4), (4, 4));
        // One of them was lost.
        assert_eq!(counted(3), (3, 4));
    }
}
