//! What a run remembers between steps besides weights and optimiser moments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where a run stands, as `state.json` of a checkpoint.
///
/// The batch of a step depends on nothing but `(seed, step, micro-batch)`, so the step is also
/// the position in the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// The run's seed.
    pub seed: u64,
    /// Samples seen.
    pub samples: u64,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds of training, over all sittings.
    pub seconds: f64,
    /// SHA-256 of the recipe, in hexadecimal.
    pub recipe_sha256: String,
    /// The metrics since the last line of the log.
    pub window: Window,
}

/// Running means of metrics between two lines of the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    means: BTreeMap<String, Mean>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Mean {
    #[serde(with = "bits")]
    sum: f64,
    #[serde(with = "bits")]
    weight: f64,
}

impl Window {
    /// Counts a value `weight` times.
    pub fn add(&mut self, name: &str, value: f64, weight: f64) {
        let mean = match self.means.get_mut(name) {
            Some(mean) => mean,
            None => self.means.entry(name.to_owned()).or_default(),
        };
        mean.sum += value * weight;
        mean.weight += weight;
    }

    /// Gives the means by name and starts anew.
    pub fn take(&mut self) -> BTreeMap<String, f64> {
        let means = std::mem::take(&mut self.means);
        means.into_iter().map(|(name, mean)| (name, mean.sum / mean.weight)).collect()
    }
}

/// Floats as their bits, so that a resumed run logs exactly what it would have logged.
mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_bits().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}
