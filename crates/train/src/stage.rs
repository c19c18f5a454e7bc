//! Which parts of a model a stage trains, freezes or adapts.

use quintet_nn::{Adapters, LoraConfig, Params};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A named part of a model and what the names of its parameters start with.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The part, as recipes name it: "encoder", "projector", "backbone".
    pub name: &'a str,
    /// Prefix of its parameters' full names.
    pub prefix: &'a str,
}

/// What happens to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// All its parameters learn.
    Trained,
    /// None does.
    Frozen,
    /// Only adapters around its linear maps do.
    Lora,
}

/// The parts a stage names. Parts that it does not name are frozen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// Trained in full.
    pub train: Vec<String>,
    /// Frozen; listing them is optional.
    pub frozen: Vec<String>,
    /// Adapted.
    pub lora: Option<LoraSpec>,
}

/// Adapters of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraSpec {
    /// Parts whose linear maps are wrapped.
    pub parts: Vec<String>,
    /// Inner width.
    pub rank: usize,
    /// The update is scaled by `alpha / rank`.
    pub alpha: f32,
    /// Last segments of the names of the maps to wrap, such as `q_proj`; all maps when empty.
    #[serde(default)]
    pub targets: Vec<String>,
}

/// What a stage does to one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartReport {
    /// The part.
    pub part: String,
    /// What happens to it.
    pub mode: Mode,
    /// Values that learn.
    pub trainable: usize,
    /// Values that do not.
    pub frozen: usize,
}

/// A stage's hold on a model.
#[derive(Debug)]
pub struct Applied {
    /// The parts, in the model's order.
    pub parts: Vec<PartReport>,
    /// The adapters that were attached, to merge or save after the stage.
    pub adapters: Option<Adapters>,
}

impl Selection {
    /// What happens to the part of this name.
    pub fn mode(&self, part: &str) -> Mode {
        let lists = |parts: &[String]| parts.iter().any(|name| name == part);
        if lists(&self.train) {
            Mode::Trained
        } else if self.lora.as_ref().is_some_and(|lora| lists(&lora.parts)) {
            Mode::Lora
        } else {
            Mode::Frozen
        }
    }

    /// Trains, freezes and adapts the parameters accordingly; adapters are drawn from `seed`.
    ///
    /// # Errors
    /// If a part is unknown or named twice, a parameter belongs to no part, the adapters do not
    /// fit, or nothing would learn.
    pub fn apply(
        &self,
        stage: &str,
        parts: &[Part<'_>],
        params: &mut Params,
        seed: u64,
    ) -> Result<Applied> {
        let fail = |reason: String| Error::Stage { stage: stage.to_owned(), reason };
        self.check(parts).map_err(fail)?;
        // The longest prefix decides, so that a part may lie within another's names.
        let part_of = |name: &str| {
            let fits = parts.iter().filter(|part| name.starts_with(part.prefix));
            fits.max_by_key(|part| part.prefix.len())
        };
        let mode_of = |name: &str| part_of(name).map(|part| self.mode(part.name));
        if let Some(cell) = params.iter().find(|cell| part_of(cell.name()).is_none()) {
            return Err(fail(format!("parameter '{}' belongs to no part", cell.name())));
        }
        params.set_trainable(|name| mode_of(name) == Some(Mode::Trained));
        let adapters = match &self.lora {
            None => None,
            Some(spec) => {
                let wanted = |name: &str| {
                    let last = name.rsplit('.').next().unwrap_or(name);
                    let target = spec.targets.is_empty() || spec.targets.iter().any(|t| t == last);
                    target && mode_of(name) == Some(Mode::Lora)
                };
                let config = LoraConfig { rank: spec.rank, alpha: spec.alpha };
                Some(Adapters::attach(params, config, seed, wanted)?)
            }
        };
        if params.trainable().next().is_none() {
            return Err(fail("no parameter would learn; name a part in `train`".to_owned()));
        }
        let report = |part: &Part<'_>| {
            let own = || {
                let belongs = |name: &str| part_of(name).is_some_and(|p| p.name == part.name);
                params.iter().filter(move |cell| belongs(cell.name()))
            };
            let count = |trainable: bool| {
                own().filter(|cell| cell.is_trainable() == trainable).map(|cell| cell.len()).sum()
            };
            PartReport {
                part: part.name.to_owned(),
                mode: self.mode(part.name),
                trainable: count(true),
                frozen: count(false),
            }
        };
        Ok(Applied { parts: parts.iter().map(report).collect(), adapters })
    }

    fn check(&self, parts: &[Part<'_>]) -> std::result::Result<(), String> {
        let adapted = self.lora.as_ref().map_or(&[][..], |lora| &lora.parts);
        let named: Vec<&String> = self.train.iter().chain(&self.frozen).chain(adapted).collect();
        for (i, name) in named.iter().enumerate() {
            if !parts.iter().any(|part| part.name == name.as_str()) {
                let known: Vec<&str> = parts.iter().map(|part| part.name).collect();
                return Err(format!("no part '{name}'; this model has {}", known.join(", ")));
            }
            if named.iter().take(i).any(|other| other == name) {
                return Err(format!("part '{name}' is named twice in train, frozen and lora"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use burn::Device;
    use quintet_nn::{Linear, Vars};

    use super::*;

    const PARTS: [Part<'static>; 2] = [
        Part { name: "projector", prefix: "model.projector." },
        Part { name: "backbone", prefix: "model." },
    ];

    fn model() -> Params {
        let vars = Vars::random(1, &Device::flex());
        for (name, bias) in [("model.projector.fc", true), ("model.q_proj", false)] {
            Linear::new(&vars.at(name), 4, 6, bias).unwrap();
        }
        Linear::new(&vars.at("model.up_proj"), 4, 6, false).unwrap();
        vars.finish().unwrap()
    }

    fn selection(train: &[&str], lora: Option<LoraSpec>) -> Selection {
        Selection { train: train.iter().map(|s| s.to_string()).collect(), frozen: vec![], lora }
    }

    #[test]
    fn trains_what_is_named_and_nothing_else() {
        let mut params = model();
        let applied = selection(&["projector"], None).apply("pt", &PARTS, &mut params, 0).unwrap();
        let counts: Vec<_> =
            applied.parts.iter().map(|p| (p.mode, p.trainable, p.frozen)).collect();
        assert_eq!(counts, [(Mode::Trained, 30, 0), (Mode::Frozen, 0, 48)]);
        assert!(params.trainable().all(|cell| cell.name().starts_with("model.projector.")));
    }

    #[test]
    fn adapters_wrap_only_their_targets() {
        let mut params = model();
        let lora = LoraSpec {
            parts: vec!["backbone".into()],
            rank: 2,
            alpha: 4.0,
            targets: vec!["q_proj".into()],
        };
        let applied =
            selection(&["projector"], Some(lora)).apply("sft", &PARTS, &mut params, 0).unwrap();
        let counts: Vec<_> =
            applied.parts.iter().map(|p| (p.mode, p.trainable, p.frozen)).collect();
        assert_eq!(counts, [(Mode::Trained, 30, 0), (Mode::Lora, 2 * (4 + 6), 48)]);
    }

    #[test]
    fn mistakes_are_named() {
        let message = |train: &[&str], parts: &[Part<'_>]| {
            let applied = selection(train, None).apply("pt", parts, &mut model(), 0);
            applied.unwrap_err().to_string()
        };
        assert_eq!(
            message(&["projektor"], &PARTS),
            "stage 'pt': no part 'projektor'; this model has projector, backbone"
        );
        assert!(message(&["projector", "projector"], &PARTS).contains("named twice"));
        assert!(message(&[], &PARTS).contains("no parameter would learn"));
        assert!(message(&["projector"], &PARTS[..1]).contains("'model.q_proj.weight'"));
    }
}
