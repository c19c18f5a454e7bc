"""What the peers that solve ensembles share. They are started with `SYSTEM FOLDER METHOD TOLERANCE
SHOWN`, as `bench/ours/src/bin/ode.rs`, and `COUNT` where they solve the first trajectories only."""

import os
import sys
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np


class System(NamedTuple):
    dimension: int
    parameters: int
    # The components of du/dt, of those of u and p.
    rhs: Callable


def lotka_volterra(u, p):
    x, y = u
    alpha, beta, delta, gamma = p
    return alpha * x - beta * x * y, delta * x * y - gamma * y


def lorenz(u, p):
    x, y, z = u
    sigma, rho, beta = p
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


SYSTEMS = {
    "lotka-volterra": System(2, 4, lotka_volterra),
    "lorenz": System(3, 3, lorenz),
}


class Asked:
    def __init__(self):
        system, folder, self.method, tolerance, shown, *count = sys.argv[1:]
        self.system, self.tolerance = SYSTEMS[system], float(tolerance)
        self.shown, count = int(shown), int(count[0]) if count else None
        numbers = lambda name: np.fromfile(Path(folder) / f"{name}.f64", "<f8")
        self.initial = numbers("initial").reshape(-1, self.system.dimension)[:count]
        self.parameters = numbers("parameters").reshape(-1, self.system.parameters)[:count]
        self.times = numbers("times")
        self.threads = int(os.environ["OMP_NUM_THREADS"])

    def parts(self, count):
        """Inputs in parts."""
        both = (np.array_split(values, count) for values in (self.initial, self.parameters))
        return list(zip(*both))

    def values(self, states):
        """What is reported of states `[n, times, d]`."""
        return np.asarray(states[: self.shown]).ravel().tolist()


def solve_ivp(rhs, initial, parameters, times, method, tolerance):
    """One trajectory, `[times, d]`, by SciPy."""
    from scipy.integrate import solve_ivp

    parameters = tuple(parameters.tolist())
    found = solve_ivp(
        lambda _, u: rhs(u.tolist(), parameters), times[[0, -1]], initial, method, times,
        rtol=tolerance, atol=tolerance,
    )
    return found.y.T
