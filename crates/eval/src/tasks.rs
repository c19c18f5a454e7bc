//! The scene tasks: questions about built scenes, whose answers are known.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use indicatif::ProgressBar;
use quintet_data::{
    sample::{Media, Message, Part, Role, Sample},
    scene::{
        Scene, SceneSpec, SpriteSet, Style,
        tasks::{Asker, Phrasing, Question},
    },
};
use quintet_models::{Multimodal, Processor, multimodal::Row};
use quintet_som::{
    marks::{Marker, Options},
    regions::Found,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::{Error, Result, Scores, asking::greedy};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// How scenes are built.
    pub spec: SceneSpec,
    /// Number of scenes.
    pub scenes: usize,
    /// Most questions of one kind about one scene.
    pub per_kind: usize,
    /// Seed of scenes and questions.
    pub seed: u64,
    /// Questions answered at a time.
    pub batch: usize,
    /// Longest answer, in tokens.
    pub max_tokens: usize,
    /// How objects are marked before anything is asked about them, if they are: *List Items One by
    /// One*, the rows "-T" of Table 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marks: Option<Options>,
}

impl Settings {
    /// Clean scenes with held-out fonts and photographs, drawn in these styles.
    pub fn new(styles: &[Style]) -> Self {
        Self {
            spec: SceneSpec::validation(styles),
            scenes: 500,
            per_kind: 2,
            seed: 2024,
            batch: 32,
            max_tokens: 40,
            marks: None,
        }
    }

    /// The data in words.
    pub fn describe(&self) -> String {
        let styles: Vec<&str> = self.spec.styles.iter().map(|style| style.key()).collect();
        format!(
            "{} scenes of {} px in style {}{}, canonical questions, at most {} of a kind each",
            self.scenes,
            self.spec.size,
            styles.join(" "),
            if self.marks.is_some() { " with marked objects" } else { "" },
            self.per_kind
        )
    }

    fn check(&self, model: &Multimodal, sprites: &SpriteSet) -> Result<()> {
        let refuse = |reason: String| Err(Error::Settings(reason));
        if model.vision().is_none() {
            return refuse("the model only reads text, and the tasks are about pictures".into());
        }
        for (name, value) in [
            ("scenes", self.scenes),
            ("questions per kind", self.per_kind),
            ("batch", self.batch),
            ("max_tokens", self.max_tokens),
        ] {
            if value == 0 {
                return refuse(format!("{name} is 0, at least 1 is needed"));
            }
        }
        let loaded: Vec<Style> = sprites.styles().collect();
        match self.spec.styles.iter().find(|style| !loaded.contains(style)) {
            Some(style) => refuse(format!("there are no drawings in style {style} here")),
            None if self.spec.styles.is_empty() => refuse("no drawing style is given".into()),
            None => Ok(()),
        }
    }
}

/// Asks the model every question in a conversation of its own, greedily, and scores the answers.
///
/// `progress` counts scenes; `stop` (set by Ctrl-C) ends the evaluation.
///
/// # Errors
/// If the settings measure nothing, the model does not see, or a question cannot be asked.
pub fn evaluate(
    model: &Multimodal,
    processor: &Processor,
    sprites: &SpriteSet,
    settings: &Settings,
    progress: &ProgressBar,
    stop: &AtomicBool,
) -> Result<Scores> {
    settings.check(model, sprites)?;
    let asker = Asker::new(sprites, Phrasing::Canonical);
    let marker = settings.marks.clone().map(Marker::new).transpose()?;
    let asking = Asking { model, processor, settings };
    let mut scores = Scores::default();
    progress.set_length(settings.scenes as u64);
    for index in 0..settings.scenes as u64 {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped { done: scores.scenes, scenes: settings.scenes });
        }
        let scene = Scene::generate(&settings.spec, sprites, settings.seed, index);
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        rng.set_stream(index);
        let questions = asker.questions(&scene, settings.per_kind, &mut rng);
        let image = match &marker {
            Some(marker) => marker.mark(&scene.image, &Found::from(&scene).regions)?.image,
            None => scene.image,
        };
        let picture = Media::Image(Arc::new(image));
        for questions in questions.chunks(settings.batch) {
            let answers = asking.answers(index, &picture, questions)?;
            for (question, answer) in questions.iter().zip(&answers) {
                scores.add(index, question, answer);
            }
        }
        scores.scenes += 1;
        progress.inc(1);
    }
    Ok(scores)
}

struct Asking<'a> {
    model: &'a Multimodal,
    processor: &'a Processor,
    settings: &'a Settings,
}

impl Asking<'_> {
    fn answers(&self, scene: u64, picture: &Media, questions: &[Question]) -> Result<Vec<String>> {
        let mut rows = Vec::with_capacity(questions.len());
        for question in questions {
            let content = vec![Part::Image, Part::Text(question.text.clone())];
            let sample = Sample {
                id: format!("scene {scene}, {}", question.kind),
                messages: vec![Message { role: Role::User, content }],
                media: vec![picture.clone()],
            };
            rows.push(self.processor.encode_prompt(&sample)?);
        }
        share_pictures(&mut rows);
        greedy(self.model, self.processor, rows, self.settings.max_tokens)
    }
}

/// Lets rows about one picture hold one copy of its pixels.
fn share_pictures(rows: &mut [Row]) {
    let Some((first, others)) = rows.split_first_mut() else { return };
    for (kept, image) in
        others.iter_mut().flat_map(|row| first.images.iter().zip(row.images.iter_mut()))
    {
        image.1 = kept.1.clone();
    }
}
