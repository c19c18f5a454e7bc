//! Renderings equal `transformers`' `apply_chat_template`.

use quintet_data::{
    chat::{ChatTemplate, ContentForm, RenderOptions},
    sample::{Message, Part, Role},
    tokenizer::Tokenizer,
};
use serde_json::Value;

use crate::golden;

pub fn messages(list: &Value) -> Vec<Message> {
    let part = |part: &Value| match part["type"].as_str() {
        Some("image") => Part::Image,
        _ => Part::Text(part["text"].as_str().unwrap().into()),
    };
    let message = |message: &Value| Message {
        role: serde_json::from_value(message["role"].clone()).unwrap(),
        content: match message["content"].as_array() {
            Some(parts) => parts.iter().map(part).collect(),
            None => vec![Part::Text(message["content"].as_str().unwrap().into())],
        },
    };
    list.as_array().unwrap().iter().map(message).collect()
}

#[test]
fn renderings_and_ids_are_those_of_transformers() {
    let cases = golden::json("chat", "cases.json");
    let mut seen = 0;
    for case in cases["cases"].as_array().unwrap() {
        let name = case["template"].as_str().unwrap();
        let tokenizer =
            Tokenizer::from_dir(golden::folder("chat").join(case["tokenizer"].as_str().unwrap()))
                .unwrap();
        let source = cases["templates"][name].as_str().unwrap();
        let template = ChatTemplate::new(source, name).unwrap();
        let form = match case["messages"][0]["content"] {
            Value::Array(_) => ContentForm::Parts,
            _ => ContentForm::Text,
        };
        let options = RenderOptions {
            add_generation_prompt: case["add_generation_prompt"].as_bool().unwrap(),
            form: Some(form),
            ..RenderOptions::default()
        };
        let text = template.render(&messages(&case["messages"]), &tokenizer, &options).unwrap();
        assert_eq!(text, case["text"].as_str().unwrap(), "{name}");

        let ids = |key: &str| serde_json::from_value::<Vec<u32>>(case[key].clone()).unwrap();
        assert_eq!(tokenizer.encode(&text, false).unwrap(), ids("ids"), "{name}");
        assert_eq!(tokenizer.encode(&text, true).unwrap(), ids("ids_with_special"), "{name}");
        let decoded = tokenizer.decode(&ids("ids"), true).unwrap();
        assert_eq!(decoded, case["decoded"].as_str().unwrap(), "{name}");
        let mut stream = tokenizer.detokenizer(true);
        let mut streamed = String::new();
        for id in ids("ids") {
            streamed += &stream.push(id).unwrap();
        }
        streamed += &stream.finish().unwrap();
        assert_eq!(streamed, decoded, "{name}");
        seen += 1;
    }
    assert!(seen > 20);
}

#[test]
fn the_form_a_template_takes_is_found() {
    let cases = golden::json("chat", "cases.json");
    let text = [Message::text(Role::User, "hi")];
    let media = [Message { role: Role::User, content: vec![Part::Image] }];
    for (name, source) in cases["templates"].as_object().unwrap() {
        let template = ChatTemplate::new(source.as_str().unwrap(), name).unwrap();
        let (for_text, for_media) = match name.as_str() {
            "llava" => (ContentForm::Parts, ContentForm::Parts),
            "vision" => (ContentForm::Text, ContentForm::Parts),
            _ => (ContentForm::Text, ContentForm::Text),
        };
        assert_eq!(template.form_for(&text), for_text, "{name}");
        assert_eq!(template.form_for(&media), for_media, "{name}");
    }
}

#[test]
fn a_template_is_found_in_each_of_its_places() {
    let source = "{{ messages[0].content }}";
    let quoted = serde_json::to_string(source).unwrap();
    let places = [
        ("chat_template.jinja", source.to_owned()),
        ("chat_template.json", format!("{{\"chat_template\": {quoted}}}")),
        ("tokenizer_config.json", format!("{{\"chat_template\": {quoted}}}")),
        (
            "tokenizer_config.json",
            format!(
                "{{\"chat_template\": [{{\"name\": \"tool_use\", \"template\": \"no\"}}, \
                 {{\"name\": \"default\", \"template\": {quoted}}}]}}"
            ),
        ),
    ];
    for (file, text) in places {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(file), text).unwrap();
        assert_eq!(ChatTemplate::from_dir(dir.path()).unwrap().source(), source, "{file}");
    }
}

#[test]
fn a_missing_template_names_the_places_and_the_cure() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tokenizer_config.json"), "{}").unwrap();
    let error = ChatTemplate::from_dir(dir.path()).unwrap_err().to_string();
    for word in ["chat_template.jinja", "chat_template.json", "tokenizer_config.json", "save"] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn hostile_templates_end_in_an_error() {
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}";
    let huge = "{{ 'x' * 9999999999 }}";
    let recursive = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
    let deep = format!("{{{{ {}1{} | tojson }}}}", "[".repeat(100), "]".repeat(100));
    let tokenizer = Tokenizer::from_dir(golden::folder("chat").join("bytelevel")).unwrap();
    let messages = [Message::text(Role::User, "hi")];
    // Small, but what prints or compares it walks 2⁴⁰ values.
    let doubled = |name: &str| {
        format!(
            "{{% set {name} = [1] %}}{}",
            format!("{{% set {name} = [{name}, {name}] %}}").repeat(40)
        )
    };
    let [a, b] = ["a", "b"].map(doubled);
    let hostile = [
        endless.to_owned(),
        huge.to_owned(),
        recursive.to_owned(),
        deep,
        format!("{a}{{{{ a | tojson }}}}"),
        format!("{a}{{{{ [1] | tojson(separators=[a, a]) }}}}"),
        format!("{a}{{{{ a }}}}"),
        format!("{a}{{{{ ''.join(a) }}}}"),
        format!("{a}{{{{ '{{}}'.format(a) }}}}"),
        format!("{a}{{{{ raise_exception(a) }}}}"),
        format!("{a}{b}{{{{ [a].count(b) }}}}"),
        "{{ ([1] * 9999999999) | tojson }}".into(),
        "{{ ('\t' * 20000000) | tojson }}".into(),
        "{{ range(99999) | list | tojson(separators=['x' * 100000, '']) }}".into(),
        "{{ ('x' * 1000000).replace('', 'x' * 1000000) }}".into(),
        "{{ ('x' * 1000000).join(range(99999)) }}".into(),
        "{{ ('x' * 100000000).split('x') | length }}".into(),
        "{{ '{:99999999999}'.format(1) }}".into(),
        "{{ '{:}<99999999999}'.format(1) }}".into(),
        "{{ strftime_now('%c' * 10000000) }}".into(),
    ];
    for source in &hostile {
        let rendered = ChatTemplate::new(source, "hostile")
            .and_then(|template| template.render(&messages, &tokenizer, &RenderOptions::default()));
        assert!(rendered.is_err(), "{source}");
    }
    let refusal = ChatTemplate::new("{{ raise_exception('only pairs') }}", "strict").unwrap();
    let error = refusal.render(&messages, &tokenizer, &RenderOptions::default()).unwrap_err();
    assert!(error.to_string().contains("only pairs"), "{error}");
}
