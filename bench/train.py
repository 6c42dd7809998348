"""Benchmark of training: how fast are steps, beside the same tagger in PyTorch (bench/peers/tagger.py)?

Measured: steps, sentences and words per second, the rate of arithmetic, peak memory, and the milliseconds of
each part of a step of mlmt_jax ("ours"). The rate of arithmetic counts what the model needs for the words of
the sentences, without padding (``multiply_adds`` in bench/step_costs.py), and is compared with the measured
rate of a matrix product. Peak memory is that of the process: first of ours alone, data included, then with
the peer.

How: both train on the same batches, in the order of a run. They take turns within one process: a block of
steps of ours, the same steps of the peer's. Batches are assembled within the blocks; on a GPU by worker
processes, about ten batches ahead. Before the first block, every program is compiled and every batch shape is
used. If the data of the config is missing, synthetic data of the same sizes is used (bench/synthetic.py).

    python bench/train.py --data_root ../shared/data --steps 200
"""

import collections
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
from memory import device_peak_mebibytes, peak_mebibytes
from report import argument_parser, environment, write_results
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

BLOCKS = 5

#: The batches of some steps, by task model and shape.
BatchesByShape = Mapping[tuple[str, tuple[int, ...]], Sequence[Batch]]


def planned_batches(
    setup: Setup, place: Callable[[Any], Any] = lambda batch: batch, workers: int | None = None
) -> PrefetchedBatches:
    """Return the batches of a run from its first step on; ``workers`` as for ``PrefetchedBatches``."""
    plan = plan_steps(setup.weights, 0, dict.fromkeys(setup.model.tasks, 0))
    return PrefetchedBatches([setup.batches], plan, lambda batches: place(batches[0]), workers)


class JaxTraining:
    """A run of mlmt_jax that trains any batches."""

    def __init__(self, setup: Setup):
        self._group = ReplicaGroup([setup])
        self._state = self._group.stack([fresh_state(setup)])

    def step(self, task: str, batch: Batch | FlatBatch) -> jax.Array:
        """Start a step of a task model and return its loss, which may not be computed yet."""
        self._state, metrics = self._group.step(self._state, task, batch)
        return metrics.loss

    def place(self, batch: Batch | FlatBatch) -> Batch | FlatBatch:
        """Return a batch as ``step`` takes it."""
        return self._group.place(batch)

    @property
    def params(self) -> Params:
        """Parameters after the last step; updates of word rows may be pending."""
        return self._group.states(self._state)[0].params

    def wait(self) -> None:
        """Wait for all steps."""
        jax.block_until_ready(self._state)


class TorchTraining:
    """A run of the PyTorch peer, from the same parameters."""

    def __init__(self, setup: Setup, params: Params):
        # Imported here, so that the peak memory of ours is measured without PyTorch.
        from peers.tagger_weights import build_trainers

        self.trainers = build_trainers(setup.config, setup.model, params)

    def place(self, batch: Batch | FlatBatch) -> Batch:
        """Return a batch on the host: a step moves the arrays that it needs."""
        return unflatten(batch) if isinstance(batch, FlatBatch) else batch

    def step(self, task: str, batch: Batch) -> float:
        """Train one step of a task model and return its loss."""
        return self.trainers[task].train_step(batch)

    def wait(self) -> None:
        """Do nothing: a step has ended when it returns."""


Training = JaxTraining | TorchTraining


def _shape(batch: Batch) -> tuple[int, ...]:
    """Return the shape (B, n, P, U, C) of a batch."""
    arrays = batch.word_ids, batch.words.row_index, batch.words.chars
    return (*np.shape(batch.sentences.packed_index), *map(len, arrays))


def batches_by_shape(setup: Setup, steps: int) -> BatchesByShape:
    """Return the batches of the first steps of a run, by task model and shape."""
    batches = collections.defaultdict(list)
    for step, batch in islice(planned_batches(setup), steps):
        batches[step.task, _shape(batch)].append(batch)
    return batches


def burn_in(training: Training, batches: BatchesByShape) -> float:
    """Train two steps of each shape; return the seconds by which the first ones were slower."""
    extra = 0.0
    for (task, _), same_shape in batches.items():
        times = []
        for batch in (*same_shape, *same_shape)[:2]:
            before = time.perf_counter()
            training.step(task, batch)
            training.wait()
            times.append(time.perf_counter() - before)
        extra += times[0] - times[1]
    return extra


def compile_peer(setup: Setup, params: Params, steps: int, limit: float) -> tuple[TorchTraining, float]:
    """Build a peer with ``torch.compile``, and train it on all batches once.

    PyTorch compiles for sizes, not for our shapes: batches of one shape may need several programs.

    Args:
        setup: setup of the run.
        params: parameters to begin with.
        steps: number of batches.
        limit: seconds that this may take.

    Returns:
        The peer, and the seconds that it took.

    Raises:
        TimeoutError: if it takes longer than ``limit``.
    """
    training, started = TorchTraining(setup, params), time.perf_counter()
    for trainer in training.trainers.values():
        trainer.compile()
    for step, batch in islice(planned_batches(setup), steps):
        training.step(step.task, batch)
        if time.perf_counter() - started > limit:
            raise TimeoutError(f"not all batches were trained after {limit:.0f} s")
    return training, time.perf_counter() - started


def time_block(training: Training, batches: PrefetchedBatches, steps: int) -> tuple[float, float]:
    """Train the next steps; return the seconds and the mean loss, in nats per sentence."""
    started = time.perf_counter()
    losses = [training.step(step.task, batch) for step, batch in islice(batches, steps)]
    training.wait()
    seconds = time.perf_counter() - started
    return seconds, float(np.mean([float(loss) for loss in losses]))


def time_blocks(
    sides: Mapping[str, Training], setup: Setup, steps: int
) -> dict[str, list[tuple[float, float]]]:
    """Time ``BLOCKS`` blocks of ``steps`` steps of each side in turns: (seconds, mean loss) of each."""
    workers = default_workers(jax.default_backend())
    batches = {name: planned_batches(setup, side.place, workers) for name, side in sides.items()}
    blocks: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(BLOCKS):
        for name, side in sides.items():
            blocks[name].append(time_block(side, batches[name], steps))
    for prefetched in batches.values():
        prefetched.close()
    return blocks


def count_work(setup: Setup, steps: int) -> np.ndarray:
    """Count sentences, words and multiply-adds of each block of ``steps`` steps, (BLOCKS, 3)."""
    work, batches = np.zeros((BLOCKS, 3)), planned_batches(setup)
    for block in work:
        for step, batch in islice(batches, steps):
            lengths = batch.sentences.lengths
            block += np.sum(lengths > 0), np.sum(lengths), multiply_adds(setup.model.tasks[step.task], batch)
    return work


def measure_parts(setup: Setup, training: JaxTraining, batches: BatchesByShape, steps: int) -> dict[str, Any]:
    """Measure the milliseconds of each part of a step, on a batch of the most frequent task model and shape.

    Args:
        setup: setup of the run.
        training: the run, whose parameters are used.
        batches: batches by task model and shape.
        steps: number of batches that are assembled to time that.
    """
    (name, shape), same_shape = max(batches.items(), key=lambda item: len(item[1]))
    batch, planned = same_shape[0], planned_batches(setup)
    started = time.perf_counter()
    for _ in range(steps):
        next(planned)
    assembling = (time.perf_counter() - started) / steps
    task, optimizer = setup.model.tasks[name], setup.optimizers[name]
    parts = step_parts(task, optimizer, training.params, batch, jax.random.key(0))

    def whole_step() -> None:
        training.step(name, batch)
        training.wait()

    timings = interleaved({**parts, "whole step": whole_step}, 20)
    seconds = {"draw and assemble the batch": assembling} | {part: t.median for part, t in timings.items()}
    return {
        "task": name,
        "shape": list(shape),
        "milliseconds": {part: round(1e3 * x, 3) for part, x in seconds.items()},
    }


def measure(setup: Setup, steps: int, *, compiled: bool, limit: float) -> dict[str, Any]:
    """Return all figures of this bench.

    Args:
        setup: setup of the run.
        steps: number of steps, in ``BLOCKS`` blocks.
        compiled: measure the peer with ``torch.compile`` too.
        limit: seconds that ``torch.compile`` may take.
    """
    batches, training = batches_by_shape(setup, steps), JaxTraining(setup)
    params = jax.device_get(training.params)
    results: dict[str, Any] = {"compile seconds": {"ours": burn_in(training, batches)}}
    results |= {"programs": len({shape for _, shape in batches}), "peak MiB": {"ours": peak_mebibytes()}}
    sides: dict[str, Training] = {"ours": training, "PyTorch": TorchTraining(setup, params)}
    burn_in(sides["PyTorch"], batches)
    if compiled:
        try:
            sides["torch.compile"], seconds = compile_peer(setup, params, steps, limit)
            results["compile seconds"]["torch.compile"] = seconds
        except Exception as error:  # any failure leaves the other figures valid
            failure = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            results["torch.compile failed"] = failure
            print(f"torch.compile: {failure}; it is not measured")
    blocks = time_blocks(sides, setup, steps // BLOCKS)
    results["peak MiB"]["all"] = peak_mebibytes()
    if peak := device_peak_mebibytes():
        results["peak MiB"]["ours, of the device"] = peak
    work = count_work(setup, steps // BLOCKS)
    rate = 2 * measure_machine().multiply_adds
    results["matmul GFLOP/s"] = rate / 1e9
    reference = np.array([seconds for seconds, _ in blocks["ours"]])
    for name, timed in blocks.items():
        seconds = np.array([seconds for seconds, _ in timed])
        operations = 6 * work[:, 2] / seconds
        results[name] = {
            "steps/s": float(np.median(steps // BLOCKS / seconds)),
            "sentences/s": float(np.median(work[:, 0] / seconds)),
            "words/s": float(np.median(work[:, 1] / seconds)),
            "GFLOP/s": float(np.median(operations)) / 1e9,
            "of matmul rate": float(np.median(operations)) / rate,
            "time / ours": float(np.median(seconds / reference)),
            "block seconds": list(seconds),
            "block losses": [loss for _, loss in timed],
        }
    results["parts"] = measure_parts(setup, training, batches, steps)
    return results


def show(results: Mapping[str, Any]) -> None:
    """Print the tables."""
    sides = [name for name in ("ours", "PyTorch", "torch.compile") if name in results]
    columns = ("steps/s", "sentences/s", "words/s", "GFLOP/s", "of matmul rate", "time / ours")
    rows = [(name, *(f"{results[name][key]:.3g}" for key in columns)) for name in sides]
    print(table(("", *columns), rows))
    for key in ("programs", "compile seconds", "peak MiB", "matmul GFLOP/s"):
        print(f"{key}: {results[key]}")
    parts = results["parts"]
    print(f"\none step of {parts['task']}; [B, n, P, U, C] = {parts['shape']}")
    print(table(("part", "ms"), [(part, f"{x:.2f}") for part, x in parts["milliseconds"].items()]))


def main() -> None:
    """Measure, print the tables and write the results with all blocks."""
    parser = argument_parser(__doc__, "train.json")
    parser.add_argument("--steps", type=int, default=200, help=f"steps of each side, in {BLOCKS} blocks")
    parser.add_argument("--compile", action="store_true", help="measure the peer with torch.compile as well")
    parser.add_argument("--compile_limit", type=float, default=300.0, help="seconds torch.compile may take")
    args = parser.parse_args()
    keep_freed_memory()  # as the command line does; the peer gains from it as well
    with tempfile.TemporaryDirectory() as folder:
        config, is_real = load_with_data(args.config, args.data_root, Path(folder))
        setup = prepare(config)
        results = measure(setup, args.steps, compiled=args.compile, limit=args.compile_limit)
    results["data"] = "real" if is_real else "made up"
    results |= environment(("mlmt-jax", "jax", "jaxlib", "flax", "optax", "numpy", "torch", "pytorch-crf"))
    show(results)
    write_results(args.output, results)


if __name__ == "__main__":
    main()
