//! What the reference computes, computed here.

use std::{ops::ControlFlow, slice};

use quintet_models::{
    Generation, Sampling,
    multimodal::{Batch, Side},
};

use crate::common::{
    Expected, Loaded, MODELS, TOLERANCE, conversation, difference, golden, values,
};

#[test]
fn projected_features_and_logits_are_the_references() {
    for name in MODELS {
        let expected = Expected::open(name);
        let loaded = Loaded::open(&golden(name));
        let model = &loaded.model;
        let batch = expected.batch(model);
        let pixels = batch.pixels(model.device(), burn::DType::F32).expect("pictures of one size");
        let features = model.image_features(pixels).expect("features");
        assert_eq!(features.dims().to_vec(), expected.shape("features"), "{name}");
        let worst = difference(&values(&features), &expected.values("features"));
        assert!(worst < TOLERANCE, "{name}: features differ by {worst}");

        let logits = loaded.logits(&batch);
        let [b, t, vocab] = logits.dims();
        assert_eq!(vec![b, t, vocab], expected.shape("logits"), "{name}");
        let (ours, theirs) = (values(&logits), expected.values("logits"));
        let mask = expected.ids("mask");
        for at in (0..b * t).filter(|&at| mask[at] == 1) {
            let token = at * vocab..(at + 1) * vocab;
            let worst = difference(&ours[token.clone()], &theirs[token]);
            assert!(worst < TOLERANCE, "{name}: logits of token {at} differ by {worst}");
        }
    }
}

/// In one batch, and one by one.
#[test]
fn greedy_tokens_are_the_references() {
    for name in MODELS {
        let expected = Expected::open(name);
        let greedy = expected.table("greedy");
        assert_eq!(greedy.iter().map(Vec::len).collect::<Vec<_>>(), [32, 32]);
        let Loaded { model, .. } = &Loaded::open(&golden(name));
        let vision = model.vision().expect("a model that sees");
        let rows = expected.rows(vision.config().image_token, vision.image_tokens());
        assert_eq!(rows.iter().map(|row| row.images.len()).collect::<Vec<_>>(), [1, 2]);
        let options =
            Generation { max_tokens: 32, stop: Vec::new(), sampling: Sampling::default() };
        let generate = |rows| {
            model.generate(rows, &options, |_, _| ControlFlow::Continue(())).expect("a text")
        };
        assert_eq!(generate(rows.clone()), greedy, "{name}");
        for (row, greedy) in rows.into_iter().zip(&greedy) {
            assert_eq!(generate(vec![row]), slice::from_ref(greedy), "{name} alone");
        }
    }
}

/// Template, tokens, placeholders and pixels of a conversation with two pictures; the directory's
/// image processor is nested in `processor_config.json`, as `transformers` 5 writes it.
#[test]
fn conversations_are_encoded_as_the_references_processor_does() {
    for name in MODELS {
        let expected = Expected::open(name);
        let loaded = Loaded::open(&golden(name));
        let row = loaded.processor.encode_prompt(&conversation(name)).expect("encoded");
        assert_eq!(row.ids, expected.ids("prompt.ids"), "{name}");
        let theirs = expected.pictures("prompt.pixels");
        assert_eq!(row.images.len(), theirs.len(), "{name}");
        let scale = loaded.processor.images.as_ref().expect("an image processor").image_std;
        let step = 1.0 / 255.0 / scale.into_iter().fold(f64::INFINITY, f64::min);
        for ((_, ours), theirs) in row.images.iter().zip(&theirs) {
            assert_eq!((ours.height, ours.width), (theirs.height, theirs.width), "{name}");
            let worst = difference(&ours.data, &theirs.data);
            assert!(f64::from(worst) <= step * 1.001, "{name}: pixels differ by {worst}");
        }
        // The pictures stand where the model looks for them.
        let batch = Batch::new(vec![row], Side::Right);
        assert!(values(&loaded.logits(&batch)).iter().all(|score| score.is_finite()));
    }
}
