//! `quintet probe encoder`.

use std::path::PathBuf;

use anyhow::Context;
use quintet_data::media;
use quintet_eval::probe;
use serde_json::json;

use super::view::ViewArgs;
use crate::{model::ModelArgs, output};

#[derive(clap::Args)]
pub struct Args {
    /// The picture
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// Draw where the patch at this place of the picture looks, in pixels from its upper left
    /// corner; may be given several times
    #[arg(long, value_name = "X,Y", value_parser = place)]
    at: Vec<[u32; 2]>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    view: ViewArgs,
}

impl Args {
    /// Shows what an encoder's tokens look at.
    pub fn run(&self) -> anyhow::Result<()> {
        let picture = media::decode_file(&self.image)?;
        let loaded = self.model.load()?;
        loaded.must_see()?;
        // What is looked at should be what the model computes, not what rounding leaves of it.
        loaded.model.params().unpack();
        let select = self.view.select();
        let seen = probe::attend_encoder(&loaded.model, &loaded.processor, &picture, select)?;
        let patches: Vec<_> = seen.patches().collect();
        let images =
            loaded.processor.images.as_ref().context("the model has no image processor")?;
        let placement = images.placement(picture.width(), picture.height())?;
        let mut words = vec![("all patches".to_owned(), seen.mean())];
        words.extend(seen.class().map(|map| ("class token".to_owned(), map)));
        for [x, y] in &self.at {
            let (width, height) = picture.dimensions();
            anyhow::ensure!(
                *x < width && *y < height,
                "--at {x},{y}: the picture is {width} by {height} pixels"
            );
            let patch = placement.patch([*x, *y].map(|at| f64::from(at) + 0.5), seen.grid());
            let map = patch.and_then(|patch| patches.get(patch));
            let map = map.with_context(|| format!("--at {x},{y}: cropped away by the model"))?;
            words.push((format!("{x},{y}"), map.clone()));
        }
        let title = self.image.display().to_string();
        let (told, page) = self.view.write(&title, &images.view(&picture)?, &words, &patches)?;
        match self.view.json {
            false => output::line(page.display()),
            true => output::json(&json!({
                "model": self.model.model,
                "layer": select.layer,
                "head": select.head,
                "grid": seen.grid(),
                "tokens": told,
                "page": page,
            })),
        }
    }
}

fn place(text: &str) -> Result<[u32; 2], String> {
    let place = text
        .split_once(',')
        .and_then(|(x, y)| Some([x.trim().parse().ok()?, y.trim().parse().ok()?]));
    place.ok_or_else(|| "expected two numbers: X,Y".into())
}
