//! Scenes as a dataset, built as they are read.

use std::sync::Arc;

use super::{
    build::Scene,
    rng::{Purpose, stream},
    spec::SceneSpec,
    sprites::SpriteSet,
    tasks::{self, Asker, Phrasing, Question, TaskKind},
};
use crate::{Error, Result, formats::Dataset, sample::Sample};

/// Conversations about built scenes; nothing is stored.
pub struct SceneDataset {
    spec: SceneSpec,
    sprites: Arc<SpriteSet>,
    asker: Asker,
    seed: u64,
    len: usize,
    turns: usize,
    name: String,
}

impl SceneDataset {
    /// `len` conversations of at most eight questions.
    pub fn new(
        spec: SceneSpec,
        sprites: Arc<SpriteSet>,
        phrasing: Phrasing,
        seed: u64,
        len: usize,
    ) -> Self {
        let asker = Asker::new(&sprites, phrasing);
        let styles: Vec<_> = spec.styles.iter().map(|s| s.key()).collect();
        let name = format!("scenes ({}, seed {seed})", styles.join(" "));
        Self { spec, sprites, asker, seed, len, turns: 8, name }
    }

    /// The same with another largest number of questions.
    pub fn with_turns(self, turns: usize) -> Self {
        Self { turns, ..self }
    }

    /// The same with questions of these kinds only.
    pub fn with_kinds(self, kinds: Vec<TaskKind>) -> Self {
        Self { asker: self.asker.of_kinds(kinds), ..self }
    }

    /// Scene number `i` and the questions of its conversation.
    pub fn scene(&self, i: usize) -> (Scene, Vec<Question>) {
        let index = i as u64;
        let scene = Scene::generate(&self.spec, &self.sprites, self.seed, index);
        let mut rng = stream(self.seed, self.spec.split, Purpose::Questions, index);
        let questions = self.asker.turns(&scene, self.turns, &mut rng);
        (scene, questions)
    }

    /// Conversation number `i`, from its parts.
    pub(super) fn conversation(&self, i: usize, scene: Scene, questions: &[Question]) -> Sample {
        tasks::conversation(format!("{}/{i}", self.name), scene, questions)
    }
}

impl Dataset for SceneDataset {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, i: usize) -> Result<Sample> {
        if i >= self.len {
            return Err(Error::Row {
                path: self.name.clone().into(),
                row: i,
                reason: format!("there are {} scenes", self.len),
            });
        }
        let (scene, questions) = self.scene(i);
        Ok(self.conversation(i, scene, &questions))
    }

    fn name(&self) -> &str {
        &self.name
    }
}
