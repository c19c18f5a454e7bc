//! What is saved is what was there, for us and for `transformers`.

use std::{collections::BTreeMap, fs, path::Path};

use quintet_data::sample::{Media, Message, Part, Role, Sample};
use quintet_models::{
    Processor,
    multimodal::{Batch, Side},
};
use quintet_weights::{SaveDType, save_safetensors};
use serde_json::{Value, json};

use crate::common::{Expected, Loaded, MODELS, conversation, golden, mini, same_prompts, values};

fn save(loaded: &Loaded, dir: &Path) {
    loaded.model.save(dir, SaveDType::F32).expect("a saved model");
    loaded.processor.save(dir, &loaded.model).expect("a saved processor");
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

#[test]
fn a_saved_model_is_loaded_again_equal() {
    for name in MODELS {
        let dir = tempfile::tempdir().expect("a directory");
        let before = Loaded::open(&golden(name));
        save(&before, dir.path());
        let after = Loaded::open(dir.path());
        assert_eq!(
            after.model.vision().expect("an encoder").config(),
            before.model.vision().expect("an encoder").config(),
        );
        let batch = Expected::open(name).batch(&before.model);
        for (after, before) in after.model.params().iter().zip(before.model.params().iter()) {
            assert_eq!(after.name(), before.name());
            assert!(after.to_f32() == before.to_f32(), "{name}: {}", after.name());
        }
        // Matrices in half precision are multiplied in another order than those in `f32`.
        let [after_logits, before_logits] = [&after, &before].map(|l| values(&l.logits(&batch)));
        let distance = after_logits.iter().zip(&before_logits).map(|(a, b)| (a - b).abs());
        assert!(distance.fold(0.0, f32::max) < 1e-4, "{name}");
        let encode = |processor: &Processor| {
            processor.encode_prompt(&conversation(name)).expect("an encoded conversation")
        };
        assert!(same_prompts(&encode(&after.processor), &encode(&before.processor)), "{name}");
    }
}

/// All that `LlavaProcessor` has to know is in `processor_config.json`, and says what
/// `transformers` itself wrote of the same model.
#[test]
fn the_processor_is_described_as_transformers_describes_it() {
    for name in MODELS {
        let dir = tempfile::tempdir().expect("a directory");
        save(&Loaded::open(&golden(name)), dir.path());
        let mut theirs = read(&golden(name).join("processor_config.json"));
        let images = theirs.as_object_mut().and_then(|fields| fields.remove("image_processor"));
        assert_eq!(read(&dir.path().join("processor_config.json")), theirs, "{name}");
        let ours = read(&dir.path().join("preprocessor_config.json"));
        for (field, value) in images.as_ref().and_then(Value::as_object).expect("an object") {
            assert_eq!(&ours[field], value, "{name}: {field}");
        }
    }
}

#[test]
fn the_image_processor_is_found_in_either_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let before = Loaded::open(&mini());
    save(&before, dir.path());
    let (nested, flat) =
        (dir.path().join("processor_config.json"), dir.path().join("preprocessor_config.json"));
    let mut both = read(&nested);
    both["image_processor"] = read(&flat);
    fs::write(&nested, both.to_string()).expect("written");
    fs::remove_file(&flat).expect("removed");
    let after = Processor::load(dir.path(), &before.model).expect("a processor");
    assert_eq!(after.images, before.processor.images);

    fs::write(&nested, json!({ "processor_class": "LlavaProcessor" }).to_string())
        .expect("written");
    let error = Processor::load(dir.path(), &before.model).map(drop).expect_err("none is left");
    assert!(error.to_string().contains("preprocessor_config.json"), "{error}");
}

/// Writes models and what we compute with them for `golden/llava/check_saved.py`, which loads them
/// with `transformers`: the golden ones and the bundled mini model.
#[test]
fn models_are_written_for_the_reference() {
    let temporary = tempfile::tempdir().expect("a directory");
    let out = std::env::var_os("QUINTET_SAVED");
    let out = out.as_deref().map_or(temporary.path(), Path::new).join("llava");
    for name in MODELS {
        let sample = conversation(name);
        write(&Loaded::open(&golden(name)), &out.join(name), &sample);
    }
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/demo.png");
    let content = vec![Part::Image, Part::Text("What colour is the house?".into())];
    let sample = Sample {
        id: "demo".into(),
        messages: vec![Message { role: Role::User, content }],
        media: vec![Media::File(demo)],
    };
    write(&Loaded::open(&mini()), &out.join("mini"), &sample);
}

/// The saved model, the conversation with its pictures, and the scores of its every next token.
fn write(loaded: &Loaded, dir: &Path, sample: &Sample) {
    save(loaded, dir);
    let loaded = Loaded::open(dir);
    let row = loaded.processor.encode_prompt(sample).expect("an encoded conversation");
    let content: Vec<Value> = sample.messages[0].content.iter().map(described).collect();
    let conversation = json!([{ "role": "user", "content": content }]);
    fs::write(dir.join("conversation.json"), conversation.to_string()).expect("written");
    for (i, media) in sample.media.iter().enumerate() {
        let Media::File(path) = media else { panic!("pictures are files here") };
        fs::copy(path, dir.join(format!("picture{i}.png"))).expect("a copied picture");
    }
    let pictures: Vec<f32> =
        row.images.iter().flat_map(|(_, pixels)| pixels.data.iter().copied()).collect();
    let (height, width) = (row.images[0].1.height, row.images[0].1.width);
    let ids: Vec<f32> = row.ids.iter().map(|&id| id as f32).collect();
    let shape = vec![row.images.len(), 3, height, width];
    let batch = Batch::new(vec![row], Side::Right);
    let logits = loaded.logits(&batch);
    let tensors = [
        ("ids", vec![1, ids.len()], ids),
        ("pixels", shape, pictures),
        ("logits", logits.dims().to_vec(), values(&logits)),
    ];
    let path = dir.join("ours.safetensors");
    save_safetensors(&path, tensors, SaveDType::F32, &BTreeMap::new()).expect("saved");
}

fn described(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({ "type": "text", "text": text }),
        Part::Image => json!({ "type": "image" }),
        Part::Video => json!({ "type": "video" }),
    }
}
