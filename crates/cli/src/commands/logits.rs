//! `quintet logits`.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use burn::Tensor;
use quintet_data::{
    media,
    sample::{Media, Message, Part, Role, Sample},
};
use quintet_models::multimodal::{Batch, Row, Side};
use quintet_weights::{SaveDType, save_safetensors};
use serde_json::{Map, Value, json};

use crate::{
    answer::check_memory,
    model::{Loaded, ModelArgs},
    output, pictures,
};

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("text").required(true).args(["prompt", "tokens"])))]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Pictures before the prompt, or for the placeholders among the tokens
    #[arg(long, value_name = "FILE")]
    image: Vec<String>,
    /// What a person asks; goes through the chat template
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// A JSON list of token ids, taken as they are; a placeholder stands once for each picture, or
    /// once for each of its features
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// The safetensors file to write: "logits" [1, t, vocabulary] and "ids" [1, t]
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write "hidden_states.N" [1, t, d] too: what layer N reads, and last what the head reads
    #[arg(long)]
    hidden_states: bool,
    /// Print one JSON object instead of the file's name
    #[arg(long)]
    json: bool,
}

/// Writes the scores of every next token.
pub fn run(args: &Args) -> anyhow::Result<()> {
    output::check_target(&args.out)?;
    let ids = args.tokens.as_deref().map(read_ids).transpose()?;
    let shown =
        args.image.iter().map(|file| pictures::open(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let loaded = args.model.load()?;
    // Scores are for comparing, so that nothing is rounded on the way.
    loaded.model.params().unpack();
    if !shown.is_empty() {
        loaded.must_see()?;
    }
    let row = match (&ids, &args.prompt) {
        (Some(ids), _) => given(&loaded, ids, &shown)?,
        (None, prompt) => prompted(&loaded, prompt.as_deref().unwrap_or_default(), shown)?,
    };
    let ids = row.ids.clone();
    let limit = loaded.model.text_config().position_limit().unwrap_or(usize::MAX);
    anyhow::ensure!(
        ids.len() <= limit,
        "the text has {} tokens, but the model reads at most {limit}",
        ids.len()
    );
    check_memory(ids.len())?;
    let embeds = loaded.model.embed(&Batch::new(vec![row], Side::Right))?;
    let backbone = loaded.model.backbone();
    let mut states = match args.hidden_states {
        true => backbone.forward_hidden(embeds, None, None),
        false => vec![backbone.forward(embeds, None, None)],
    };
    let last = states.last().cloned().context("the backbone gives no hidden state")?;
    let mut tensors = vec![
        tensor("logits", backbone.logits(last)),
        ("ids".to_owned(), vec![1, ids.len()], ids.iter().map(|&id| id as f32).collect()),
    ];
    if args.hidden_states {
        let states = states.drain(..).enumerate();
        tensors.extend(states.map(|(i, state)| tensor(&format!("hidden_states.{i}"), state)));
    }
    let mut written = write(&args.out, &loaded.name, tensors)?;
    written["ids"] = json!(ids);
    if args.json { output::json(&written) } else { output::line(args.out.display()) }
}

/// Name, shape and values of a tensor as it is written.
pub type Written = (String, Vec<usize>, Vec<f32>);

/// A tensor as it is written.
pub fn tensor(name: &str, values: Tensor<3>) -> Written {
    let shape = values.dims().to_vec();
    (name.to_owned(), shape, values.into_data().iter::<f32>().collect())
}

/// Writes tensors of a model, and describes the file.
pub fn write(out: &Path, model: &str, tensors: Vec<Written>) -> anyhow::Result<Value> {
    let shapes = tensors.iter().map(|(name, shape, _)| (name.clone(), json!(shape)));
    let described = json!({
        "path": out.display().to_string(),
        "model": model,
        "dtype": "F32",
        "shapes": shapes.collect::<Map<_, _>>(),
    });
    let metadata = BTreeMap::from([("model".to_owned(), model.to_owned())]);
    save_safetensors(out, tensors, SaveDType::F32, &metadata)?;
    Ok(described)
}

fn read_ids(path: &Path) -> anyhow::Result<Vec<u32>> {
    let text = std::fs::read(path).with_context(|| format!("{}: cannot read", path.display()))?;
    let ids: Vec<u32> = serde_json::from_slice(&text)
        .with_context(|| format!("{}: expected a JSON list of token ids", path.display()))?;
    anyhow::ensure!(!ids.is_empty(), "{}: the list is empty", path.display());
    Ok(ids)
}

fn prompted(loaded: &Loaded, prompt: &str, shown: Vec<(Part, Media)>) -> anyhow::Result<Row> {
    let (mut content, media): (Vec<Part>, Vec<Media>) = shown.into_iter().unzip();
    content.push(Part::Text(prompt.to_owned()));
    let messages = vec![Message { role: Role::User, content }];
    Ok(loaded.processor.encode_prompt(&Sample { id: "prompt".into(), messages, media })?)
}

/// Ids as they are, their placeholders expanded where they stand once for a picture.
fn given(loaded: &Loaded, ids: &[u32], shown: &[(Part, Media)]) -> anyhow::Result<Row> {
    let vocabulary = loaded.model.text_config().vocab_size;
    if let Some(id) = ids.iter().find(|&&id| id as usize >= vocabulary) {
        anyhow::bail!("token {id} is outside the vocabulary of {vocabulary}");
    }
    let mut pixels = Vec::new();
    for (part, picture) in shown {
        anyhow::ensure!(*part == Part::Image, "--tokens goes with pictures, not with videos");
        let processor = loaded.processor.images.as_ref().context("the model only reads text")?;
        pixels.push(Arc::new(processor.process(media::decode(picture)?.as_ref())?));
    }
    let placeholder = loaded.model.vision().map(|vision| vision.config().image_token);
    let (ids, spans) = place(ids, placeholder, pixels.len(), loaded.processor.image_tokens)?;
    let supervised = vec![false; ids.len()];
    Ok(Row { ids, supervised, images: spans.into_iter().zip(pixels).collect(), segments: None })
}

/// The ids with every placeholder repeated for its picture's `features`, and where those are.
fn place(
    ids: &[u32],
    placeholder: Option<u32>,
    pictures: usize,
    features: usize,
) -> anyhow::Result<(Vec<u32>, Vec<Range<usize>>)> {
    let found = ids.iter().filter(|&&id| Some(id) == placeholder).count();
    let repeat = match found {
        _ if found == pictures * features => 1,
        _ if found == pictures => features,
        _ => anyhow::bail!(
            "{found} placeholder tokens for {pictures} pictures; expected {pictures}, or {} with \
             one for each feature",
            pictures * features
        ),
    };
    let mut expanded = Vec::with_capacity(ids.len() + pictures * features);
    let mut places = Vec::new();
    for &id in ids {
        let copies = if Some(id) == placeholder { repeat } else { 1 };
        if Some(id) == placeholder {
            places.extend(expanded.len()..expanded.len() + copies);
        }
        expanded.extend(std::iter::repeat_n(id, copies));
    }
    let mut spans = Vec::with_capacity(pictures);
    for span in places.chunks(features.max(1)) {
        let (Some(&first), Some(&last)) = (span.first(), span.last()) else { break };
        anyhow::ensure!(
            last + 1 - first == features,
            "the placeholders of picture {} do not stand together",
            spans.len()
        );
        spans.push(first..last + 1);
    }
    Ok((expanded, spans))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_once_or_for_each_feature() {
        let once = place(&[5, 3, 6, 3], Some(3), 2, 2).unwrap();
        assert_eq!(once, (vec![5, 3, 3, 6, 3, 3], vec![1..3, 4..6]));
        let each = place(&[5, 3, 3, 3, 3, 6], Some(3), 2, 2).unwrap();
        assert_eq!(each, (vec![5, 3, 3, 3, 3, 6], vec![1..3, 3..5]));
        assert_eq!(place(&[5, 6], Some(3), 0, 2).unwrap(), (vec![5, 6], vec![]));
        assert_eq!(place(&[5, 6], None, 0, 0).unwrap(), (vec![5, 6], vec![]));
    }

    #[test]
    fn placeholders_that_do_not_fit_are_refused() {
        assert!(place(&[5, 3, 3], Some(3), 1, 3).is_err());
        assert!(place(&[5, 6], Some(3), 1, 2).is_err());
        assert!(place(&[3], Some(3), 0, 2).is_err());
        assert!(place(&[3, 5, 3], Some(3), 1, 2).is_err());
    }
}
