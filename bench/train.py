"""How fast are training steps, beside the same tagger in PyTorch (bench/peers/tagger.py)?

Both train on the same batches in the same order, drawn as a run draws them, in turns of one process: a
block of steps of ours, one of the peer's, and again. Batches are assembled within the timed blocks; on a
GPU other processes do so for both, and are some ten batches ahead as a block begins. Every program is
compiled, and every batch shape seen, before the first block. Where the config's data is absent, data of the
same sizes is made up (bench/synthetic.py).

The rate of arithmetic counts what the model needs for the words that are there (``multiply_adds`` in
bench/step_costs.py) and is set against a measured matrix product. Peak memory is that of the
process: first of ours alone, data included, then with the peer. The parts of a step are of ours.

    python bench/train.py --data_root ../shared/data --steps 200
"""

import argparse
import collections
import json
import resource
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
from report import environment
from step_costs import multiply_adds, step_parts
from synthetic import load_with_data
from timing import interleaved, measure_machine

from mlmt_jax.batches.prefetch import PrefetchedBatches, default_workers
from mlmt_jax.batches.transfer import FlatBatch, unflatten
from mlmt_jax.cli.environment import keep_freed_memory
from mlmt_jax.training.plan import plan_steps
from mlmt_jax.training.replica_group import ReplicaGroup
from mlmt_jax.training.setup import Setup, fresh_state, prepare
from mlmt_jax.training.tables import table
from mlmt_jax.types import Batch, Params

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = 5


def planned_batches(
    setup: Setup, place: Callable[[Any], Any] = lambda batch: batch, workers: int | None = None
) -> PrefetchedBatches:
    """Return the batches of a run from its first step on; ``workers`` as for ``PrefetchedBatches``."""
    plan = plan_steps(setup.weights, 0, dict.fromkeys(setup.model.tasks, 0))
    return PrefetchedBatches([setup.batches], plan, lambda batches: place(batches[0]), workers)


class Ours:
    """The steps of the training loop."""

    def __init__(self, setup: Setup):
        self._group = ReplicaGroup([setup])
        self._state = self._group.stack([fresh_state(setup)])

    def step(self, name: str, batch: Batch | FlatBatch) -> jax.Array:
        """One step, which may still be under way when this returns; gives the loss to be."""
        self._state, metrics = self._group.step(self._state, name, batch)
        return metrics.loss

    def place(self, batch: Batch | FlatBatch) -> Batch | FlatBatch:
        """A batch where a step wants it."""
        return self._group.place(batch)

    @property
    def params(self) -> Params:
        """The parameters as they are, word tables with what they owe."""
        return self._group.states(self._state)[0].params

    def wait(self) -> None:
        """Returns when all steps are done."""
        jax.block_until_ready(self._state)


class Peer:
    """The PyTorch peer, from the same parameters."""

    def __init__(self, setup: Setup, params: Any):
        # Loaded here, not above, so that the peak memory of ours is measured without it.
        from peers.tagger_weights import build_trainers

        self.trainers = build_trainers(setup.config, setup.model, params)

    def place(self, batch: Batch | FlatBatch) -> Batch:
        """The batch on the host: a step moves what it needs."""
        return unflatten(batch) if isinstance(batch, FlatBatch) else batch

    def step(self, name: str, batch: Batch) -> float:
        """One step; gives its loss."""
        return self.trainers[name].train_step(batch)

    def wait(self) -> None:
        """A step of the peer is done when it returns."""


def _shape(batch: Batch) -> tuple[int, ...]:
    """Sentences, their places, packed words, distinct words, characters."""
    arrays = batch.word_ids, batch.words.row_index, batch.words.chars
    return (*np.shape(batch.sentences.packed_index), *map(len, arrays))


def shapes(setup: Setup, steps: int) -> dict[tuple[str, tuple[int, ...]], list[Batch]]:
    """The batches of the first steps by task model and shape."""
    found = collections.defaultdict(list)
    for step, batch in islice(planned_batches(setup), steps):
        found[step.task, _shape(batch)].append(batch)
    return found


def burn_in(side: Ours | Peer, batches: dict[tuple[str, tuple[int, ...]], list[Batch]]) -> float:
    """Two steps of each shape; seconds that the first ones took longer than the second ones."""
    extra = 0.0
    for (name, _), several in batches.items():
        times = []
        for batch in (several * 2)[:2]:
            before = time.perf_counter()
            side.step(name, batch)
            side.wait()
            times.append(time.perf_counter() - before)
        extra += times[0] - times[1]
    return extra


def compile_peer(setup: Setup, start: Any, steps: int, limit: float) -> tuple[Peer, float] | None:
    """A peer with ``torch.compile``, and seconds of its first run through all batches; None beyond the limit.

    It compiles for sizes, not shapes: batches of one shape of ours may be several programs of its.
    """
    side, started = Peer(setup, start), time.perf_counter()
    for trainer in side.trainers.values():
        trainer.compile()
    for step, batch in islice(planned_batches(setup), steps):
        side.step(step.task, batch)
        if time.perf_counter() - started > limit:
            return None
    return side, time.perf_counter() - started


def timed_block(side: Ours | Peer, batches: PrefetchedBatches, steps: int) -> tuple[float, float]:
    """Seconds of so many steps, and their mean loss."""
    started = time.perf_counter()
    losses = [side.step(step.task, batch) for step, batch in islice(batches, steps)]
    side.wait()
    seconds = time.perf_counter() - started
    return seconds, float(np.mean([float(loss) for loss in losses]))


def peak_mebibytes() -> float:
    """Peak memory of this process so far, that of a device of its own not counted."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_parts(setup: Setup, ours: Ours, batches: dict[Any, list[Batch]], steps: int) -> dict[str, Any]:
    """Milliseconds of the parts of a step, on a batch of the most frequent task model and shape."""
    (name, shape), several = max(batches.items(), key=lambda item: len(item[1]))
    batch, planned = several[0], planned_batches(setup)
    started = time.perf_counter()
    for _ in range(steps):
        next(planned)
    host = (time.perf_counter() - started) / steps
    task, optimizer = setup.model.tasks[name], setup.optimizers[name]
    parts = step_parts(task, optimizer, ours.params, batch, jax.random.key(0))

    def whole() -> None:
        ours.step(name, batch)
        ours.wait()

    timings = interleaved({**parts, "whole step": whole}, 20)
    seconds = {"draw and assemble the batch": host} | {part: t.median for part, t in timings.items()}
    return {
        "task": name,
        "shape": list(shape),
        "milliseconds": {part: round(1e3 * x, 3) for part, x in seconds.items()},
    }


def measure(setup: Setup, steps: int, *, compiled: bool, limit: float) -> dict[str, Any]:
    """All figures of the bench, as JSON."""
    batches = shapes(setup, steps)
    ours = Ours(setup)
    start = jax.device_get(ours.params)
    results: dict[str, Any] = {"compile seconds": {"ours": burn_in(ours, batches)}}
    results |= {"programs": len(batches), "peak MiB": {"ours": peak_mebibytes()}}
    sides: dict[str, Ours | Peer] = {"ours": ours, "PyTorch": Peer(setup, start)}
    burn_in(sides["PyTorch"], batches)
    if compiled:
        try:
            found = compile_peer(setup, start, steps, limit)
            failed = f"not through with all batches after {limit:.0f} s"
        except Exception as error:  # whatever it is, the other figures stand
            found, failed = None, f"{type(error).__name__}: {str(error).splitlines()[0]}"
        if found is None:
            results["torch.compile failed"] = failed
            print(f"torch.compile: {failed}; left out")
        else:
            sides["torch.compile"], results["compile seconds"]["torch.compile"] = found
    planned = {
        name: planned_batches(setup, side.place, default_workers(jax.default_backend()))
        for name, side in sides.items()
    }
    blocks: dict[str, list[float]] = {name: [] for name in sides}
    losses: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(BLOCKS):
        for name, side in sides.items():
            seconds, loss = timed_block(side, planned[name], steps // BLOCKS)
            blocks[name].append(seconds)
            losses[name].append(loss)
    for prefetched in planned.values():
        prefetched.close()
    results["peak MiB"]["all"] = peak_mebibytes()
    if used := (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use"):
        results["peak MiB"]["ours, of the device"] = used / 2**20
    work = np.zeros((BLOCKS, 3))  # sentences, words, multiply-adds
    counted = planned_batches(setup)
    for row in work:
        for step, batch in islice(counted, steps // BLOCKS):
            row += (
                np.sum(batch.sentences.lengths > 0),
                np.sum(batch.sentences.lengths),
                multiply_adds(setup.model.tasks[step.task], batch),
            )
    rate = 2 * measure_machine().multiply_adds
    results["matmul GFLOP/s"] = rate / 1e9
    for name in sides:
        seconds = np.array(blocks[name])
        operations = 6 * work[:, 2] / seconds
        results[name] = {
            "steps/s": float(np.median(steps // BLOCKS / seconds)),
            "sentences/s": float(np.median(work[:, 0] / seconds)),
            "words/s": float(np.median(work[:, 1] / seconds)),
            "GFLOP/s": float(np.median(operations)) / 1e9,
            "of matmul rate": float(np.median(operations)) / rate,
            "time / ours": float(np.median(seconds / blocks["ours"])),
            "block seconds": blocks[name],
            "block losses": losses[name],
        }
    results["parts"] = measure_parts(setup, ours, batches, steps)
    return results


def show(results: dict[str, Any]) -> None:
    """Prints the tables."""
    sides = [name for name in ("ours", "PyTorch", "torch.compile") if name in results]
    columns = ("steps/s", "sentences/s", "words/s", "GFLOP/s", "of matmul rate", "time / ours")
    print(
        table(("", *columns), [(name, *(f"{results[name][key]:.3g}" for key in columns)) for name in sides])
    )
    for key in ("programs", "compile seconds", "peak MiB", "matmul GFLOP/s"):
        print(f"{key}: {results[key]}")
    parts = results["parts"]
    print(f"\none step of {parts['task']}; [B, n, P, U, C] = {parts['shape']}")
    print(table(("part", "ms"), [(part, f"{x:.2f}") for part, x in parts["milliseconds"].items()]))


def main() -> None:
    """Measures, prints the tables and writes them with all blocks."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "masakhane_xho.json")
    parser.add_argument("--data_root", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--steps", type=int, default=200, help=f"of each side, in {BLOCKS} blocks")
    parser.add_argument("--compile", action="store_true", help="measure the peer with torch.compile as well")
    parser.add_argument("--compile_limit", type=float, default=300.0, help="seconds it may burn in")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "train.json")
    args = parser.parse_args()
    keep_freed_memory()  # as the command line does; the peer gains from it as well
    with tempfile.TemporaryDirectory() as folder:
        config, real = load_with_data(args.config, args.data_root, Path(folder))
        setup = prepare(config)
        results = measure(setup, args.steps, compiled=args.compile, limit=args.compile_limit)
    results["data"] = "real" if real else "made up"
    results |= environment(("mlmt-jax", "jax", "jaxlib", "flax", "optax", "numpy", "torch", "pytorch-crf"))
    show(results)
    args.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
