//! SmolLM2 135M against `transformers` on the same dequantised weights (`golden/smollm2/make.py`).

use std::{ops::ControlFlow, path::PathBuf};

use burn::{DType, Device};
use quintet_data::sample::{Message, Role, Sample};
use quintet_models::{Generation, Multimodal, Processor, Sampling};
use serde_json::Value;

fn golden() -> Value {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden");
    let path = std::env::var_os("QUINTET_GOLDEN")
        .map_or_else(|| PathBuf::from(committed), PathBuf::from)
        .join("smollm2/greedy.json");
    serde_json::from_slice(&std::fs::read(path).expect("greedy.json")).expect("JSON")
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).expect("a list of ids")
}

#[test]
#[ignore = "needs the package; .ci/run pulls it and names the file in QUINTET_SMOLLM2"]
fn greedy_answers_are_the_references() {
    let path = std::env::var_os("QUINTET_SMOLLM2").expect("QUINTET_SMOLLM2 names the GGUF file");
    let path = PathBuf::from(path);
    let model = Multimodal::load(&path, &Device::flex(), DType::F32).expect("the model");
    // The reference computes with unpacked matrices.
    model.params().unpack();
    let processor = Processor::load(&path, &model).expect("its tokenizer and template");
    let golden = golden();
    for answer in golden["answers"].as_array().expect("answers") {
        let question = answer["question"].as_str().expect("a question");
        let sample = Sample {
            id: question.into(),
            messages: vec![Message::text(Role::User, question)],
            media: Vec::new(),
        };
        let prompt = processor.encode_prompt(&sample).expect("a prompt");
        assert_eq!(prompt.ids, ids(&answer["prompt"]), "{question}");
        // The reference ends with the stop token, which is not part of ours.
        let stop = processor.tokenizer.special().stop.clone();
        let mut theirs = ids(&answer["answer"]);
        let max_tokens = theirs.len();
        theirs.pop_if(|id| stop.contains(id));
        let options = Generation { max_tokens, stop, sampling: Sampling::default() };
        let ours =
            model.generate(vec![prompt], &options, |_, _| ControlFlow::Continue(())).expect("text");
        assert_eq!(ours, [theirs], "{question}");
    }
    let france = golden["answers"][0]["text"].as_str().expect("a text");
    assert!(france.contains("Paris"), "{france}");
}
