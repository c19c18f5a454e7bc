//! Tokenizers from GGUF, trained and saved.

use quintet_data::{
    chat::ChatTemplate,
    tokenizer::{BpeOptions, GgufVocab, Tokenizer, train_bpe},
};
use serde_json::Value;

use crate::golden;

fn vocab(json: &Value) -> GgufVocab {
    let strings = |key: &str| serde_json::from_value(json[key].clone()).unwrap();
    let id = |key: &str| serde_json::from_value(json[key].clone()).unwrap();
    GgufVocab {
        model: json["model"].as_str().unwrap().into(),
        pre: json["pre"].as_str().map(Into::into),
        tokens: strings("tokens"),
        merges: strings("merges"),
        scores: serde_json::from_value(json["scores"].clone()).unwrap(),
        token_types: serde_json::from_value(json["token_types"].clone()).unwrap(),
        bos: id("bos"),
        eos: id("eos"),
        pad: None,
        unk: id("unk"),
        add_bos: json["add_bos"].as_bool(),
        add_space_prefix: None,
    }
}

#[test]
fn gguf_vocabularies_tokenise_like_the_original() {
    let list = golden::json("chat", "gguf.json");
    for json in list.as_array().unwrap() {
        let tokenizer = Tokenizer::from_gguf(&vocab(json), "golden.gguf").unwrap();
        let name = format!("{} {}", json["model"], json["pre"]);
        assert_eq!(tokenizer.special().stop, [2]);
        for case in json["texts"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            assert_eq!(tokenizer.encode(text, true).unwrap(), ids, "{name}: {text:?}");
            let decoded = tokenizer.decode(&ids, true).unwrap();
            assert_eq!(decoded, case["decoded"].as_str().unwrap(), "{name}: {text:?}");
        }
    }
    assert_eq!(list.as_array().unwrap().len(), 5);
}

#[test]
fn llama_cpps_default_rule_cuts_numbers_and_punctuation() {
    let mut json = golden::json("chat", "gguf.json")[0].clone();
    json["pre"] = "default".into();
    json["merges"] = serde_json::json!(["3 1", "2 3", "1 23", "Ġ =", "= ="]);
    let tokens = json["tokens"].as_array_mut().unwrap();
    tokens.extend(["31", "23", "123", "==", "Ġ="].map(Value::from));
    json["token_types"] = vec![1; json["tokens"].as_array().unwrap().len()].into();
    let tokenizer = Tokenizer::from_gguf(&vocab(&json), "golden.gguf").unwrap();
    let ids = tokenizer.encode("123123 ==", false).unwrap();
    let tokens: Vec<String> = ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect();
    assert_eq!(tokens, ["123", "123", "Ġ", "=="]);
}

#[test]
fn malformed_gguf_vocabularies_are_refused() {
    let good = vocab(&golden::json("chat", "gguf.json")[0]);
    type Spoil = fn(&mut GgufVocab);
    let cases: [(&str, Spoil); 7] = [
        ("supported are", |v| v.model = "bert".into()),
        ("supported are", |v| v.pre = Some("martian".into())),
        ("empty", |v| v.tokens.clear()),
        ("entries for", |v| v.token_types.truncate(3)),
        ("not two tokens", |v| v.merges[0] = "one".into()),
        ("but there are", |v| v.eos = Some(u32::MAX)),
        ("not a tokenizer", |v| v.merges[0] = "absent pair".into()),
    ];
    for (expected, spoil) in cases {
        let mut vocab = good.clone();
        spoil(&mut vocab);
        let error = Tokenizer::from_gguf(&vocab, "bad.gguf").unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("bad.gguf"), "{error}");
    }
}

fn trained() -> Tokenizer {
    let texts = ["the cat at 12, 34 and 56", "a dog at 7, 99, 100", "<image>\nthe cat"];
    let options = BpeOptions {
        vocab_size: 1300,
        special_tokens: ["<pad>", "<s>", "</s>", "<image>"].map(String::from).to_vec(),
        largest_number: 999,
        whole_words: false,
    };
    train_bpe(texts, &options)
        .unwrap()
        .with_roles(&[
            ("pad_token", "<pad>"),
            ("bos_token", "<s>"),
            ("eos_token", "</s>"),
            ("image_token", "<image>"),
        ])
        .unwrap()
}

#[test]
fn trained_numbers_are_whole() {
    let tokenizer = trained();
    assert!(tokenizer.vocab_size() <= 1300);
    for number in 0..=999 {
        let ids = tokenizer.encode(&format!("[{number}]"), false).unwrap();
        assert_eq!(tokenizer.token(ids[1]), Some(number.to_string()));
        assert_eq!(ids.len(), 3);
    }
    let text = "any text: naïve 東京 1234567 🙂\n\n<image> the cat";
    let ids = tokenizer.encode(text, false).unwrap();
    assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
    assert!(tokenizer.encode(" cat", false).unwrap().len() < 4, "nothing was merged");
}

#[test]
fn trained_words_are_whole_when_asked_for() {
    let texts = ["the cat is naïve", "two cats, a dog", "dog"];
    let options = BpeOptions {
        vocab_size: 400,
        special_tokens: vec!["<pad>".into()],
        largest_number: 99,
        whole_words: true,
    };
    let tokenizer = train_bpe(texts, &options).unwrap();
    assert!(tokenizer.vocab_size() <= 400);
    for word in ["the", " cat", " cats", " dog", "dog", " naïve", "two"] {
        assert_eq!(tokenizer.encode(word, false).unwrap().len(), 1, "{word:?}");
    }
    let unseen = "the dogs naïvely 12";
    let ids = tokenizer.encode(unseen, false).unwrap();
    assert_eq!(tokenizer.decode(&ids, false).unwrap(), unseen);
}

#[test]
fn training_refuses_a_vocabulary_that_is_too_small() {
    let options = BpeOptions {
        vocab_size: 300,
        special_tokens: Vec::new(),
        largest_number: 999,
        whole_words: false,
    };
    assert!(train_bpe(["x"], &options).unwrap_err().to_string().contains("take 1246"));
}

#[test]
fn a_saved_tokenizer_loads_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let tokenizer = trained();
    let template = ChatTemplate::new("{{ messages[0].content }}", "test").unwrap();
    tokenizer.save(dir.path(), Some(&template), 512).unwrap();
    let loaded = Tokenizer::from_dir(dir.path()).unwrap();
    assert_eq!(loaded.special(), tokenizer.special());
    assert_eq!(loaded.vocab_size(), tokenizer.vocab_size());
    let text = "the cat <image> 57</s>";
    assert_eq!(loaded.encode(text, false).unwrap(), tokenizer.encode(text, false).unwrap());
    assert_eq!(ChatTemplate::from_dir(dir.path()).unwrap().source(), template.source());
}

#[test]
fn stop_tokens_come_from_every_file() {
    let dir = tempfile::tempdir().unwrap();
    trained().save(dir.path(), None, 512).unwrap();
    let generation = dir.path().join("generation_config.json");
    std::fs::write(&generation, r#"{"eos_token_id": [2, 0], "pad_token_id": 0}"#).unwrap();
    assert_eq!(Tokenizer::from_dir(dir.path()).unwrap().special().stop, [2, 0]);
}

#[test]
fn broken_tokenizer_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = |dir: &std::path::Path| Tokenizer::from_dir(dir).unwrap_err().to_string();
    assert!(error(dir.path()).contains("no such file"));
    trained().save(dir.path(), None, 512).unwrap();
    let config = dir.path().join("tokenizer_config.json");
    std::fs::write(&config, r#"{"eos_token": "<nowhere>"}"#).unwrap();
    assert!(error(dir.path()).contains("eos_token is \"<nowhere>\""));
    std::fs::write(&config, "{").unwrap();
    assert!(error(dir.path()).contains("tokenizer_config.json: not a JSON object"));
    std::fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
    assert!(error(dir.path()).contains("tokenizer.json"));
}

#[test]
fn streams_hold_back_incomplete_characters() {
    for name in ["bytelevel", "metaspace"] {
        let tokenizer = Tokenizer::from_dir(golden::folder("chat").join(name)).unwrap();
        let text = "cat 鬱 🦀 dog";
        let ids = tokenizer.encode(text, false).unwrap();
        let mut stream = tokenizer.detokenizer(true);
        let mut out = String::new();
        let mut held = 0;
        for &id in &ids {
            let piece = stream.push(id).unwrap();
            assert!(!piece.contains('\u{fffd}'));
            held += usize::from(piece.is_empty());
            out += &piece;
        }
        assert_eq!(out, text, "{name}");
        assert!(held >= 3, "{name}: the characters were not spread over tokens");
        let cut = ids.len() - tokenizer.encode(" dog", false).unwrap().len() - 1;
        let mut stream = tokenizer.detokenizer(true);
        let mut out = String::new();
        for &id in &ids[..cut] {
            out += &stream.push(id).unwrap();
        }
        out += &stream.finish().unwrap();
        assert_eq!(out, tokenizer.decode(&ids[..cut], true).unwrap(), "{name}");
    }
}
