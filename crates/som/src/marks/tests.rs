//! What must hold of every marked picture.

use std::{collections::BTreeSet, sync::LazyLock};

use image::Rgb;

use super::{testing::Random, *};
use crate::regions::Origin;

/// Pictures with regions of all kinds, sparse and crowded.
static CASES: LazyLock<Vec<(RgbImage, Vec<Region>)>> = LazyLock::new(|| {
    let mut random = Random::new(9);
    let case = |i| {
        let (width, height) = (40 + random.below(260), 40 + random.below(200));
        let count = if i % 4 == 0 { random.below(60) } else { random.below(14) } as usize;
        (random.picture(width, height), random.regions(count, width, height))
    };
    (0..60).map(case).collect()
});

fn marked(options: Options) -> impl Iterator<Item = (&'static (RgbImage, Vec<Region>), Marked)> {
    let marker = Marker::new(options).unwrap();
    CASES.iter().map(move |case| (case, marker.mark(&case.0, &case.1).unwrap()))
}

fn overlap(a: [u32; 4], b: [u32; 4]) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

#[test]
fn every_region_has_exactly_one_mark_and_tags_count_up() {
    for order in [Order::AreaDescending, Order::Reading] {
        for labels in [Labels::Number, Labels::Letter] {
            for ((_, regions), marked) in marked(Options { order, labels, ..Options::default() }) {
                let seen: BTreeSet<usize> = marked.marks.marks.iter().map(|m| m.region).collect();
                assert_eq!(seen, (0..regions.len()).collect());
                assert_eq!(
                    (marked.marks.marks.len(), marked.masks.len()),
                    (regions.len(), regions.len())
                );
                for (i, mark) in marked.marks.marks.iter().enumerate() {
                    assert_eq!(mark.tag, labels.tag(i));
                    assert_eq!(marked.masks[i], regions[mark.region].mask);
                    assert_eq!(
                        (mark.bbox, mark.area),
                        (marked.masks[i].bbox(), marked.masks[i].area())
                    );
                    assert!(marked.masks[i].contains(mark.point[0], mark.point[1]));
                }
            }
        }
    }
}

#[test]
fn no_two_labels_overlap_and_none_leaves_the_picture() {
    let (mut labels, mut shrunk) = (0, 0);
    for size in [None, Some(20.0)] {
        for ((image, _), marked) in marked(Options { size, ..Options::default() }) {
            let boxes: Vec<_> = marked.marks.marks.iter().map(|m| m.label.unwrap()).collect();
            for (i, a) in boxes.iter().enumerate() {
                assert!(
                    a[0] < a[2] && a[1] < a[3] && a[2] <= image.width() && a[3] <= image.height()
                );
                assert!(boxes[..i].iter().all(|b| !overlap(*a, *b)));
            }
            labels += boxes.len();
            shrunk += usize::from(marked.marks.shrunk());
        }
    }
    assert!(labels > 1000 && (1..60).contains(&shrunk), "{labels} {shrunk}");
}

#[test]
fn labels_lie_on_their_regions_where_these_are_wide_enough() {
    let (mut inside, mut wide) = (0, 0);
    for ((_, regions), marked) in marked(Options::default()) {
        for (mark, mask) in marked.marks.marks.iter().zip(&marked.masks) {
            let label = mark.label.unwrap();
            let (w, h) = (i64::from(label[2] - label[0]), i64::from(label[3] - label[1]));
            if regions.len() < 8 && 4 * inmost(mask).reach > (w + 2) * (w + 2) + (h + 2) * (h + 2) {
                wide += 1;
                inside += usize::from(i64::from(mask.area_in(label)) == w * h);
            }
        }
    }
    assert!(wide > 20 && inside * 10 >= wide * 9, "{inside} of {wide}");
}

#[test]
fn the_same_input_gives_the_same_bytes_on_any_number_of_threads() {
    let everything =
        || Options { draw: vec![Layer::Mask, Layer::Box, Layer::Mark], ..Options::default() };
    let one: Vec<_> = marked(everything()).map(|(_, marked)| marked).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let again: Vec<_> = pool.install(|| marked(everything()).map(|(_, marked)| marked).collect());
    assert!(one == again);
    let other: Vec<_> = marked(Options { seed: 1, ..everything() }).map(|(_, m)| m).collect();
    assert!(one.iter().zip(&other).any(|(a, b)| a.image != b.image));
}

#[test]
fn what_the_record_says_draws_the_same_picture_again() {
    for placement in [Placement::Free, Placement::Som] {
        for ((image, regions), mut marked) in marked(Options { placement, ..Options::default() }) {
            marked.record_masks().unwrap();
            let text = serde_json::to_string(&marked.marks).unwrap();
            let read: Marks = serde_json::from_str(&text).unwrap();
            assert_eq!(read, marked.marks);
            let again = Marker::new(read.options).unwrap().mark(image, regions).unwrap();
            assert!(again.image == marked.image);
            for (mark, mask) in read.marks.iter().zip(&marked.masks) {
                let whole = mark.mask.as_ref().unwrap().decode().unwrap();
                assert_eq!(Mask::from_coco(&whole).as_ref(), Some(mask));
            }
        }
    }
}

#[test]
fn only_what_is_asked_for_is_drawn() {
    let (image, regions) = &CASES[1];
    let drawn = |draw: &[Layer]| {
        let options = Options { draw: draw.to_vec(), alpha: 0.5, ..Options::default() };
        Marker::new(options).unwrap().mark(image, regions).unwrap()
    };
    assert!(!regions.is_empty());
    let nothing = drawn(&[]);
    assert!(nothing.image == *image && nothing.marks.marks.iter().all(|m| m.label.is_none()));
    let within = |marked: &Marked, covers: &dyn Fn(u32, u32) -> bool| {
        let changed =
            image.enumerate_pixels().filter(|(x, y, p)| marked.image.get_pixel(*x, *y) != *p);
        let places: Vec<_> = changed.map(|(x, y, _)| (x, y)).collect();
        assert!(!places.is_empty() && places.iter().all(|(x, y)| covers(*x, *y)));
    };
    let masks = drawn(&[Layer::Mask]);
    within(&masks, &|x, y| masks.masks.iter().any(|mask| mask.contains(x, y)));
    let in_box = |b: [u32; 4], x, y| (b[0]..b[2]).contains(&x) && (b[1]..b[3]).contains(&y);
    let boxes = drawn(&[Layer::Box]);
    within(&boxes, &|x, y| boxes.marks.marks.iter().any(|mark| in_box(mark.bbox, x, y)));
    let labels = drawn(&[Layer::Mark]);
    within(&labels, &|x, y| labels.marks.marks.iter().any(|m| in_box(m.label.unwrap(), x, y)));
}

#[test]
fn labels_can_be_read_on_any_picture() {
    let colours = [[0, 0, 255], [120, 120, 120], [255, 255, 0], [10, 0, 40]].map(Colour);
    for (given, ground) in [(true, 0u8), (true, 130), (false, 255), (false, 90)] {
        let image = RgbImage::from_pixel(160, 120, Rgb([ground; 3]));
        let regions = Random::new(5).regions(12, 160, 120);
        let colours = if given { colours.to_vec() } else { Vec::new() };
        let options = Options { colours, ..Options::default() };
        let marked = Marker::new(options).unwrap().mark(&image, &regions).unwrap();
        for mark in &marked.marks.marks {
            let [x1, y1, x2, y2] = mark.label.unwrap();
            let count = |colour: Colour| {
                let all = (y1..y2).flat_map(|y| (x1..x2).map(move |x| (x, y)));
                all.filter(|(x, y)| marked.image.get_pixel(*x, *y).0 == colour.0).count()
            };
            let (ink, plate) = (mark.colour, mark.colour.ground());
            assert!(ink.contrast(plate) >= 4.5);
            assert!(count(ink) > 20 && count(plate) > 20, "{} {}", count(ink), count(plate));
        }
    }
}

#[test]
fn colours_given_are_used_in_turn() {
    let colours = vec![Colour([255, 0, 0]), Colour([0, 255, 0])];
    for (_, marked) in marked(Options { colours: colours.clone(), ..Options::default() }).take(5) {
        for (i, mark) in marked.marks.marks.iter().enumerate() {
            assert_eq!(mark.colour, colours[i % 2]);
        }
    }
}

#[test]
fn som_writes_at_the_anchor_whatever_is_there() {
    for (case, marked) in marked(Options::som()) {
        let shorter = case.0.width().min(case.0.height()) as f32;
        assert_eq!(marked.marks.size, (shorter * 25.0 / 640.0).max(12.0));
        let up = (6.0 * marked.marks.size / 25.0).round() as u32;
        for (mark, mask) in marked.marks.marks.iter().zip(&marked.masks) {
            let [x, y] = inmost(mask).halfway;
            assert_eq!(mark.point, [x, y]);
            let [left, top, right, bottom] = mark.label.unwrap();
            assert_eq!(top, y.saturating_sub(up));
            assert!(bottom > y && left < x + 2 && right + 2 > x, "{:?} {x} {y}", mark.label);
        }
    }
}

#[test]
fn the_smallest_first_marks_what_is_left() {
    for ((_, regions), marked) in marked(Options::som_llava()) {
        assert_eq!(marked.marks.marks.len() + marked.marks.skipped.len(), regions.len());
        assert!(marked.marks.marks.iter().all(|mark| mark.area >= 110));
    }
}

#[test]
fn pictures_too_small_and_regions_from_elsewhere_are_refused() {
    let marker = Marker::new(Options::default()).unwrap();
    let region = |bbox| Region::new(Mask::rectangle(bbox).unwrap(), Origin::Boxes);
    let say = |width, height, regions: &[Region]| {
        marker.mark(&RgbImage::new(width, height), regions).unwrap_err().to_string()
    };
    let said = say(1, 1, &[region([0, 0, 1, 1])]);
    assert!(said.starts_with("1 labels have no room in a picture of 1 × 1"), "{said}");
    let many: Vec<_> = (0..200).map(|_| region([0, 0, 60, 40])).collect();
    assert!(say(60, 40, &many).contains("200 labels have no room"));
    let said = say(50, 50, &[region([0, 0, 9, 9]), region([40, 0, 51, 9])]);
    assert!(said.starts_with("region 1 leaves the picture, which is 50 × 50"), "{said}");
    // Without labels there is no lack of room, and with no regions nothing to do.
    let unlabelled = Options { draw: vec![Layer::Mask], ..Options::default() };
    let pixel = RgbImage::new(1, 1);
    let one = Marker::new(unlabelled).unwrap().mark(&pixel, &[region([0, 0, 1, 1])]).unwrap();
    assert_eq!(one.marks.marks.len(), 1);
    assert!(marker.mark(&pixel, &[]).unwrap().image == pixel);
    let som = Marker::new(Options::som()).unwrap();
    assert_eq!(som.mark(&pixel, &[region([0, 0, 1, 1])]).unwrap().marks.marks.len(), 1);
}

#[test]
fn a_font_that_is_none_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.ttf");
    let font = || Options { font: Some(path.clone()), ..Options::default() };
    assert!(Marker::new(font()).err().unwrap().to_string().contains("x.ttf"));
    std::fs::write(&path, "no font").unwrap();
    assert!(Marker::new(font()).err().unwrap().to_string().contains("no font that can be read"));
}
