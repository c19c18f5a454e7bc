//! What all probes of attention show, and how they are told to.

use std::path::PathBuf;

use image::RgbImage;
use quintet_data::formats::atomic;
use quintet_eval::probe::{self, AttentionMap, Page, Select};
use serde_json::{Value, json};

use crate::frames;

#[derive(clap::Args)]
pub struct ViewArgs {
    /// A layer, from 0; the mean of all without it
    #[arg(long, value_name = "N")]
    layer: Option<usize>,
    /// A head, from 0; the mean of all without it
    #[arg(long, value_name = "N")]
    head: Option<usize>,
    /// Highlight the N most attended patches in place of the whole map
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// The folder to write index.html and the pictures into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON object: each token with its most attended patches
    #[arg(long)]
    pub json: bool,
}

/// Patches told of each token, unless `--top` says how many.
const TOLD: usize = 5;

impl ViewArgs {
    pub fn select(&self) -> Select {
        Select { layer: self.layer, head: self.head }
    }

    /// Writes a picture for each word, and the page. Returns what is to be told of the words, and
    /// where the page is.
    pub fn write(
        &self,
        title: &str,
        view: &RgbImage,
        words: &[(String, AttentionMap)],
        patches: &[AttentionMap],
    ) -> anyhow::Result<(Vec<Value>, PathBuf)> {
        let mut told = Vec::with_capacity(words.len());
        for (number, (text, map)) in words.iter().enumerate() {
            let drawn = match self.top {
                Some(k) => probe::highlight(view, map, k),
                None => probe::heat(view, map),
            };
            let file = format!("{number:03}{}.png", file_part(text));
            frames::Target::new(&self.out.join(&file))?.write(&drawn)?;
            let [_, columns] = map.grid();
            let most = map.top(self.top.unwrap_or(TOLD)).into_iter().map(|patch| {
                let weight = map.weights().get(patch).copied().unwrap_or_default();
                json!({ "row": patch / columns, "column": patch % columns, "weight": weight })
            });
            told.push(json!({
                "token": text,
                "to_picture": map.to_picture(),
                "patches": most.collect::<Vec<_>>(),
                "file": file,
            }));
        }
        let page = self.out.join("index.html");
        let html = Page { title, view, words, patches }.html()?;
        atomic::write_bytes(&page, html.as_bytes())?;
        Ok((told, page))
    }
}

/// What a token gives to a file's name: `-dog`.
fn file_part(token: &str) -> String {
    let parts = token.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.flat_map(|part| ["-", part]).collect::<String>().chars().take(17).collect()
}
