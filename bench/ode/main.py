"""Ensembles of trajectories with parameters and first states of their own, each with its own steps,
against public solvers at equal error; and the rate of drawing tasks for FMint, which has no peer.

All keep the states at the same times. The error is the root mean square of `(u - v) / (1 + |v|)` over
the first `SHOWN` trajectories, where `v` is SciPy's DOP853 at 1e-12. A peer has `tolerance_theirs`, and
we have the greatest tolerance of a grid with which our error is no greater than theirs. Peers that
would take minutes solve `scaled_from` trajectories, and their time is multiplied."""

import json
import math
import subprocess
import sys

import numpy as np
from pair import OURS, PAIRS, ROOT, TARGET, Contestant, build, report, report_alone, rust
from peers.ensembles import SYSTEMS, solve_ivp

COUNT, SHOWN = 100_000, 100
UNIT = f"s for {COUNT} trajectories"
FILES = TARGET / "bench-ensembles"
# Between which values times, first states and parameters are.
RANGES = {
    "lotka-volterra": ((0, 20), [(5, 15)] * 2, [(0.5, 1.5), (0.05, 0.15), (0.05, 0.15), (0.5, 1.5)]),
    "lorenz": ((0, 2), [(-10, 10), (-10, 10), (10, 30)], [(9, 11), (20, 35), (2, 3.3)]),
}
TIMES = 41
EXACT = 1e-12
TOLERANCES = [10 ** (-step / 8) for step in range(16, 97)]
TASKS, TRAJECTORIES, POINTS = 2_000, 6, 50


def python(name):
    return lambda: [sys.executable, ROOT / f"bench/peers/{name}.py"]


def compiled(name):
    return lambda: [rust("ode", name)]


# Our method; the peer and its method, tolerance and trajectories.
PEERS = [
    ("tsit5", "diffsol", "tsit5", 1e-6, COUNT, compiled("diffsol")),
    ("tsit5", "differential-equations", "dopri5", 1e-6, COUNT, compiled("differential_equations")),
    ("dop853", "differential-equations", "dop853", 1e-6, COUNT, compiled("differential_equations")),
    ("tsit5", "diffrax", "tsit5", 1e-6, 20_000, python("diffrax_ensembles")),
    ("dop853", "diffrax", "dopri8", 1e-6, 20_000, python("diffrax_ensembles")),
    ("tsit5", "torchode", "tsit5", 1e-6, 20_000, python("torchode_ensembles")),
    ("tsit5", "scipy", "RK45", 1e-6, 1_000, python("scipy_ensembles")),
    ("dop853", "scipy", "DOP853", 1e-6, 1_000, python("scipy_ensembles")),
]


def draw(system):
    """The folder of the inputs, and the reference: the states of the first trajectories."""
    (first, last), *ranges = RANGES[system]
    folder, rng = FILES / system, np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    values = [np.stack([rng.uniform(low, high, COUNT) for low, high in each], 1) for each in ranges]
    times = np.linspace(first, last, TIMES)
    for name, numbers in zip(["initial", "parameters", "times"], [*values, times]):
        numbers.astype("<f8").tofile(folder / f"{name}.f64")
    initial, parameters = values
    pairs = zip(initial[:SHOWN], parameters[:SHOWN])
    exact = [solve_ivp(SYSTEMS[system].rhs, u, p, times, "DOP853", EXACT) for u, p in pairs]
    return folder, np.array(exact).ravel()


def error(values, exact):
    return math.sqrt(np.mean(((np.array(values) - exact) / (1 + abs(exact))) ** 2))


def ours(system, folder, method, tolerance):
    return Contestant(OURS / "ode", system, folder, method, tolerance, SHOWN)


def tolerance_of(allowed, exact, *work):
    """The greatest tolerance with which our error is allowed, and the error."""
    low, high = 0, len(TOLERANCES) - 1
    while low < high:
        middle = (low + high) // 2
        contestant = ours(*work, TOLERANCES[middle])
        found = error(contestant.run()["values"], exact)
        contestant.end()
        low, high = (low, middle) if found <= allowed else (middle + 1, high)
    return TOLERANCES[low]


def against(system, folder, exact, peer):
    method, name, their_method, their_tolerance, count, command = peer
    some = [count] if count < COUNT else []
    theirs = Contestant(*command(), system, folder, their_method, their_tolerance, SHOWN, *some)
    their_error = error(theirs.run()["values"], exact)
    tolerance = tolerance_of(their_error, exact, system, folder, method)
    contestants = [ours(system, folder, method, tolerance), theirs]
    our_error = error(contestants[0].run()["values"], exact)
    if not our_error <= their_error:
        raise SystemExit(f"{system}: our error is {our_error}, that of {name} {their_error}")
    seconds = ([], [])
    for round in range(PAIRS):
        for side in (0, 1) if round % 2 == 0 else (1, 0):
            seconds[side].append(contestants[side].run()["seconds"])
    for contestant in contestants:
        contestant.end()
    more = {
        "error_ours": float(f"{our_error:.3g}"),
        "error_theirs": float(f"{their_error:.3g}"),
        "tolerance_ours": float(f"{tolerance:.3g}"),
        "tolerance_theirs": their_tolerance,
        "method_theirs": their_method,
    }
    if some:
        more["scaled_from"] = count
    theirs = [value * COUNT / count for value in seconds[1]]
    report(f"ode/{system}-{method}", name, seconds[0], theirs, UNIT, **more)


build()
peak = json.loads(subprocess.run([OURS / "peak"], check=True, capture_output=True, text=True).stdout)
print(json.dumps({"machine": peak}), flush=True)
for system in SYSTEMS:
    drawn = draw(system)
    for peer in PEERS:
        against(system, *drawn, peer)
tasks = Contestant(OURS / "tasks", "lotka-volterra", POINTS, TRAJECTORIES, TASKS)
tasks.run()
seconds = [tasks.run()["seconds"] for _ in range(PAIRS)]
report_alone("ode/fmint-tasks-lotka-volterra", seconds, f"s for {TASKS * TRAJECTORIES} trajectories")
