//! `ode`.

use std::{fs, path::Path};

use crate::program::{fails_with, json, quintet, starved, succeeds, text};

const PENDULUM: &str = r#"
name = "swing"
state = ["x", "v"]
time = [0.0, 4.0]

[equations]
x = "v"
v = "-g / l * sin(x) - b * v"

[initial]
x = [-0.8, 0.8]
v = 0.0

[parameters]
g = 9.81
l = [0.5, 1.0]
b = 0.3
"#;

/// The system as a file.
fn pendulum(dir: &Path) -> String {
    let path = dir.join("swing.toml");
    fs::write(&path, PENDULUM).unwrap();
    text(&path).to_owned()
}

/// The numbers of a CSV file, without its first row.
fn rows(path: &Path) -> Vec<Vec<f64>> {
    let content = fs::read_to_string(path).unwrap();
    let row = |line: &str| line.split(',').map(|value| value.parse().unwrap()).collect();
    content.lines().skip(1).map(row).collect()
}

#[test]
fn an_own_system_is_corrected_within_bands() {
    let dir = tempfile::tempdir().unwrap();
    let system = pendulum(dir.path());
    let path = |name: &str| dir.path().join(name);
    let common = [&system[..], "-n", "60", "--points", "20", "--json", "--out"];
    let told = json(
        quintet(["ode", "correct"])
            .args(common)
            .arg(path("states.csv"))
            .args(["--method", "compiled:1", "--demos", "12", "--calibrate", "60", "--check", "60"])
            .args(["--summary", text(&path("rows.csv")), "--plot", text(&path("swing.svg"))]),
    );
    assert_eq!((&told["system"], &told["n"]), (&"swing".into(), &60.into()));
    assert_eq!(told["corrected"].as_u64().unwrap() + told["solved"].as_u64().unwrap(), 60);
    assert!(told["corrected"].as_u64().unwrap() > 40, "{told}");
    let exact = path("exact.csv");
    json(
        quintet(["ode", "solve"])
            .args(common)
            .arg(&exact)
            .args(["--method", "dop853", "--tol", "1e-11"]),
    );
    let (found, exact) = (rows(&path("states.csv")), rows(&exact));
    assert_eq!((found.len(), found[0].len(), exact[0].len()), (60 * 21, 6, 4));
    let mut outside = [false; 60];
    for (found, exact) in found.iter().zip(&exact) {
        assert_eq!(found[..2], exact[..2]);
        for i in 2..4 {
            outside[found[0] as usize] |= (found[i] - exact[i]).abs() > found[i + 2] + 1e-9;
        }
    }
    // A tenth of them may be.
    let broken = told["checked"]["broken"].as_u64().unwrap();
    let outside = outside.iter().filter(|outside| **outside).count();
    assert!(outside <= 15, "{outside}");
    assert!(broken.abs_diff(outside as u64) <= 1, "{broken} {outside}");
    let summary = fs::read_to_string(path("rows.csv")).unwrap();
    assert_eq!(summary.lines().count(), 61);
    let head = "trajectory,x_0,v_0,b,g,l,status,end,evaluations,source,promise,unusual";
    assert_eq!(summary.lines().next(), Some(head));
    assert!(fs::read_to_string(path("swing.svg")).unwrap().starts_with("<svg"));
}

#[test]
fn known_systems_are_listed_solved_and_measured() {
    let list = json(&mut quintet(["ode", "list", "--json"]));
    assert!(list.as_array().unwrap().iter().any(|entry| entry["name"] == "lotka-volterra"));
    let dir = tempfile::tempdir().unwrap();
    let array = dir.path().join("states.npy");
    let said = succeeds(&mut quintet([
        "ode",
        "solve",
        "cooling",
        "-n",
        "5",
        "--points",
        "4",
        "--method",
        "rk4:8",
        "--out",
        text(&array),
    ]));
    assert!(said.starts_with("5 trajectories of cooling by rk4:8: 5 finished"), "{said}");
    let bytes = fs::read(&array).unwrap();
    assert_eq!(&bytes[..6], b"\x93NUMPY");
    let numbers = 5 * 5 * 8;
    assert_eq!((bytes.len() - numbers) % 64, 0);
    let head = String::from_utf8_lossy(&bytes[10..bytes.len() - numbers]).into_owned();
    assert!(head.contains("'shape': (5, 5, 1, )") && head.ends_with('\n'), "{head}");
    let receipt = dir.path().join("receipt.json");
    let scores = json(&mut quintet([
        "ode",
        "eval",
        "falling",
        "-n",
        "3",
        "--json",
        "--out",
        text(&receipt),
    ]));
    let compiled = &scores["scores"][3];
    assert_eq!(compiled["method"], "compiled");
    assert!(compiled["rmse"].as_f64().unwrap() < 1e-9, "{scores}");
    assert!(receipt.exists());
}

#[test]
fn members_come_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let system = pendulum(dir.path());
    let members = dir.path().join("members.csv");
    let solve = |content: &str| {
        fs::write(&members, content).unwrap();
        let mut command = quintet(["ode", "solve", &system, "--json", "--initial"]);
        command.arg(&members);
        command
    };
    let told = json(&mut solve("l,x,v,g,b\n1.0, 0.1, 0, 9.81, 0.3\n0.5, 0.2, 0, 9.81, 0.3\n"));
    assert_eq!((&told["n"], &told["ended"]["finished"]), (&2.into(), &2.into()));
    fails_with(&mut solve("l,x,v,g\n1,1,1,1\n"), &["members.csv", "no column b", "l, x, v, g"]);
    fails_with(
        &mut solve("l,x,v,g,b\n1,1,1,1,1\n1,1,fast,1,1\n"),
        &["members.csv: line 3, v", "\"fast\"", "expected a finite number"],
    );
    fails_with(&mut solve("l,x,v,g,b\n1,1,1\n"), &["members.csv: line 2"]);
    fails_with(&mut solve("l,x,v,g,b\n"), &["no rows"]);
}

/// An array as NumPy writes it.
fn npy(path: &Path, shape: &str, numbers: &[f64]) {
    let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

#[test]
fn members_come_from_arrays() {
    let dir = tempfile::tempdir().unwrap();
    let system = pendulum(dir.path());
    let path = |name: &str| dir.path().join(name);
    let solve = |members: &str, out: &str| {
        let mut command = quintet(["ode", "solve", &system, "--points", "3", "--json"]);
        command.args(["--initial", text(&path(members)), "--out", text(&path(out))]);
        command
    };
    // States, then b, g and l.
    let rows = [0.1, 0.0, 0.3, 9.81, 0.5, 0.2, 0.1, 0.2, 9.0, 0.7];
    npy(&path("all.npy"), "(2, 5)", &rows);
    let csv = "b,g,l,v,x\n0.3,9.81,0.5,0,0.1\n0.2,9,0.7,0.1,0.2\n";
    fs::write(path("all.csv"), csv).unwrap();
    json(&mut solve("all.npy", "array.csv"));
    json(&mut solve("all.csv", "table.csv"));
    assert_eq!(fs::read(path("array.csv")).unwrap(), fs::read(path("table.csv")).unwrap());
    // Parameters are drawn for states alone.
    npy(&path("states.npy"), "(2, 2)", &[0.1, 0.0, 0.2, 0.1]);
    let told = json(solve("states.npy", "s.csv").args(["--summary", text(&path("rows.csv"))]));
    assert_eq!(told["n"], 2);
    let summary = fs::read_to_string(path("rows.csv")).unwrap();
    let lengths: Vec<f64> = summary
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(5).unwrap().parse().unwrap())
        .collect();
    assert!(
        lengths.iter().all(|l| (0.5..1.0).contains(l)) && lengths[0] != lengths[1],
        "{summary}"
    );
    npy(&path("odd.npy"), "(2, 3)", &[0.1; 6]);
    fails_with(
        &mut solve("odd.npy", "o.csv"),
        &["odd.npy: 3 numbers", "2 (x, v) or 5 (x, v, b, g, l)"],
    );
    npy(&path("flat.npy"), "(4,)", &[0.1; 4]);
    fails_with(&mut solve("flat.npy", "o.csv"), &["flat.npy", "expected [n, 2] or [n, 5]"]);
    npy(&path("nan.npy"), "(2, 2)", &[0.1, 0.2, 0.3, f64::NAN]);
    fails_with(
        &mut solve("nan.npy", "o.csv"),
        &["nan.npy: row 1, v: NaN; expected a finite number"],
    );
    npy(&path("cut.npy"), "(1000000, 2)", &[0.1; 4]);
    fails_with(&mut solve("cut.npy", "o.csv"), &["cut.npy", "does not fit its 32 bytes"]);
    npy(&path("none.npy"), "(0, 2)", &[]);
    fails_with(&mut solve("none.npy", "o.csv"), &["none.npy: no rows"]);
}

/// More trajectories than are solved at a time, so that there are several groups of rows.
#[test]
fn parquet_holds_what_csv_does_and_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let system = pendulum(dir.path());
    let path = |name: &str| dir.path().join(name);
    for ending in ["csv", "parquet"] {
        let [states, rows] = ["states", "rows"].map(|name| path(&format!("{name}.{ending}")));
        json(quintet(["ode", "solve", &system, "-n", "5000", "--points", "2", "--json"]).args([
            "--out",
            text(&states),
            "--summary",
            text(&rows),
        ]));
    }
    // The first states and parameters, from either.
    let again = |name: &str, out: &str| {
        let (members, out) = (path(name), path(out));
        json(quintet(["ode", "solve", &system, "--points", "2", "--json", "--initial"]).args([
            text(&members),
            "--out",
            text(&out),
        ]))
    };
    let named = |name: &str| {
        let content = fs::read_to_string(path("rows.csv")).unwrap();
        fs::write(path(name), content.replacen("x_0,v_0", "x,v", 1)).unwrap();
    };
    named("members.csv");
    assert_eq!(again("members.csv", "again.parquet")["n"], 5000);
    let bytes = fs::read(path("again.parquet")).unwrap();
    assert_eq!(bytes, fs::read(path("states.parquet")).unwrap());
    assert!(bytes.len() * 2 < fs::metadata(path("states.csv")).unwrap().len() as usize);
    let plot = |name: &str, more: &[&str]| {
        let mut command = quintet(["ode", "plot", text(&path(name)), "--json"]);
        command.args(more);
        command
    };
    let pictures = ["states.csv", "states.parquet"].map(|name| {
        let told = json(&mut plot(name, &["--members", "4999,7", "--components", "v"]));
        assert_eq!((&told["times"], &told["bands"]), (&3.into(), &false.into()));
        let picture = fs::read_to_string(told["written"].as_str().unwrap()).unwrap();
        assert!(picture.starts_with("<svg") && picture.contains("trajectory 4999"));
        picture
    });
    assert_eq!(pictures[0], pictures[1]);
    fails_with(&mut plot("states.parquet", &["--members", "5000"]), &["it has 5000, from 0 on"]);
    fails_with(
        &mut plot("states.parquet", &["--components", "w"]),
        &["states.parquet: no column w; it has trajectory, time, x, v"],
    );
    let mut status = quintet(["ode", "solve", &system, "--initial", text(&path("rows.parquet"))]);
    fails_with(&mut status, &["rows.parquet: no column x; it has trajectory, x_0, v_0"]);
    fs::write(path("half.parquet"), &bytes[..bytes.len() / 2]).unwrap();
    fails_with(&mut plot("half.parquet", &[]), &["half.parquet: not a whole Parquet file"]);
    // Bytes that were changed are told, and never end it.
    for at in (4..bytes.len()).step_by(bytes.len() / 60) {
        let mut broken = bytes.clone();
        broken[at] ^= 0x55;
        fs::write(path("broken.parquet"), broken).unwrap();
        let output = plot("broken.parquet", &[]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{at}: {said}");
        assert!(said.lines().count() <= 1, "{at}: {said}");
    }
}

const BALL: &str = r#"
state = ["x", "v"]
time = [0.0, 4.0]

[equations]
x = "v"
v = "-9.81"

[initial]
x = [1.0, 10.0]
v = 5.0

[events]
ground = { when = "x", direction = "falling" }
top = { when = "v", direction = "falling", stop = false }
"#;

#[test]
fn events_are_told_with_their_times() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("ball.toml"), BALL).unwrap();
    let ball = path("ball.toml");
    let told = json(quintet(["ode", "solve", text(&ball), "-n", "30", "--json"]).args([
        "--tol",
        "1e-10",
        "--summary",
        text(&path("rows.csv")),
    ]));
    assert_eq!(told["ended"]["event"], 30);
    let summary = fs::read_to_string(path("rows.csv")).unwrap();
    let mut lines = summary.lines();
    let head = "trajectory,x_0,v_0,status,end,evaluations,event,ground_at,top_at";
    assert_eq!(lines.next(), Some(head));
    for line in lines {
        let columns: Vec<&str> = line.split(',').collect();
        let number = |i: usize| columns[i].parse::<f64>().unwrap();
        let expected = (5.0 + (25.0 + 2.0 * 9.81 * number(1)).sqrt()) / 9.81;
        assert_eq!((columns[3], columns[6], columns[4]), ("event", "ground", columns[7]), "{line}");
        assert!((number(7) - expected).abs() < 1e-8, "{line} {expected}");
        assert!((number(8) - 5.0 / 9.81).abs() < 1e-8, "{line}");
    }
    let mut fixed = quintet(["ode", "solve", text(&ball), "--method", "rk4:4"]);
    fails_with(&mut fixed, &["equal steps cannot watch events", "leave the events out"]);
    let mut corrected = quintet(["ode", "correct", text(&ball)]);
    fails_with(&mut corrected, &["a corrector cannot watch events"]);
}

/// `x' = v`, `v' = -x`, by the tools that every machine has: the slopes are the bytes of the state in
/// another order, one of them with its sign turned.
const SPRING: &str = r#"
while read -r request; do
    count=$(echo "$request" | tr -dc '0-9 ' | awk '{ print $1 }')
    head -c $((8 * count)) > /dev/null
    echo $((16 * count))
    printf "$(head -c $((16 * count)) | od -An -v -t u1 | awk '{
        for (i = 9; i <= 16; i++) printf "\\%03o", $i
        for (i = 1; i <= 7; i++) printf "\\%03o", $i
        printf "\\%03o", ($8 + 128) % 256
    }')"
done
"#;

#[test]
fn a_program_is_solved_as_its_equations_are() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let system = |name: &str, right: &str| {
        let rest = "[initial]\nx = [-1.0, 1.0]\nv = [0.5, 1.0]\n";
        let text_of = format!("state = [\"x\", \"v\"]\ntime = [0.0, 2.0]\n{right}\n{rest}");
        fs::write(path(name), text_of).unwrap();
    };
    fs::write(path("spring.sh"), SPRING).unwrap();
    system("program.toml", "[program]\ncommand = [\"sh\", \"spring.sh\"]");
    system("text.toml", "[equations]\nx = \"v\"\nv = \"-x\"");
    let solved = |system: &str| {
        let [states, rows] = ["states", "rows"].map(|name| path(&format!("{system}.{name}.csv")));
        let told = json(
            quintet(["ode", "solve", text(&path(system)), "-n", "20", "--points", "4", "--json"])
                .args(["--out", text(&states), "--summary", text(&rows)]),
        );
        assert_eq!(told["ended"]["finished"], 20);
        [states, rows].map(|path| fs::read_to_string(path).unwrap())
    };
    assert_eq!(solved("program.toml"), solved("text.toml"));
    fs::write(path("spring.sh"), "echo the spring is broken >&2; exit 3\n").unwrap();
    let mut broken = quintet(["ode", "solve", text(&path("program.toml"))]);
    fails_with(&mut broken, &["sh spring.sh", "exit status: 3", "it said: the spring is broken"]);
    let mut bench = quintet(["ode", "bench", text(&path("program.toml"))]);
    fails_with(&mut bench, &["a program costs what it costs"]);
}

#[test]
fn stiff_systems_are_corrected_by_a_stiff_reference() {
    let dir = tempfile::tempdir().unwrap();
    let system = dir.path().join("following.toml");
    let text_of = "state = [\"u\"]\ntime = [0.0, 6.0]\n[equations]\nu = \"p * (cos(t) - u)\"\n\
                   [initial]\nu = 1.0\n[parameters]\np = [1e6, 2e6]\n";
    fs::write(&system, text_of).unwrap();
    let correct = |reference: &str| {
        json(
            quintet(["ode", "correct", text(&system), "-n", "40", "--points", "12", "--json"])
                .args([
                    "--demos",
                    "8",
                    "--calibrate",
                    "24",
                    "--check",
                    "40",
                    "--reference",
                    reference,
                ]),
        )
    };
    let told = correct("rodas5p");
    assert_eq!((&told["reference"], &told["method"]), (&"rodas5p".into(), &"rodas5p".into()));
    assert_eq!((&told["solved"], &told["ended"]["finished"]), (&40.into(), &40.into()));
    assert_eq!(told["beyond_tolerance"], 0);
    assert!(told["checked"]["broken"].as_u64().unwrap() <= 10, "{told}");
    let found = correct("auto");
    for key in ["reference", "method", "evaluations", "greatest_promise", "demo_evaluations"] {
        assert_eq!(found[key], told[key], "{key}");
    }
}

#[test]
fn the_cost_of_an_evaluation_says_what_is_fastest() {
    let dir = tempfile::tempdir().unwrap();
    let picture = dir.path().join("cost.svg");
    let told = json(
        quintet(["ode", "bench", "driven", "-n", "40", "--json"])
            .args(["--counts", "10,100000", "--longest", "0.1", "--demos", "16"])
            .args(["--calibrate", "40", "--plot", text(&picture)]),
    );
    let compared: Vec<&str> = told["compared"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["method"].as_str().unwrap())
        .collect();
    assert_eq!(compared.len(), 5, "{compared:?}");
    assert!(compared[0].starts_with("compiled:") && compared[4] == "fmint:1", "{compared:?}");
    // All are as exact as the corrector.
    let error = |i: usize| told["compared"][i]["rms"].as_f64().unwrap();
    assert!((1..4).all(|i| error(i) <= error(0)), "{told}");
    let times = told["times"].as_array().unwrap();
    assert_eq!(times.len(), 5 * 2 * 7);
    let of = |method: &str, n: u64| -> Vec<f64> {
        let cells = times.iter().filter(|cell| cell["method"] == method && cell["n"] == n);
        cells.map(|cell| cell["seconds"].as_f64().unwrap()).collect()
    };
    // Ten are not worth the demos; of a hundred thousand each costs what its evaluations do.
    assert!(of(compared[0], 10)[6] > of(compared[2], 10)[6]);
    assert!(of(compared[0], 100_000)[6] < of(compared[2], 100_000)[6]);
    for crossover in told["crossovers"].as_array().unwrap() {
        if crossover["n"] == 10 {
            assert!(crossover["cost"].is_null(), "{crossover}");
        }
    }
    assert!(told["check"]["runs"].as_u64().unwrap() > 0);
    assert!(fs::read_to_string(picture).unwrap().starts_with("<svg"));
    let mut wrong = quintet(["ode", "bench", "driven", "--counts", "0"]);
    fails_with(&mut wrong, &["--counts: at least one size"]);
    let mut empty = quintet(["ode", "bench", "driven", "-n", "0"]);
    fails_with(&mut empty, &["driven: no trajectories to measure on"]);
}

#[test]
fn a_transformer_corrects_in_context_within_its_promises() {
    let dir = tempfile::tempdir().unwrap();
    let system = pendulum(dir.path());
    let told = json(
        quintet(["ode", "correct"])
            .arg(&system)
            .args(["-n", "60", "--points", "40", "--json", "--method", "fmint", "--tol", "0.1"])
            .args(["--demos", "12", "--calibrate", "60", "--check", "60"]),
    );
    assert_eq!(told["method"], "fmint:1");
    assert_eq!(told["corrected"].as_u64().unwrap() + told["solved"].as_u64().unwrap(), 60);
    let (ours, coarse) = (&told["error_held_out"], &told["error_coarse"]);
    assert!(ours.as_f64().unwrap() < coarse.as_f64().unwrap(), "{told}");
    assert!(told["checked"]["broken"].as_u64().unwrap() <= 15, "{told}");
}

#[test]
fn a_model_is_trained_measured_and_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let recipe = r#"
        steps = 3
        batch = 2
        lr = 1e-3
        [model]
        families = ["decay"]
        config = { tokens = "joined", layers = 1, heads = 1, head_dim = 4, width = 8, inner = 8, components = 1, groups = 2, demos = 0 }
        draw = { demos = 2, points = [8, 8], strides = [1.0, 1.0], shifted = 0.0 }
    "#;
    fs::write(path("tiny.toml"), recipe).unwrap();
    let train = || {
        quintet(["ode", "train", text(&path("tiny.toml")), "--json", "--out", text(&path("run"))])
    };
    let told = json(&mut train());
    assert_eq!((&told["steps"], &told["resumed"]), (&3.into(), &false.into()));
    assert_eq!(json(&mut train())["resumed"], true);
    let model = told["model"].as_str().unwrap().to_owned();
    let measured = json(
        quintet(["ode", "eval", "decay", "-n", "3", "--demos", "2", "--points", "8", "--json"])
            .args(["--model", &model]),
    );
    let scores = measured["scores"].as_array().unwrap();
    assert!(scores.iter().any(|score| score["method"] == "fmint"), "{measured}");
    let used = json(
        quintet(["ode", "correct", "decay", "-n", "5", "--points", "8", "--json"])
            .args(["--method", "fmint", "--model", &model]),
    );
    assert_eq!(used["method"], "fmint:1");

    let mut other = quintet(["ode", "correct", "decay", "--method", "fmint"]);
    fails_with(other.args(["--model", text(&path("run"))]), &["config.json: "]);
    let mut other = quintet(["ode", "correct", "decay", "--model", &model]);
    fails_with(&mut other, &["--model is for --method fmint"]);
    fs::write(path("wrong.toml"), recipe.replace("batch = 2", "batch = 0")).unwrap();
    let mut wrong = quintet(["ode", "train", text(&path("wrong.toml"))]);
    fails_with(&mut wrong, &["wrong.toml: batch is 0; at least 1"]);
}

#[test]
fn what_makes_no_sense_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let system = pendulum(dir.path());
    let out = dir.path().join("out.csv");
    for (args, said) in [
        (vec!["solve", "pendulo"], "there is no such system and no such file"),
        (vec!["solve", "none.toml"], "none.toml"),
        (vec!["solve", &system, "--end", "-1"], "the end has to be later"),
        (vec!["solve", &system, "--points", "0"], "at least one time"),
        (vec!["solve", &system, "--method", "rk5"], "expected tsit5"),
        (vec!["solve", &system, "--tol", "0"], "tolerance is 0"),
        (vec!["correct", &system, "--tol", "0"], "the tolerance is 0"),
        (vec!["correct", &system, "--method", "compiled:0"], "expected a number of steps"),
        (vec!["correct", &system, "--level", "1.5"], "a probability below 1"),
        (vec!["correct", &system, "--demos", "0"], "demos is 0"),
        (vec!["solve", &system, "--out", "states.txt"], "should end in .csv, .parquet or .npy"),
        (vec!["solve", &system, "--summary", "rows.txt"], "should end in .csv or .parquet"),
        (vec!["correct", &system, "--reference", "rk4"], "expected auto, dop853 or rodas5p"),
        (vec!["eval", "pendulo"], "no such family"),
    ] {
        let mut command = quintet(["ode"]);
        command.args(&args);
        if args[0] != "eval" && !args.contains(&"--out") {
            command.args(["--out", text(&out)]);
        }
        fails_with(&mut command, &[said]);
        assert!(!out.exists(), "{args:?}");
    }
    for name in ["out.csv", "out.parquet", "out.npy"] {
        let out = dir.path().join(name);
        let mut full = starved(8, ["ode", "solve", &system, "-n", "2000", "--out", text(&out)]);
        fails_with(&mut full, &["File too large"]);
        assert!(!out.exists());
    }
    // Only the description is left.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn trajectories_that_diverge_are_told_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let system = dir.path().join("burst.toml");
    let text_of =
        "state = [\"u\"]\ntime = [0.0, 1.0]\n[equations]\nu = \"u^2\"\n[initial]\nu = [0.1, 2.0]\n";
    fs::write(&system, text_of).unwrap();
    let summary = dir.path().join("rows.csv");
    let told = json(quintet(["ode", "correct", text(&system), "-n", "100", "--json"]).args([
        "--demos",
        "12",
        "--calibrate",
        "60",
        "--summary",
        text(&summary),
    ]));
    let finished = told["ended"]["finished"].as_u64().unwrap();
    assert!((30..70).contains(&finished), "{told}");
    // Who did not finish promises nothing.
    for row in fs::read_to_string(summary).unwrap().lines().skip(1) {
        let columns: Vec<&str> = row.split(',').collect();
        assert!(columns[2] == "finished" || columns[6] == "inf", "{row}");
    }
}
