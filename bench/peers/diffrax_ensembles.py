"""diffrax: batches of `BATCH`, which was the fastest of a few sizes, compiled, on a device for each
thread."""

import os

from ensembles import Asked

asked = Asked()
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={asked.threads}"

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from peer import serve

BATCH = 1000

jax.config.update("jax_enable_x64", True)
term = diffrax.ODETerm(lambda _, u, p: jnp.stack(asked.system.rhs(u, p)))
method = {"tsit5": diffrax.Tsit5, "dopri8": diffrax.Dopri8}[asked.method]()
control = diffrax.PIDController(rtol=asked.tolerance, atol=asked.tolerance)
times = jnp.asarray(asked.times)


def one(u, p):
    return diffrax.diffeqsolve(
        term, method, times[0], times[-1], None, u, p,
        saveat=diffrax.SaveAt(ts=times), stepsize_controller=control, max_steps=100_000, throw=False,
    ).ys


solve = jax.pmap(lambda u, p: jax.lax.map(lambda each: one(*each), (u, p), batch_size=BATCH))
initial, parameters = (np.stack(values) for values in zip(*asked.parts(asked.threads)))


def work():
    found = solve(initial, parameters).block_until_ready()
    return asked.values(found.reshape(len(asked.initial), len(asked.times), -1))


serve(work)
