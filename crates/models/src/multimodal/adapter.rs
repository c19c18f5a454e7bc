//! LoRA adapters of a whole model, as PEFT names their parameters for `transformers`.

use std::path::Path;

use quintet_nn::{AdapterFiles, Adapters};

use super::{Multimodal, PARTS};
use crate::Result;

impl Multimodal {
    /// Writes adapters of this model to a directory, as PEFT does: of a joined model under the names that
    /// modules have in `LlavaForConditionalGeneration` since `transformers` 4.52. Parts that were trained
    /// whole beside them, named by the [prefix](super::PARTS) of their parameters, go with them.
    /// `base_model` is the name or path under which the model that is adapted is found.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save_adapter(
        &self,
        adapters: &Adapters,
        dir: &Path,
        base_model: Option<&str>,
        whole: &[&str],
    ) -> Result<()> {
        let rename = |name: &str| match self.vision {
            Some(_) => module_name(name),
            None => name.to_owned(),
        };
        let mut whole: Vec<&str> = whole.iter().flat_map(|prefix| modules(prefix)).collect();
        whole.retain(|module| self.params().iter().any(|cell| cell.name().starts_with(module)));
        let files = AdapterFiles { base_model, whole: &whole, rename: &rename };
        Ok(adapters.save_as(dir, self.params(), &files)?)
    }

    /// Merges an adapter that PEFT or [`save_adapter`](Self::save_adapter) wrote into the weights.
    /// Those it changes are held in plain numbers from then on.
    ///
    /// # Errors
    /// If a file is missing or malformed, or the adapter is of another model; this one is then as it
    /// was.
    pub fn merge_adapter(&mut self, dir: &Path) -> Result<()> {
        let Self { vision, params, .. } = self;
        let rename = |name: &str| match vision.as_ref() {
            Some(vision) => vision.config.parameter_name(name),
            None => Some(name.to_owned()),
        };
        Adapters::load_as(params, dir, rename)?.merge(params);
        Ok(())
    }
}

/// The modules of a part; the backbone's are no single one in `transformers`.
fn modules(prefix: &str) -> Vec<&str> {
    match prefix == PARTS[2].1 {
        true => vec!["language_model.model", "language_model.lm_head"],
        false => vec![prefix.trim_end_matches('.')],
    }
}

/// The name of a module or tensor within `LlavaForConditionalGeneration`; what
/// [`MultimodalConfig::parameter_name`](super::MultimodalConfig::parameter_name) undoes.
fn module_name(name: &str) -> String {
    match name.strip_prefix("language_model.") {
        None => format!("model.{name}"),
        Some("model") => "model.language_model".to_owned(),
        Some(rest) => match rest.strip_prefix("model.") {
            None => rest.to_owned(),
            Some(rest) => format!("model.language_model.{rest}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::module_name;

    #[test]
    fn modules_are_named_as_in_transformers() {
        for (ours, theirs) in [
            (
                "language_model.model.layers.1.self_attn.q_proj",
                "model.language_model.layers.1.self_attn.q_proj",
            ),
            ("language_model.model", "model.language_model"),
            ("language_model.lm_head", "lm_head"),
            ("multi_modal_projector.linear_1", "model.multi_modal_projector.linear_1"),
            ("vision_tower.vision_model.encoder", "model.vision_tower.vision_model.encoder"),
        ] {
            assert_eq!(module_name(ours), theirs);
        }
    }
}
