//! Regions from the elements of a web page.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use image::RgbImage;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

use super::{
    Found, Origin, Region, Source,
    file::{self, Parsed, Pictures},
    pixels,
};
use crate::Result;

/// Most characters of a role or a name: whoever writes a page chooses them.
const LONGEST: usize = 80;

/// Elements of a page, of which a picture was taken, as Playwright or a script in the browser tells
/// them. A file is one of
///
/// ```json
/// {"device_pixel_ratio": 2, "elements": [
///     {"role": "button", "name": "Sign in", "box": [8, 16, 90.5, 24]},
///     {"role": "link", "name": "Help", "box": {"x": 8, "y": 50, "width": 40, "height": 18}},
///     {"role": "textbox", "box": null}
/// ]}
/// {"pictures": {"a.png": {"scroll": [0, 600], "elements": []}, "b.png": {"elements": []}}}
/// ```
///
/// A box counts CSS pixels from the upper left corner of the viewport, like Playwright's
/// `boundingBox()` and the DOM's `getBoundingClientRect()`; it is `null` where nothing is shown.
/// `device_pixel_ratio` says how many pixels of the picture a CSS pixel is wide, 1 if left out.
/// `scroll`, for pictures of the full page, is how far the page was scrolled when the boxes were
/// taken.
///
/// A region's name is `button "Sign in"`, as in Playwright's snapshots, or what is known of it. Of
/// elements at the same pixels, like a link around a button, the last one is a region.
pub struct PageFile {
    path: PathBuf,
    pages: Pictures<Page>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default = "one")]
    device_pixel_ratio: f64,
    #[serde(default)]
    scroll: [f64; 2],
    #[serde(deserialize_with = "elements")]
    elements: Vec<Element>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Element {
    role: Option<String>,
    name: Option<String>,
    // Without a function of its own, it could be left out.
    #[serde(deserialize_with = "Option::deserialize")]
    r#box: Option<Rectangle>,
}

/// Read from a list, or from an object, in which a `DOMRect` has more.
#[derive(Deserialize)]
struct Rectangle {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl PageFile {
    /// Reads a file.
    ///
    /// # Errors
    /// The file is none of the above; the error names the entry.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        Ok(Self { pages: file::load(&path, parse)?, path })
    }
}

impl Source for PageFile {
    fn regions(&self, name: &Path, image: &RgbImage) -> Result<Found> {
        let page = self.pages.find(&self.path, name)?;
        let (width, height) = image.dimensions();
        let mut found = Found::default();
        // From the last: what is inside of an element comes after it.
        let mut taken = HashMap::new();
        for (i, element) in page.elements.iter().enumerate().rev() {
            let shown = element.r#box.as_ref().ok_or_else(|| "it is not shown".to_owned());
            let mask = shown.and_then(|shown| pixels(page.edges(shown), width, height));
            match mask.map(|mask| (*taken.entry(mask.bbox()).or_insert(i), mask)) {
                Ok((last, mask)) if last == i => found
                    .regions
                    .push(Region { name: element.caption(), ..Region::new(mask, Origin::Page) }),
                Ok((last, _)) => {
                    found.skip(format!("element {i}"), format!("element {last} has the same box"));
                }
                Err(reason) => found.skip(format!("element {i}"), reason),
            }
        }
        found.regions.reverse();
        found.skipped.reverse();
        Ok(found)
    }
}

impl Page {
    /// Left, top, right and bottom in pixels of the picture.
    fn edges(&self, &Rectangle { x, y, width, height }: &Rectangle) -> [f64; 4] {
        let [left, top] = [x + self.scroll[0], y + self.scroll[1]];
        [left, top, left + width, top + height].map(|edge| edge * self.device_pixel_ratio)
    }
}

impl Element {
    fn caption(&self) -> Option<String> {
        let [role, name] = [&self.role, &self.name]
            .map(|text| text.as_deref().map(line).filter(|text| !text.is_empty()));
        match (role, name) {
            // JSON escapes quotes, so that a name cannot end early.
            (Some(role), Some(name)) => Some(format!("{role} {}", Value::from(name))),
            (role, name) => role.or(name),
        }
    }
}

/// A text of a page as a short line of what can be seen.
fn line(text: &str) -> String {
    let shown: String = text.chars().filter(|&c| c.is_whitespace() || !invisible(c)).collect();
    let mut line = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// Control characters and those by which a text hides another or turns its direction. The joiners
/// U+200C and U+200D are none: scripts and emoji need them.
fn invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn one() -> f64 {
    1.0
}

fn parse(mut value: Value) -> Parsed<Pictures<Page>> {
    match value.as_object_mut().and_then(|file| file.remove("pictures")) {
        None => page(value).map(Pictures::OfAll),
        Some(Value::Object(pictures)) if value.as_object().is_some_and(Map::is_empty) => {
            Pictures::named(pictures, page)
        }
        Some(_) => Err("expected \"pictures\", an object, and nothing beside it".into()),
    }
}

fn page(value: Value) -> Parsed<Page> {
    if !value.is_object() {
        return Err("expected {\"elements\": […]}".into());
    }
    let page: Page = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let ratio = page.device_pixel_ratio;
    if !(ratio.is_finite() && ratio > 0.0) {
        return Err(format!("device_pixel_ratio is {ratio}; expected more than 0"));
    }
    Ok(page)
}

fn elements<'a, D: Deserializer<'a>>(list: D) -> std::result::Result<Vec<Element>, D::Error> {
    let read = |value| {
        serde_json::from_value(value).map_err(|error| {
            format!("expected {{\"role\", \"name\", \"box\": [x, y, width, height]}}: {error}")
        })
    };
    file::each(Vec::deserialize(list)?, "element", read).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use quintet_data::Mask;
    use serde_json::json;

    use super::*;

    fn load(file: Value) -> Result<PageFile> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.json");
        std::fs::write(&path, file.to_string()).unwrap();
        PageFile::load(&path)
    }

    fn found(file: Value) -> Found {
        load(file).unwrap().regions(Path::new("x/a.png"), &RgbImage::new(200, 100)).unwrap()
    }

    fn names(elements: Value) -> Vec<Option<String>> {
        let found = found(json!({ "elements": elements }));
        found.regions.into_iter().map(|region| region.name).collect()
    }

    #[test]
    fn all_forms_mean_the_same() {
        let element = |shown: Value| json!([{ "role": "button", "name": "Sign in", "box": shown }]);
        let list = json!([10, 5, 40.2, 20]);
        let playwright = json!({ "x": 10, "y": 5, "width": 40.2, "height": 20 });
        let dom = json!({
            "x": 10, "y": 5, "width": 40.2, "height": 20,
            "top": 5, "right": 50.2, "bottom": 25, "left": 10,
        });
        let scrolled = json!([10, -595, 40.2, 20]);
        let doubled = json!([5, 2.5, 20.1, 10]);
        let files = [
            json!({ "elements": element(list.clone()) }),
            json!({ "elements": element(playwright) }),
            json!({ "elements": element(dom), "device_pixel_ratio": 1 }),
            json!({ "elements": element(scrolled), "scroll": [0, 600] }),
            json!({ "elements": element(doubled), "device_pixel_ratio": 2 }),
            json!({
                "elements": element(json!([2, -5.5, 20.1, 10])),
                "scroll": [3, 8],
                "device_pixel_ratio": 2.0,
            }),
            json!({ "pictures": {
                "a.png": { "elements": element(list) },
                "b.png": { "elements": [], "device_pixel_ratio": 3 },
            } }),
        ];
        for file in files {
            let found = found(file);
            assert!(found.skipped.is_empty());
            let [region] = found.regions.as_slice() else { panic!("{:?}", found.regions) };
            assert_eq!(Some(&region.mask), Mask::rectangle([10, 5, 50, 25]).as_ref());
            assert_eq!(region.name.as_deref(), Some("button \"Sign in\""));
            assert_eq!((region.origin, region.score), (Origin::Page, None));
        }
    }

    #[test]
    fn what_cannot_be_seen_is_skipped_and_the_reason_said() {
        let found = found(json!({ "elements": [
            { "role": "button", "box": null },
            { "role": "main", "box": [-50, -50, 900, 900] },
            { "role": "button", "box": [20, 20, 0, 10] },
            { "role": "link", "box": [20, 900, 30, 10] },
            { "role": "link", "box": [1e308, 1e308, 1e308, 1e308] },
        ] }));
        assert_eq!(found.regions.len(), 1);
        assert_eq!(found.regions[0].mask.bbox(), [0, 0, 200, 100]);
        let reasons = [
            (0, "it is not shown"),
            (2, "[20, 20, 20, 30] covers no pixel"),
            (3, "which is 200 × 100"),
            (4, "an edge is not a number"),
        ];
        assert_eq!(found.skipped.len(), reasons.len());
        for (skipped, (i, reason)) in found.skipped.iter().zip(reasons) {
            assert_eq!(skipped.what, format!("element {i}"));
            assert!(skipped.reason.contains(reason), "{skipped:?}");
        }
    }

    #[test]
    fn of_elements_with_the_same_box_the_inmost_is_a_region() {
        let around = json!([10, 10, 50, 20]);
        let found = found(json!({ "elements": [
            { "role": "listitem", "box": around },
            { "role": "link", "box": around },
            { "role": "img", "box": [10, 10, 20, 20] },
            { "role": "button", "box": [10.1, 9.9, 50, 20] },
        ] }));
        let names: Vec<_> = found.regions.iter().map(|r| r.name.as_deref()).collect();
        assert_eq!(names, [Some("img"), Some("button")]);
        for (i, skipped) in found.skipped.iter().enumerate() {
            assert_eq!(skipped.what, format!("element {i}"));
            assert_eq!(skipped.reason, "element 3 has the same box");
        }
        assert_eq!(found.skipped.len(), 2);
    }

    #[test]
    fn names_are_short_lines_whatever_a_page_says() {
        let rows = [
            (json!("link"), json!("Help"), Some("link \"Help\"")),
            (json!("link"), json!(" \n"), Some("link")),
            (json!(null), json!("Help"), Some("Help")),
            (json!(" "), json!(null), None),
            (json!("link"), json!("\n Two\t\u{a0}lines\r\n"), Some("link \"Two lines\"")),
            (json!("link"), json!("a\" button \"b\\"), Some("link \"a\\\" button \\\"b\\\\\"")),
            (json!("li\u{0}nk"), json!("a\u{1b}[31mb\u{9b}"), Some("link \"a[31mb\"")),
            (json!("link"), json!("\u{202e}c\u{200b}d\u{e0041}\u{feff}"), Some("link \"cd\"")),
            (json!(null), json!("👩\u{200d}💻"), Some("👩\u{200d}💻")),
        ];
        for (y, (role, name, expected)) in rows.into_iter().enumerate() {
            let said = names(json!([{ "role": role, "name": name, "box": [0, y, 9, 9] }]));
            assert_eq!(said, [expected.map(str::to_owned)]);
        }
        assert_eq!(names(json!([{ "box": [0, 0, 9, 9] }])), [None]);
        let long = names(json!([{ "name": "é ".repeat(5000), "box": [0, 0, 9, 9] }]));
        assert_eq!(long, [Some("é ".repeat(40) + "…")]);
    }

    #[test]
    fn a_file_that_is_none_is_refused_with_the_entry() {
        let of = |element: Value| json!({ "elements": [{ "box": null }, element] });
        let cases = [
            (json!(7), "expected {\"elements\""),
            (json!([{ "box": [1, 2, 3, 4] }]), "expected {\"elements\""),
            (json!({}), "missing field `elements`"),
            (json!({ "elements": {} }), "expected a sequence"),
            (json!({ "elements": [], "devicePixelRatio": 2 }), "unknown field `devicePixelRatio`"),
            (json!({ "elements": [], "device_pixel_ratio": 0 }), "device_pixel_ratio is 0"),
            (json!({ "elements": [], "device_pixel_ratio": -1.5 }), "device_pixel_ratio is -1.5"),
            (json!({ "elements": [], "device_pixel_ratio": "2" }), "invalid type: string \"2\""),
            (json!({ "elements": [], "scroll": [1] }), "invalid length 1"),
            (of(json!({ "role": "link" })), "element 1: expected {\"role\""),
            (of(json!({ "role": "link" })), "missing field `box`"),
            (of(json!({ "box": [1, 2, 3] })), "element 1: expected"),
            (of(json!({ "box": [1, 2, 3, 4, 5] })), "element 1: expected"),
            (of(json!({ "box": { "left": 1, "top": 2 } })), "missing field `x`"),
            (of(json!({ "bbox": [1, 2, 3, 4] })), "unknown field `bbox`"),
            (of(json!({ "role": 7, "box": null })), "invalid type: integer `7`"),
            (json!({ "pictures": [] }), "expected \"pictures\", an object"),
            (json!({ "pictures": {}, "scroll": [0, 0] }), "nothing beside it"),
            (json!({ "pictures": { "a.png": [] } }), "a.png: expected {\"elements\""),
            (json!({ "pictures": { "a.png": of(json!({})) } }), "a.png: element 1: expected"),
        ];
        for (file, expected) in cases {
            let said = load(file).err().unwrap().to_string();
            assert!(said.contains("page.json") && said.contains(expected), "{said}");
        }
        assert!(PageFile::load("no-such-file.json").is_err());
        let file = load(json!({ "pictures": { "b.png": { "elements": [] } } })).unwrap();
        assert!(file.regions(Path::new("a.png"), &RgbImage::new(2, 2)).is_err());
    }
}
