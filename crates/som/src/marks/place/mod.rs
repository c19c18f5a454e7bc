//! Where labels go.

mod free;

use quintet_data::Mask;
use serde::{Deserialize, Serialize};

pub(super) use free::place as free;

use super::distance::Inmost;

/// How labels are placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// As near to their regions' inmost points as they can be without covering one another or
    /// leaving the picture, and rather on their own regions than beside them.
    #[default]
    Free,
    /// As microsoft/SoM does: at the inmost point, whatever is there already; what leaves the
    /// picture is cut off.
    Som,
}

/// A label that needs a place.
pub(super) struct Wanted<'a> {
    /// The region's pixels.
    pub mask: &'a Mask,
    /// Their inmost points.
    pub inmost: Inmost,
    /// Width and height of the label.
    pub size: [u32; 2],
}

/// The label's box when its top centre is at (x + 2, y − 6), where microsoft/SoM's visualizer
/// writes with letters of 25 pixels; x and y are the inmost point's, `em` the letters' size.
pub(super) fn som(wanted: &Wanted, em: f32) -> [i64; 4] {
    let [x, y] = wanted.inmost.halfway.map(i64::from);
    let [width, height] = wanted.size.map(i64::from);
    let [right, up] = [2.0, 6.0].map(|pixels| (pixels * em / 25.0).round() as i64);
    let (left, top) = (x + right - width / 2, y - up);
    [left, top, left + width, top + height]
}
