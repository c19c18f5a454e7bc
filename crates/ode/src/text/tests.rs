use super::*;
use crate::{Status, Tolerance, families};

const PENDULUM: &str = r#"
    state = ["x", "v"]
    [equations]
    x = "v"
    v = "-b*v - c*sin(x) + A*cos(omega*t)"
    [initial]
    x = [-0.7, 0.7]
    v = 0.1
    [parameters]
    b = [0.1, 0.2]
    c = [1.0, 2.0]
    A = 0.15
    omega = 1e0
"#;

fn parse(text: &str) -> Result<TextSystem> {
    TextSystem::parse(Path::new("driven.toml"), text)
}

#[test]
fn a_text_is_the_system_it_describes() {
    let system = parse(PENDULUM).unwrap();
    assert_eq!((system.name.as_str(), system.ranges.initial[1]), ("driven", [0.1, 0.1]));
    let names: Vec<&str> = system.parameters.iter().map(String::as_str).collect();
    assert_eq!(names, ["A", "b", "c", "omega"]);
    let family = families::find("driven").unwrap();
    let ours = [0.15, 0.1, 1.5, 1.0, 0.12, 0.2, 1.1, 0.7];
    let theirs = [0.1, 1.5, 0.15, 1.0, 0.2, 1.1, 0.12, 0.7];
    let (times, initial) = ([0.0, 1.0, 5.0], [0.3, 0.1, -0.5, 0.2]);
    let ensemble =
        |parameters| Ensemble { start: 0.0, times: &times, initial: &initial, parameters };
    for method in [Method::Rk4(50), Method::Tsit5(Tolerance::new(1e-9))] {
        let found = system.solve(&ensemble(&ours), method).unwrap();
        let expected = family.system.solve(&ensemble(&theirs), method).unwrap();
        for (found, expected) in found.states.iter().zip(&expected.states) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }
}

#[test]
fn equations_follow_the_rules_of_arithmetic() {
    for (text, expected) in [
        ("2 + 3*4", 14.0),
        ("7 - 3 - 2", 2.0),
        ("8 / 4 / 2", 1.0),
        ("8 / 4 * 2", 4.0),
        ("2*8/4", 4.0),
        ("1 - 2 + 3", 2.0),
        ("-(2^2) + 1 - 2^2", -7.0),
        ("(-2)^2 - (1 + 1)^(3)", -4.0),
        ("2^(3^2)", 512.0),
        ("3 - cos(0)^2", 2.0),
        ("2^-1", 0.5),
        ("1.5e-3 * 2", 3e-3),
        ("exp(0) + sqrt(16) - abs(-2)", 3.0),
        ("(-2)^3 + sign(-4)", -9.0),
        ("max(1, 2) * min(3, 4)", 6.0),
    ] {
        let toml = format!("state = [\"x\"]\n[equations]\nx = \"{text}\"\n[initial]\nx = 0");
        let system = parse(&toml);
        let mut du = vec![Lanes::ZERO];
        let Right::Equations(equations) = system.unwrap().right else { panic!("equations") };
        equations.rhs(Lanes::ZERO, &vec![Lanes::ZERO], &[], &mut du);
        assert_eq!(du[0], Lanes::splat(expected), "{text}");
    }
}

#[test]
fn mistakes_are_named() {
    for (from, to, said) in [
        ("\"v\"\n", "\"v +\"\n", "equations.x: \"v +\" cannot be read"),
        ("*sin(x)", "*-x^2", "two ways at \"-b*v - c*-x^\""),
        ("-b*v", "- (b*v)^2", "two ways"),
        ("-b*v", "b^v ^2", "two ways"),
        ("-b*v", "-sin(b*(v))^2", "two ways"),
        ("*sin(x)", "*sin(q)", "has q, which is no state, parameter or t"),
        ("v = 0.1", "w = 0.1", "initial.w: state has no such component"),
        ("v = 0.1", "", "initial: nothing for v"),
        ("[0.1, 0.2]", "[0.2, 0.1]", "parameters.b: [0.2, 0.1] does not go"),
        ("[0.1, 0.2]", "\"fast\"", "expected a number, or two"),
        ("b = [", "sin = [", "sin means something already"),
        ("b = [", "x = [", "x is there twice"),
        ("state = [", "stat = [", "unknown field `stat`"),
        ("[\"x\", \"v\"]", "[]", "no component"),
        ("[equations]", "[program]\ncommand = [\"a\"]\n[equations]", "one of them is needed"),
        ("[\"x\", \"v\"]", "[\"x\", \"v\", \"2\"]", "\"2\" is no name"),
    ] {
        assert!(PENDULUM.contains(from), "{from}");
        let error = parse(&PENDULUM.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.starts_with("driven.toml: ") && error.contains(said), "{error}");
    }
    let error = TextSystem::load(Path::new("nowhere.toml")).unwrap_err().to_string();
    assert!(error.starts_with("nowhere.toml: "), "{error}");
}

const BALL: &str = r#"
    state = ["x", "v"]
    [equations]
    x = "v"
    v = "-g"
    [initial]
    x = [0.0, 10.0]
    v = [0.0, 10.0]
    [parameters]
    g = [5.0, 15.0]
    [events]
    ground = { when = "x", direction = "falling" }
    never = { when = "x - 1000" }
    top = { when = "v", direction = "falling", stop = false }
    turn = { when = "v", direction = "rising", stop = false }
"#;

/// In lanes with trajectories that end at different times, and more of them than lanes.
#[test]
fn a_falling_ball_hits_the_ground_when_it_should() {
    let system = parse(BALL).unwrap();
    assert_eq!(system.events, ["ground", "never", "top", "turn"]);
    let members = system.ranges.draw(3, 0..40);
    let times: Vec<f64> = (1..=20).map(|i| f64::from(i) * 0.4).collect();
    let ensemble = members.ensemble(0.0, &times);
    let tolerance = Tolerance::new(1e-9);
    for method in [Method::Tsit5(tolerance), Method::Dop853(tolerance), Method::Rodas5p(tolerance)]
    {
        let solution = system.solve(&ensemble, method).unwrap();
        for i in 0..40 {
            let [x, v] = members.initial[2 * i..][..2] else { panic!("two") };
            let g = members.parameters[i];
            let [ground, never, top, turn] = solution.crossings[4 * i..][..4] else {
                panic!("four")
            };
            let expected = (v + (v * v + 2.0 * g * x).sqrt()) / g;
            assert_eq!(solution.status[i], Status::Event(0), "{method:?}");
            assert_eq!(solution.end[i], ground);
            assert!((ground - expected).abs() < 1e-8, "{method:?}: {ground} {expected}");
            assert!((top - v / g).abs() < 1e-8, "{method:?}: {top}");
            assert!(never.is_nan() && turn.is_nan());
            let states = solution.states[40 * i..][..40].chunks(2);
            for (state, time) in states.zip(&times) {
                assert_eq!(state[0].is_nan(), *time > ground);
            }
        }
    }
    let error = system.solve(&ensemble, Method::Rk4(4)).unwrap_err().to_string();
    assert!(error.contains("a method with equal steps cannot watch events"), "{error}");
    for (from, to, said) in [
        ("\"x\", direction", "\"y\", direction", "events.ground: \"y\" has y"),
        ("\"falling\" }", "\"down\" }", "unknown variant `down`, expected one of `rising`"),
        ("stop = false", "halt = false", "unknown field `halt`"),
        ("never =", "g =", "g is there twice"),
        ("never =", "\"no no\" =", "\"no no\" is no name"),
    ] {
        assert!(BALL.contains(from), "{from}");
        let error = parse(&BALL.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.starts_with("driven.toml: ") && error.contains(said), "{error}");
    }
}
