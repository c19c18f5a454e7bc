//! Attention as a page: point at a word and see what it looks at.

use std::io::Cursor;

use base64::{Engine, engine::general_purpose::STANDARD};
use image::{ImageFormat, RgbImage};
use serde_json::json;

use super::Attended;
use crate::{Error, Result};

/// The page's frame; `/*DATA*/` stands for the data, as JSON.
const FRAME: &str = include_str!("page.html");

/// A page of its own, without links to anything: the answer's words over the picture as the
/// encoder sees it.
///
/// # Errors
/// If the picture cannot be encoded.
pub fn page(title: &str, attended: &Attended, view: &RgbImage) -> Result<String> {
    let mut png = Cursor::new(Vec::new());
    view.write_to(&mut png, ImageFormat::Png)
        .map_err(|error| Error::Settings(format!("the picture cannot be encoded: {error}")))?;
    let words = attended
        .answer()
        .map(|token| {
            let map = attended.map(token..token + 1)?;
            let most = map.weights().iter().copied().fold(f32::MIN_POSITIVE, f32::max);
            let levels: Vec<u8> =
                map.weights().iter().map(|weight| (255.0 * weight / most) as u8).collect();
            let text = attended.tokens().get(token);
            Ok(json!({ "text": text, "levels": levels, "share": map.to_picture() }))
        })
        .collect::<Result<Vec<_>>>()?;
    let data = json!({
        "title": title,
        "picture": format!("data:image/png;base64,{}", STANDARD.encode(png.into_inner())),
        "grid": attended.grid,
        "words": words,
    });
    // Nothing in the data may end the script that holds it.
    Ok(FRAME.replace("/*DATA*/", &data.to_string().replace('<', "\\u003c")))
}
