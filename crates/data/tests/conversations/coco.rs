//! COCO annotations against pycocotools.

use quintet_data::formats::coco::{Annotation, Coco, Counts, Mask, Rle, Segmentation};

use crate::golden;

#[test]
fn masks_are_those_of_pycocotools() {
    let coco = Coco::load(golden::folder("formats").join("coco.json")).unwrap();
    let masks = golden::json("formats", "masks.json");
    let mut packed = 0;
    for annotation in &coco.annotations {
        let image = coco.images.iter().find(|image| image.id == annotation.image_id).unwrap();
        let mask = annotation.mask(image.width, image.height).unwrap();
        let expected = &masks[annotation.id.to_string()];
        let Some(mask) = mask else {
            assert!(expected.is_null());
            continue;
        };
        let runs = Rle::encode(&mask);
        let Counts::Runs(counts) = &runs.counts else { panic!() };
        assert_eq!(serde_json::json!(counts), *expected, "annotation {}", annotation.id);
        if let Some(text) = masks[format!("{}-packed", annotation.id)].as_str() {
            assert_eq!(runs.packed().unwrap().counts, Counts::Packed(text.into()));
            packed += 1;
        }
    }
    assert!(packed > 5);
}

#[test]
fn saved_annotations_load_again() {
    let coco = Coco::load(golden::folder("formats").join("coco.json")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    coco.save(dir.path().join("copy.json")).unwrap();
    let copy = Coco::load(dir.path().join("copy.json")).unwrap();
    assert_eq!(copy.annotations, coco.annotations);
    assert_eq!(copy.images, coco.images);
    assert_eq!(copy.categories, coco.categories);
}

/// An annotation of this number and outline.
fn annotated(id: u64, segmentation: Segmentation) -> Annotation {
    Annotation {
        id,
        image_id: 1,
        category_id: 1,
        bbox: [0.0; 4],
        area: 0.0,
        iscrowd: u8::from(matches!(segmentation, Segmentation::Rle(_))),
        segmentation: Some(segmentation),
    }
}

#[test]
fn hostile_runs_are_refused_before_they_cost_anything() {
    let mask = |size: [u32; 2], counts: Counts| {
        annotated(9, Segmentation::Rle(Rle { size, counts }))
            .mask(size[1], size[0])
            .unwrap_err()
            .to_string()
    };
    let packed = |text: &str| Counts::Packed(text.into());
    let cases = [
        ([4, 4], Counts::Runs(vec![u32::MAX, u32::MAX]), "fill 8589934590 pixels"),
        ([4, 4], Counts::Runs(vec![]), "fill 0 pixels"),
        ([u32::MAX, u32::MAX], packed("0"), "fill 0 pixels"),
        ([65536, 65535], Counts::Runs(vec![4294901760]), "are more than"),
        ([4, 4], packed("oooooooooooooooooooo"), "longer than 35 bits"),
        ([4, 4], packed("\u{1}"), "byte 1"),
        ([4, 4], packed("P"), "end inside a run"),
        ([4, 4], packed("O"), "run 0 does not fit"),
    ];
    for (size, counts, expected) in cases {
        let error = mask(size, counts);
        assert!(error.contains(expected) && error.contains("annotation 9"), "{error}");
    }
}

#[test]
fn hostile_polygons_are_refused() {
    for polygon in [vec![0.0; 4], vec![1.0; 7], vec![0.0, 0.0, 1e12, 5.0, 3.0, 3.0]] {
        let annotation = Annotation {
            id: 3,
            image_id: 1,
            category_id: 1,
            bbox: [0.0; 4],
            area: 0.0,
            iscrowd: 0,
            segmentation: Some(Segmentation::Polygons(vec![polygon])),
        };
        let error = annotation.mask(10, 10).unwrap_err().to_string();
        assert!(error.contains("annotation 3: segmentation: a polygon"), "{error}");
    }
    assert!(Mask::empty(u32::MAX, u32::MAX).is_err());
}

#[test]
fn outlines_cost_no_more_than_any_outline_does() {
    // From one edge to the other and back: few numbers, many pixels.
    let zigzag = |corners: usize| {
        (0..corners).flat_map(|i| [(i % 2) as f64 * 16384.0, 0.0]).collect::<Vec<_>>()
    };
    let mask =
        |polygons: Vec<Vec<f64>>| annotated(4, Segmentation::Polygons(polygons)).mask(16384, 1);
    assert!(mask(vec![zigzag(100); 3]).is_ok());
    for polygons in [vec![zigzag(120_000)], vec![zigzag(100); 20]] {
        let error = mask(polygons).unwrap_err().to_string();
        assert!(error.contains("annotation 4: segmentation: polygons whose outlines"), "{error}");
    }
}

#[test]
fn broken_files_name_the_entry() {
    let image = r#"{"id": 1, "file_name": "a.jpg", "width": 4, "height": 4}"#;
    let good = r#"{"id": 5, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}"#;
    let file = |bad: &str| {
        format!(
            r#"{{"images": [{image}], "annotations": [{good}, {bad}], "categories": [{{"id": 1, "name": "cat"}}]}}"#
        )
    };
    let cases = [
        (file(r#"{"id": 6, "image_id": 1}"#), "\"annotations\", entry 1"),
        (
            file(r#"{"id": 6, "image_id": 2, "category_id": 1, "bbox": [0,0,1,1]}"#),
            "row 1: annotation 6: there is no image 2",
        ),
        (
            file(r#"{"id": 6, "image_id": 1, "category_id": 7, "bbox": [0,0,1,1]}"#),
            "there is no category 7",
        ),
        (file(r#"{"id": 6, "image_id": 1, "category_id": 1, "bbox": [0,0,-1,1]}"#), "the box"),
        (file(good)[..60].to_owned(), "not a COCO annotation file"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("coco.json");
    for (text, expected) in cases {
        std::fs::write(&path, text).unwrap();
        let error = Coco::load(&path).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("coco.json"), "{error}");
    }
}
