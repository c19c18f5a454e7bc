//! Laws of prompts and answers.

use super::{picture, small_segmenter};
use crate::{Answer, Masks, Point, Prompt};

fn assert_same(found: &[Answer], expected: &[Answer], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found.score - expected.score).abs() < 1e-4, "{what}");
        let pairs = found.logits.values.iter().zip(expected.logits.values.iter());
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-3, "{what}: logits differ by {worst}");
    }
}

#[test]
fn prompts_of_all_forms_are_answered_in_their_order() {
    let segmenter = small_segmenter();
    let seen = segmenter.set_image(&picture([60, 40])).unwrap();
    let outside = Point { x: 50.0, y: 3.5, inside: false };
    let mut prompts = vec![Prompt::point(10.0, 5.0), Prompt::bbox([4.0, 3.0, 30.5, 28.0])];
    prompts.push(Prompt { points: vec![outside], ..prompts[1].clone() });
    let mask = seen.ask(&prompts[..1], Masks::Single).unwrap()[0][0].logits.clone();
    prompts.push(Prompt { mask: Some(mask.clone()), ..Prompt::default() });
    prompts.push(Prompt { mask: Some(mask), ..prompts[0].clone() });
    // Two points without a box have the form of one with a box, but not its meaning.
    prompts.push(Prompt { points: vec![outside; 2], ..Prompt::default() });
    prompts.extend((0..9).map(|i| Prompt::point(6.0 * i as f32, 4.0 * i as f32)));
    for (masks, count) in [(Masks::Single, 1), (Masks::Several, 3), (Masks::All, 4)] {
        let together = seen.ask(&prompts, masks).unwrap();
        assert_eq!(together.len(), prompts.len());
        for (i, (prompt, answers)) in prompts.iter().zip(&together).enumerate() {
            assert_eq!(answers.len(), count);
            let alone = seen.ask(std::slice::from_ref(prompt), masks).unwrap();
            assert_same(answers, &alone[0], &format!("prompt {i}"));
        }
    }
    assert!(seen.ask(&[], Masks::Several).unwrap().is_empty());
}

#[test]
fn pictures_of_any_shape_are_answered() {
    let segmenter = small_segmenter();
    for size in [[1, 1], [1, 900], [900, 1], [13, 7], [64, 48], [12, 12]] {
        let seen = segmenter.set_image(&picture(size)).unwrap();
        let [width, height] = size.map(|side| side as f32);
        let prompts = [
            Prompt::point(width / 2.0, height / 2.0),
            Prompt::bbox([0.0, 0.0, width, height]),
            Prompt::point(-1e6, 1e6),
        ];
        for answer in seen.ask(&prompts, Masks::All).unwrap().concat() {
            assert!((0.0..=1.0).contains(&answer.stability), "{}", answer.stability);
            if let Some(mask) = answer.mask {
                let [x1, y1, x2, y2] = mask.bbox();
                assert!(x1 < x2 && x2 <= size[0] && y1 < y2 && y2 <= size[1], "{size:?}");
            }
        }
    }
}

#[test]
fn what_cannot_be_asked_is_refused_with_the_reason() {
    let segmenter = small_segmenter();
    assert!(segmenter.set_image(&picture([0, 4])).is_err());
    let seen = segmenter.set_image(&picture([30, 20])).unwrap();
    let mut mask =
        seen.ask(&[Prompt::point(3.0, 3.0)], Masks::Single).unwrap()[0][0].logits.clone();
    mask.side = 7;
    for (prompt, word) in [
        (Prompt::default(), "needs a point"),
        (Prompt::point(f32::NAN, 1.0), "nowhere"),
        (Prompt::bbox([9.0, 1.0, 3.0, 4.0]), "x1 <= x2"),
        (Prompt::bbox([0.0, 1.0, f32::INFINITY, 4.0]), "x1 <= x2"),
        (Prompt { mask: Some(mask), ..Prompt::default() }, "side 7"),
    ] {
        let message = seen.ask(&[prompt], Masks::Several).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
}
