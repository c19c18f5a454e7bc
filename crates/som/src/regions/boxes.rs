//! Regions from a JSON file of boxes.

use std::path::{Path, PathBuf};

use image::RgbImage;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Found, Origin, Region, Source,
    file::{self, Parsed, Pictures},
    pixels,
};
use crate::Result;

/// What the numbers of a box count, always from the picture's upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Pixels.
    Pixels,
    /// Shares of the picture's width and height, 0 to 1.
    Shares,
}

/// Boxes of one picture or of many. A box is `[x1, y1, x2, y2]`: left, top, right, bottom; or
/// `{"box": [x1, y1, x2, y2], "name": "cat", "score": 0.9}`, where name and score may be left out.
/// A file is one of
///
/// ```json
/// {"unit": "pixels", "boxes": [[10, 20, 110, 90], {"box": [5, 5, 40, 60], "name": "cat"}]}
/// {"unit": "shares", "pictures": {"a.png": [[0.1, 0.2, 0.5, 0.6]], "b.png": []}}
/// [[10, 20, 110, 90]]
/// ```
///
/// The unit is never guessed: a file that does not say it needs it from the caller. Boxes without a
/// picture's name are those of every picture.
pub struct BoxFile {
    path: PathBuf,
    unit: Unit,
    boxes: Pictures<Vec<Entry>>,
}

struct Entry {
    edges: [f64; 4],
    name: Option<String>,
    score: Option<f32>,
}

impl BoxFile {
    /// Reads a file; `unit` is for one that does not say its own.
    ///
    /// # Errors
    /// The file is none of the above, or its unit is not known or is another than `unit`; the error
    /// names the entry.
    pub fn load(path: impl AsRef<Path>, unit: Option<Unit>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let (unit, boxes) = file::load(&path, |value| parse(value, unit))?;
        Ok(Self { path, unit, boxes })
    }
}

impl Source for BoxFile {
    fn regions(&self, name: &Path, image: &RgbImage) -> Result<Found> {
        let entries = self.boxes.find(&self.path, name)?;
        let (width, height) = image.dimensions();
        let mut found = Found::default();
        for (i, entry) in entries.iter().enumerate() {
            let mask = self.unit.in_pixels(entry.edges, width, height);
            match mask.and_then(|edges| pixels(edges, width, height)) {
                Ok(mask) => found.regions.push(Region {
                    name: entry.name.clone(),
                    score: entry.score,
                    ..Region::new(mask, Origin::Boxes)
                }),
                Err(reason) => found.skip(format!("box {i}"), reason),
            }
        }
        Ok(found)
    }
}

impl Unit {
    /// The box in pixels, unless its numbers are evidently in the other unit.
    fn in_pixels(self, edges: [f64; 4], width: u32, height: u32) -> Parsed<[f64; 4]> {
        match self {
            Self::Pixels
                if edges.iter().all(|edge| (0.0..=1.0).contains(edge)) && !whole(edges) =>
            {
                Err(format!("{edges:?} are no pixels; are they shares?"))
            }
            Self::Pixels => Ok(edges),
            // Detectors overshoot a little.
            Self::Shares if edges.iter().any(|edge| !(-0.5..=1.5).contains(edge)) => {
                Err(format!("{edges:?} are no shares of a picture; are they pixels?"))
            }
            Self::Shares => {
                let [x1, y1, x2, y2] = edges;
                let (width, height) = (f64::from(width), f64::from(height));
                Ok([x1 * width, y1 * height, x2 * width, y2 * height])
            }
        }
    }
}

fn whole(edges: [f64; 4]) -> bool {
    edges.iter().all(|edge| edge.fract() == 0.0)
}

fn parse(value: Value, asked: Option<Unit>) -> Parsed<(Unit, Pictures<Vec<Entry>>)> {
    let unsaid = "it does not say in what its boxes count: add \"unit\": \"pixels\" or \"shares\"";
    match value {
        Value::Array(_) => {
            let unit = asked.ok_or_else(|| format!("{unsaid}, or give the unit"))?;
            Ok((unit, Pictures::OfAll(entries(value)?)))
        }
        Value::Object(mut file) => {
            let said = file.remove("unit").map(serde_json::from_value::<Unit>).transpose();
            let said = said.map_err(|_| "\"unit\" is neither \"pixels\" nor \"shares\"")?;
            let unit = match (said, asked) {
                (Some(said), Some(asked)) if said != asked => {
                    return Err(
                        format!("its boxes are in {said:?}, not in {asked:?}").to_lowercase()
                    );
                }
                (said, asked) => said.or(asked).ok_or(unsaid)?,
            };
            let boxes = match (file.remove("boxes"), file.remove("pictures")) {
                (Some(list @ Value::Array(_)), None) => Pictures::OfAll(entries(list)?),
                (None, Some(Value::Object(pictures))) => Pictures::named(pictures, entries)?,
                _ => return Err("expected \"boxes\", a list, or \"pictures\", an object".into()),
            };
            match file.keys().next() {
                Some(key) => Err(format!("{key:?} is not known")),
                None => Ok((unit, boxes)),
            }
        }
        _ => Err("expected a list of boxes or an object".into()),
    }
}

fn entries(list: Value) -> Parsed<Vec<Entry>> {
    match list {
        Value::Array(list) => file::each(list, "box", entry),
        _ => Err("expected a list of boxes".into()),
    }
}

/// A box as an object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    r#box: [f64; 4],
    name: Option<String>,
    score: Option<f32>,
}

fn entry(value: Value) -> Parsed<Entry> {
    if value.is_array() {
        let edges = serde_json::from_value(value)
            .map_err(|error| format!("expected [x1, y1, x2, y2]: {error}"))?;
        return Ok(Entry { edges, name: None, score: None });
    }
    let Described { r#box: edges, name, score } = serde_json::from_value(value)
        .map_err(|error| format!("expected [x1, y1, x2, y2] or {{\"box\": …}}: {error}"))?;
    Ok(Entry { edges, name, score })
}

#[cfg(test)]
mod tests {
    use quintet_data::Mask;
    use serde_json::json;

    use super::*;

    fn load(file: Value, unit: Option<Unit>) -> Result<BoxFile> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boxes.json");
        std::fs::write(&path, file.to_string()).unwrap();
        BoxFile::load(&path, unit)
    }

    fn found(file: Value, unit: Option<Unit>, name: &str) -> Found {
        load(file, unit).unwrap().regions(Path::new(name), &RgbImage::new(200, 100)).unwrap()
    }

    #[test]
    fn all_forms_mean_the_same() {
        let pixels = json!([[20, 10, 100, 50], { "box": [20, 10, 100, 50], "name": "cat" }]);
        let shares = json!([[0.1, 0.1, 0.5, 0.5], { "box": [0.1, 0.1, 0.5, 0.5], "name": "cat" }]);
        let files = [
            (pixels.clone(), Some(Unit::Pixels)),
            (shares.clone(), Some(Unit::Shares)),
            (json!({ "unit": "pixels", "boxes": pixels }), None),
            (json!({ "unit": "shares", "boxes": shares }), Some(Unit::Shares)),
            (json!({ "boxes": pixels }), Some(Unit::Pixels)),
            (json!({ "unit": "pixels", "pictures": { "a.png": pixels, "b.png": [] } }), None),
        ];
        for (file, unit) in files {
            let found = found(file, unit, "x/a.png");
            assert!(found.skipped.is_empty());
            let names: Vec<_> = found.regions.iter().map(|r| r.name.as_deref()).collect();
            assert_eq!(names, [None, Some("cat")]);
            for region in found.regions {
                assert_eq!(Some(region.mask), Mask::rectangle([20, 10, 100, 50]));
            }
        }
    }

    #[test]
    fn boxes_are_clipped_and_rounded_to_pixels() {
        let file = json!([[-9.0, 3.4, 10.6, 1e9], [198.6, 0, 199.4, 1]]);
        let found = found(file, Some(Unit::Pixels), "a.png");
        assert_eq!(found.regions[0].mask.bbox(), [0, 3, 11, 100]);
        assert_eq!(found.skipped.len(), 1);
    }

    #[test]
    fn boxes_that_cannot_be_are_skipped_and_the_reason_said() {
        let reasons = |file, unit| {
            let skipped = found(file, Some(unit), "a.png").skipped;
            skipped.into_iter().map(|s| format!("{}: {}", s.what, s.reason)).collect::<Vec<_>>()
        };
        let said = reasons(
            json!([
                [9, 9, 9, 20],
                [50, 50, 20, 20],
                [300, 0, 400, 9],
                [0.1, 0.2, 0.9, 0.9],
                [0, 0, 1, 1]
            ]),
            Unit::Pixels,
        );
        assert_eq!(said.len(), 4);
        assert!(said[0].starts_with("box 0: [9, 9, 9, 20] covers no pixel"), "{}", said[0]);
        assert!(said[1].contains("ends before it starts"), "{}", said[1]);
        assert!(said[2].contains("which is 200 × 100"), "{}", said[2]);
        assert!(said[3].contains("are they shares?"), "{}", said[3]);
        let said = reasons(json!([[10, 20, 30, 40], [-0.1, 0, 1.1, 1]]), Unit::Shares);
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("are they pixels?"), "{}", said[0]);
    }

    #[test]
    fn a_file_that_is_none_is_refused_with_the_entry() {
        let cases = [
            (json!([[1, 2, 3, 4]]), None, "does not say in what its boxes count"),
            (json!({ "boxes": [] }), None, "does not say in what its boxes count"),
            (json!({ "unit": "percent", "boxes": [] }), None, "neither"),
            (
                json!({ "unit": "pixels", "boxes": [] }),
                Some(Unit::Shares),
                "in pixels, not in shares",
            ),
            (json!({ "unit": "pixels" }), None, "expected \"boxes\""),
            (json!({ "unit": "pixels", "boxes": [], "bbox": 1 }), None, "\"bbox\" is not known"),
            (json!({ "unit": "pixels", "pictures": { "a": 3 } }), None, "a: expected a list"),
            (
                json!([[1, 2, 3, 4], [1, 2, 3]]),
                Some(Unit::Pixels),
                "box 1: expected [x1, y1, x2, y2]",
            ),
            (json!([{ "bbox": [1, 2, 3, 4] }]), Some(Unit::Pixels), "box 0: expected"),
            (json!(7), None, "expected a list of boxes"),
        ];
        for (file, unit, expected) in cases {
            let said = load(file, unit).err().unwrap().to_string();
            assert!(said.contains("boxes.json") && said.contains(expected), "{said}");
        }
        assert!(BoxFile::load("no-such-file.json", None).is_err());
        let other = json!({ "unit": "pixels", "pictures": { "a.png": [] } });
        let file = load(other, None).unwrap();
        assert!(file.regions(Path::new("b.png"), &RgbImage::new(2, 2)).is_err());
    }
}
