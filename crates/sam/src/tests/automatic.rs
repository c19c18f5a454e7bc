//! Laws of what is found in a picture.

use std::collections::BTreeSet;

use quintet_data::Mask;

use super::{picture, small_segmenter};
use crate::{Automatic, Segment};

/// Takes what comes: the model is of random weights.
fn all() -> Automatic {
    Automatic {
        points_per_side: 4,
        min_score: 0.0,
        min_stability: 0.0,
        box_nms: 0.95,
        ..Automatic::default()
    }
}

fn scores(found: &[Segment]) -> Vec<f32> {
    found.iter().map(|segment| segment.score).collect()
}

#[test]
fn segments_come_best_first_and_stricter_options_give_the_first_of_them() {
    let segmenter = small_segmenter();
    let image = picture([60, 40]);
    let found = segmenter.segment_all(&image, &all()).unwrap();
    assert!(found.len() > 2, "{}", found.len());
    assert_eq!(found, segmenter.segment_all(&image, &all()).unwrap());
    assert!(scores(&found).is_sorted_by(|a, b| a >= b));
    let middle = found[found.len() / 2].score;
    let strict = Automatic { min_score: middle.max(0.0), ..all() };
    let fewer = segmenter.segment_all(&image, &strict).unwrap();
    let expected: Vec<_> =
        found.iter().filter(|segment| middle <= 0.0 || segment.score > middle).cloned().collect();
    assert_eq!(fewer, expected);
    let stable = Automatic { min_stability: 0.6, ..all() };
    let stable = segmenter.segment_all(&image, &stable).unwrap();
    assert!(stable.iter().all(|segment| segment.stability >= 0.6));
    let none = Automatic { min_score: 1.0, min_stability: 1.0, ..all() };
    let none = segmenter.segment_all(&image, &none).unwrap();
    assert!(none.iter().all(|segment| segment.score > 1.0 && segment.stability == 1.0));
}

#[test]
fn how_many_points_are_decoded_together_changes_nothing() {
    let segmenter = small_segmenter();
    let image = picture([50, 50]);
    let expected = segmenter.segment_all(&image, &all()).unwrap();
    for points_per_batch in [1, 3, 1000] {
        let options = Automatic { points_per_batch, ..all() };
        let found = segmenter.segment_all(&image, &options).unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.point, expected.point);
            assert!((found.score - expected.score).abs() < 1e-4);
            assert!(found.mask.iou(&expected.mask) > 0.99);
        }
    }
}

#[test]
fn crops_give_whole_objects_in_the_pictures_pixels() {
    let segmenter = small_segmenter();
    let size = [200, 120];
    let options = Automatic { crop_layers: 1, crop_downscale: 2, ..all() };
    let found = segmenter.segment_all(&picture(size), &options).unwrap();
    let near = |place: u32, edge: u32| place.abs_diff(edge) <= 20;
    for segment in &found {
        let [x1, y1, x2, y2] = segment.mask.bbox();
        let [left, top, right, bottom] = segment.crop;
        assert!(left <= x1 && top <= y1 && x2 <= right && y2 <= bottom);
        let [x, y] = segment.point;
        assert!((left as f32..right as f32).contains(&x));
        assert!((top as f32..bottom as f32).contains(&y));
        let ends =
            [(x1, left, 0), (y1, top, 0), (x2 - 1, right, size[0]), (y2 - 1, bottom, size[1])];
        for (end, edge, of_picture) in ends {
            assert!(!near(end, edge) || near(end, of_picture), "{:?}", segment.crop);
        }
    }
    let whole = [0, 0, size[0], size[1]];
    // Those of smaller crops are preferred, and come first.
    assert!(found.is_sorted_by_key(|segment| segment.crop == whole));
}

/// Sizes of the parts of a mask that do not touch, not even at corners.
fn islands(mask: &Mask) -> Vec<usize> {
    let mut left: BTreeSet<(u32, u32)> = mask.pixels().collect();
    let mut sizes = Vec::new();
    while let Some(first) = left.pop_first() {
        let (mut open, mut size) = (vec![first], 0);
        while let Some((x, y)) = open.pop() {
            size += 1;
            let around = (x.saturating_sub(1)..=x + 1)
                .flat_map(|x| (y.saturating_sub(1)..=y + 1).map(move |y| (x, y)));
            open.extend(around.filter(|pixel| left.remove(pixel)));
        }
        sizes.push(size);
    }
    sizes
}

#[test]
fn small_islands_go() {
    let segmenter = small_segmenter();
    let options = Automatic { min_region: 30, ..all() };
    let found = segmenter.segment_all(&picture([60, 40]), &options).unwrap();
    assert!(!found.is_empty());
    for segment in &found {
        let sizes = islands(&segment.mask);
        assert!(sizes.len() == 1 || sizes.iter().all(|size| *size >= 30), "{sizes:?}");
    }
}

#[test]
fn pictures_of_any_shape_are_searched() {
    let segmenter = small_segmenter();
    for size in [[1, 1], [1, 300], [300, 1], [3, 2]] {
        let options = Automatic { points_per_side: 2, crop_layers: 2, min_region: 4, ..all() };
        for segment in segmenter.segment_all(&picture(size), &options).unwrap() {
            let [.., x2, y2] = segment.mask.bbox();
            assert!(x2 <= size[0] && y2 <= size[1]);
        }
    }
    assert!(segmenter.segment_all(&picture([0, 0]), &all()).is_err());
    let none = Automatic { points_per_side: 0, ..all() };
    assert!(segmenter.segment_all(&picture([3, 3]), &none).is_err());
}
