//! Attention as a page: point at a word, or at a place, and see what it looks at.

use std::io::Cursor;

use base64::{Engine, engine::general_purpose::STANDARD};
use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};

use super::AttentionMap;
use crate::{Error, Result};

/// The page's frame; `/*DATA*/` stands for the data, as JSON.
const FRAME: &str = include_str!("page.html");

/// A page of its own, without links to anything.
pub struct Page<'a> {
    /// What stands above it.
    pub title: &'a str,
    /// The picture as the encoder sees it.
    pub view: &'a RgbImage,
    /// Words to point at, and where they look.
    pub words: &'a [(String, AttentionMap)],
    /// Where each patch of the picture looks, row by row, if these are to be pointed at too.
    pub patches: &'a [AttentionMap],
}

impl Page<'_> {
    /// The page as text.
    ///
    /// # Errors
    /// If the picture cannot be encoded.
    pub fn html(&self) -> Result<String> {
        let mut png = Cursor::new(Vec::new());
        self.view
            .write_to(&mut png, ImageFormat::Png)
            .map_err(|error| Error::Settings(format!("the picture cannot be encoded: {error}")))?;
        let words = self.words.iter().map(|(text, map)| {
            let mut word = shown(map);
            word["text"] = text.as_str().into();
            word
        });
        let data = json!({
            "title": self.title,
            "picture": format!("data:image/png;base64,{}", STANDARD.encode(png.into_inner())),
            "grid": self.words.first().map_or([1, 1], |(_, map)| map.grid()),
            "words": words.collect::<Vec<_>>(),
            "patches": self.patches.iter().map(shown).collect::<Vec<_>>(),
        });
        // Nothing in the data may end the script that holds it.
        Ok(FRAME.replace("/*DATA*/", &data.to_string().replace('<', "\\u003c")))
    }
}

/// A map's levels, a byte each, and its share of all attention.
fn shown(map: &AttentionMap) -> Value {
    let most = map.weights().iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let levels: Vec<u8> = map.weights().iter().map(|w| (255.0 * w / most) as u8).collect();
    json!({ "levels": STANDARD.encode(levels), "share": map.to_picture() })
}
