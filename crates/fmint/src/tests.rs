use burn::{Device, Tensor};
use quintet_nn::Params;
use quintet_ode::{Dynamics, Protocol, Task, Tasks, families};
use quintet_testing::{
    assert_close, assert_gradient, assert_round_trip, backward, golden, load, scramble, tensor,
};
use quintet_weights::{SaveDType, Weights};

use crate::{
    Answer, Config, Fmint, InContext, Prompt, Tokens,
    data::{Batch, Draw},
    model::ids,
    prompt::Shown,
    tokens::{Kind, Part},
};

fn device() -> Device {
    Device::flex()
}

fn tiny(tokens: Tokens) -> Config {
    let (groups, demos) = match tokens {
        Tokens::Published => (1, 3),
        Tokens::Joined => (4, 0),
    };
    Config {
        tokens,
        answer: Answer::Error,
        layers: 2,
        heads: 2,
        head_dim: 6,
        width: 16,
        inner: 24,
        components: 2,
        groups,
        demos,
    }
}

fn model(config: &Config) -> (Fmint, Params) {
    let (model, params) = Fmint::random(config, 1, &device()).unwrap();
    scramble(&params, 0.3);
    (model, params)
}

const BOTH: [Tokens; 2] = [Tokens::Published, Tokens::Joined];

fn task(trajectories: usize) -> Task {
    let family = families::find("pendulum").unwrap();
    let protocol = Protocol::Aligned;
    let tasks = Tasks { family, points: 6, trajectories, stride: Some(40), protocol, seed: 3 };
    tasks.draw(0..1).unwrap().remove(0)
}

/// What all but the first `demos` trajectories lack, as their prompt says.
fn ask(model: &Fmint, task: &Task, demos: usize) -> Vec<f64> {
    let (d, m) = (task.dimension, task.times.len() - 1);
    let errors = task.errors();
    let shown = Shown {
        times: &task.times,
        coarse: &task.coarse[..demos * (m + 1) * d],
        errors: &errors[..demos * m * d],
        dimension: d,
    };
    let prompt = Prompt::new(model, shown, &device()).unwrap();
    prompt.errors(model, &task.coarse[demos * (m + 1) * d..]).unwrap()
}

/// The answers of a training sequence, `[b, asked, components]`.
fn trained(model: &Fmint, batch: Batch) -> Tensor<3> {
    let hidden = model.hidden(batch.features, batch.kinds, &batch.bias, None);
    let runs = batch.asked.into_iter();
    let runs = runs.map(|run| hidden.clone().narrow(1, run.start, run.len())).collect();
    model.answers(Tensor::cat(runs, 1))
}

fn numbers(x: Tensor<3>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 2e-5 * (1.0 + a.abs())
}

#[test]
fn sizes_are_those_published() {
    let (published, params) = Fmint::random(&Config::published(), 0, &device()).unwrap();
    let count = |params: &Params| params.iter().map(|cell| cell.len()).sum::<usize>();
    assert_eq!(count(&params), 15_787_523);
    assert_eq!(published.config().kinds(), 18);
    let (_, params) = Fmint::random(&Config::small(), 0, &device()).unwrap();
    assert!(count(&params) <= 1_000_000);
    assert_round_trip(&Config::small());
}

#[test]
fn published_models_answer_as_the_reference() {
    let dir = golden("fmint").join("published");
    let (model, _) = Fmint::load(&dir, &device()).unwrap();
    let case = Weights::open(&dir.join("case.safetensors")).unwrap();
    let numbers =
        |name: &str| -> Vec<f64> { case.f32(name).unwrap().into_iter().map(f64::from).collect() };
    let (times, coarse, errors) = (numbers("times"), numbers("coarse"), numbers("errors"));
    let d = case.info("coarse").unwrap().shape[2];
    let (row, demos) = (times.len() * d, case.info("errors").unwrap().shape[0]);
    let shown =
        Shown { times: &times, coarse: &coarse[..demos * row], errors: &errors, dimension: d };
    let prompt = Prompt::new(&model, shown, &device()).unwrap();
    let found = prompt.errors(&model, &coarse[demos * row..]).unwrap();
    let expected = numbers("answers");
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-4, "{found} != {expected}");
    }
}

#[test]
fn joined_models_answer_as_the_reference() {
    let dir = golden("fmint").join("joined");
    let config: Config =
        serde_json::from_slice(&std::fs::read(dir.join("config.json")).unwrap()).unwrap();
    let vars = load(&dir.join("model.safetensors"));
    let model = Fmint::new(&vars, &config).unwrap();
    vars.finish().unwrap();
    let case = Weights::open(&dir.join("case.safetensors")).unwrap();
    let bias: Tensor<2> = tensor(&case, "bias");
    let kinds = case.f32("kinds").unwrap().into_iter().map(|id| id as i32).collect();
    let features = tensor(&case, "features");
    let hidden = model.hidden(features, ids(kinds, &device()), &bias.unsqueeze(), None);
    assert_close(model.answers(hidden), tensor(&case, "answers"), "joined");
}

#[test]
fn each_query_is_answered_as_after_a_prompt_of_the_demos_before_it() {
    // Numbers as they are: only then do answers not depend on how many demos there are in all.
    let (model, _) = model(&tiny(Tokens::Published));
    let task = task(4);
    let batch = Batch::new(model.config(), std::slice::from_ref(&task), 0, &device()).unwrap();
    let all = numbers(trained(&model, batch));
    let each = all.len() / 3;
    for demos in 1..4 {
        let prompt = ask(&model, &task, demos);
        let row = (task.times.len() - 1) * 2;
        let trained = &all[(demos - 1) * each..demos * each];
        for (prompt, trained) in prompt[..row].iter().zip(trained) {
            assert!(near(*prompt, f64::from(*trained)), "{demos}: {prompt} {trained}");
        }
    }
}

#[test]
fn answers_do_not_leak() {
    for tokens in BOTH {
        let (model, _) = model(&tiny(tokens));
        let task = task(4);
        let answers = |task: &Task| {
            let tasks = std::slice::from_ref(task);
            numbers(trained(&model, Batch::new(model.config(), tasks, 0, &device()).unwrap()))
        };
        let before = answers(&task);
        // The errors of the third trajectory change; what numbers are measured in comes from the
        // first, as this seed has it.
        let mut changed = task.clone();
        let row = changed.times.len() * changed.dimension;
        changed.fine[2 * row..3 * row].iter_mut().for_each(|value| *value += 0.5);
        let after = answers(&changed);
        let each = before.len() / 3;
        assert_eq!(before[..2 * each], after[..2 * each], "{tokens:?}");
        assert!(before[2 * each..] != after[2 * each..], "{tokens:?}");
    }
}

#[test]
fn keys_are_seen_by_no_other_part() {
    for tokens in BOTH {
        let config = tiny(tokens);
        let parts = config.training_parts(4);
        for query in &parts {
            for key in parts.iter().filter(|key| key.kind == Kind::Key && *key != query) {
                assert!(!config.sees(*query, *key), "{query:?} sees {key:?}");
            }
            let later = parts.iter().filter(|key| key.pair > query.pair);
            assert!(later.into_iter().all(|key| !config.sees(*query, *key)));
        }
        // Of the published model's keys each sees itself only.
        let key = Part { pair: 1, kind: Kind::Key };
        let seen = |value: &&f32| **value == 0.0;
        let bias = config.bias(&[key], &[key], 5);
        let expected = if tokens == Tokens::Published { 5 } else { 25 };
        assert_eq!(bias.iter().filter(seen).count(), expected);
    }
}

#[test]
fn joined_demos_have_no_order_and_published_ones_have() {
    for tokens in BOTH {
        let (model, _) = model(&tiny(tokens));
        let task = task(4);
        let mut turned = task.clone();
        let row = task.times.len() * task.dimension;
        for values in [&mut turned.coarse, &mut turned.fine] {
            values[..3 * row].rotate_left(row);
        }
        let (before, after) = (ask(&model, &task, 3), ask(&model, &turned, 3));
        let same = before.iter().zip(&after).all(|(a, b)| near(*a, *b));
        assert_eq!(same, tokens == Tokens::Joined, "{tokens:?}: {before:?} {after:?}");
    }
}

#[test]
fn queries_are_answered_in_batches_as_alone() {
    for tokens in BOTH {
        let (model, _) = model(&tiny(tokens));
        let task = task(21);
        let all = ask(&model, &task, 2);
        let row = all.len() / 19;
        let mut alone = task.clone();
        let states = task.times.len() * task.dimension;
        for values in [&mut alone.coarse, &mut alone.fine] {
            let query = values[20 * states..].to_vec();
            values.truncate(2 * states);
            values.extend(query);
        }
        let alone = ask(&model, &alone, 2);
        let last = &all[18 * row..];
        assert!(last.iter().zip(&alone).all(|(a, b)| near(*a, *b)), "{last:?} {alone:?}");
    }
}

#[test]
fn neither_units_nor_the_length_of_steps_matter_to_joined_tokens() {
    let (model, _) = model(&tiny(Tokens::Joined));
    let task = task(4);
    let mut scaled = task.clone();
    for values in [&mut scaled.coarse, &mut scaled.fine] {
        values.iter_mut().for_each(|value| *value = *value * 1024.0 + 4096.0);
    }
    scaled.times.iter_mut().for_each(|time| *time *= 8.0);
    let (before, after) = (ask(&model, &task, 3), ask(&model, &scaled, 3));
    assert!(before.iter().any(|error| error.abs() > 1e-9));
    for (a, b) in before.iter().zip(&after) {
        assert!(near(*a, b / 1024.0), "{a} {b}");
    }
}

#[test]
fn states_of_more_components_take_more_tokens() {
    let (model, _) = model(&tiny(Tokens::Joined));
    let (d, m, demos) = (5, 4, 2);
    let wave = |i: usize| (i as f64 * 0.37).sin();
    let coarse: Vec<f64> = (0..(demos + 1) * (m + 1) * d).map(wave).collect();
    let errors: Vec<f64> = (0..demos * m * d).map(|i| 0.1 * wave(i + 7)).collect();
    let times: Vec<f64> = (0..=m).map(|i| i as f64).collect();
    let (demo, query) = coarse.split_at(demos * (m + 1) * d);
    let answer = |errors: &[f64]| {
        let shown = Shown { times: &times, coarse: demo, errors, dimension: d };
        Prompt::new(&model, shown, &device()).unwrap().errors(&model, query).unwrap()
    };
    let before = answer(&errors);
    assert_eq!(before.len(), m * d);
    // Each component hears of the errors of all.
    let mut changed = errors.clone();
    changed[d - 1] += 0.3;
    let after = answer(&changed);
    let moved = |c: usize| (before[c] - after[c]).abs() > 1e-9;
    assert!((0..d).all(moved), "{before:?} {after:?}");

    let (wide, errors) = (vec![0.0; demos * (m + 1) * 9], vec![0.0; demos * m * 9]);
    let shown = Shown { times: &times, coarse: &wide, errors: &errors, dimension: 9 };
    let error = Prompt::new(&model, shown, &device()).unwrap_err();
    assert_eq!(error.to_string(), "components of a state: 9, expected at most 8");
}

#[test]
fn every_parameter_learns() {
    for tokens in BOTH {
        let (model, params) = model(&tiny(tokens));
        params.set_trainable(|_| true);
        let tasks = [task(4), task(4)];
        let batch = Batch::new(model.config(), &tasks, 0, &device()).unwrap();
        // Vectors of tokens that there are none of learn nothing.
        let mut gradients = backward(trained(&model, batch));
        for cell in params.iter() {
            assert_gradient(cell, &mut gradients, true, &format!("{tokens:?}"));
        }
    }
}

#[test]
fn a_saved_model_answers_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (model, params) = model(&tiny(Tokens::Joined));
    model.save(&params, dir.path()).unwrap();
    let (again, _) = Fmint::load(dir.path(), &device()).unwrap();
    let task = task(3);
    assert_eq!(ask(&model, &task, 2), ask(&again, &task, 2));

    std::fs::write(dir.path().join("config.json"), "{\"tokens\": \"joined\"}").unwrap();
    let error = Fmint::load(dir.path(), &device()).unwrap_err().to_string();
    assert!(error.contains("config.json: missing field `layers`"), "{error}");
}

#[test]
fn matrices_in_bf16_stay_so_and_answer_nearly_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (model, params) = model(&tiny(Tokens::Joined));
    model.save(&params, dir.path()).unwrap();
    params.save(&dir.path().join("model.safetensors"), SaveDType::BF16, |_| true).unwrap();
    let (half, loaded) = Fmint::load(dir.path(), &device()).unwrap();
    let maps = loaded.linears();
    assert!(maps.len() > 8 && maps.iter().all(|map| map.weight().quantised().is_some()));
    let task = task(3);
    let (full, half) = (ask(&model, &task, 2), ask(&half, &task, 2));
    let size = full.iter().fold(0.0, |most: f64, error| most.max(error.abs()));
    let apart = full.iter().zip(&half).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart > 0.0 && apart < 0.05 * size, "{apart} of {size}");
}

#[test]
fn wrong_demos_and_configurations_are_refused() {
    let (model, _) = model(&tiny(Tokens::Published));
    let times = [0.0, 1.0, 2.0];
    let refuse = |demos: usize, numbers: usize| {
        let (coarse, errors) = (vec![0.0; demos * 6], vec![0.0; numbers]);
        let shown = Shown { times: &times, coarse: &coarse, errors: &errors, dimension: 2 };
        Prompt::new(&model, shown, &device()).unwrap_err().to_string()
    };
    assert_eq!(refuse(0, 0), "demos: 0, expected at least one, with two times");
    assert_eq!(refuse(4, 16), "demos: 4, expected at most 3");
    assert_eq!(refuse(2, 7), "numbers of errors: 7, expected 8");
    let wrong = [
        Config { heads: 0, ..Config::small() },
        Config { width: 1 << 20, ..Config::small() },
        Config { demos: 4, ..Config::small() },
        Config { demos: 0, ..Config::published() },
    ];
    for config in wrong {
        assert!(config.check().is_err(), "{config:?}");
    }
}

#[test]
fn nothing_is_corrected_where_all_coarse_solutions_diverge() {
    use std::{path::Path, sync::Arc};

    use quintet_ode::{
        Scheme, TextSystem,
        correct::{Coarse, Demos, Grid},
    };

    let text = "state = [\"x\"]\n[equations]\nx = \"-100 * x^3\"\n[initial]\nx = [1.0, 2.0]";
    let system = TextSystem::parse(Path::new("cube.toml"), text).unwrap();
    let grid = Grid { start: 0.0, step: 1.0, steps: 10 };
    let demos = Demos { grid, states: vec![1.0; 3 * 11], parameters: Vec::new() };
    let coarse = Coarse { scheme: Scheme::Euler, step: 1.0, finest: 16 };
    let model = Arc::new(model(&tiny(Tokens::Joined)).0);
    let taught = InContext::teach(&model, &system, &demos, coarse, &device()).unwrap();
    assert_eq!(taught.error, f64::INFINITY);
    let (members, times) = (demos.members(1), grid.times());
    let ensemble = members.ensemble(0.0, &times);
    let corrected = taught.correction.apply(&system, &ensemble).unwrap();
    let alone = system.solve(&ensemble, Scheme::Euler.steps(1)).unwrap();
    let bits = |states: &[f64]| states.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&corrected.solution.states), bits(&alone.states));
    assert!(alone.states.iter().any(|x| !x.is_finite()));
    assert_eq!(corrected.doubt, [0.0; 30]);
}

#[test]
fn few_batches_come_again() {
    let draw =
        |batches| Draw { demos: 1, points: [3, 5], strides: [1.0, 1.0], shifted: 0.0, batches };
    let tasks = |batches, number| {
        draw(batches).tasks(&[families::find("decay").unwrap()], (1, number), 2).unwrap()
    };
    assert_eq!(tasks(Some(3), 4), tasks(None, 1));
    assert_ne!(tasks(None, 4), tasks(None, 1));
}

#[test]
fn training_lowers_the_error_of_new_tasks_and_resumes() {
    use std::sync::atomic::AtomicBool;

    use quintet_train::progress::ProgressMode;

    use crate::Recipe;
    let text = r#"
        steps = 60
        batch = 4
        lr = 3e-3
        [model]
        families = ["decay"]
        config = { tokens = "joined", layers = 1, heads = 2, head_dim = 8, width = 16, inner = 32, components = 1, groups = 1, demos = 0 }
        draw = { demos = 2, points = [8, 8], strides = [0.8, 1.2], shifted = 0.0 }
    "#;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recipe.toml");
    std::fs::write(&path, text).unwrap();
    let (recipe, text) = Recipe::load(&path).unwrap();
    let train = || {
        let stop = AtomicBool::new(false);
        recipe.train(&text, &dir.path().join("run"), &stop, ProgressMode::Quiet).unwrap()
    };
    assert!(train().finished);
    assert!(train().finished);
    let (model, _) = Fmint::load(&dir.path().join("run/model"), &device()).unwrap();
    let in_context = recipe.model.clone().unwrap();
    let (fresh, _) = Fmint::random(&in_context.config, recipe.seed, &device()).unwrap();
    let tasks = in_context.draw.tasks(&[families::find("decay").unwrap()], (99, 0), 16).unwrap();
    let error = |model: &Fmint| -> f64 {
        let off = |task: &Task| {
            let truth = task.errors();
            let asked = &truth[truth.len() - 8..];
            let found = ask(model, task, 2);
            let sum = |f: &dyn Fn(f64, f64) -> f64| {
                found.iter().zip(asked).map(|(a, b)| f(*a, *b)).sum::<f64>()
            };
            sum(&|a, b| (a - b).powi(2)) / sum(&|_, b| b * b)
        };
        tasks.iter().map(off).sum::<f64>()
    };
    let (before, after) = (error(&fresh), error(&model));
    assert!(after < before / 4.0, "{before} to {after}");

    for (from, to, said) in [
        ("\"decay\"", "\"decoy\"", "no family 'decoy'; there are cooling"),
        ("\"decay\"", "\"pendulum\"", "pendulum: components of a state: 2, expected at most 1"),
        ("points = [8, 8]", "points = [8, 7]", "draw.points is [8, 7]"),
    ] {
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let error = Recipe::load(&path).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    let mixed = text.replace("\"decay\"", "\"decay\", \"pendulum\"");
    std::fs::write(&path, mixed.replace("groups = 1", "groups = 2")).unwrap();
    let error = Recipe::load(&path).unwrap_err().to_string();
    assert!(error.contains("different numbers of tokens"), "{error}");
}

#[test]
fn steppers_learn_their_family() {
    use std::sync::atomic::AtomicBool;

    use quintet_ode::measure::{Errors, Setup, measure};
    use quintet_train::progress::ProgressMode;

    use crate::{Recipe, Trained};
    let family = families::find("pendulum").unwrap();
    let protocol = Protocol::Aligned;
    let setup = Setup { tasks: 20, demos: 1, points: 20, stride: 1.0, protocol, seed: 3 };
    let coarse = measure(family, &setup).unwrap().remove(0);
    // As if nothing ever moved.
    let tasks = setup.tasks_of(family).draw(0..setup.tasks).unwrap();
    let still: Vec<Vec<f64>> =
        tasks.iter().map(|task| task.fine[task.fine.len() - 21 * 2..][..2].repeat(20)).collect();
    let truths = tasks.iter().map(Task::query_truth);
    let still = Errors::of("still", still.iter().map(Vec::as_slice).zip(truths), 0.0);
    for (baseline, most) in [("neurvec", coarse.rms), ("neural-ode", still.rms / 2.0)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recipe.toml");
        let text = format!(
            "steps = 150\nbatch = 32\nlr = 3e-3\n\
             stepper = {{ baseline = \"{baseline}\", family = \"pendulum\", width = 32 }}\n"
        );
        std::fs::write(&path, text).unwrap();
        let (recipe, text) = Recipe::load(&path).unwrap();
        let stop = AtomicBool::new(false);
        let run = dir.path().join("run");
        assert!(recipe.train(&text, &run, &stop, ProgressMode::Quiet).unwrap().finished);
        let trained = Trained::load(&run.join("model"), &device()).unwrap();
        let errors = trained.measure(family, &setup, &device()).unwrap().unwrap();
        assert_eq!(errors.method, baseline);
        assert!(errors.rms < most, "{errors:?} {coarse:?} {still:?}");
        let other = families::find("decay").unwrap();
        assert!(trained.measure(other, &setup, &device()).unwrap().is_none());
    }
}
