//! The predicted peak of memory against the measured one, in processes of their own.
//!
//! The measured peak is what the kernel counted (`VmHWM`) while two steps were trained: the
//! optimiser's moments are there from the first update on.

#![cfg(target_os = "linux")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::AtomicBool,
};

use burn::Device;
use quintet_train::{
    job::{Depth, Job, Recipe},
    memory,
    progress::ProgressMode,
};
use quintet_weights::SaveDType;
use serde::{Deserialize, Serialize};

#[global_allocator]
static ALLOCATOR: quintet_kernels::Recycler = quintet_kernels::Recycler::new();

/// Largest difference between prediction and measurement, in shares of the measurement.
const TOLERANCE: f64 = 0.15;

const CASE: &str = "QUINTET_MEMORY_TEST_CASE";

/// Steps to measure.
#[derive(Serialize, Deserialize)]
struct Case {
    objective: String,
    train: Vec<String>,
    width: usize,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    batch: usize,
    /// Words of the question, whose tokens are not supervised.
    words: usize,
    /// Words of the answer.
    answer: usize,
    precision: String,
    /// Rank of adapters around the backbone's maps; none for 0.
    rank: usize,
    accumulate: usize,
    /// A checkpoint of these sizes to start from, rather than from nothing.
    base: Option<PathBuf>,
}

impl Case {
    /// All parts train.
    fn new(width: usize, layers: usize, batch: usize) -> Self {
        let train = ["encoder", "projector", "backbone"].map(str::to_owned).into();
        let heads = width / 64;
        Self {
            objective: "sft".into(),
            train,
            width,
            layers,
            heads,
            kv_heads: heads,
            batch,
            words: 60,
            answer: 30,
            precision: "single".into(),
            rank: 0,
            accumulate: 1,
            base: None,
        }
    }

    /// The same on a checkpoint in half precision, which is written to `dir`.
    fn on_half(self, dir: &Path) -> Self {
        let recipe = self.recipe(dir);
        let (model, processor) = recipe.model.build(0, &Device::flex()).unwrap();
        let base = dir.join("base");
        model.save(&base, SaveDType::BF16).unwrap();
        processor.save(&base, &model).unwrap();
        Self { base: Some(base), ..self }
    }

    fn recipe(&self, dir: &Path) -> Recipe {
        let Self { objective, train, width, layers, heads, kv_heads, batch, precision, .. } = self;
        let Self { rank, accumulate, .. } = self;
        let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/demo.png");
        let row = serde_json::json!({
            "id": "row",
            "image": picture,
            "conversations": [
                { "from": "human", "value": format!("<image>{}", "cat ".repeat(self.words)) },
                { "from": "gpt", "value": "dog ".repeat(self.answer) },
            ],
        });
        // Rows of one length, so that the longest, which is predicted for, is the usual one.
        let rows = vec![row; *batch];
        std::fs::write(dir.join("rows.json"), serde_json::to_vec(&rows).unwrap()).unwrap();
        let data = match objective.as_str() {
            "encoder" => "kind = \"scenes\"\nbundled = true\nlen = 1000\n\
                          spec = { styles = [\"noto\"], split = \"train\" }"
                .to_owned(),
            _ => format!("kind = \"file\"\npath = {:?}", dir.join("rows.json")),
        };
        let new = format!(
            r#"
[model.vision]
model_type = "siglip_vision_model"
hidden_size = {width}
intermediate_size = {wide}
num_hidden_layers = {layers}
num_attention_heads = {heads}
image_size = 160
patch_size = 16
hidden_act = "gelu"
vision_use_head = false
[model.text]
model_type = "llama"
hidden_size = {width}
intermediate_size = {gated}
num_hidden_layers = {layers}
num_attention_heads = {heads}
num_key_value_heads = {kv_heads}
max_position_embeddings = 1024
tie_word_embeddings = true
[model.join]
vision_feature_layer = -1
vision_feature_select_strategy = "full"
projector_hidden_act = "gelu"
image_seq_length = 100
[model.tokenizer]
vocab_size = 1280
special_tokens = []
chat_template = """{{% for message in messages %}}{{% if message['content'] is string %}}{{{{ message['content'] }}}}{{% else %}}{{% for part in message['content'] %}}{{% if part['type'] == 'text' %}}{{{{ part['text'] }}}}{{% else %}}<image>{{% endif %}}{{% endfor %}}{{% endif %}}{{% if message['role'] == 'assistant' %}}{{{{ eos_token }}}}{{% endif %}}{{% endfor %}}"""
"#,
            wide = 4 * width,
            gated = 11 * width / 4,
        );
        let model = match &self.base {
            None => new,
            Some(base) => format!("[model]\npath = {base:?}"),
        };
        let lora = match rank {
            0 => String::new(),
            _ => format!("lora = {{ parts = [\"backbone\"], rank = {rank}, alpha = 16.0 }}"),
        };
        let text = format!(
            r#"
name = "measured"
{model}
[data.all]
{data}
[[stage]]
name = "step"
objective = "{objective}"
train = {train:?}
{lora}
steps = 2
batch = {batch}
accumulate = {accumulate}
lr = 1e-3
max_tokens = 1024
precision = {precision:?}
"#
        );
        Recipe::parse(Path::new("measured.toml"), text).unwrap()
    }
}

/// Bytes beyond what the process held before: as predicted, and as measured.
#[derive(Serialize, Deserialize)]
struct Found {
    predicted: u64,
    measured: u64,
    table: String,
}

/// Not a test of its own: the process that is measured.
#[test]
#[ignore = "started by the other test as a process of its own"]
fn child() {
    let Some(case) = std::env::var_os(CASE) else { return };
    let case: Case = serde_json::from_str(case.to_str().unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let recipe = case.recipe(dir.path());
    let go = AtomicBool::new(false);
    let mut job = Job::build(&recipe, &Device::flex()).unwrap();
    let report = job.preflight(Depth::Usual, ProgressMode::Quiet, &go).unwrap().pop().unwrap();
    report.refuse().unwrap();
    let baseline = report.memory.baseline;
    assert!(job.train(&dir.path().join("out"), ProgressMode::Quiet, &go).unwrap());
    let found = Found {
        predicted: report.memory_total - baseline,
        measured: memory::peak_rss().unwrap() - baseline,
        table: report.memory.to_string(),
    };
    // Beside the test harness's own lines.
    eprintln!("{}", serde_json::to_string(&found).unwrap());
}

fn measure(case: &Case) -> Found {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(CASE, serde_json::to_string(case).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

#[test]
fn the_predicted_peak_is_the_measured_one() {
    let frozen =
        Case { train: vec!["projector".into(), "backbone".into()], ..Case::new(256, 4, 16) };
    let grouped = Case { kv_heads: 2, ..Case::new(512, 4, 4) };
    let encoder = Case {
        objective: "encoder".into(),
        train: vec!["encoder".into()],
        ..Case::new(256, 6, 16)
    };
    let long = Case { words: 500, ..Case::new(256, 3, 4) };
    let talkative = Case { words: 20, answer: 200, ..Case::new(128, 4, 16) };
    let half = Case { precision: "half".into(), words: 300, ..Case::new(384, 6, 8) };
    let few_tokens = Case { words: 1, answer: 1, ..Case::new(512, 6, 1) };
    let summed = Case { accumulate: 2, ..Case::new(512, 6, 2) };
    let projector = vec!["projector".to_owned()];
    let adapters = Case { train: projector.clone(), rank: 8, ..Case::new(384, 6, 8) };
    let bases = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let projector_alone = Case { train: projector.clone(), ..Case::new(512, 8, 4) };
    let half_adapters = Case { train: projector, rank: 8, ..Case::new(512, 8, 4) };
    for (name, case) in [
        ("sum of two", summed),
        ("adapters", adapters),
        ("projector of a half-precision checkpoint", projector_alone.on_half(bases[0].path())),
        ("adapters of a half-precision checkpoint", half_adapters.on_half(bases[1].path())),
        ("small", Case::new(256, 4, 8)),
        ("large", Case::new(384, 6, 8)),
        ("few tokens", few_tokens),
        ("half storage", half),
        ("frozen encoder", frozen),
        ("grouped queries", grouped),
        ("encoder alone", encoder),
        ("long text", long),
        ("long answers", talkative),
    ] {
        let Found { predicted, measured, table } = measure(&case);
        let off = predicted as f64 / measured as f64 - 1.0;
        let told = format!(
            "{name}: {} MiB predicted, {} MiB measured ({:+.1} %)\n{table}",
            predicted >> 20,
            measured >> 20,
            100.0 * off
        );
        println!("{told}");
        assert!(off.abs() <= TOLERANCE, "{told}");
    }
}
