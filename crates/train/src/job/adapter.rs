//! What an adapter of a LoRA stage is the adapter of.

use super::{MODEL_PARTS, ModelSpec, Recipe};
use crate::stage::{Mode, Part};

/// The parts that go with the adapters of stage `number`, by the prefix of their parameters, and the
/// checkpoint that both together turn into what the stage made.
///
/// Parts that this stage or one before it trained go whole. There is no checkpoint, but only the model as
/// it stood before the stage, if the run began from nothing or an earlier stage changed a part that is
/// adapted, or adapted another.
pub(super) fn beside(recipe: &Recipe, number: usize) -> (Vec<&'static str>, Option<&str>) {
    let mode = |stage: usize, part: &Part<'_>| recipe.stages[stage].selection().mode(part.name);
    let did = |part: &Part<'_>, what: Mode, stages: usize| {
        (0..stages).any(|stage| mode(stage, part) == what)
    };
    let adapted = |part: &&Part<'_>| mode(number, part) == Mode::Lora;
    let goes_whole = |part: &&Part<'_>| !adapted(part) && did(part, Mode::Trained, number + 1);
    let whole = MODEL_PARTS.iter().filter(goes_whole).map(|part| part.prefix).collect();
    let untold = |part: &Part<'_>| {
        did(part, Mode::Lora, number) || adapted(&part) && did(part, Mode::Trained, number)
    };
    let told = MODEL_PARTS.iter().all(|part| goes_whole(&part) || !untold(part));
    let base = match &recipe.model {
        ModelSpec::Checkpoint { path } if told => Some(path.as_str()),
        _ => None,
    };
    (whole, base)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_base_is_named_where_adapters_and_whole_parts_make_the_model_of_it() {
        let stage = |name: &str, what: &str| {
            format!(
                "[[stage]]\nname = '{name}'\nobjective = 'sft'\nsteps = 1\nbatch = 1\nlr = 1e-3\n\
                 max_tokens = 9\n{what}\n"
            )
        };
        let [see, pt, sft] = [
            "lora = { parts = ['encoder'], rank = 2, alpha = 4.0 }",
            "train = ['projector']",
            "lora = { parts = ['backbone'], rank = 2, alpha = 4.0 }",
        ];
        let stages =
            [("a", pt), ("b", sft), ("c", sft), ("d", see)].map(|(name, what)| stage(name, what));
        let text = format!("name = 'x'\nmodel = {{ path = 'base' }}\n{}", stages.concat());
        let recipe = Recipe::parse(Path::new("x.toml"), text).unwrap();
        let projector = vec!["multi_modal_projector."];
        assert_eq!(beside(&recipe, 1), (projector.clone(), Some("base")));
        assert_eq!(beside(&recipe, 2), (projector.clone(), None));
        assert_eq!(beside(&recipe, 3), (projector, None));
    }
}
