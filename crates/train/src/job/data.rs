//! `[data.NAME]` of a recipe.

use std::{path::PathBuf, sync::Arc};

use quintet_data::{
    formats::{self, Dataset, OpenOptions},
    scene::{
        SceneDataset, SceneSpec, SpriteSet,
        tasks::{Phrasing, TaskKind},
    },
};
use quintet_som::{
    listing::{self, MarkedScenes},
    marks,
};
use serde::Deserialize;

use super::Recipe;
use crate::{
    BoxError,
    objectives::{Built, Source},
    recipe::Stage,
};

/// A dataset.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum DataSpec {
    /// Built scenes.
    Scenes(ScenesSpec),
    /// Built scenes whose objects are marked, to be listed and asked about by their marks.
    Marked(Box<MarkedSpec>),
    /// LLaVA or ShareGPT JSON, JSON lines, or Parquet.
    File {
        /// The file.
        path: PathBuf,
        /// Where relative picture paths start; the file's folder when absent.
        media_root: Option<PathBuf>,
        /// Whether each turn is a question of its own about the same media.
        #[serde(default)]
        separate_turns: bool,
    },
}

/// Built scenes and questions about them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenesSpec {
    /// The scenes.
    pub spec: SceneSpec,
    /// How many.
    pub len: usize,
    /// Most questions about each.
    #[serde(default = "eight")]
    pub turns: usize,
    /// The kinds of questions.
    #[serde(default = "every_kind")]
    pub questions: Vec<TaskKind>,
    /// Seed of scenes and questions.
    #[serde(default)]
    pub seed: u64,
    /// Whether questions are also asked in other words than the canonical.
    #[serde(default)]
    pub varied: bool,
    /// Whether each turn is a question of its own.
    #[serde(default)]
    pub separate_turns: bool,
    /// Whether to draw from the dozen drawings that travel inside the program, which need no
    /// network, instead of the full sets of `spec.styles`.
    #[serde(default)]
    pub bundled: bool,
}

/// Marked scenes (*List Items One by One*, §4).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkedSpec {
    /// The scenes.
    pub spec: SceneSpec,
    /// How many.
    pub len: usize,
    /// Seed of the scenes.
    #[serde(default)]
    pub seed: u64,
    /// How they are marked.
    #[serde(default)]
    pub marks: marks::Options,
    /// What is said about them.
    #[serde(default)]
    pub text: listing::Settings,
    /// Whether each turn is a question of its own.
    #[serde(default)]
    pub separate_turns: bool,
    /// As for plain scenes.
    #[serde(default)]
    pub bundled: bool,
}

/// Scenes of either kind.
#[derive(Clone, Copy, Debug)]
pub enum Scenes<'a> {
    /// As they are.
    Plain(&'a ScenesSpec),
    /// With a tag on each object.
    Marked(&'a MarkedSpec),
}

impl Scenes<'_> {
    /// How many.
    pub fn count(&self) -> usize {
        match self {
            Self::Plain(scenes) => scenes.len,
            Self::Marked(scenes) => scenes.len,
        }
    }

    /// Their seed.
    pub fn seed(&self) -> u64 {
        match self {
            Self::Plain(scenes) => scenes.seed,
            Self::Marked(scenes) => scenes.seed,
        }
    }

    /// What they are built from.
    ///
    /// # Errors
    /// If the drawings' packages cannot be fetched, or the options of the marks make no sense.
    pub fn built(&self) -> Result<Built, BoxError> {
        let (spec, bundled, marks) = match self {
            Self::Plain(scenes) => (&scenes.spec, scenes.bundled, None),
            Self::Marked(scenes) => (&scenes.spec, scenes.bundled, Some(scenes.marks.clone())),
        };
        let marker = marks.map(marks::Marker::new).transpose()?.map(Arc::new);
        Ok(Built { spec: spec.clone(), sprites: sprites(spec, bundled)?, marker })
    }
}

fn eight() -> usize {
    8
}

fn every_kind() -> Vec<TaskKind> {
    TaskKind::ALL.into()
}

impl DataSpec {
    /// The scenes, if it is of such a kind.
    pub fn scenes(&self) -> Option<Scenes<'_>> {
        match self {
            Self::Scenes(scenes) => Some(Scenes::Plain(scenes)),
            Self::Marked(scenes) => Some(Scenes::Marked(scenes)),
            Self::File { .. } => None,
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// If it cannot be read, or its packages cannot be fetched.
    pub fn open(&self) -> Result<Arc<dyn Dataset>, BoxError> {
        Ok(match self {
            Self::Scenes(scenes) => Arc::new(scenes.open()?),
            Self::Marked(scenes) => Arc::new(scenes.open()?),
            Self::File { path, media_root, .. } => {
                let options = OpenOptions { media_root: media_root.clone(), ..Default::default() };
                Arc::from(formats::open(path, options)?)
            }
        })
    }

    /// All of it; its weight is its size.
    fn source(&self, name: &str) -> Result<Source, BoxError> {
        let dataset = self.open()?;
        if dataset.is_empty() {
            return Err(format!("dataset '{name}' ({}) has no rows", dataset.name()).into());
        }
        let weight = dataset.len() as f64;
        Ok(Source { dataset, weight, separate_turns: self.separate_turns() })
    }

    fn separate_turns(&self) -> bool {
        match self {
            Self::Scenes(scenes) => scenes.separate_turns,
            Self::Marked(scenes) => scenes.separate_turns,
            Self::File { separate_turns, .. } => *separate_turns,
        }
    }
}

impl ScenesSpec {
    fn open(&self) -> Result<SceneDataset, BoxError> {
        let phrasing = if self.varied { Phrasing::Varied } else { Phrasing::Canonical };
        let sprites = sprites(&self.spec, self.bundled)?;
        let scenes = SceneDataset::new(self.spec.clone(), sprites, phrasing, self.seed, self.len);
        Ok(scenes.with_turns(self.turns).with_kinds(self.questions.clone()))
    }
}

impl MarkedSpec {
    fn open(&self) -> Result<MarkedScenes, BoxError> {
        let sprites = sprites(&self.spec, self.bundled)?;
        let (marks, text) = (self.marks.clone(), self.text.clone());
        Ok(MarkedScenes::new(self.spec.clone(), sprites, marks, text, self.seed, self.len)?)
    }
}

fn sprites(spec: &SceneSpec, bundled: bool) -> Result<Arc<SpriteSet>, BoxError> {
    Ok(Arc::new(match bundled {
        true => SpriteSet::bundled()?,
        false => SpriteSet::load(&spec.styles)?,
    }))
}

/// The datasets that a stage trains on: those it names, or all but the one it is measured on.
pub(super) fn named<'a>(
    recipe: &'a Recipe,
    stage: &'a Stage,
) -> impl Iterator<Item = (&'a String, &'a DataSpec)> {
    let named = |name: &String| match stage.data.is_empty() {
        true => stage.validate.as_ref() != Some(name),
        false => stage.data.contains_key(name),
    };
    recipe.data.iter().filter(move |(name, _)| named(name))
}

/// The datasets of a stage with their shares, which are in proportion to their sizes if the stage
/// does not say.
pub(super) fn sources(recipe: &Recipe, stage: &Stage) -> Result<Vec<Source>, BoxError> {
    let mut sources = Vec::new();
    for (name, spec) in named(recipe, stage) {
        let source = spec.source(name)?;
        let weight = stage.data.get(name).copied().unwrap_or(source.weight);
        sources.push(Source { weight, ..source });
    }
    if sources.is_empty() {
        return Err("the recipe has no [data.NAME]".into());
    }
    Ok(sources)
}

/// What the stage is measured on while it trains.
pub(super) fn held_out(recipe: &Recipe, stage: &Stage) -> Result<Option<Source>, BoxError> {
    let spec = stage.validate.as_ref().and_then(|name| recipe.data.get_key_value(name));
    spec.map(|(name, spec)| spec.source(name)).transpose()
}

#[cfg(test)]
mod tests {
    use quintet_data::sample::Part;

    use super::*;

    #[test]
    fn marked_scenes_are_listed_and_asked_about() {
        let spec = |text: &str| -> DataSpec {
            toml::from_str(&format!(
                "kind = \"marked\"\nlen = 3\nbundled = true\n{text}\n\
                 [spec]\nstyles = [\"noto\"]\nsplit = \"train\""
            ))
            .unwrap()
        };
        let listing = spec("text = { task = \"listing\", format = \"inline\" }");
        assert!(listing.scenes().unwrap().built().unwrap().marker.is_some());
        let data = listing.open().unwrap();
        assert_eq!(data.len(), 3);
        let said = |row: usize| match data.get(row).unwrap().messages[1].content.last() {
            Some(Part::Text(text)) => text.clone(),
            other => panic!("{other:?}"),
        };
        assert!((0..3).all(|row| said(row).starts_with("1. ")), "{}", said(0));
        let questions = spec("separate_turns = true\ntext = { task = \"qa\", turns = 3 }");
        let source = questions.source("qa").unwrap();
        assert!(source.separate_turns && source.dataset.get(0).unwrap().messages.len() > 2);
    }
}
