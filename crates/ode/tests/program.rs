//! Systems that a program evaluates. The program is this one, started by itself with an argument that
//! says how it behaves.

use std::{
    env,
    error::Error,
    io::{self, BufRead, Read, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use quintet_ode::{
    Dynamics, Ensemble, Grid, Lanes, Method, Program, Scheme, Status, System, TextSystem,
    Tolerance,
    correct::{Settings, Teach, Ways, choose, compile},
    program, solve,
};

type Checked = Result<(), Box<dyn Error>>;
type Check = (&'static str, fn() -> Checked);

const CHECKS: [Check; 6] = [
    ("solutions have the same bits as in process", solutions_are_the_same),
    ("requests are large and ask nothing for nothing", requests_are_large),
    ("corrected as in process", corrected_alike),
    ("failures are told", failures_are_told),
    ("a program that hangs is ended", hanging_is_ended),
    ("a text may name a program", texts_name_programs),
];

fn main() -> Checked {
    let arguments: Vec<String> = env::args().collect();
    if arguments.get(1).is_some_and(|first| first == "simulate") {
        return simulate(&arguments[2..]);
    }
    for (name, check) in CHECKS {
        check().map_err(|error| format!("{name}: {error}"))?;
        println!("{name}: ok");
    }
    Ok(())
}

/// A driven pendulum: `x' = v`, `v' = cos t − a sin x − b v`.
fn slope(t: f64, [x, v]: [f64; 2], [a, b]: [f64; 2]) -> [f64; 2] {
    [v, t.cos() - a * x.sin() - b * v]
}

struct Pendulum;

impl System for Pendulum {
    type State = [Lanes; 2];

    fn zero(&self) -> Self::State {
        [Lanes::ZERO; 2]
    }

    fn parameters(&self) -> usize {
        2
    }

    fn rhs(&self, t: Lanes, u: &Self::State, p: &[Lanes], du: &mut Self::State) {
        for lane in 0..t.0.len() {
            let of = |lanes: &[Lanes]| [lanes[0].0[lane], lanes[1].0[lane]];
            [du[0].0[lane], du[1].0[lane]] = slope(t.0[lane], of(u), of(p));
        }
    }
}

/// What the program does: answers requests, up to one at which it behaves as it was told; writes how
/// many rows each had to a file, if there is one.
fn simulate(arguments: &[String]) -> Checked {
    let behaviour = arguments[0].as_str();
    let misbehave_at: usize = arguments[1].parse()?;
    let (mut stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    for number in 0.. {
        let mut line = String::new();
        if stdin.read_line(&mut line)? == 0 {
            break;
        }
        let count = line.trim_start_matches(|c: char| !c.is_ascii_digit());
        let digits = count.find(|c: char| !c.is_ascii_digit()).ok_or("no count")?;
        let count: usize = count[..digits].parse()?;
        if line != format!("{{\"count\": {count}, \"dimension\": 2, \"parameters\": 2}}\n") {
            return Err(line.into());
        }
        let mut numbers = |many: usize| -> io::Result<Vec<f64>> {
            let mut bytes = vec![0; 8 * many];
            stdin.read_exact(&mut bytes)?;
            Ok(bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
        };
        let (t, u, p) = (numbers(count)?, numbers(2 * count)?, numbers(2 * count)?);
        let rows = u.as_chunks::<2>().0.iter().zip(p.as_chunks::<2>().0);
        let du = t.iter().zip(rows).flat_map(|(t, (u, p))| slope(*t, *u, *p));
        let du: Vec<u8> = du.flat_map(f64::to_le_bytes).collect();
        if let Some(path) = arguments.get(2) {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
            writeln!(file, "{count}")?;
        }
        let mut header = format!("{}\n", du.len());
        let mut body = &du[..];
        if number == misbehave_at {
            match behaviour {
                "crash" => {
                    eprintln!("first\nthe mesh is broken\n");
                    std::process::exit(3);
                }
                "hang" => thread::sleep(Duration::from_secs(600)),
                "print" => header.insert_str(0, "now solving with the finest of meshes\n"),
                "short" => {
                    stdout.write_all(header.as_bytes())?;
                    stdout.write_all(&body[..7])?;
                    return Ok(());
                }
                "few" => {
                    header = "24\n".into();
                    body = &du[..24];
                }
                "many" => body = &[0; 4096],
                "endless" => loop {
                    stdout.write_all(&[b'7'; 1 << 16])?;
                },
                _ => {}
            }
        }
        stdout.write_all(header.as_bytes())?;
        stdout.write_all(body)?;
        stdout.flush()?;
    }
    Ok(())
}

fn program(behaviour: &[&str], timeout: f64) -> Result<Program, Box<dyn Error>> {
    let this = env::current_exe()?.to_string_lossy().into_owned();
    let command = [this.as_str(), "simulate"].into_iter().chain(behaviour.iter().copied());
    Ok(Program::new(program::Settings {
        command: command.map(Into::into).collect(),
        directory: PathBuf::new(),
        timeout: Duration::from_secs_f64(timeout),
        dimension: 2,
        parameters: 2,
    }))
}

fn good() -> Result<Program, Box<dyn Error>> {
    program(&["well", "0"], 60.0)
}

fn expect(holds: bool, otherwise: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(otherwise.into().into()) }
}

/// First states and parameters, of which some make no sense.
fn members(n: usize) -> (Vec<f64>, Vec<f64>) {
    let initial =
        (0..n).flat_map(|i| [0.1 + i as f64 / n as f64, if i == 5 { f64::NAN } else { 0.2 }]);
    let parameters = (0..n).flat_map(|i| [1.0 + (i % 7) as f64, 0.1]);
    (initial.collect(), parameters.collect())
}

const TIMES: [f64; 4] = [0.0, 0.3, 1.0, 4.0];

fn solutions_are_the_same() -> Checked {
    let program = good()?;
    let exact = Tolerance::new(1e-7);
    for n in [0, 1, 16, 150] {
        let (initial, parameters) = members(n);
        let ensemble =
            Ensemble { start: 0.0, times: &TIMES, initial: &initial, parameters: &parameters };
        for method in [
            Method::Euler(5),
            Method::Heun(5),
            Method::Rk4(5),
            Method::Tsit5(exact),
            Method::Dop853(exact),
            Method::Rodas5p(exact),
        ] {
            let found = program.solve(&ensemble, method)?;
            let expected = solve(&Pendulum, &ensemble, method)?;
            let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let same = |a: &[f64], b: &[f64]| {
                let plain = |values: &[f64]| values.iter().map(|x| x.is_nan()).collect::<Vec<_>>();
                plain(a) == plain(b)
                    && a.iter().zip(b).all(|(a, b)| a.is_nan() || bits(&[*a]) == bits(&[*b]))
            };
            expect(same(&found.states, &expected.states), format!("{n} {method:?}: states"))?;
            expect(same(&found.last, &expected.last), format!("{n} {method:?}: last states"))?;
            expect(found.status == expected.status, format!("{n} {method:?}: status"))?;
            expect(found.end == expected.end, format!("{n} {method:?}: ends"))?;
            expect(found.evaluations == expected.evaluations, format!("{n} {method:?}: cost"))?;
        }
    }
    let odd = Ensemble { start: 0.0, times: &TIMES, initial: &[1.0; 3], parameters: &[1.0; 2] };
    expect(program.solve(&odd, Method::Rk4(1)).is_err(), "an odd ensemble is solved")?;
    // Outside of any solver.
    let (u, p) = ([Lanes::splat(0.3); 2], [Lanes::splat(1.5); 2]);
    let step = |system: &dyn Dynamics| {
        let (mut slopes, mut next) = ([Lanes::ZERO; 8], [Lanes::ZERO; 2]);
        system.step(Scheme::Rk4, [0.5, 0.1], &u, &p, &mut slopes, &mut next);
        (slopes, next)
    };
    expect(step(&program) == step(&Pendulum), "a step is another one")
}

fn requests_are_large() -> Checked {
    let path = env::temp_dir().join(format!("quintet-requests-{}", std::process::id()));
    for (n, method) in
        [(1000, Method::Rk4(5)), (1000, Method::Tsit5(Tolerance::new(1e-6))), (3, Method::Heun(2))]
    {
        let _ = std::fs::remove_file(&path);
        let program = program(&["well", "0", &path.to_string_lossy()], 60.0)?;
        let (initial, parameters) = members(n);
        let ensemble =
            Ensemble { start: 0.0, times: &TIMES, initial: &initial, parameters: &parameters };
        let evaluations: u64 = program.solve(&ensemble, method)?.evaluations.iter().sum();
        let rows = std::fs::read_to_string(&path)?;
        let rows: Vec<u64> = rows.lines().map(str::parse).collect::<Result<_, _>>()?;
        std::fs::remove_file(&path)?;
        let total: u64 = rows.iter().sum();
        println!(
            "  {n} by {method:?}: {total} rows in {} requests, {evaluations} evaluations",
            rows.len()
        );
        expect(total <= evaluations, format!("{total} rows for {evaluations} evaluations"))?;
        // The one that begins nowhere is not asked for.
        let most = n as u64 - u64::from(n > 5);
        expect(rows.iter().all(|rows| *rows <= most), format!("more than {most} rows"))?;
        expect(rows[0] == most, format!("{} rows at first", rows[0]))?;
    }
    Ok(())
}

fn corrected_alike() -> Checked {
    let program = good()?;
    let ranges = quintet_ode::Ranges {
        initial: vec![[0.1, 1.0], [-0.2, 0.2]],
        parameters: vec![[1.0, 2.0], [0.1, 0.2]],
    };
    let grid = Grid { start: 0.0, step: 0.1, steps: 10 };
    let settings = Settings { demos: 8, held: 20, ..Settings::default() };
    let started = Instant::now();
    let chosen = |system: &dyn Dynamics| {
        let ways = (Ways::Substeps(1), &compile as Teach<'_>);
        let choice = choose(system, (&ranges, grid, 1 << 30), 1e-3, ways, settings)?;
        let compiled = choice.compiled.ok_or("no corrector")?;
        let members = ranges.draw(3, 0..300);
        let fallback = Some((choice.solver, 1e-3));
        let outcome = compiled.solve(system, &members, grid, fallback)?;
        Ok::<_, Box<dyn Error>>((outcome.solution, outcome.bands, outcome.sources))
    };
    let found = chosen(&program)?;
    println!("  corrected in {:.1} s", started.elapsed().as_secs_f64());
    expect(found == chosen(&Pendulum)?, "another outcome")
}

fn failures_are_told() -> Checked {
    let (initial, parameters) = members(100);
    let ensemble =
        Ensemble { start: 0.0, times: &TIMES, initial: &initial, parameters: &parameters };
    for (behaviour, said) in [
        ("crash", &["ended (exit", "with no answer", "it said: the mesh is broken"][..]),
        ("print", &["it wrote \"now solving with the finest of", "print to standard error"]),
        ("short", &["ended (exit", "with 7 of 1584 bytes"]),
        ("few", &["it answered 24 bytes, expected 1584"]),
        ("many", &["after its answer"]),
        ("endless", &["it wrote \"7777"]),
    ] {
        for (at, method) in [(0, Method::Rk4(3)), (4, Method::Tsit5(Tolerance::new(1e-6)))] {
            let program = program(&[behaviour, &at.to_string()], 60.0)?;
            let started = Instant::now();
            let error = program.solve(&ensemble, method).err().ok_or(behaviour)?;
            let text = error.to_string();
            let named = text.contains("simulate") && said.iter().all(|said| text.contains(said));
            // By then some trajectory may have ended.
            expect(named || (at > 0 && text.contains("bytes")), format!("{behaviour}: {text}"))?;
            expect(started.elapsed() < Duration::from_secs(20), format!("{behaviour}: slow"))?;
            // It stays failed, and no step panics.
            expect(program.solve(&ensemble, method) == Err(error), "another error")?;
            let (mut slopes, mut next) = ([Lanes::ZERO; 2], [Lanes::ZERO; 2]);
            let u = [Lanes::ZERO; 2];
            program.step(Scheme::Euler, [0.0, 0.1], &u, &u, &mut slopes, &mut next);
            expect(next[0].0[0].is_nan(), "a step without slopes")?;
        }
    }
    let nowhere = Program::new(program::Settings {
        command: vec!["no-such-simulator".into()],
        directory: PathBuf::new(),
        timeout: Duration::from_secs(1),
        dimension: 2,
        parameters: 2,
    });
    let error = nowhere.solve(&ensemble, Method::Rk4(1)).err().ok_or("solved by nothing")?;
    let text = error.to_string();
    expect(text.contains("there is no program no-such-simulator; install it"), text)
}

fn hanging_is_ended() -> Checked {
    let (initial, parameters) = members(40);
    let ensemble =
        Ensemble { start: 0.0, times: &TIMES, initial: &initial, parameters: &parameters };
    let started = Instant::now();
    let program = program(&["hang", "2"], 0.5)?;
    let error = program.solve(&ensemble, Method::Rk4(3)).err().ok_or("solved")?.to_string();
    drop(program);
    expect(error.contains("no answer within 0.5 s; give it a longer `timeout`"), error)?;
    expect(started.elapsed() < Duration::from_secs(10), "it was waited for")?;
    // None of those that were started is left, not even as a zombie.
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let children =
        threads.filter_map(|of| std::fs::read_to_string(of.path().join("children")).ok());
    let children: String = children.collect();
    expect(children.trim().is_empty(), format!("left: {children}"))
}

fn texts_name_programs() -> Checked {
    let this = env::current_exe()?;
    let text = format!(
        "state = [\"x\", \"v\"]\n[program]\ncommand = [{:?}, \"simulate\", \"well\", \"0\"]\n[initial]\n\
         x = [0.0, 1.0]\nv = 0.0\n[parameters]\na = 1.0\nb = 0.1\n",
        this.to_string_lossy()
    );
    let system = TextSystem::parse(Path::new("pendulum.toml"), &text)?;
    let ensemble =
        Ensemble { start: 0.0, times: &TIMES, initial: &[0.5, 0.0], parameters: &[1.0, 0.1] };
    let found = system.solve(&ensemble, Method::Rk4(5))?;
    expect(found == solve(&Pendulum, &ensemble, Method::Rk4(5))?, "another solution")?;
    expect(found.status == [Status::Finished], "not finished")?;
    let events = "[events]\nturn = { when = \"v\", direction = \"falling\" }\n\
                  back = { when = \"x - 0.52\", stop = false }\n";
    let watched = TextSystem::parse(Path::new("pendulum.toml"), &format!("{text}{events}"))?;
    let within = "[equations]\nx = \"v\"\nv = \"cos(t) - a*sin(x) - b*v\"\n[initial]";
    let (head, _) = text.split_once("[program]").ok_or("no program")?;
    let (_, tail) = text.split_once("[initial]").ok_or("no first states")?;
    let within = TextSystem::parse(Path::new("a.toml"), &format!("{head}{within}{tail}{events}"))?;
    let method = Method::Tsit5(Tolerance::new(1e-8));
    let found = watched.solve(&ensemble, method)?;
    let expected = within.solve(&ensemble, method)?;
    expect(found.crossings == expected.crossings, format!("{:?}", found.crossings))?;
    expect(found.status == [Status::Event(1)] && found.end[0] == found.crossings[1], "no event")?;
    for (from, to, said) in [
        ("command = [", "command = []\nother = [", "unknown field"),
        ("[program]", "[program]\ntimeout = -1.0", "program.timeout: -1 is no time"),
        ("[program]", "[program]\ntimeout = nan", "program.timeout: NaN is no time"),
        ("[program]", "[prgram]", "unknown field"),
    ] {
        let error = TextSystem::parse(Path::new("a.toml"), &text.replacen(from, to, 1));
        let error = error.err().ok_or(said)?.to_string();
        expect(error.starts_with("a.toml: ") && error.contains(said), error)?;
    }
    Ok(())
}
