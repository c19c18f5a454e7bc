//! What a repository holds, and which of it a model needs.

use serde::Deserialize;

use super::Pick;
use crate::archive;

/// The files of one commit.
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<RemoteFile>,
}

/// One file of a repository.
pub(super) struct RemoteFile {
    pub(super) name: String,
    pub(super) size: u64,
    /// The name of its content in the cache: SHA-256 of large files, git's own id of small ones.
    pub(super) blob: String,
    /// Known for large files only.
    pub(super) sha256: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
}

impl Listing {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let answer: Answer = serde_json::from_str(text)
            .map_err(|e| format!("the hub's list of files is not understood: {e}"))?;
        if !is_id(&answer.sha) {
            return Err(format!("the hub names an impossible commit {:?}", answer.sha));
        }
        let files = answer.siblings.into_iter().map(RemoteFile::read).collect::<Result<_, _>>()?;
        Ok(Self { commit: answer.sha, files })
    }
}

impl RemoteFile {
    fn read(from: Sibling) -> Result<Self, String> {
        let name = from.rfilename;
        let sha256 = from.lfs.map(|l| l.sha256);
        let blob = sha256.clone().or(from.blob_id);
        match (blob, from.size) {
            (Some(blob), Some(size)) if is_id(&blob) && archive::relative(&name).is_ok() => {
                Ok(Self { name, size, blob, sha256 })
            }
            _ => Err(format!("the hub gives no usable name, length and id for {name:?}")),
        }
    }
}

/// SHA-1 or SHA-256 in hexadecimal: it becomes a file name.
fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The needed ones of `names`, weights last.
///
/// # Errors
/// The reason, when a file asked for or any weights are missing.
pub(super) fn choose(names: &[String], pick: &Pick) -> Result<Vec<String>, String> {
    match pick {
        Pick::Files(wanted) => match wanted.iter().find(|w| !names.contains(w)) {
            Some(missing) => Err(format!("it holds no file {missing:?}")),
            None => Ok(wanted.clone()),
        },
        Pick::Model => choose_model(names),
    }
}

fn choose_model(names: &[String]) -> Result<Vec<String>, String> {
    let top: Vec<&String> = names.iter().filter(|n| !n.contains('/')).collect();
    let ending =
        |end: &str| -> Vec<&String> { top.iter().copied().filter(|n| n.ends_with(end)).collect() };
    // Some repositories hold the same weights again under other names (consolidated.safetensors,
    // model.fp16.safetensors): the standard name alone is taken where it is there.
    let standard = |stem: &str, end: &str| -> Vec<&String> {
        let shard = format!("{stem}-");
        let single = format!("{stem}{end}");
        let shards: Vec<_> = ending(end)
            .into_iter()
            .filter(|n| n.starts_with(&shard) && n.contains("-of-"))
            .collect();
        let single: Vec<_> = top.iter().copied().filter(|n| **n == single).collect();
        if single.is_empty() { shards } else { single }
    };
    let weights = [
        standard("model", ".safetensors"),
        ending(".safetensors"),
        standard("pytorch_model", ".bin"),
    ]
    .into_iter()
    .find(|w| !w.is_empty());
    let Some(weights) = weights else {
        return match ending(".gguf").as_slice() {
            [only] => Ok(vec![(*only).clone()]),
            [] => Err("it holds no weights (safetensors, pytorch_model.bin or gguf)".into()),
            several => {
                let names: Vec<_> = several.iter().map(|n| n.as_str()).collect();
                Err(format!("it holds several GGUF files, name one: {}", names.join(", ")))
            }
        };
    };
    let index = |n: &str| {
        n.ends_with(".index.json")
            && weights.iter().any(|w| w.split('-').next() == n.split('.').next())
    };
    let beside = top.iter().copied().filter(|n| is_beside(n) || index(n));
    Ok(beside.chain(weights.iter().copied()).cloned().collect())
}

/// What a model needs beside its weights.
fn is_beside(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "config.json",
        "adapter_config.json",
        "generation_config.json",
        "processor_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "vocab.txt",
        "merges.txt",
    ];
    NAMES.contains(&name)
        || name.ends_with("preprocessor_config.json")
        || name.starts_with("tokenizer")
        || name.starts_with("chat_template")
}

/// Whether a folder with these files is a whole model: another program may have fetched a part.
pub(super) fn whole(chosen: &[String]) -> bool {
    let total = |name: &String| -> Option<usize> {
        let (_, rest) = name.split_once("-of-")?;
        rest.split('.').next()?.parse().ok()
    };
    match chosen.iter().find_map(total) {
        Some(total) => chosen.iter().filter(|n| n.contains("-of-")).count() == total,
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(names: &[&str]) -> Result<Vec<String>, String> {
        choose(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>(), &Pick::Model)
    }

    #[test]
    fn a_model_is_taken_once() {
        let chosen = pick(&[
            ".gitattributes",
            "README.md",
            "config.json",
            "consolidated.safetensors",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "onnx/model.onnx",
            "original/model.safetensors",
            "pytorch_model.bin",
            "pytorch_model.bin.index.json",
            "preprocessor_config.json",
            "video_preprocessor_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "chat_template.jinja",
        ]);
        assert_eq!(
            chosen.unwrap(),
            [
                "config.json",
                "model.safetensors.index.json",
                "preprocessor_config.json",
                "video_preprocessor_config.json",
                "tokenizer.json",
                "tokenizer_config.json",
                "chat_template.jinja",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
            ]
        );
        let chosen =
            pick(&["config.json", "flax_model.msgpack", "pytorch_model.bin", "vocab.json"]);
        assert_eq!(chosen.unwrap(), ["config.json", "vocab.json", "pytorch_model.bin"]);
        let chosen = pick(&["adapter_config.json", "adapter_model.safetensors"]);
        assert_eq!(chosen.unwrap(), ["adapter_config.json", "adapter_model.safetensors"]);
        assert_eq!(pick(&["README.md", "a.Q4.gguf"]).unwrap(), ["a.Q4.gguf"]);
        let error = pick(&["a.Q4.gguf", "a.Q8.gguf"]).unwrap_err();
        assert!(error.contains("name one: a.Q4.gguf, a.Q8.gguf"), "{error}");
        assert!(pick(&["README.md"]).unwrap_err().contains("no weights"));
    }

    #[test]
    fn a_missing_shard_is_noticed() {
        let shards = ["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"];
        let shards = shards.map(str::to_owned);
        assert!(whole(&shards));
        assert!(!whole(&shards[..1]));
        assert!(whole(&["model.safetensors".to_owned()]));
    }

    #[test]
    fn hostile_listings_are_refused() {
        let id = "a".repeat(40);
        let answer = |commit: &str, name: &str, blob: &str| {
            Listing::parse(&format!(
                r#"{{"sha":"{commit}","siblings":[{{"rfilename":"{name}","size":1,"blobId":"{blob}"}}]}}"#
            ))
        };
        assert!(answer(&id, "config.json", &id).is_ok());
        assert!(answer("../../etc", "config.json", &id).is_err());
        assert!(answer(&id, "../../evil", &id).is_err());
        assert!(answer(&id, "/evil", &id).is_err());
        assert!(answer(&id, "config.json", "../evil").is_err());
        assert!(Listing::parse("<html>").is_err());
    }
}
