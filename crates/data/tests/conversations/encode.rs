//! Labels, media spans and truncation.

use std::sync::Arc;

use image::RgbImage;
use quintet_data::{
    chat::{ChatTemplate, EncodeOptions, Encoded, encode, encode_prompt},
    sample::{Media, Message, Part, Role, Sample},
    tokenizer::Tokenizer,
};

use crate::golden;

fn tokenizer(name: &str) -> Tokenizer {
    Tokenizer::from_dir(golden::folder("chat").join(name)).unwrap()
}

fn template(name: &str) -> ChatTemplate {
    let cases = golden::json("chat", "cases.json");
    ChatTemplate::new(cases["templates"][name].as_str().unwrap(), name).unwrap()
}

fn sample(pictures: usize) -> Sample {
    let picture = Media::Image(Arc::new(RgbImage::new(2, 2)));
    let mut content = vec![Part::Image; pictures];
    content.push(Part::Text("what is it?".into()));
    Sample {
        id: "row-7".into(),
        messages: vec![
            Message { role: Role::User, content },
            Message::text(Role::Assistant, "a cat"),
            Message::text(Role::User, "where?"),
            Message::text(Role::Assistant, "in the house"),
        ],
        media: vec![picture; pictures],
    }
}

fn supervised_text(tokenizer: &Tokenizer, encoded: &Encoded) -> String {
    let ids = encoded.ids.iter().zip(&encoded.supervised);
    let ids: Vec<u32> = ids.filter(|(_, on)| **on).map(|(id, _)| *id).collect();
    tokenizer.decode(&ids, false).unwrap()
}

#[test]
fn answers_and_ends_of_turn_are_supervised() {
    let cases = [
        ("chatml", "a cat<|im_end|>in the house<|im_end|>"),
        ("smollm2", "a cat<|im_end|>in the house<|im_end|>"),
        ("llama2", " a cat </s> in the house </s>"),
        ("mistral", " a cat</s> in the house</s>"),
        ("llava", " a cat  in the house </s>"),
        ("vision", "a cat<|im_end|>in the house<|im_end|>"),
    ];
    let tokenizer = tokenizer("bytelevel");
    for (name, expected) in cases {
        let encoded =
            encode(&tokenizer, &template(name), &sample(0), &|_, _| 1, &EncodeOptions::default());
        assert_eq!(supervised_text(&tokenizer, &encoded.unwrap()), expected, "{name}");
    }
}

#[test]
fn placeholders_expand_to_their_features() {
    let tokenizer = tokenizer("bytelevel");
    let image = tokenizer.id("<image>").unwrap();
    for name in ["chatml", "llava", "vision", "llama2"] {
        let options = EncodeOptions::default();
        let count = |index: usize, _: &Media| 5 + index;
        let encoded = encode(&tokenizer, &template(name), &sample(2), &count, &options).unwrap();
        let lengths: Vec<usize> = encoded.media_spans.iter().map(|span| span.len()).collect();
        assert_eq!(lengths, [5, 6], "{name}");
        for (i, &id) in encoded.ids.iter().enumerate() {
            let inside = encoded.media_spans.iter().any(|span| span.contains(&i));
            assert_eq!(id == image, inside, "{name}: {i}");
            assert!(!(inside && encoded.supervised[i]));
        }
        let mut asked = sample(2);
        asked.messages.truncate(1);
        let prompt = encode_prompt(&tokenizer, &template(name), &asked, &count, &options).unwrap();
        assert_eq!(prompt.media_spans, encoded.media_spans, "{name}");
        assert_eq!(prompt.ids, encoded.ids[..prompt.ids.len()], "{name}");
    }
}

#[test]
fn processors_prepend_bos_and_tokenizers_do_not() {
    let tokenizer = tokenizer("metaspace");
    let options = EncodeOptions::default();
    let first = |name| {
        encode(&tokenizer, &template(name), &sample(0), &|_, _| 1, &options).unwrap().ids[..2]
            .to_vec()
    };
    let bos = tokenizer.id("<s>").unwrap();
    assert_eq!(first("llava")[0], bos);
    assert_ne!(first("chatml")[0], bos);
    assert!(first("llama2")[0] == bos && first("llama2")[1] != bos);
}

#[test]
fn truncation_never_cuts_a_medium_or_every_answer() {
    let tokenizer = tokenizer("bytelevel");
    let (chatml, sample) = (template("chatml"), sample(1));
    let run = |max_len| {
        let options = EncodeOptions { max_len, ..EncodeOptions::default() };
        encode(&tokenizer, &chatml, &sample, &|_, _| 10, &options)
    };
    let whole = run(1000).unwrap();
    let span = whole.media_spans[0].clone();
    for max_len in 0..whole.ids.len() {
        let first = whole.supervised.iter().position(|&on| on).unwrap();
        match run(max_len) {
            Ok(cut) => {
                assert!(max_len > first);
                assert_eq!(cut.ids, whole.ids[..max_len]);
            }
            Err(error) => {
                assert!(max_len <= first);
                let reason = if max_len < span.end { "would cut medium 0" } else { "supervised" };
                assert!(error.to_string().contains(reason), "{error}");
                assert!(error.to_string().contains("row-7"), "{error}");
            }
        }
    }
}

#[test]
fn placeholders_and_media_must_match() {
    let tokenizer = tokenizer("bytelevel");
    let run = |spoil: fn(&mut Sample)| {
        let mut sample = sample(1);
        spoil(&mut sample);
        let options = EncodeOptions::default();
        encode(&tokenizer, &template("chatml"), &sample, &|_, _| 1, &options)
            .unwrap_err()
            .to_string()
    };
    let error = run(|sample| sample.media.clear());
    assert!(error.contains("1 placeholders for 0 media"), "{error}");
    let error = run(|sample| sample.media.push(sample.media[0].clone()));
    assert!(error.contains("1 placeholders for 2 media"), "{error}");
    let error = run(|sample| sample.messages[2] = Message::text(Role::User, "a <image> here"));
    assert!(error.contains("2 placeholders \"<image>\" after rendering"), "{error}");
    let error = run(|sample| sample.messages.retain(|m| m.role == Role::User));
    assert!(error.contains("nothing is supervised"), "{error}");
}

#[test]
fn a_template_that_rewrites_the_past_is_refused() {
    let source = "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}";
    let template = ChatTemplate::new(source, "counting").unwrap();
    let options = EncodeOptions::default();
    let error =
        encode(&tokenizer("bytelevel"), &template, &sample(0), &|_, _| 1, &options).unwrap_err();
    assert!(error.to_string().contains("renders turn 1 differently"), "{error}");
}
