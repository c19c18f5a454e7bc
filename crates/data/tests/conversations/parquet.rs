//! Parquet, as pyarrow writes it and as we do.

use std::sync::Arc;

use image::RgbImage;
use quintet_data::{
    chat::to_placeholder_text,
    formats::{
        self, Dataset, OpenOptions,
        parquet::{ParquetDataset, ParquetWriter, WriteOptions},
    },
    sample::{Media, Message, Part, Role, Sample},
};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::golden;

fn check(dataset: &dyn Dataset, row: usize, expected: &serde_json::Value) {
    let sample = dataset.get(row).unwrap();
    assert_eq!(sample.id, expected["id"].as_str().unwrap());
    let pictures = sample.media.iter().map(|medium| match medium {
        Media::Bytes(bytes) => {
            Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(serde_json::json!(pictures.collect::<Vec<_>>()), expected["pictures"]);
    for (message, turn) in sample.messages.iter().zip(expected["turns"].as_array().unwrap()) {
        let text = to_placeholder_text(&message.content, "<image>", "<video>");
        // Between pictures and no text there is nothing to break.
        assert_eq!(text.trim_end(), turn[1].as_str().unwrap().trim_end());
    }
    assert_eq!(sample.messages.len(), expected["turns"].as_array().unwrap().len());
}

#[test]
fn files_of_pyarrow_are_read_in_any_order() {
    for (file, rows) in golden::json("formats", "parquet.json").as_object().unwrap() {
        let path = golden::folder("formats").join(file);
        let dataset = formats::open(path, OpenOptions::default()).unwrap();
        let rows = rows.as_array().unwrap();
        assert_eq!(dataset.len(), rows.len());
        let order = (0..rows.len()).chain((0..rows.len()).rev()).chain([3, 17, 5, 5, 0]);
        for row in order {
            check(&*dataset, row, &rows[row]);
        }
        assert!(dataset.get(rows.len()).unwrap_err().to_string().contains("row 20"));
    }
}

fn samples(several: bool) -> Vec<Sample> {
    (0..10u8)
        .map(|i| {
            let count = if several { usize::from(i % 4) } else { usize::from(i % 2) };
            let mut content = vec![Part::Image; count];
            content.push(Part::Text(format!("question {i} 東京")));
            let picture = RgbImage::from_pixel(2 + u32::from(i), 3, image::Rgb([i, 2, 3]));
            Sample {
                id: format!("s{i}"),
                messages: vec![
                    Message::text(Role::System, "Be brief."),
                    Message { role: Role::User, content },
                    Message::text(Role::Assistant, "answer"),
                ],
                media: vec![Media::Image(Arc::new(picture)); count],
            }
        })
        .collect()
}

#[test]
fn written_files_read_back() {
    for several in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.parquet");
        let options = WriteOptions { rows_per_group: 3, several_images: several };
        let mut writer = ParquetWriter::create(&path, options).unwrap();
        for sample in samples(several) {
            writer.write(&sample).unwrap();
        }
        assert!(!path.exists(), "the file appeared before it was finished");
        writer.finish().unwrap();
        let dataset = ParquetDataset::open(&path, OpenOptions::default()).unwrap();
        assert_eq!(dataset.len(), 10);
        for (i, sample) in samples(several).iter().enumerate() {
            let read = dataset.get(i).unwrap();
            assert_eq!(read.id, sample.id);
            assert_eq!(format!("{:?}", read.messages), format!("{:?}", sample.messages));
            assert_eq!(read.media.len(), sample.media.len());
            for (read, written) in read.media.iter().zip(&sample.media) {
                let (Media::Bytes(bytes), Media::Image(picture)) = (read, written) else {
                    panic!()
                };
                assert_eq!(image::load_from_memory(bytes).unwrap().to_rgb8(), **picture);
            }
        }
    }
}

/// Groups of more rows than are read together, and of few.
#[test]
fn threads_read_rows_in_any_order() {
    let bytes = |i: usize| -> Arc<[u8]> { (0..i % 50).map(|j| (i + j) as u8).collect() };
    for rows_per_group in [1300, 7] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.parquet");
        let options = WriteOptions { rows_per_group, several_images: false };
        let mut writer = ParquetWriter::create(&path, options).unwrap();
        for i in 0..2000 {
            let question = Message { role: Role::User, content: vec![Part::Image] };
            let messages = vec![question, Message::text(Role::Assistant, format!("answer {i}"))];
            let media = vec![Media::Bytes(bytes(i))];
            writer.write(&Sample { id: format!("s{i}"), messages, media }).unwrap();
        }
        writer.finish().unwrap();
        let dataset = ParquetDataset::open(&path, OpenOptions::default()).unwrap();
        let whole_groups = formats::BLOCK / rows_per_group * rows_per_group;
        assert_eq!(dataset.block(), whole_groups);
        (0..2000).into_par_iter().map(|i| i * 1_237 % 2000).for_each(|i| {
            let sample = dataset.get(i).unwrap();
            assert_eq!(sample.id, format!("s{i}"));
            assert!(matches!(&sample.media[..], [Media::Bytes(read)] if *read == bytes(i)));
            let answer = to_placeholder_text(&sample.messages[1].content, "<image>", "<video>");
            assert_eq!(answer, format!("answer {i}"));
        });
    }
}

#[test]
fn a_column_of_something_else_is_no_media() {
    let path = golden::folder("formats").join("image.parquet");
    let options = OpenOptions { media: vec!["conversations".into()], ..OpenOptions::default() };
    let error = formats::open(path, options).err().unwrap().to_string();
    assert!(error.contains("column \"conversations\": expected a struct of bytes"), "{error}");
}

#[test]
fn more_pictures_than_the_layout_holds_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.parquet");
    let mut writer = ParquetWriter::create(&path, WriteOptions::default()).unwrap();
    let error = writer.write(&samples(true)[2]).unwrap_err().to_string();
    assert!(error.contains("row 0: 2 pictures"), "{error}");
    drop(writer);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn damaged_files_give_errors_and_never_panic() {
    let bytes = std::fs::read(golden::folder("formats").join("image.parquet")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.parquet");
    for keep in (4..bytes.len()).step_by(97) {
        std::fs::write(&path, &bytes[..keep]).unwrap();
        let error = formats::open(&path, OpenOptions::default()).err().unwrap().to_string();
        assert!(error.contains("cut.parquet: not a whole Parquet file"), "{error}");
    }
    let mut refused = 0;
    for at in (4..bytes.len()).step_by(23) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        std::fs::write(&path, &damaged).unwrap();
        match formats::open(&path, OpenOptions::default()) {
            Ok(dataset) => {
                refused += (0..dataset.len().min(100)).filter(|&i| dataset.get(i).is_err()).count()
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_file_without_conversations_lists_its_columns() {
    let path = golden::folder("formats").join("image.parquet");
    let options = OpenOptions { turns: vec!["chat".into()], ..OpenOptions::default() };
    let error = formats::open(path, options).err().unwrap().to_string();
    assert!(error.contains("[\"chat\"]") && error.contains("\"conversations\""), "{error}");
}
