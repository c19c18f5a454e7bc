"""torchode: a batch with steps of its own for each trajectory, in as many processes as there are
threads, each with one; threads that share each operation are slower. `torch.compile` does not get
through the solver's loop in minutes."""

import multiprocessing

import numpy as np
import torch
import torchode
from ensembles import Asked
from peer import serve

asked = Asked()


def rhs(_, u, p):
    return torch.stack(asked.system.rhs(u.unbind(1), p.unbind(1)), 1)


def begin():
    torch.set_num_threads(1)


@torch.no_grad()
def solve(part):
    initial, parameters = map(torch.from_numpy, part)
    term = torchode.ODETerm(rhs, with_args=True)
    method = {"tsit5": torchode.Tsit5}[asked.method](term=term)
    control = torchode.IntegralController(atol=asked.tolerance, rtol=asked.tolerance, term=term)
    times = torch.from_numpy(asked.times).expand(len(initial), -1)
    problem = torchode.InitialValueProblem(y0=initial, t_eval=times)
    return torchode.AutoDiffAdjoint(method, control).solve(problem, args=parameters).ys.numpy()


with multiprocessing.get_context("fork").Pool(asked.threads, begin) as pool:
    serve(lambda: asked.values(np.concatenate(pool.map(solve, asked.parts(asked.threads), chunksize=1))))
