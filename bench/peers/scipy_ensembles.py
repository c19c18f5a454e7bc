"""SciPy: one trajectory after the other, in as many processes as there are threads."""

import multiprocessing

import numpy as np
from ensembles import Asked, solve_ivp
from peer import serve

asked = Asked()


def solve(part):
    rhs, times = asked.system.rhs, asked.times
    return [solve_ivp(rhs, u, p, times, asked.method, asked.tolerance) for u, p in zip(*part)]


with multiprocessing.get_context("fork").Pool(asked.threads) as pool:
    serve(lambda: asked.values(np.concatenate(pool.map(solve, asked.parts(asked.threads), chunksize=1))))
