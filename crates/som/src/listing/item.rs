//! What a mark stands for.

use quintet_data::{Mask, sample::Media, scene::Colour};

use crate::marks::{Labels, Marks};

/// A marked thing whose name is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What is written on its mark: `3`, or `c`.
    pub tag: String,
    /// Its name, singular.
    pub name: String,
    /// `[x1, y1, x2, y2]` in pixels of the marked picture.
    pub bbox: [f32; 4],
    /// Pixels of its mask.
    pub area: u32,
    /// The box of its label, where one is drawn.
    pub label: Option<[u32; 4]>,
    /// Its colour, where that is known.
    pub colour: Option<Colour>,
}

impl Item {
    /// The middle of its box.
    pub(super) fn centre(&self) -> [f32; 2] {
        let [x1, y1, x2, y2] = self.bbox;
        [(x1 + x2) / 2.0, (y1 + y2) / 2.0]
    }
}

/// A picture with marks on it and all that they stand for.
#[derive(Clone, Debug)]
pub struct MarkedPicture {
    /// Names it in samples and errors.
    pub id: String,
    /// The picture, marks included.
    pub picture: Media,
    /// Its width and height in pixels.
    pub size: [u32; 2],
    /// The marked things in the order of their tags.
    pub items: Vec<Item>,
    /// Their pixels, in the same order; empty where they are not known.
    pub masks: Vec<Mask>,
}

impl MarkedPicture {
    /// A picture from the record of its marks; `colour` tells the colour of a region by its number.
    ///
    /// # Errors
    /// A mark has no name; the text says which.
    pub fn new(
        id: String,
        picture: Media,
        marks: &Marks,
        masks: Vec<Mask>,
        colour: impl Fn(usize) -> Option<Colour>,
    ) -> Result<Self, String> {
        let items = marks.marks.iter().map(|mark| {
            let name = mark.name.clone().ok_or_else(|| {
                format!("what is marked {} has no name; a teacher could give it one", mark.tag)
            })?;
            Ok(Item {
                tag: mark.tag.clone(),
                name,
                bbox: mark.bbox.map(|edge| edge as f32),
                area: mark.area,
                label: mark.label,
                colour: colour(mark.region),
            })
        });
        let items = items.collect::<Result<_, String>>()?;
        Ok(Self { id, picture, size: [marks.width, marks.height], items, masks })
    }

    /// The tags, in order.
    pub fn tags(&self) -> Vec<&str> {
        self.items.iter().map(|item| item.tag.as_str()).collect()
    }
}

/// Whether these tags are numbers or letters, told by the first; numbers where there is none.
pub(super) fn labels_of<T: AsRef<str>>(tags: &[T]) -> Labels {
    let digit = |tag: &T| tag.as_ref().starts_with(|c: char| c.is_ascii_digit());
    if tags.first().is_none_or(digit) { Labels::Number } else { Labels::Letter }
}
