//! Decoding and processing of pictures against PIL and transformers (`golden/images/make.py`).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use image::RgbImage;
use quintet_data::{
    image_processor::{ImageProcessor, Kind},
    media::{self, Transparency, decode_file, decode_with, sample_frames},
    sample::Media,
};
use safetensors::{Dtype, SafeTensors};

fn golden() -> PathBuf {
    match std::env::var_os("QUINTET_GOLDEN") {
        Some(root) => PathBuf::from(root).join("images"),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/images"),
    }
}

struct Tensor {
    shape: Vec<usize>,
    dtype: Dtype,
    data: Vec<u8>,
}

fn tensors(file: &str) -> BTreeMap<String, Tensor> {
    let bytes = std::fs::read(golden().join(file)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |t: safetensors::tensor::TensorView<'_>| Tensor {
        shape: t.shape().to_vec(),
        dtype: t.dtype(),
        data: t.data().to_vec(),
    };
    file.tensors().into_iter().map(|(name, t)| (name, tensor(t))).collect()
}

fn max_difference(ours: &[u8], theirs: &[u8]) -> u8 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// What may differ from PIL: nothing, except that lossy and blended WebP is rounded differently.
fn tolerance(file: &str) -> u8 {
    if file.starts_with("lossy.webp") || file.starts_with("anim.webp") { 1 } else { 0 }
}

fn assert_same(name: &str, image: &RgbImage, expected: &Tensor) {
    assert_eq!(expected.dtype, Dtype::U8);
    let shape = [image.height() as usize, image.width() as usize, 3];
    assert_eq!(expected.shape, shape, "{name}: shape");
    let difference = max_difference(image.as_raw(), &expected.data);
    assert!(difference <= tolerance(name), "{name}: differs from PIL by {difference}/255");
}

#[test]
fn pictures_decode_to_the_pixels_of_pil() {
    let mut compared = 0;
    for (name, expected) in tensors("pixels.safetensors") {
        let (file, transparency) = match name.strip_suffix("@white") {
            Some(file) => (file, Transparency::OnWhite),
            None if name.contains('#') => continue,
            None => (name.as_str(), Transparency::Drop),
        };
        let path = golden().join(file);
        let image = decode_with(&Media::File(path.clone()), transparency).unwrap();
        assert_same(&name, &image, &expected);
        let bytes = std::fs::read(&path).unwrap();
        let from_memory = decode_with(&Media::Bytes(bytes.into()), transparency).unwrap();
        assert_eq!(image, from_memory, "{name}: from memory");
        compared += 1;
    }
    assert!(compared >= 40, "only {compared} pictures in the goldens");
}

#[test]
fn animations_give_the_frames_of_pil() {
    let frames = tensors("pixels.safetensors");
    for file in ["anim.gif", "anim.webp", "anim.png"] {
        let total = frames.keys().filter(|name| name.starts_with(&format!("{file}#"))).count();
        assert!(total > 1, "{file} has {total} frames in the goldens");
        let all = sample_frames(&Media::File(golden().join(file)), total).unwrap();
        for (index, frame) in all.iter().enumerate() {
            let name = format!("{file}#{index}");
            assert_same(&name, frame, &frames[&name]);
        }
        // numpy.linspace(0, total - 1, 5).astype(int)
        let five: Vec<usize> = (0..5).map(|i| i * (total - 1) / 4).collect();
        let sampled = sample_frames(&Media::File(golden().join(file)), 5).unwrap();
        let expected: Vec<&RgbImage> = five.iter().map(|&index| &all[index]).collect();
        assert_eq!(sampled.iter().collect::<Vec<_>>(), expected, "{file}");
    }
}

#[test]
fn processors_give_the_values_of_transformers() {
    let pixels = tensors("pixels.safetensors");
    let mut compared = 0;
    for (name, expected) in tensors("processors.safetensors") {
        let (config, file) = name.split_once('/').unwrap();
        let (file, exact) = match file.strip_suffix("@values") {
            Some(file) => (file, true),
            None => (file, false),
        };
        let text = std::fs::read_to_string(golden().join(format!("{config}.json"))).unwrap();
        let value = serde_json::from_str(&text).unwrap();
        let processor = ImageProcessor::from_json(&value).unwrap();
        let Tensor { shape, data, .. } = &pixels[file];
        let image = RgbImage::from_raw(shape[1] as u32, shape[0] as u32, data.clone()).unwrap();
        let ours = processor.process(&image).unwrap();
        assert_eq!(expected.shape, [3, ours.height, ours.width], "{name}: shape");
        if exact {
            assert_eq!(expected.dtype, Dtype::F32);
            for (ours, theirs) in ours.data.iter().zip(expected.data.as_chunks::<4>().0) {
                let theirs = f32::from_le_bytes(*theirs);
                assert!((ours - theirs).abs() <= 1e-6, "{name}: {ours} != {theirs}");
            }
        } else {
            // A weight that is half way between two of the rounded ones may fall on either side.
            let difference = max_difference(&levels(&processor, &ours.data), &expected.data);
            assert!(difference <= 1, "{name}: differs by {difference}/255");
        }
        compared += 1;
    }
    assert!(compared >= 50, "only {compared} processed pictures in the goldens");
}

/// Undoes normalisation and rescaling.
fn levels(processor: &ImageProcessor, values: &[f32]) -> Vec<u8> {
    let channel = values.len() / 3;
    let level = |(i, &value): (usize, &f32)| {
        let mut value = f64::from(value);
        if processor.do_normalize {
            let c = i / channel;
            value = value * processor.image_std[c] + processor.image_mean[c];
        }
        (value / processor.rescale_factor).round() as u8
    };
    values.iter().enumerate().map(level).collect()
}

#[test]
fn batches_equal_single_pictures() {
    let files = ["rgb.png", "tall.bmp", "ycc420.jpg", "one_pixel.png"];
    let images: Vec<_> = files.iter().map(|f| decode_file(golden().join(f)).unwrap()).collect();
    let processor = ImageProcessor::new(Kind::Clip);
    let batch = processor.process_batch(&images).unwrap();
    for (image, values) in images.iter().zip(&batch) {
        assert_eq!(&processor.process(image).unwrap(), values);
    }
}

#[test]
fn configurations_survive_a_round_trip_and_are_found_in_both_files() {
    let dir = tempfile::tempdir().unwrap();
    for kind in [Kind::Clip, Kind::Siglip, Kind::Bit, Kind::Vit, Kind::Llava] {
        let processor = ImageProcessor::new(kind);
        processor.save(dir.path()).unwrap();
        assert_eq!(ImageProcessor::from_dir(dir.path()).unwrap(), processor);
    }
    // A model is for everyone to read who may read any new file.
    let usual = dir.path().join("usual");
    std::fs::write(&usual, "").unwrap();
    let permissions = |path: &Path| std::fs::metadata(path).unwrap().permissions();
    let saved = dir.path().join("preprocessor_config.json");
    assert_eq!(permissions(&saved), permissions(&usual));
    // The nested entry wins, as in transformers.
    let siglip = ImageProcessor::new(Kind::Siglip);
    let nested = serde_json::json!({ "processor_class": "X", "image_processor": &siglip });
    std::fs::write(dir.path().join("processor_config.json"), nested.to_string()).unwrap();
    assert_eq!(ImageProcessor::from_dir(dir.path()).unwrap(), siglip);
    let legacy = serde_json::json!({ "processor_class": "X", "patch_size": 14 });
    std::fs::write(dir.path().join("processor_config.json"), legacy.to_string()).unwrap();
    assert_eq!(ImageProcessor::from_dir(dir.path()).unwrap().kind, Kind::Llava);
}

#[test]
fn wrong_configurations_are_refused_by_name() {
    let refuse = |value: serde_json::Value, word: &str| {
        let message = ImageProcessor::from_json(&value).unwrap_err().to_string();
        assert!(message.contains(word), "{message:?} does not name {word}");
    };
    refuse(serde_json::json!({ "image_processor_type": "Idefics3ImageProcessor" }), "Idefics3");
    refuse(serde_json::json!({ "resample": "cubist" }), "cubist");
    refuse(serde_json::json!({ "image_mean": [0.5, 0.5] }), "channel");
    refuse(serde_json::json!({ "rescale_factor": 0.0 }), "rescale_factor");
    refuse(serde_json::json!({ "do_pad": true }), "do_pad");
    let empty = tempfile::tempdir().unwrap();
    let message = ImageProcessor::from_dir(empty.path()).unwrap_err().to_string();
    assert!(message.contains("preprocessor_config.json"), "{message}");
}

#[test]
fn filters_are_read_by_name_and_number() {
    let numbered = ImageProcessor::from_json(&serde_json::json!({ "resample": 2 })).unwrap();
    for name in ["bilinear", "BILINEAR", "PILImageResampling.BILINEAR"] {
        let named = ImageProcessor::from_json(&serde_json::json!({ "resample": name })).unwrap();
        assert_eq!(named, numbered);
    }
}

/// The error message for bytes that must be refused.
fn refusal(bytes: &[u8]) -> String {
    media::decode_bytes("x", bytes).expect_err("must be refused").to_string()
}

#[test]
fn bad_pictures_are_refused_with_the_reason() {
    assert!(refusal(b"").contains("empty"));
    assert!(refusal(b"this is no picture at all").contains("known format"));
    assert!(refusal(b"II*\0\x08\0\0\0").contains("Tiff"));
    let missing = decode_file("/nowhere/picture.png").unwrap_err().to_string();
    assert!(missing.contains("/nowhere/picture.png"), "{missing}");
}

#[test]
fn truncated_pictures_are_refused_wherever_they_end() {
    for file in [
        "rgb.png",
        "ycc420.jpg",
        "progressive.jpg",
        "cmyk.jpg",
        "lossy.webp",
        "lossless.webp",
        "still.gif",
        "tall.bmp",
    ] {
        let bytes = std::fs::read(golden().join(file)).unwrap();
        let whole = media::decode_bytes(file, &bytes).unwrap();
        for tenths in 0..10 {
            let end = bytes.len() * tenths / 10;
            if let Ok(image) = media::decode_bytes(file, &bytes[..end]) {
                panic!(
                    "{file} cut to {end} of {} bytes decodes (same: {})",
                    bytes.len(),
                    image == whole
                );
            }
        }
    }
}

#[test]
fn damaged_jpegs_never_panic() {
    for file in ["ycc420.jpg", "progressive.jpg", "cmyk.jpg", "restarts.jpg", "grey.jpg"] {
        let bytes = std::fs::read(golden().join(file)).unwrap();
        for at in 2..bytes.len() {
            for value in [0, 0xff, bytes[at] ^ 0x10] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                // Any answer will do, except a panic.
                let _ = media::decode_bytes(file, &damaged);
            }
        }
    }
}

/// A PNG header that claims a size and has no data.
fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 6, 0, 0, 0]);
    let mut crc = !0u32;
    for &byte in &header {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(header);
    png.extend((!crc).to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    png
}

#[test]
fn bombs_are_refused_before_they_are_allocated() {
    let png = png_claiming(10_000, 10_000);
    assert!(refusal(&png).contains("50 megapixels"), "{}", refusal(&png));
    let png = png_claiming(u32::MAX >> 1, u32::MAX >> 1);
    assert!(refusal(&png).contains("megapixels"), "{}", refusal(&png));
    let allowed = png_claiming(7_000, 7_000);
    assert!(!refusal(&allowed).contains("megapixels"), "{}", refusal(&allowed));
    let mut jpeg = std::fs::read(golden().join("ycc420.jpg")).unwrap();
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    assert!(refusal(&jpeg).contains("megapixels"), "{}", refusal(&jpeg));
    let mut gif = std::fs::read(golden().join("still.gif")).unwrap();
    gif[6..10].fill(0xff);
    assert!(refusal(&gif).contains("megapixels"), "{}", refusal(&gif));
    let mut animation = std::fs::read(golden().join("anim.gif")).unwrap();
    animation[6..10].fill(0xff);
    let message = sample_frames(&Media::Bytes(animation.into()), 5).unwrap_err().to_string();
    assert!(message.contains("megapixels"), "{message}");
}

#[test]
fn extreme_aspect_ratios_are_processed_without_their_full_size() {
    let thin = RgbImage::from_fn(1, 5000, |_, y| image::Rgb([(y % 251) as u8, 7, 9]));
    // Resized whole, this would be 336 x 1,680,000 pixels; the crop keeps 336 x 336.
    let mut processor = ImageProcessor::new(Kind::Clip);
    processor.size = serde_json::from_str(r#"{"shortest_edge":336}"#).unwrap();
    processor.crop_size = serde_json::from_str(r#"{"height":336,"width":336}"#).unwrap();
    let values = processor.process(&thin).unwrap();
    assert_eq!((values.height, values.width), (336, 336));
    processor.do_center_crop = false;
    let message = processor.process(&thin).unwrap_err().to_string();
    assert!(message.contains("336x1680000"), "{message}");
    let wide = RgbImage::new(20_000, 1);
    let padded = ImageProcessor { do_pad: true, ..ImageProcessor::new(Kind::Llava) };
    assert!(padded.process(&wide).unwrap_err().to_string().contains("20000x20000"));
}

#[test]
fn folders_are_videos_in_the_order_of_names() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["b.png", "a.png", "d.png", "c.png"];
    for (level, name) in names.iter().enumerate() {
        RgbImage::from_pixel(4, 3, image::Rgb([level as u8; 3]))
            .save(dir.path().join(name))
            .unwrap();
    }
    std::fs::write(dir.path().join("notes.txt"), "not a frame").unwrap();
    let levels = |n| -> Vec<u8> {
        let frames = sample_frames(&Media::File(dir.path().to_owned()), n).unwrap();
        frames.iter().map(|frame| frame[(0, 0)].0[0]).collect()
    };
    assert_eq!(levels(4), [1, 0, 3, 2]);
    assert_eq!(levels(5), [1, 1, 0, 3, 2]);
    assert_eq!(levels(2), [1, 2]);
    assert_eq!(levels(1), [1]);
    let empty = tempfile::tempdir().unwrap();
    let media = Media::File(empty.path().to_owned());
    assert!(sample_frames(&media, 5).unwrap_err().to_string().contains("no pictures"));
}

#[test]
fn still_pictures_are_videos_of_one_frame() {
    let path = golden().join("rgb.png");
    let still = decode_file(&path).unwrap();
    let frames = sample_frames(&Media::File(path), 3).unwrap();
    assert_eq!(frames, vec![still.as_ref().clone(); 3]);
}

#[test]
fn truncated_animations_are_refused() {
    for file in ["anim.gif", "anim.webp", "anim.png"] {
        let bytes = std::fs::read(golden().join(file)).unwrap();
        let cut = Media::Bytes(bytes[..bytes.len() * 9 / 10].into());
        assert!(sample_frames(&cut, 50).is_err(), "{file}");
    }
}

/// Other videos need a program that may be missing: then the message must say so.
#[test]
fn videos_go_through_ffmpeg_or_ask_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let video = dir.path().join("video.avi");
    let made = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=32x24:r=8:d=2"])
        .args(["-c:v", "ffv1"])
        .arg(&video)
        .status();
    match made {
        Ok(status) if status.success() => {
            let media = Media::File(video);
            let all = sample_frames(&media, 16).unwrap();
            let some = sample_frames(&media, 5).unwrap();
            let expected: Vec<&RgbImage> = [0, 3, 7, 11, 15].iter().map(|&i| &all[i]).collect();
            assert_eq!(some.iter().collect::<Vec<_>>(), expected);
            assert_ne!(all[0], all[15]);
            std::fs::write(dir.path().join("broken.mp4"), b"not a video").unwrap();
            let broken = Media::File(dir.path().join("broken.mp4"));
            let message = sample_frames(&broken, 5).unwrap_err().to_string();
            assert!(message.contains("ffmpeg cannot read"), "{message}");
        }
        _ => {
            std::fs::write(&video, b"RIFF\0\0\0\0AVI LIST").unwrap();
            let message = sample_frames(&Media::File(video), 5).unwrap_err().to_string();
            assert!(message.contains("install"), "{message}");
        }
    }
}
