//! What must hold of every scene, on the bundled drawings.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use rayon::prelude::*;

use super::{
    rng::{Purpose, stream},
    tasks::{Asker, Phrasing, Question, TaskKind, percent_text},
    *,
};
use crate::{
    formats::Dataset,
    sample::{Media, Part, Role},
};

static SPRITES: LazyLock<Arc<SpriteSet>> =
    LazyLock::new(|| Arc::new(SpriteSet::bundled().unwrap()));

const STYLES: [Style; 2] = [Style::Noto, Style::NotoV1];

fn scenes(spec: &SceneSpec, count: u64) -> Vec<Scene> {
    (0..count).map(|i| Scene::generate(spec, &SPRITES, 7, i)).collect()
}

fn asked(scene: &Scene, seed: u64) -> Vec<Question> {
    let mut rng = stream(seed, Split::Train, Purpose::Questions, 0);
    Asker::new(&SPRITES, Phrasing::Varied).questions(scene, 4, &mut rng)
}

#[test]
fn bundled_names_are_in_the_table_s_order() {
    assert!(SPRITES.names().is_sorted() && SPRITES.names().len() == 12);
}

#[test]
fn the_same_bytes_on_any_number_of_threads() {
    let spec = SceneSpec::train(&STYLES);
    let one: Vec<_> = scenes(&spec, 48).into_iter().map(|s| s.image).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let many: Vec<_> = pool.install(|| {
        let backwards = (0..48u32).into_par_iter().rev();
        backwards.map(|i| Scene::generate(&spec, &SPRITES, 7, i.into()).image).collect()
    });
    assert!(one.iter().eq(many.iter().rev()));
    assert_ne!(one[0], one[1]);
    let other_seed = Scene::generate(&spec, &SPRITES, 8, 0).image;
    assert_ne!(one[0], other_seed);
}

#[test]
fn crowded_scenes_are_full_of_things_of_the_sizes_asked_for() {
    let spec = SceneSpec {
        objects: 16,
        sizes: [40.0, 50.0],
        crowded: true,
        ..SceneSpec::validation(&STYLES)
    };
    let scenes = scenes(&spec, 30);
    let count = |f: fn(&Scene) -> usize| scenes.iter().map(f).sum::<usize>() as f32 / 30.0;
    assert!(count(|s| s.objects.len()) > 5.0);
    assert!(count(|s| s.words.len()) > 1.8);
    for object in scenes.iter().flat_map(|scene| &scene.objects) {
        let [x1, y1, x2, y2] = object.bbox;
        // Rotation widens a box, and others may hide a part of it.
        let side = (x2 - x1).max(y2 - y1);
        assert!((24.0..70.0).contains(&side), "{side}");
    }
}

#[test]
fn a_vocabulary_is_all_that_scenes_show() {
    for crowded in [false, true] {
        let spec = SceneSpec { vocabulary: Some(5), crowded, ..SceneSpec::train(&STYLES) };
        let shown: BTreeSet<u16> =
            scenes(&spec, 60).iter().flat_map(|s| &s.objects).map(|o| o.name_id).collect();
        assert_eq!(shown.len(), 5);
        assert!(shown.iter().all(|name| SPRITES.names().contains(name)));
    }
}

#[test]
fn few_names_repeat_and_all_their_counts_are_asked_for() {
    let spec =
        SceneSpec { objects: 14, crowded: true, names: Some(3), ..SceneSpec::train(&STYLES) };
    let asker = Asker::new(&SPRITES, Phrasing::Varied).of_kinds(vec![TaskKind::Count]);
    let mut repeated = 0;
    for (i, scene) in (0..).zip(scenes(&spec, 100)) {
        let mut rng = stream(i, Split::Train, Purpose::Questions, 0);
        let questions = asker.turns(&scene, 20, &mut rng);
        assert!(!questions.is_empty());
        let mut tally: BTreeMap<u16, usize> = BTreeMap::new();
        for object in &scene.objects {
            *tally.entry(object.name_id).or_default() += 1;
        }
        assert!(tally.len() <= 3);
        for (name, count) in tally {
            let asked: Vec<_> = questions.iter().filter(|q| q.subject == [name]).collect();
            assert!(asked.len() <= 1 && asked.iter().all(|q| q.answer == count.to_string()));
            assert!(count == 1 || asked.len() == 1, "a name that repeats is not asked about");
            repeated += usize::from(count > 1);
        }
    }
    assert!(repeated > 100, "{repeated}");
}

#[test]
fn boxes_are_tight_and_masks_apart() {
    for scene in scenes(&SceneSpec::train(&STYLES), 100) {
        let mut taken = BTreeSet::new();
        for object in &scene.objects {
            let [x1, y1, x2, y2] = object.bbox.map(|v| v as u32);
            assert!(x1 < x2 && y1 < y2 && x2 <= 160 && y2 <= 160);
            let (xs, ys): (Vec<_>, Vec<_>) = object.mask.pixels().unzip();
            assert_eq!([xs.iter().min(), ys.iter().min()], [Some(&x1), Some(&y1)]);
            assert_eq!([xs.iter().max(), ys.iter().max()], [Some(&(x2 - 1)), Some(&(y2 - 1))]);
            assert!(object.mask.pixels().all(|pixel| taken.insert(pixel)), "masks overlap");
        }
        for word in &scene.words {
            let [x1, y1, x2, y2] = word.bbox;
            assert!(x1 >= 0.0 && y1 >= 0.0 && x2 <= 160.0 && y2 <= 160.0 && x1 < x2 && y1 < y2);
            let over = |(x, y): &(u32, u32)| {
                let (x, y) = (*x as f32 + 0.5, *y as f32 + 0.5);
                x > x1 && x < x2 && y > y1 && y < y2
            };
            assert!(!taken.iter().any(over), "an object covers {:?}", word.text);
        }
    }
}

#[test]
fn a_mask_shows_the_object() {
    // On an undisturbed picture the pixels under a mask are the drawing's, so two scenes that
    // differ in their background alone would agree there; here: a red apple is mostly red.
    let apple = name_id("apple").unwrap();
    let scenes = scenes(&SceneSpec::validation(&[Style::Noto]), 400);
    let apples: Vec<_> =
        scenes.iter().flat_map(|s| &s.objects).filter(|o| o.name_id == apple).collect();
    assert!(apples.len() > 20);
    assert!(apples.iter().all(|o| o.colour == Some(Colour::Red)));
}

#[test]
fn only_the_styles_asked_for_appear() {
    for style in STYLES {
        let spec = SceneSpec::train(&[style]);
        let all = scenes(&spec, 60);
        assert!(all.iter().flat_map(|s| &s.objects).all(|o| o.style == style));
        assert!(all.iter().all(|s| !s.objects.is_empty()));
    }
    let absent = SceneSpec::train(&[Style::Twemoji]);
    assert!(scenes(&absent, 20).iter().all(|s| s.objects.is_empty()));
}

#[test]
fn training_and_validation_share_no_layout() {
    let train = Scene::generate(&SceneSpec::train(&STYLES), &SPRITES, 7, 0);
    let held = Scene::generate(&SceneSpec::validation(&STYLES), &SPRITES, 7, 0);
    let boxes = |s: &Scene| s.objects.iter().map(|o| o.bbox).collect::<Vec<_>>();
    assert_ne!(boxes(&train), boxes(&held));
}

#[test]
fn answers_agree_with_the_annotations() {
    let mut kinds = BTreeSet::new();
    for (i, scene) in (0..).zip(scenes(&SceneSpec::train(&STYLES), 300)) {
        for question in asked(&scene, i) {
            kinds.insert(question.kind);
            check(&scene, &question);
        }
    }
    assert_eq!(kinds.len(), TaskKind::ALL.len(), "{kinds:?}");
}

/// Works the answer out a second time, from the annotations and the question's words alone.
fn check(scene: &Scene, question: &Question) {
    let Question { kind, text, answer, subject, .. } = question;
    let of = |id: u16| scene.objects.iter().filter(move |o| o.name_id == id).collect::<Vec<_>>();
    let ids: Vec<_> = subject.iter().map(|id| of(*id)).collect();
    let spoken = |id: &u16| {
        let name = &NAMES[usize::from(*id)];
        text.contains(name.name) || text.contains(name.plural)
    };
    match kind {
        TaskKind::List => {
            let said: BTreeSet<_> = answer.split(", ").collect();
            let there: BTreeSet<_> = scene.objects.iter().map(|o| o.name().name).collect();
            assert_eq!(said, there);
            assert_eq!(answer.split(", ").count(), there.len(), "a name twice");
            let left =
                |id: &u16| of(*id).iter().map(|o| o.centre()[0]).fold(f32::INFINITY, f32::min);
            assert!(subject.is_sorted_by(|a, b| left(a) <= left(b)));
        }
        TaskKind::Name => {
            assert!(scene.objects.len() == 1 && scene.objects[0].name().name == answer);
        }
        TaskKind::NameAt => {
            let at = |o: &&Object| text.contains(&percent_text(o.bbox, 160));
            assert!(scene.objects.iter().filter(at).any(|o| o.name().name == answer));
        }
        TaskKind::Presence => {
            assert!(subject.iter().all(spoken), "{text}");
            assert_eq!(answer == "yes", !ids[0].is_empty(), "{text}");
            assert_eq!(question.negative.is_none(), answer == "yes");
        }
        TaskKind::Count => {
            assert!(subject.iter().all(spoken), "{text}");
            assert_eq!(*answer, ids[0].len().to_string());
        }
        TaskKind::Colour => {
            assert!(subject.iter().all(spoken) && ids[0].len() == 1, "{text}");
            assert_eq!(ids[0][0].colour.map(Colour::name), Some(answer.as_str()));
        }
        TaskKind::Relation => {
            assert!(subject.iter().all(spoken) && ids[0].len() == 1 && ids[1].len() == 1);
            let ([ax, ay], [bx, by]) = (ids[0][0].centre(), ids[1][0].centre());
            let holds = if text.contains("left of") {
                ax < bx
            } else if text.contains("right of") {
                ax > bx
            } else if text.contains("above") || text.contains("higher") {
                ay < by
            } else {
                assert!(text.contains("below") || text.contains("lower"), "{text}");
                ay > by
            };
            assert_eq!(answer == "yes", holds, "{text}");
        }
        TaskKind::Direction => {
            let ([ax, ay], [bx, by]) = (ids[0][0].centre(), ids[1][0].centre());
            let expected = if (ax - bx).abs() > (ay - by).abs() {
                if ax < bx { "left" } else { "right" }
            } else if ay < by {
                "above"
            } else {
                "below"
            };
            assert_eq!(answer, expected, "{text}");
        }
        TaskKind::Word => assert_eq!(scene.words[0].text, answer),
        TaskKind::Box => {
            assert!(subject.iter().all(spoken) && ids[0].len() == 1, "{text}");
            assert_eq!(*answer, percent_text(ids[0][0].bbox, 160));
        }
    }
}

#[test]
fn answers_are_balanced() {
    let mut tally: BTreeMap<(TaskKind, String), u32> = BTreeMap::new();
    for (i, scene) in (0..).zip(scenes(&SceneSpec::train(&STYLES), 600)) {
        for question in asked(&scene, i) {
            *tally.entry((question.kind, question.answer)).or_default() += 1;
        }
    }
    let share = |kind: TaskKind, answer: &str| {
        let of_kind = tally.iter().filter(|((k, _), _)| *k == kind).map(|(_, n)| n).sum::<u32>();
        let count = tally.get(&(kind, answer.to_owned())).copied().unwrap_or(0);
        f64::from(count) / f64::from(of_kind)
    };
    let near = |value: f64, aim: f64| assert!((value - aim).abs() < 0.08, "{value}");
    near(share(TaskKind::Presence, "yes"), 0.5);
    near(share(TaskKind::Relation, "yes"), 0.5);
    for side in ["left", "right", "above", "below"] {
        near(share(TaskKind::Direction, side), 0.25);
    }
    for count in ["0", "1", "2", "3", "4", "5", "6"] {
        let share = share(TaskKind::Count, count);
        assert!((0.04..0.4).contains(&share), "{count}: {share}");
    }
}

#[test]
fn negatives_come_in_three_kinds_and_are_absent() {
    let mut seen = BTreeMap::new();
    for (i, scene) in (0..).zip(scenes(&SceneSpec::train(&STYLES), 200)) {
        for question in asked(&scene, i) {
            if let Some(negative) = question.negative {
                *seen.entry(format!("{negative:?}")).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[test]
fn a_dataset_yields_conversations_about_its_picture() {
    let spec = SceneSpec::train(&STYLES);
    let data = SceneDataset::new(spec.clone(), SPRITES.clone(), Phrasing::Canonical, 3, 5);
    assert_eq!(data.len(), 5);
    let sample = data.get(4).unwrap();
    assert_eq!(sample.messages[0].content[0], Part::Image);
    let images = sample.messages.iter().flat_map(|m| &m.content).filter(|p| **p == Part::Image);
    assert_eq!(images.count(), 1);
    let roles: Vec<_> = sample.messages.iter().map(|m| m.role).collect();
    assert!(roles.chunks(2).all(|pair| pair == [Role::User, Role::Assistant]));
    assert!((2..=16).contains(&roles.len()));
    let Media::Image(picture) = &sample.media[0] else { panic!("no picture") };
    assert_eq!(**picture, Scene::generate(&spec, &SPRITES, 3, 4).image);
    assert!(data.get(5).unwrap_err().to_string().contains("there are 5"));
}

#[test]
fn crops_show_every_class_and_repeat() {
    let spec = CropSpec::train(&STYLES, 48);
    let crops: Vec<_> = (0..300).map(|i| Crop::generate(&spec, &SPRITES, 1, i).unwrap()).collect();
    assert!(crops.iter().all(|c| c.image.dimensions() == (48, 48)));
    let words = crops.iter().filter(|c| usize::from(c.class) >= NAMES.len()).count();
    assert!((60..150).contains(&words), "{words}");
    let names: BTreeSet<_> =
        crops.iter().map(|c| c.class).filter(|c| usize::from(*c) < NAMES.len()).collect();
    assert_eq!(names.len(), 12);
    assert!(crops.iter().all(|c| Crop::label(c.class).is_some()));
    let again = Crop::generate(&spec, &SPRITES, 1, 17).unwrap();
    assert_eq!((again.image, again.class), (crops[17].image.clone(), crops[17].class));
}
