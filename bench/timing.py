"""Times of several programs that take turns, and what the machine could do at best."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["Machine", "Timing", "interleaved", "measure_machine"]

_PAUSE, _LONG = 0.02, 0.3  # seconds


class Timing(NamedTuple):
    """Seconds of a call over the repeats, and how they were measured."""

    median: float
    minimum: float
    iqr: float
    repeats: int
    calls: int  # within a repeat, of which the mean counts


def _seconds(run: Callable[[], Any], calls: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def interleaved(
    programs: Mapping[str, Callable[[], Any]],
    repeats: int,
    *,
    least: float = 0.005,
    budget: float = 2.5,
    seed: int = 0,
) -> dict[str, Timing]:
    """Times programs in turns: each once before any of them a second time, in a new random order each time.

    Before each turn there is a pause in which threads of the one before, PyTorch's say, fall asleep: they
    would spin beside the next program otherwise. A call that does not count follows, unless it takes long.

    Args:
        programs: what to call; a call returns when it is done.
        repeats: of each program.
        least: seconds that a repeat takes at least; a quicker program is called several times in it.
        budget: seconds for each program; one that would exceed it has fewer repeats, though at least 3. One
            of which a single call exceeds it is called once, without burn-in.
        seed: of the orders.
    """
    calls, counts, quick = {}, {}, {}
    times: dict[str, list[float]] = {name: [] for name in programs}
    for name, run in programs.items():
        typical = _seconds(run)
        if typical > budget:
            calls[name], counts[name], quick[name] = 1, 0, False
            times[name].append(typical)
            continue
        typical = min(_seconds(run) for _ in range(3 if typical < 0.3 else 1))
        quick[name] = typical < _LONG
        calls[name] = max(1, math.ceil(least / typical))
        counts[name] = min(repeats, max(3, int(budget / (typical * calls[name]))))
    random = np.random.default_rng(seed)
    for repeat in range(max(counts.values(), default=0)):
        for name in random.permutation([name for name, count in counts.items() if count > repeat]):
            time.sleep(_PAUSE)
            if quick[name]:
                programs[name]()  # the one before left its arrays in the caches
            times[name].append(_seconds(programs[name], calls[name]))
    return {name: _summary(times[name], calls[name]) for name in programs}


def _summary(times: list[float], calls: int) -> Timing:
    low, high = np.quantile(times, [0.25, 0.75])
    return Timing(statistics.median(times), min(times), float(high - low), len(times), calls)


class Machine(NamedTuple):
    """Rates of the device that JAX uses, the best of several tries."""

    multiply_adds: float  # a second, float32, of a matrix product of 2048 by 2048
    bytes_copied: float  # a second, read and written, of a large array

    def limit(self, multiply_adds: float, bytes_moved: float) -> float:
        """Seconds below which the work cannot be done at these rates."""
        return max(multiply_adds / self.multiply_adds, bytes_moved / self.bytes_copied)


def measure_machine(size: int = 2048, floats: int = 1 << 25, tries: int = 10) -> Machine:
    """The rates, measured now: other processes on the machine lower them as they lower everything else."""
    product = jax.jit(lambda a, b: jnp.matmul(a, b, precision="highest"))
    a = jax.random.normal(jax.random.key(0), (size, size))
    # In place: fresh memory would be cleared by the operating system first, which is not copying.
    renew = jax.jit(lambda x: -x, donate_argnums=0)
    x = jnp.ones(floats)

    def copy() -> None:
        nonlocal x
        x = jax.block_until_ready(renew(x))

    best = lambda run: min(_seconds(run) for _ in range(tries + 1))
    return Machine(size**3 / best(lambda: product(a, a).block_until_ready()), 2 * 4 * floats / best(copy))
