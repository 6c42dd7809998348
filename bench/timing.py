"""Times of several programs that take turns, and the rates that the machine can reach."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_PAUSE, _LONG = 0.02, 0.3  # seconds


class Timing(NamedTuple):
    """Seconds of a call over the repeats, and how often it was called."""

    median: float
    minimum: float
    iqr: float
    repeats: int
    calls: int  # in a repeat, whose time is their mean


def _seconds(run: Callable[[], Any], calls: int = 1) -> float:
    """Return the mean seconds of a call."""
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
    """Time programs in turns: each round calls every program once, in a new random order.

    Before each turn there is a pause, in which the threads of the previous program fall asleep; those of
    PyTorch would spin beside the next program. Then a call that does not count follows, unless it is slow.

    Args:
        programs: calls by name; a call returns when its work is done.
        repeats: repeats of each program.
        least: seconds of a repeat at least; a fast program is called several times in a repeat.
        budget: seconds for each program. A program that would exceed it has fewer repeats, at least 3. If a
            single call exceeds it, the program is called once, without burn-in.
        seed: of the random orders.
    """
    calls, counts, is_fast = {}, {}, {}
    times: dict[str, list[float]] = {name: [] for name in programs}
    for name, run in programs.items():
        typical = _seconds(run)
        if typical > budget:
            calls[name], counts[name], is_fast[name] = 1, 0, False
            times[name].append(typical)
            continue
        typical = min(_seconds(run) for _ in range(3 if typical < 0.3 else 1))
        is_fast[name] = typical < _LONG
        calls[name] = max(1, math.ceil(least / typical))
        counts[name] = min(repeats, max(3, int(budget / (typical * calls[name]))))
    random = np.random.default_rng(seed)
    for repeat in range(max(counts.values(), default=0)):
        for name in random.permutation([name for name, count in counts.items() if count > repeat]):
            time.sleep(_PAUSE)
            if is_fast[name]:
                programs[name]()  # the previous program left its arrays in the caches
            times[name].append(_seconds(programs[name], calls[name]))
    return {name: _summary(times[name], calls[name]) for name in programs}


def _summary(times: list[float], calls: int) -> Timing:
    """Summarize the seconds of the repeats."""
    low, high = np.quantile(times, [0.25, 0.75])
    return Timing(statistics.median(times), min(times), float(high - low), len(times), calls)


class Machine(NamedTuple):
    """Rates of the device that JAX uses, the best of several tries."""

    multiply_adds: float  # a second, float32, in a matrix product of 2048 by 2048
    bytes_copied: float  # a second, read and written, of a large array

    def limit(self, multiply_adds: float, bytes_moved: float) -> float:
        """Return the least seconds for this work at these rates."""
        return max(multiply_adds / self.multiply_adds, bytes_moved / self.bytes_copied)


def measure_machine(size: int = 2048, floats: int = 1 << 25, tries: int = 10) -> Machine:
    """Measure the rates now: other processes slow them down as much as everything else."""
    product = jax.jit(lambda a, b: jnp.matmul(a, b, precision="highest"))
    a = jax.random.normal(jax.random.key(0), (size, size))
    # In place: the operating system clears new memory first, and that is not copying.
    negate = jax.jit(lambda x: -x, donate_argnums=0)
    x = jnp.ones(floats)

    def copy() -> None:
        nonlocal x
        x = jax.block_until_ready(negate(x))

    best = lambda run: min(_seconds(run) for _ in range(tries + 1))
    return Machine(size**3 / best(lambda: product(a, a).block_until_ready()), 2 * 4 * floats / best(copy))
