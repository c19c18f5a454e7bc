//! Runs that are stopped, killed, starved of disk or fed nonsense.

mod common;

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use burn::Device;
use common::{STEPS, Tiny, config, final_bits, logged, steps_in, train, uninterrupted};
use quintet_nn::{Linear, Vars};
use quintet_train::Error;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tracing::{
    Event, Level, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

const OUT: &str = "QUINTET_TRAIN_TEST_OUT";

/// Not a test of its own: the process that other tests start, kill and starve.
#[test]
#[ignore = "started by the other tests as a process of its own"]
fn child() {
    let Some(out) = std::env::var_os(OUT) else { return };
    if let Err(error) = train(&Tiny::new(), &config(), Path::new(&out), None) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn child_command(program: &mut Command, out: &Path) -> Child {
    program
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(OUT, out)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn this_test() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

#[test]
fn losses_fall() {
    let dir = tempfile::tempdir().unwrap();
    let rows = logged(&uninterrupted(dir.path()));
    let losses: Vec<f64> = rows.iter().filter_map(|row| row["loss"].as_f64()).collect();
    assert_eq!(losses.len() as u64, STEPS / 3 + 1);
    let third = losses.len() / 3;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&losses[2 * third..]) < 0.9 * mean(&losses[..third]), "{losses:?}");
}

#[test]
fn stopping_and_resuming_changes_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    let straight = uninterrupted(dir.path());
    let out = dir.path().join("stopped");
    for (stop, resumed) in [(Some(10), None), (Some(30), Some(10)), (None, Some(30))] {
        let outcome = train(&Tiny::new(), &config(), &out, stop).unwrap();
        assert_eq!(outcome.resumed_from, resumed);
        assert_eq!((outcome.finished, outcome.state.step), (stop.is_none(), stop.unwrap_or(STEPS)));
    }
    assert!(final_bits(&out) == final_bits(&straight));
    assert_eq!(logged(&out), logged(&straight));
    assert_eq!(steps_in(&out), ["step-000038", "step-000040"]);
    // A finished run is only loaded.
    let tiny = Tiny::new();
    let outcome = train(&tiny, &config(), &out, None).unwrap();
    assert_eq!((outcome.finished, outcome.resumed_from), (true, Some(STEPS)));
    let file = quintet_weights::Weights::open(&outcome.checkpoint.join("weights.safetensors"));
    for cell in tiny.params.iter() {
        assert_eq!(cell.to_f32(), file.as_ref().unwrap().f32(cell.name()).unwrap());
    }
}

/// Kills a training process with SIGKILL again and again: at random moments, and every other time
/// while it writes a checkpoint.
#[cfg(unix)]
#[test]
fn killing_changes_no_bit() {
    use std::os::unix::process::ExitStatusExt;

    const KILLS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let straight = uninterrupted(dir.path());
    let out = dir.path().join("killed");
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let (mut killed, mut mid_write) = (0, 0);
    for turn in 0..KILLS {
        let before = steps_in(&out);
        let mut process = child_command(&mut Command::new(this_test()), &out);
        let deadline = Instant::now() + Duration::from_secs(60);
        let wait_for = |what: &dyn Fn(&str) -> bool| {
            while !steps_in(&out).iter().any(|name| what(name)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_micros(200));
            }
        };
        // One new checkpoint per turn, so that the run gets on.
        wait_for(&|name| !name.contains(".tmp-") && !before.iter().any(|old| old == name));
        if turn % 2 == 0 {
            wait_for(&|name| name.ends_with(".tmp-new"));
        } else {
            std::thread::sleep(Duration::from_micros(rng.random_range(0..30_000)));
        }
        process.kill().unwrap();
        killed += usize::from(process.wait().unwrap().signal() == Some(9));
        mid_write += usize::from(steps_in(&out).iter().any(|name| name.ends_with(".tmp-new")));
    }
    assert!(killed >= KILLS / 2, "only {killed} of {KILLS} kills hit a running process");
    assert!(mid_write > 0, "no kill hit a half-written checkpoint");
    let process = child_command(&mut Command::new(this_test()), &out);
    let done = process.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(final_bits(&out) == final_bits(&straight));
    assert_eq!(logged(&out), logged(&straight));
    assert!(steps_in(&out).iter().all(|name| !name.contains(".tmp-")));
}

/// A file size limit stands for a full disk: writing fails half-way through the weights.
#[cfg(unix)]
#[test]
fn a_full_disk_is_one_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let straight = uninterrupted(dir.path());
    let out = dir.path().join("starved");
    train(&Tiny::new(), &config(), &out, Some(10)).unwrap();
    assert_eq!(steps_in(&out), ["step-000008", "step-000010"]);
    let mut shell = Command::new("sh");
    // Without the trap, the signal SIGXFSZ would end the process before it sees the error.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"]).arg(this_test());
    let starved = child_command(&mut shell, &out).wait_with_output().unwrap();
    assert_eq!(starved.status.code(), Some(1));
    let message = String::from_utf8_lossy(&starved.stderr);
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("weights.safetensors: cannot write: File too large"), "{message}");
    assert_eq!(steps_in(&out), ["step-000008", "step-000010"]);
    train(&Tiny::new(), &config(), &out, None).unwrap();
    assert!(final_bits(&out) == final_bits(&straight));
}

#[test]
fn a_loss_that_is_no_number_names_its_step() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("poisoned");
    let mut poisoned = Tiny::new();
    poisoned.poisoned = Some(6);
    let error = train(&poisoned, &config(), &out, None).unwrap_err();
    assert!(matches!(error, Error::NonFinite { step: 7, .. }), "{error}");
    assert!(error.to_string().starts_with("step 7: the loss is "), "{error}");
    assert_eq!(steps_in(&out), ["step-000004", "step-000006"]);
    train(&Tiny::new(), &config(), &out, None).unwrap();
    assert!(final_bits(&out) == final_bits(&uninterrupted(dir.path())));
}

/// Counts the warnings of a run.
struct Warnings(Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_parameter_that_no_loss_reaches_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut tiny = Tiny::new();
    let vars = Vars::random(1, &Device::flex());
    Linear::new(&vars.at("unread"), 2, 2, false).unwrap();
    let unread = vars.finish().unwrap();
    unread.set_trainable(|_| true);
    tiny.params.extend(unread.iter().cloned());
    let told = Arc::<AtomicUsize>::default();
    let train = || train(&tiny, &config(), dir.path(), None).unwrap();
    tracing::subscriber::with_default(Warnings(told.clone()), train);
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

#[test]
fn a_directory_belongs_to_one_run_and_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    train(&Tiny::new(), &config(), &out, Some(10)).unwrap();
    let mut other = config();
    other.recipe.push_str("seed = 2\n");
    let error = train(&Tiny::new(), &other, &out, None).unwrap_err().to_string();
    assert!(error.contains("step-000010: this checkpoint is of another recipe"), "{error}");
    let longer = quintet_train::TrainConfig { steps: STEPS + 1, ..config() };
    let error = train(&Tiny::new(), &longer, &out, None).unwrap_err().to_string();
    assert!(error.contains("of a run of 40 steps, not 41"), "{error}");
    let frozen = Tiny::new();
    frozen.params.set_trainable(|name| name.starts_with("down."));
    let error = train(&frozen, &config(), &out, None).unwrap_err().to_string();
    assert!(error.contains("up.weight"), "{error}");
    let held = quintet_train::checkpoint::Checkpoints::open(&out, 2).unwrap();
    let error = train(&Tiny::new(), &config(), &out, None).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(held);
    assert!(train(&Tiny::new(), &config(), &out, None).unwrap().finished);
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    train(&Tiny::new(), &config(), &out, Some(10)).unwrap();
    let weights = out.join("step-000010/weights.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let error = train(&Tiny::new(), &config(), &out, None).unwrap_err().to_string();
    assert!(error.contains("step-000010/weights.safetensors"), "{error}");
    std::fs::write(out.join("step-000010/state.json"), "{").unwrap();
    let error = train(&Tiny::new(), &config(), &out, None).unwrap_err().to_string();
    assert!(error.contains("state.json") && error.contains("to resume from the one before"));
    std::fs::remove_dir_all(out.join("step-000010")).unwrap();
    let outcome = train(&Tiny::new(), &config(), &out, None).unwrap();
    assert_eq!(outcome.resumed_from, Some(8));
    assert!(final_bits(&out) == final_bits(&uninterrupted(dir.path())));
}
