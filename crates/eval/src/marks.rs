//! Set-of-Mark tasks: a model lists what is marked, and its tags' attention is weighed (*List Items
//! One by One*, §5.2 and §6.1).

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use indicatif::ProgressBar;
use quintet_data::{
    Mask,
    image_processor::Placement,
    sample::{Part, Role, Sample},
    scene::{SceneSpec, SpriteSet, Style},
};
use quintet_models::{Multimodal, Processor};
use quintet_som::{
    listing::{self, Format, ListingAccuracy, ListingScore, MarkedPicture, MarkedScenes, Pictures},
    marks::Options,
};
use serde::Serialize;

use crate::{
    Error, Result,
    asking::greedy,
    probe::{self, AttentionMap, Select},
};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarkSettings {
    /// How scenes are built.
    pub spec: SceneSpec,
    /// How they are marked.
    pub marks: Options,
    /// The form of the listings.
    pub format: Format,
    /// Pictures.
    pub pictures: usize,
    /// Least number of marks in one; scenes with fewer are passed over.
    pub least: usize,
    /// Seed of the scenes.
    pub seed: u64,
    /// Pictures asked about at a time.
    pub batch: usize,
    /// Longest listing, in tokens.
    pub max_tokens: usize,
    /// Whether attention is weighed.
    pub attention: bool,
}

impl MarkSettings {
    /// Clean scenes of five to ten objects with held-out fonts and photographs, drawn in these
    /// styles.
    pub fn new(styles: &[Style]) -> Self {
        Self {
            spec: SceneSpec { objects: 10, ..SceneSpec::validation(styles) },
            marks: Options::default(),
            format: Format::Inline,
            pictures: 200,
            least: 5,
            seed: 2024,
            batch: 16,
            max_tokens: 120,
            attention: true,
        }
    }

    /// The data in words.
    pub fn describe(&self) -> String {
        let styles: Vec<&str> = self.spec.styles.iter().map(|style| style.key()).collect();
        format!(
            "{} marked scenes of {} px in style {} with {} to {} objects",
            self.pictures,
            self.spec.size,
            styles.join(" "),
            self.least,
            self.spec.objects
        )
    }
}

/// How well marks are listed, and where their tags look.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MarkScores {
    /// Listing accuracy, M/N on the mean over pictures.
    pub listing: f64,
    /// Listings that name every mark, once and in order, rightly or not.
    pub complete: f64,
    /// The counts behind it.
    pub counts: ListingAccuracy,
    /// Of the attention that a tag gives to the picture, the mean share inside its own object; the
    /// listing is the true one. Absent where it was not weighed.
    pub inside: Option<f64>,
    /// Tags whose attention was weighed; all of them, if the tokenizer lets them be found.
    pub weighed: usize,
    /// The mean share of the picture that these objects cover: what `inside` would be by chance.
    pub area: Option<f64>,
    /// As `inside`, where the tag's own label does not cover the object: what is left when looking at
    /// the label counts for nothing.
    pub beside: Option<f64>,
    /// The mean share of the picture that lies there: what `beside` would be by chance.
    pub area_beside: Option<f64>,
    /// The first listings that are not all right.
    pub mistakes: Vec<Mistake>,
}

/// A listing that is not all right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The picture's number.
    pub picture: usize,
    /// The right listing.
    pub expected: String,
    /// The model's.
    pub answered: String,
}

/// Wrong listings kept.
const KEPT: usize = 10;

/// Scenes looked at for each picture that is wanted.
const TRIES: usize = 20;

/// Measures a model. `progress` counts pictures; `stop` (set by Ctrl-C) ends it.
///
/// # Errors
/// If the settings measure nothing, or a picture cannot be asked about.
pub fn evaluate_marks(
    model: &Multimodal,
    processor: &Processor,
    sprites: Arc<SpriteSet>,
    settings: &MarkSettings,
    progress: &ProgressBar,
    stop: &AtomicBool,
) -> Result<MarkScores> {
    if model.vision().is_none() || settings.pictures == 0 || settings.batch == 0 {
        return Err(Error::Settings(
            "a model that sees and at least one picture are needed".into(),
        ));
    }
    let build = listing::Settings { format: settings.format, ..listing::Settings::default() };
    let (marks, length) = (settings.marks.clone(), settings.pictures * TRIES);
    let scenes =
        MarkedScenes::new(settings.spec.clone(), sprites, marks, build, settings.seed, length)?;
    let mut wanted = (0..length).filter_map(|i| match scenes.marked(i) {
        Ok(marked) if marked.items.len() < settings.least => None,
        marked => Some(marked.map(|marked| (i, marked))),
    });
    progress.set_length(settings.pictures as u64);
    let mut tally = Tally::default();
    let mut done = 0;
    while done < settings.pictures {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped { done, scenes: settings.pictures });
        }
        let count = settings.batch.min(settings.pictures - done);
        let batch = wanted.by_ref().take(count).collect::<listing::Result<Vec<_>>>()?;
        if batch.is_empty() {
            return Err(Error::Settings(format!(
                "only {done} of {length} scenes have {} marks",
                settings.least
            )));
        }
        done += batch.len();
        let sample = |(_, marked): &(usize, MarkedPicture)| scenes.builder().sample(marked);
        let samples: Vec<Sample> = batch.iter().filter_map(sample).collect();
        let prompts = samples.iter().map(|sample| {
            let messages = sample.messages.iter().take(1).cloned().collect();
            Ok(processor.encode_prompt(&Sample { messages, ..sample.clone() })?)
        });
        let prompts = prompts.collect::<Result<Vec<_>>>()?;
        let answers = greedy(model, processor, prompts, settings.max_tokens)?;
        for (((i, marked), sample), answer) in batch.iter().zip(&samples).zip(&answers) {
            tally.listing(*i, marked, sample, answer);
            if settings.attention {
                tally.attention(model, processor, marked, sample)?;
            }
            progress.inc(1);
        }
    }
    Ok(tally.scores())
}

#[derive(Default)]
struct Tally {
    accuracy: ListingAccuracy,
    complete: usize,
    object: Mass,
    beside: Mass,
    mistakes: Vec<Mistake>,
}

/// Attention inside masks, summed over tags.
#[derive(Default)]
struct Mass {
    tags: usize,
    inside: f64,
    area: f64,
}

impl Mass {
    fn add(&mut self, map: &AttentionMap, mask: &Mask, placement: &Placement) {
        self.tags += 1;
        self.inside += map.inside(mask, placement);
        self.area += map.area(mask, placement);
    }

    /// The mean of a sum.
    fn mean(&self, sum: f64) -> Option<f64> {
        (self.tags > 0).then(|| sum / self.tags as f64)
    }
}

impl Tally {
    fn listing(&mut self, picture: usize, marked: &MarkedPicture, sample: &Sample, answer: &str) {
        let score = ListingScore::of(answer, &marked.items);
        self.accuracy.add(&score);
        self.complete += usize::from(listing::listing(answer, &marked.tags()).is_ok());
        if score.right < score.total && self.mistakes.len() < KEPT {
            let expected = text(sample, Role::Assistant).to_owned();
            self.mistakes.push(Mistake { picture, expected, answered: answer.to_owned() });
        }
    }

    /// Weighs the attention of each tag of the true listing.
    fn attention(
        &mut self,
        model: &Multimodal,
        processor: &Processor,
        marked: &MarkedPicture,
        sample: &Sample,
    ) -> Result<()> {
        let attended = probe::attend(model, processor, sample, Select::default())?;
        let [width, height] = marked.size;
        let Some(images) = &processor.images else { return Ok(()) };
        let placement = images.placement(width, height)?;
        let mut from = 0;
        for (item, mask) in marked.items.iter().zip(&marked.masks) {
            let Some(tokens) = attended.find(&format!("{}.", item.tag), from) else { continue };
            from = tokens.end;
            let map = attended.map(tokens)?;
            self.object.add(&map, mask, &placement);
            let beside = match item.label.and_then(Mask::rectangle) {
                Some(label) => mask.minus(&label),
                None => Some(mask.clone()),
            };
            if let Some(beside) = beside {
                self.beside.add(&map, &beside, &placement);
            }
        }
        Ok(())
    }

    fn scores(self) -> MarkScores {
        let Self { object, beside, .. } = &self;
        MarkScores {
            listing: self.accuracy.by_picture().unwrap_or(0.0),
            complete: self.complete as f64 / self.accuracy.pictures.max(1) as f64,
            inside: object.mean(object.inside),
            weighed: object.tags,
            area: object.mean(object.area),
            beside: beside.mean(beside.inside),
            area_beside: beside.mean(beside.area),
            counts: self.accuracy,
            mistakes: self.mistakes,
        }
    }
}

impl fmt::Display for MarkScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "listing accuracy  {:.3}", self.listing)?;
        write!(f, "complete listings {:.3}", self.complete)?;
        if let Some((inside, area)) = self.inside.zip(self.area) {
            write!(f, "\nattention inside  {inside:.3} (by chance {area:.3})")?;
        }
        if let Some((beside, area)) = self.beside.zip(self.area_beside) {
            write!(f, "\n  beside the label {beside:.3} (by chance {area:.3})")?;
        }
        Ok(())
    }
}

/// What a speaker says first.
fn text(sample: &Sample, role: Role) -> &str {
    let message = sample.messages.iter().find(|message| message.role == role);
    let mut parts = message.into_iter().flat_map(|message| &message.content);
    parts
        .find_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None })
        .unwrap_or_default()
}
