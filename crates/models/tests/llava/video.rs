//! A video is to the model what its frames are.

use std::fs::File;

use image::{Frame, Rgb, RgbImage, buffer::ConvertBuffer, codecs::gif::GifEncoder};
use quintet_data::sample::{Media, Message, Part, Role, Sample};

use crate::common::{Loaded, MODELS, golden, same_prompts};

/// Pictures of few colours, which a GIF keeps exactly.
fn frames() -> Vec<RgbImage> {
    let paint = |frame: u32| {
        RgbImage::from_fn(20, 14, |x, y| match x / 4 == frame && y > 5 {
            true => Rgb([255, 255, 255]),
            false => Rgb([40 * frame as u8, 90, 30]),
        })
    };
    (0..5).map(paint).collect()
}

#[test]
fn a_video_is_encoded_as_five_pictures() {
    let dir = tempfile::tempdir().expect("a directory");
    let frames = frames();
    let folder = dir.path().join("frames");
    std::fs::create_dir(&folder).expect("a folder");
    let files: Vec<_> = (0..5).map(|i| folder.join(format!("{i}.png"))).collect();
    for (frame, file) in frames.iter().zip(&files) {
        frame.save(file).expect("a saved frame");
    }
    let animation = dir.path().join("animation.gif");
    let mut encoder = GifEncoder::new(File::create(&animation).expect("a file"));
    encoder.encode_frames(frames.iter().map(|frame| Frame::new(frame.convert()))).expect("a GIF");
    drop(encoder);

    for name in MODELS {
        let loaded = Loaded::open(&golden(name));
        let picture = Media::File(golden(name).join("picture0.png"));
        // Between text and another picture, so that both have to keep their places.
        let encode = |shown: Vec<Part>, media: Vec<Media>| {
            let text = |text: &str| Part::Text(text.into());
            let content =
                [vec![text("what is in this")], shown, vec![Part::Image, text("?")]].concat();
            let sample = Sample {
                id: name.into(),
                messages: vec![Message { role: Role::User, content }],
                media: [media, vec![picture.clone()]].concat(),
            };
            loaded.processor.encode_prompt(&sample).expect("encoded")
        };
        let pictures = files.iter().cloned().map(Media::File).collect();
        let pictures = encode(vec![Part::Image; 5], pictures);
        let placeholder = loaded.model.vision().expect("an encoder").config().image_token;
        let placeholders = pictures.ids.iter().filter(|&&id| id == placeholder).count();
        assert_eq!(placeholders, 6 * loaded.processor.image_tokens, "{name}");
        assert_ne!(pictures.images[0].1, pictures.images[4].1, "{name}");
        for video in [&folder, &animation] {
            let row = encode(vec![Part::Video], vec![Media::File(video.clone())]);
            assert!(same_prompts(&row, &pictures), "{name}: {}", video.display());
        }
    }
}
