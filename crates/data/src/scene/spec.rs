//! What pictures should be like.

use serde::{Deserialize, Serialize};

use super::style::{Split, Style};

/// How scenes are built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneSpec {
    /// Width and height in pixels.
    #[serde(default = "default_size")]
    pub size: u32,
    /// Drawing styles; each object takes one of them.
    pub styles: Vec<Style>,
    /// Which fonts and background photographs are used.
    pub split: Split,
    /// Most objects of a scene, at most 16.
    #[serde(default = "default_objects")]
    pub objects: u32,
    /// Least and greatest length of an object's longer side, in pixels of a picture of 160; crowds
    /// have less room.
    #[serde(default = "default_sizes")]
    pub sizes: [f32; 2],
    /// Most written words of a scene, at most 2.
    #[serde(default = "default_words")]
    pub words: u32,
    /// Whether each scene has as many words as it may and as many objects as find room, each of a
    /// name drawn by itself: for encoders, which learn from every one.
    #[serde(default)]
    pub crowded: bool,
    /// Most different names of a crowded scene, which then repeat: for counting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<u32>,
    /// Names that scenes show, spread over all there are; all, if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<u32>,
    /// Disturbances.
    #[serde(default)]
    pub augment: Augment,
}

fn default_size() -> u32 {
    160
}

fn default_objects() -> u32 {
    8
}

fn default_sizes() -> [f32; 2] {
    [28.0, 72.0]
}

fn default_words() -> u32 {
    2
}

impl SceneSpec {
    /// Scenes to train on: disturbed, with the fonts and photographs for training.
    pub fn train(styles: &[Style]) -> Self {
        Self::new(styles, Split::Train, Augment::train())
    }

    /// Scenes to measure on: clean, with the held-out fonts and photographs.
    pub fn validation(styles: &[Style]) -> Self {
        Self::new(styles, Split::Validation, Augment::default())
    }

    fn new(styles: &[Style], split: Split, augment: Augment) -> Self {
        Self {
            size: default_size(),
            styles: styles.to_vec(),
            split,
            objects: default_objects(),
            sizes: default_sizes(),
            words: default_words(),
            crowded: false,
            names: None,
            vocabulary: None,
            augment,
        }
    }
}

/// Probabilities of disturbances; all zero by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// That an object's hues are turned.
    pub hue: f32,
    /// That an object's colours become paler or stronger.
    pub saturation: f32,
    /// That an object is stretched, and turned further.
    pub shape: f32,
    /// That brightness, contrast and colour balance change.
    pub light: f32,
    /// That the picture is blurred.
    pub blur: f32,
    /// That noise is added.
    pub noise: f32,
    /// That the picture passes through JPEG.
    pub jpeg: f32,
}

impl Augment {
    /// For training.
    pub fn train() -> Self {
        Self {
            hue: 0.25,
            saturation: 0.3,
            shape: 0.5,
            light: 0.8,
            blur: 0.25,
            noise: 0.3,
            jpeg: 0.25,
        }
    }
}

/// How small pictures of one thing are built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropSpec {
    /// Width and height in pixels.
    pub size: u32,
    /// Drawing styles.
    pub styles: Vec<Style>,
    /// Which fonts and background photographs are used.
    pub split: Split,
    /// Share of pictures that show a word, 0 to 1.
    pub words: f32,
    /// Disturbances.
    #[serde(default)]
    pub augment: Augment,
}

impl CropSpec {
    /// Crops to train on.
    pub fn train(styles: &[Style], size: u32) -> Self {
        let augment = Augment { blur: 0.35, ..Augment::train() };
        Self { size, styles: styles.to_vec(), split: Split::Train, words: 0.35, augment }
    }

    /// Crops to measure on.
    pub fn validation(styles: &[Style], size: u32) -> Self {
        let augment = Augment::default();
        Self { size, styles: styles.to_vec(), split: Split::Validation, words: 0.35, augment }
    }
}
