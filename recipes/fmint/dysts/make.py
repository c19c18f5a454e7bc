#!/usr/bin/env python3
"""Writes forty systems of dysts 0.96 (Gilpin, 2021; Apache-2.0) as files of Quintet, one NAME.toml each:

    pip install dysts==0.96
    QUINTET=target/release/quintet python3 recipes/fmint/dysts/make.py

Equations are written here; parameters, first states and time scales are read from the package. Each
file is then solved by one Euler step from 100 states, with parameters from its ranges, and must find the
slopes that dysts finds.
"""

import csv
import math
import os
import re
import subprocess
import tempfile
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")
import dysts.flows

HERE = Path(__file__).resolve().parent
QUINTET = os.environ.get("QUINTET", HERE.parents[2] / "target/release/quintet")

# How far first states and parameters are drawn: share of the attractor's spread, and of their value.
SHARE = 0.05
# Exponents.
FIXED = {"CaTwoPlus": ("m", "n", "p")}

# A name, and an equation for each component in dysts' order. Forced ones have their phase as the last.
SYSTEMS = """
Lorenz
x = sigma * (y - x)
y = x * (rho - z) - y
z = x * y - beta * z

Chen
x = a * (y - x)
y = (c - a - z) * x + c * y
z = x * y - b * z

Lorenz84
x = a * (f - x) - y^2 - z^2
y = (x - 1) * y - b * x * z + g
z = (x - 1) * z + b * x * y

RikitakeDynamo
x = y * z - mu * x
y = (z - a) * x - mu * y
z = 1 - x * y

Rucklidge
x = (b - z) * y - a * x
y = x
z = y^2 - z

BurkeShaw
x = -n * (x + y)
y = y - n * x * z
z = n * x * y + e

Halvorsen
x = -a * x - b * (y + z) - y^2
y = -a * y - b * (z + x) - z^2
z = -a * z - b * (x + y) - x^2

Dadras
x = y - p * x + o * y * z
y = r * y + z * (1 - x)
z = c * x * y - e * z

NewtonLiepnik
x = y - a * x + 10 * y * z
y = (5 * z - 1) * x - 0.4 * y
z = b * z - 5 * x * y

VallisElNino
x = b * y - c * (x + p)
y = x * z - y
z = 1 - z - x * y

Rossler
x = -y - z
y = x + a * y
z = b + z * (x - c)

SprottA
x = y
y = y * z - x
z = 1 - y^2

SprottB
x = y * z
y = x - y
z = 1 - x * y

SprottE
x = y * z
y = x^2 - y
z = 1 - 4 * x

SprottS
x = -x - 4 * y
y = x + z^2
z = 1 + x

RabinovichFabrikant
x = y * (z - 1 + x^2) + g * x
y = x * (3 * z + 1 - x^2) + g * y
z = -2 * z * (a + x * y)

Aizawa
x = (z - b) * x - d * y
y = d * x + (z - b) * y
z = c + a * z - z^3 / 3 - (x^2 + y^2) * (1 + e * z) + f * z * x^3

Laser
x = a * (y - x) + b * y * z^2
y = x * (c + d * z^2)
z = h * z + k * x^2

KawczynskiStrizhak
x = gamma * (y - x^3 + 3 * mu * x)
y = beta - 2 * mu * x - y - z
z = kappa * (x - z)

Arneodo
x = y
y = z
z = d * x^3 - a * x - b * y - c * z

GenesioTesi
x = y
y = z
z = x^2 - c * x - b * y - a * z

MooreSpiegel
x = y
y = a * z
z = (eps - x^2) * y - b * x - z

Thomas
x = b * sin(y) - a * x
y = b * sin(z) - a * y
z = b * sin(x) - a * z

ArnoldBeltramiChildress
x = a * sin(z) + c * cos(y)
y = b * sin(x) + a * cos(z)
z = c * sin(y) + b * cos(x)

YuWang
x = a * (y - x)
y = x * (b - c * z)
z = exp(x * y) - d * z

HenonHeiles
x = px
y = py
px = -x - 2 * lam * x * y
py = lam * (y^2 - x^2) - y

NuclearQuadrupole
q1 = a * p1
q2 = a * p2
p1 = 3 / sqrt(2) * b * (q1^2 - q2^2) - q1 * (a + d * (q1^2 + q2^2))
p2 = -3 * sqrt(2) * b * q1 * q2 - q2 * (a + d * (q1^2 + q2^2))

SwingingAtwood
r = pr / (m1 + m2)
th = pth / (m1 * r^2)
pr = pth^2 / (m1 * r^3) + 9.82 * (m1 * cos(th) - m2)
pth = -9.82 * m1 * r * sin(th)

HyperRossler
x = -y - z
y = x + a * y + w
z = b + x * z
w = d * w - c * z

HyperLorenz
x = a * (y - x) + w
y = x * (c - z) - y
z = x * y - b * z
w = d * w - x * z

Lorenz96
x1 = (x2 - x3) * x4 - x1 + f
x2 = (x3 - x4) * x1 - x2 + f
x3 = (x4 - x1) * x2 - x3 + f
x4 = (x1 - x2) * x3 - x4 + f

LorenzCoupled
x1 = sigma * (y1 - x1)
y1 = x1 * (rho1 - z1) - y1
z1 = x1 * y1 - beta * z1
x2 = sigma * (y2 - x2) + eps * (x1 - x2)
y2 = x2 * (rho2 - z2) - y2
z2 = x2 * y2 - beta * z2

Hopfield
x1 = (1 - tanh(eps * (x2 + x5 + x6))) / 2 - beta - x1 / tau
x2 = (1 - tanh(eps * (x4 + x5 + x6))) / 2 - beta - x2 / tau
x3 = (1 - tanh(eps * (x1 + x2 + x5))) / 2 - beta - x3 / tau
x4 = (1 - tanh(eps * (x1 + x2 + x3))) / 2 - beta - x4 / tau
x5 = (1 - tanh(eps * (x1 + x2 + x4))) / 2 - beta - x5 / tau
x6 = (1 - tanh(eps * (x2 + x3 + x4))) / 2 - beta - x6 / tau

Duffing
x = y
y = gamma * cos(z) - delta * y - beta * x - alpha * x^3
z = omega

ForcedVanDerPol
x = y
y = mu * (1 - x^2) * y - x + a * sin(z)
z = w

ForcedBrusselator
x = a + x^2 * y - (b + 1) * x + f * cos(z)
y = b * x - x^2 * y
z = w

DoubleGyre
x = -PI * alpha * sin(PI * (x + eps * sin(z) * x * (x - 2))) * cos(PI * y)
y = PI * alpha * cos(PI * (x + eps * sin(z) * x * (x - 2))) * sin(PI * y) * (1 + 2 * eps * sin(z) * (x - 1))
z = omega

HastingsPowell
x = x * (1 - x) - a1 * x * y / (1 + b1 * x)
y = a1 * x * y / (1 + b1 * x) - a2 * y * z / (1 + b2 * y) - d1 * y
z = a2 * y * z / (1 + b2 * y) - d2 * z

CaTwoPlus
z = V0 + V1 * beta - PUMP + RELEASE + kf * y - k * z
y = PUMP - RELEASE - kf * y
a = beta * V4 - Vm5 * a^p / (K5^p + a^p) * z^n / (Kd^n + z^n) - eps * a

HindmarshRose
x = (y + z + b * x^2 - a * x^3) / tx - x
y = z - a * x^3 - (d - b) * x^2
z = (c - s * x - z) / tz
"""
# Fluxes of CaTwoPlus into and out of its store, which two equations share.
FLUXES = {
    "PUMP": "Vm2 * z^2 / (K2^2 + z^2)",
    "RELEASE": "Vm3 * z^m / (Kz^m + z^m) * y^2 / (Ky^2 + y^2) * a^4 / (Ka^4 + a^4)",
}


def write(name, equations, model):
    """The file; returns the ranges of first states and of parameters."""
    period = 2 * math.pi
    first = [u % period if i in model.unbounded_indices else u for i, u in enumerate(model.ic)]
    used = set(re.findall(r"\w+", " ".join(equations.values())))
    initial, parameters = {}, {}
    for state, u, spread in zip(equations, first, model.std, strict=True):
        initial[state] = [float(f"{u + side * SHARE * spread:.6g}") for side in (-1, 1)]
    for parameter in sorted(used & model.params.keys()):
        value = float(model.params[parameter])
        share = 0 if parameter in FIXED.get(name, ()) else SHARE * abs(value)
        parameters[parameter] = [float(f"{value + side * share:.6g}") for side in (-1, 1)]
    table = lambda rows: "".join(f"{key} = {value}\n" for key, value in rows.items())
    numbers = lambda rows: table({key: a if a == b else [a, b] for key, (a, b) in rows.items()})
    text = (
        f"# {name} of dysts: {' '.join(model.citation.split())}\n"
        f"state = {str(list(equations)).replace(chr(39), chr(34))}\n"
        f"time = [0.0, {model.period:.6g}] # one period of the dominant frequency\n\n"
        f"[equations]\n{table({state: chr(34) + text + chr(34) for state, text in equations.items()})}\n"
        f"[initial]\n{numbers(initial)}"
    )
    if parameters:
        text += f"\n[parameters]\n{numbers(parameters)}"
    (HERE / f"{name}.toml").write_text(text)
    return initial, parameters


def check(name, model, initial, parameters, directory):
    """Compares slopes with dysts'; returns the greatest difference, relative to 1 + their size."""
    random = np.random.default_rng(0)
    members, theirs = [], []
    for _ in range(100):
        u = np.mean(list(initial.values()), axis=1) + model.std * random.uniform(-1, 1, len(initial))
        for parameter, ends in parameters.items():
            model.params[parameter] = random.uniform(*ends)
        vars(model).update(model.params)
        model.param_list = [model.params[key] for key in sorted(model.params)]
        members.append([*u, *(model.params[parameter] for parameter in parameters)])
        theirs.append(model.rhs(u, 0.0))
    first, last = directory / "first.csv", directory / "last.csv"
    with first.open("w") as file:
        csv.writer(file).writerows([[*initial, *parameters], *members])
    step = ["--method", "euler:1", "--start", "0", "--end", "1", "--points", "1"]
    files = ["--initial", first, "--out", last]
    solve = [QUINTET, "ode", "solve", HERE / f"{name}.toml", *step, *files]
    subprocess.run(solve, check=True, stdout=subprocess.DEVNULL)
    rows = np.loadtxt(last, delimiter=",", skiprows=1).reshape(len(members), 2, -1)[:, :, 2:]
    ours, theirs = rows[:, 1] - rows[:, 0], np.array(theirs, dtype=float)
    return np.max(np.abs(ours - theirs) / (1 + np.abs(theirs)))


blocks = [block.splitlines() for block in SYSTEMS.strip().split("\n\n")]
assert len(blocks) == 40
with tempfile.TemporaryDirectory() as directory:
    for name, *lines in blocks:
        equations = dict(line.split(" = ") for line in lines)
        for word, flux in FLUXES.items():
            equations = {state: text.replace(word, flux) for state, text in equations.items()}
        model = getattr(dysts.flows, name)()
        initial, parameters = write(name, equations, model)
        difference = check(name, model, initial, parameters, Path(directory))
        print(f"{name:<24} {difference:.1e}")
        if not difference < 1e-10:
            raise SystemExit(f"{name}: slopes differ from those of dysts")
