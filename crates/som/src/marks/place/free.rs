//! Labels that neither cover one another nor leave the picture.
//!
//! Labels are placed one after the other, those of the narrowest regions first, which have the
//! fewest good places. The free place nearest to a point lies at the point itself, beside labels
//! that were placed before, at the rim, or where two of these meet, so these places are tried, and
//! those of a coarse grid around the point, where more of the label may lie on its region.

use super::Wanted;

/// A label that lies wholly beside its region is as bad as one that lies this many of its own
/// diagonals away from the inmost point.
const BESIDE: i64 = 2;

/// A box in pixels, `[x1, y1, x2, y2]`.
type Box = [i64; 4];

/// A box in the picture for each label, in their order; `None` when there is no room.
pub fn place(picture: [u32; 2], wanted: &[Wanted]) -> Option<Vec<Box>> {
    let picture = picture.map(i64::from);
    let area = |size: [u32; 2]| i64::from(size[0]) * i64::from(size[1]);
    if wanted.iter().map(|label| area(label.size)).sum::<i64>() > picture[0] * picture[1] {
        return None;
    }
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|i| wanted.get(*i).map(|label| label.inmost.reach));
    let mut taken: Vec<Box> = Vec::with_capacity(wanted.len());
    let mut places = vec![[0; 4]; wanted.len()];
    for i in order {
        let (label, place) = wanted.get(i).zip(places.get_mut(i))?;
        *place = best(picture, &taken, label)?;
        taken.push(*place);
    }
    Some(places)
}

/// The best free place for a label.
fn best(picture: [i64; 2], taken: &[Box], label: &Wanted) -> Option<Box> {
    let [width, height] = label.size.map(i64::from);
    let mut best = None;
    let mut least = i64::MAX;
    let across = steps(picture, taken, label, 0);
    let along = steps(picture, taken, label, 1);
    // Both are sorted by their distances, so that few of the pairs are looked at.
    for (far_x, x) in across {
        if far_x >= least {
            break;
        }
        for (far_y, y) in &along {
            if far_x + far_y >= least {
                break;
            }
            let place = [x, *y, x + width, y + height];
            if taken.iter().any(|other| overlap(place, *other)) {
                continue;
            }
            let cost = far_x + far_y + beside(label, place);
            if cost < least {
                (best, least) = (Some(place), cost);
            }
        }
    }
    best
}

/// Places to try along an axis, each behind its squared distance from the best, in half pixels.
fn steps(picture: [i64; 2], taken: &[Box], label: &Wanted, axis: usize) -> Vec<(i64, i64)> {
    let size = i64::from(label.size[axis]);
    let last = picture[axis] - size;
    // In half pixels, the start at which the label's middle lies on the pixel's.
    let ideal = 2 * i64::from(label.inmost.middle[axis]) + 1 - size;
    let centre = ideal.div_euclid(2);
    let diagonal = label.size.map(i64::from).iter().map(|side| side * side).sum::<i64>().isqrt();
    let step = (i64::from(label.size[1]) / 3).max(1);
    let count = BESIDE * diagonal / step;
    let grid = (-count..=count).map(|i| centre + i * step);
    let beside = taken.iter().flat_map(|other| [other[axis] - size, other[axis + 2]]);
    let all = grid.chain(beside).chain([0, last]).filter(|start| (0..=last).contains(start));
    let mut steps: Vec<_> = all.map(|start| ((2 * start - ideal).pow(2), start)).collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// What it costs that a part of the label lies beside its region, in squared half pixels.
fn beside(label: &Wanted, place: Box) -> i64 {
    let [width, height] = label.size.map(i64::from);
    let inside = place.map(|edge| u32::try_from(edge).unwrap_or(0));
    let missing = width * height - i64::from(label.mask.area_in(inside));
    let worst = (2 * BESIDE).pow(2) * (width * width + height * height);
    worst * missing / (width * height).max(1)
}

fn overlap(a: Box, b: Box) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

#[cfg(test)]
mod tests {
    use quintet_data::Mask;

    use super::*;
    use crate::marks::{distance::inmost, testing::Random};

    fn wanted(mask: &Mask, size: [u32; 2]) -> Wanted<'_> {
        Wanted { mask, inmost: inmost(mask), size }
    }

    fn check(picture: [u32; 2], places: &[Box]) {
        let [width, height] = picture.map(i64::from);
        for (i, [x1, y1, x2, y2]) in places.iter().enumerate() {
            assert!(*x1 >= 0 && *y1 >= 0 && *x2 <= width && *y2 <= height);
            let overlapping = places[..i].iter().find(|other| overlap(places[i], **other));
            assert_eq!(overlapping, None, "{:?}", places[i]);
        }
    }

    #[test]
    fn labels_never_overlap_or_leave_the_picture() {
        let mut random = Random::new(1);
        let mut full = 0;
        for round in 0..300 {
            let (width, height) = (20 + random.below(120), 20 + random.below(90));
            let masks: Vec<Mask> =
                (0..1 + random.below(30)).map(|_| random.mask(width, height)).collect();
            let height_of = 5 + random.below(16);
            let labels: Vec<Wanted> =
                masks.iter().map(|mask| wanted(mask, [5 + random.below(20), height_of])).collect();
            match place([width, height], &labels) {
                Some(places) => {
                    assert_eq!(places.len(), labels.len());
                    check([width, height], &places);
                    for (place, label) in places.iter().zip(&labels) {
                        let size = [place[2] - place[0], place[3] - place[1]];
                        assert_eq!(size, label.size.map(i64::from), "round {round}");
                    }
                }
                None => full += 1,
            }
        }
        assert!((10..200).contains(&full), "{full}");
    }

    #[test]
    fn alone_a_label_lies_on_the_inmost_point_or_as_near_as_the_rim_allows() {
        let disc = Mask::collect([0, 0, 90, 90], |x, y| {
            x.abs_diff(40).pow(2) + y.abs_diff(50).pow(2) <= 400
        });
        let disc = disc.unwrap();
        assert_eq!(place([90, 90], &[wanted(&disc, [11, 7])]).unwrap(), [[35, 47, 46, 54]]);
        let corner = Mask::rectangle([0, 0, 2, 2]).unwrap();
        assert_eq!(place([90, 90], &[wanted(&corner, [11, 7])]).unwrap(), [[0, 0, 11, 7]]);
    }

    #[test]
    fn equal_regions_share_the_room_around_their_point() {
        let mask = Mask::rectangle([0, 0, 60, 60]).unwrap();
        let labels: Vec<Wanted> = (0..9).map(|_| wanted(&mask, [10, 10])).collect();
        let places = place([60, 60], &labels).unwrap();
        check([60, 60], &places);
        let far = places.iter().map(|p| (p[0] + 5 - 30).abs().max((p[1] + 5 - 30).abs())).max();
        assert!(far.unwrap() <= 12, "{places:?}");
    }

    #[test]
    fn a_label_that_must_give_way_stays_on_its_region() {
        // A narrow column takes the middle of a wide row; the row's label moves along the row.
        let row = Mask::rectangle([0, 40, 100, 60]).unwrap();
        let column = Mask::rectangle([46, 42, 56, 58]).unwrap();
        let labels = [wanted(&row, [16, 14]), wanted(&column, [16, 14])];
        let places = place([100, 100], &labels).unwrap();
        check([100, 100], &places);
        assert_eq!(row.area_in(places[0].map(|edge| edge as u32)), 16 * 14);
    }

    #[test]
    fn a_full_picture_has_room_for_no_more() {
        let mask = Mask::rectangle([0, 0, 40, 20]).unwrap();
        let labels = |count| (0..count).map(|_| wanted(&mask, [10, 10])).collect::<Vec<_>>();
        check([40, 20], &place([40, 20], &labels(2)).unwrap());
        assert_eq!(place([40, 20], &labels(9)), None);
        assert_eq!(place([9, 9], &labels(1)), None);
        assert_eq!(place([9, 9], &[]), Some(Vec::new()));
    }
}
