use std::{
    collections::HashSet,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use image::RgbImage;
use quintet_data::{
    formats::{Dataset, OpenOptions, open},
    media,
    sample::{Media, Message, Part, Sample},
    scene::{Scene, SceneSpec, SpriteSet, Style},
};
use quintet_endpoint::Encoding;
use serde_json::json;

use super::*;
use crate::{
    listing::{
        Ask, Builder, Built, Error, Format, ListingScore, Output, Settings, Task, Wording, build,
        listing,
    },
    marks::{Labels, Marker, Marks, Options},
    regions::{CocoFile, Source},
};

fn text(message: &Message) -> &str {
    match message.content.last() {
        Some(Part::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Progress that nobody ends.
fn go_on(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn scenes(settings: Settings, marks: Options, len: usize) -> MarkedScenes {
    let sprites = Arc::new(SpriteSet::bundled().unwrap());
    MarkedScenes::new(SceneSpec::train(&[Style::Noto]), sprites, marks, settings, 3, len).unwrap()
}

#[test]
fn scenes_are_listed_as_they_were_built() {
    let data = scenes(Settings::default(), Options::default(), 40);
    let sprites = SpriteSet::bundled().unwrap();
    for i in 0..40 {
        let marked = data.marked(i).unwrap();
        let sample = data.get(i).unwrap();
        let answer = text(&sample.messages[1]);
        listing(answer, &marked.tags()).unwrap();
        assert_eq!(ListingScore::of(answer, &marked.items).accuracy(), Some(1.0));
        let scene = Scene::generate(&SceneSpec::train(&[Style::Noto]), &sprites, 3, i as u64);
        if scene.objects.is_empty() {
            continue;
        }
        let mut built: Vec<_> = scene.objects.iter().map(|o| (o.name().name, o.colour)).collect();
        let mut listed: Vec<_> =
            marked.items.iter().map(|item| (item.name.as_str(), item.colour)).collect();
        built.sort_unstable();
        listed.sort_unstable();
        assert_eq!(built, listed);
        let picture = media::decode(&sample.media[0]).unwrap();
        assert!(picture.dimensions() == (160, 160) && *picture != scene.image);
        assert!(marked.items.is_sorted_by(|a, b| a.area >= b.area), "the largest is first");
    }
    assert!(data.marked(40).is_err() && data.get(40).is_err());
}

#[test]
fn rows_do_not_depend_on_their_order() {
    let settings = Settings { task: Task::Both, ..Settings::default() };
    let marks = Options { labels: Labels::Letter, ..Options::som_llava() };
    let (data, again) = (scenes(settings.clone(), marks.clone(), 20), scenes(settings, marks, 20));
    let turns = |s: &Sample| s.messages.iter().map(|m| m.content.clone()).collect::<Vec<_>>();
    let mut pictures = HashSet::new();
    for i in (0..20).rev() {
        let (one, other) = (data.get(i).unwrap(), again.get(i).unwrap());
        assert_eq!((turns(&one), &one.id), (turns(&other), &other.id));
        let picture = media::decode(&one.media[0]).unwrap();
        assert_eq!(picture, media::decode(&other.media[0]).unwrap());
        assert!(text(&one.messages[1]).starts_with("a. "), "{}", text(&one.messages[1]));
        pictures.insert(picture.as_raw().clone());
    }
    assert_eq!(pictures.len(), 20);
}

#[test]
fn all_kinds_of_questions_are_asked_about_scenes() {
    let settings =
        Settings { task: Task::Qa, answers: Wording::Words, turns: 8, ..Settings::default() };
    let data = scenes(settings, Options::default(), 60);
    let asked: HashSet<Ask> = (0..60)
        .flat_map(|i| data.builder().questions(&data.marked(i).unwrap()))
        .map(|question| question.ask)
        .collect();
    assert_eq!(asked.len(), Ask::ALL.len());
}

#[test]
fn a_spec_that_shows_nothing_is_an_error() {
    let spec = SceneSpec { objects: 0, ..SceneSpec::train(&[Style::Noto]) };
    let sprites = Arc::new(SpriteSet::bundled().unwrap());
    let (marks, settings) =
        (Options { min_area: Some(u32::MAX), ..Options::default() }, Settings::default());
    let data = MarkedScenes::new(spec, sprites, marks, settings, 3, 4).unwrap();
    let error = data.get(2).unwrap_err().to_string();
    assert!(error.contains("row 2: of 16 scenes none can be marked"), "{error}");
}

/// Three pictures: one with a small cat and a large dog, one bare, one damaged.
fn coco(folder: &Path) -> CocoPictures {
    let image =
        |id: u64, name: &str| json!({ "id": id, "file_name": name, "width": 200, "height": 150 });
    let object = |id: u64, category: u64, image: u64, bbox: [f32; 4]| json!({ "id": id, "image_id": image, "category_id": category, "bbox": bbox });
    let file = json!({
        "info": {},
        "images": [image(1, "a.png"), image(2, "b.png"), image(3, "c.png")],
        "categories": [{ "id": 1, "name": "cat" }, { "id": 2, "name": "dog" }],
        "annotations": [
            object(1, 1, 1, [10.0, 10.0, 30.0, 30.0]),
            object(2, 2, 1, [80.0, 40.0, 100.0, 90.0]),
            object(3, 2, 3, [80.0, 40.0, 100.0, 90.0]),
        ],
    });
    for name in ["a.png", "b.png"] {
        RgbImage::from_pixel(200, 150, image::Rgb([90, 120, 60])).save(folder.join(name)).unwrap();
    }
    std::fs::write(folder.join("c.png"), "no picture").unwrap();
    let annotations = folder.join("annotations.json");
    std::fs::write(&annotations, file.to_string()).unwrap();
    CocoPictures::open(&annotations, folder, Options::default()).unwrap()
}

#[test]
fn coco_becomes_marked_pictures_and_samples() {
    let dir = tempfile::tempdir().unwrap();
    let pictures = coco(dir.path());
    assert_eq!(pictures.names(), ["cat", "dog"]);
    let settings = Settings { format: Format::Inline, ..Settings::default() };
    let builder = Builder::new(settings, pictures.names());
    let mut done = 0;
    for (output, file) in [
        (Output::Llava(dir.path().join("llava")), "llava/samples.json"),
        (Output::Parquet(dir.path().join("rows.parquet")), "rows.parquet"),
    ] {
        let progress = |n| {
            done = n;
            ControlFlow::Continue(())
        };
        let built = build(&pictures, &builder, &output, Encoding::Jpeg(95), progress).unwrap();
        let Built { samples, bare, unusable } = built;
        assert_eq!((samples, bare, unusable.len(), done), (1, 1, 1, 3));
        assert!(
            unusable[0].0 == "c.png" && unusable[0].1.contains("not a picture"),
            "{unusable:?}"
        );
        let row = open(dir.path().join(file), OpenOptions::default()).unwrap().get(0).unwrap();
        assert_eq!((row.id.as_str(), text(&row.messages[1])), ("a", "1. dog, 2. cat"));
        assert_eq!(media::decode(&row.media[0]).unwrap().dimensions(), (200, 150));
    }
    assert!(dir.path().join("llava/images/000000.jpg").exists());
}

#[test]
fn without_samples_there_is_no_output() {
    let dir = tempfile::tempdir().unwrap();
    let pictures = coco(dir.path());
    std::fs::remove_file(dir.path().join("a.png")).unwrap();
    let builder = Builder::new(Settings::default(), pictures.names());
    for output in [Output::Llava(dir.path().join("o")), Output::Parquet(dir.path().join("o"))] {
        let error = build(&pictures, &builder, &output, Encoding::Png, go_on).unwrap_err();
        assert!(matches!(error, Error::NoSamples { count: 3, .. }), "{error}");
        assert!(!dir.path().join("o").exists());
    }
}

#[test]
fn what_is_stopped_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = scenes(Settings::default(), Options::default(), 20);
    for output in [Output::Llava(dir.path().join("o")), Output::Parquet(dir.path().join("o"))] {
        let stop = |done| if done == 9 { ControlFlow::Break(()) } else { go_on(done) };
        let stopped = build(&data, data.builder(), &output, Encoding::Png, stop);
        assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

/// Marks the pictures of [`coco`] as `som mark` does, into a folder.
fn recorded(folder: &Path) -> PathBuf {
    drop(coco(folder));
    let regions = CocoFile::load(folder.join("annotations.json"), false).unwrap();
    let marker = Marker::new(Options::default()).unwrap();
    let out = folder.join("marked");
    std::fs::create_dir_all(out.join("deep")).unwrap();
    for (name, to) in [("a.png", "a"), ("b.png", "deep/b")] {
        let picture = media::decode_file(folder.join(name)).unwrap();
        let found = regions.regions(Path::new(name), &picture).unwrap();
        let marked = marker.mark(&picture, &found.regions).unwrap();
        marked.image.save(out.join(to).with_extension("jpg")).unwrap();
        let record = serde_json::to_string(&marked.marks).unwrap();
        std::fs::write(out.join(to).with_extension("json"), record).unwrap();
    }
    out
}

#[test]
fn what_was_marked_is_read_with_its_records() {
    let dir = tempfile::tempdir().unwrap();
    let out = recorded(dir.path());
    let pictures = RecordedPictures::open(&out, &out).unwrap();
    assert_eq!((pictures.count(), pictures.title(1)), (2, "deep/b".to_owned()));
    assert_eq!(pictures.names(), ["cat", "dog"]);
    let first = pictures.marked(0).unwrap();
    let items: Vec<_> = first.items.iter().map(|i| (i.tag.as_str(), i.name.as_str())).collect();
    assert_eq!((first.id.as_str(), items), ("a", vec![("1", "dog"), ("2", "cat")]));
    assert_eq!(pictures.tagged(0).unwrap().tags, ["1", "2"]);
    assert!(pictures.marked(2).is_err());

    let output = Output::Llava(dir.path().join("data"));
    let builder = Builder::new(Settings::default(), pictures.names());
    let built = build(&pictures, &builder, &output, Encoding::Png, go_on).unwrap();
    assert_eq!((built.samples, built.bare), (1, 1));
    // The dataset holds the picture itself, whatever becomes of the folder it came from.
    let picture = std::fs::read(dir.path().join("data/images/000000.jpg")).unwrap();
    assert_eq!(picture, std::fs::read(out.join("a.jpg")).unwrap());
}

#[test]
fn a_marked_picture_is_found_by_the_ending_that_its_record_names() {
    let dir = tempfile::tempdir().unwrap();
    let out = recorded(dir.path());
    let rename = |from: &str, to: &str| std::fs::rename(out.join(from), out.join(to)).unwrap();
    let place = || match RecordedPictures::open(&out, &out).unwrap().tagged(0).unwrap().picture {
        Media::File(path) => path.file_name().unwrap().to_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    };
    let mut marks = Marks::load(&out.join("a.json")).unwrap();
    let mut of = |picture: PathBuf| {
        marks.picture = Some(picture);
        std::fs::write(out.join("a.json"), serde_json::to_string(&marks).unwrap()).unwrap();
    };
    rename("a.jpg", "a.Png");
    of("photos/a.Png".into());
    assert_eq!(place(), "a.Png");
    // The picture as it was before lies beside it.
    rename("a.Png", "a.webp");
    std::fs::write(out.join("a.png"), "not marked").unwrap();
    of(out.join("a.png"));
    assert_eq!(place(), "a.webp");
}

#[test]
fn records_that_do_not_fit_are_told_and_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let out = recorded(dir.path());
    std::fs::remove_file(out.join("deep/b.jpg")).unwrap();
    std::fs::write(out.join("c.json"), "{\"marks\": 3}").unwrap();
    let pictures = RecordedPictures::open(&out, &out).unwrap();
    let output = Output::Llava(dir.path().join("data"));
    let builder = Builder::new(Settings::default(), pictures.names());
    let built = build(&pictures, &builder, &output, Encoding::Png, go_on).unwrap();
    assert_eq!((built.samples, built.unusable.len()), (1, 2));
    for (i, title, reason) in [
        (0, "c", "c.json: not a record of marks"),
        (1, "deep/b", "b.json: there is no marked picture"),
    ] {
        let (told, why) = &built.unusable[i];
        assert!(told == title && why.contains(reason), "{told}: {why}");
        assert!(pictures.tagged(1 + i).unwrap_err().to_string().contains(reason));
    }
    let empty = tempfile::tempdir().unwrap();
    let said = RecordedPictures::open(&out, empty.path()).err().unwrap().to_string();
    assert!(said.contains("there are no records"), "{said}");
}
