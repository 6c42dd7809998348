"""Benchmark of vocabularies: does the cost of a training step grow with the vocabulary?

Measured: milliseconds of a step of the target, the memory that it allocates in addition to its state (XLA's
temporary buffers), and the size of the state, for word tables of several sizes. Ratios are to the smallest
one.

How: the runs take turns within one process, on the same batches.

    python bench/vocabulary.py --data_root ../shared/data
"""

import tempfile
from functools import partial
from pathlib import Path

import jax
import numpy as np
from report import argument_parser, environment, write_results
from synthetic import load_with_data
from timing import interleaved

from mlmt_jax.cli.environment import keep_freed_memory
from mlmt_jax.model.build import build_model, init_params
from mlmt_jax.training.setup import Setup, prepare
from mlmt_jax.training.step import train_step
from mlmt_jax.training.tables import table


class Run:
    """A run of the target whose word table has ``rows`` rows; each call trains one step."""

    def __init__(self, setup: Setup, rows: int):
        sizes = setup.corpus.vocabulary.sizes
        model = build_model(setup.config, sizes._replace(words=dict.fromkeys(sizes.words, rows)))
        name = setup.config.target.name
        batch, self._key = setup.batches[name].batch(0), jax.random.key(0)
        # Rows from the whole table, the same number for every size.
        table_rows = np.random.default_rng(0).choice(
            np.arange(1, rows), len(batch.words.table_rows), replace=False
        )
        words = batch.words._replace(table_rows=np.sort(table_rows).astype(np.int32))
        self._batch = batch._replace(words=words)
        zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), setup.shapes_of(model))
        self.state = jax.device_put(zeros._replace(params=init_params(model, self._key)))
        step = partial(train_step, setup.task_training(name)._replace(task=model.tasks[name]))
        self._step = jax.jit(step, donate_argnums=0)
        analysis = self._step.lower(self.state, self._batch, self._key).compile().memory_analysis()
        assert analysis is not None  # CPU and GPU report it
        self.temporary_bytes = analysis.temp_size_in_bytes
        self.state_bytes = sum(x.nbytes for x in jax.tree.leaves(self.state) if hasattr(x, "nbytes"))

    def __call__(self) -> None:
        """Train one step and wait for it."""
        self.state, _ = self._step(self.state, self._batch, self._key)
        jax.block_until_ready(self.state)


def main() -> None:
    """Measure, print the table and write the results."""
    parser = argument_parser(__doc__, "vocabulary.json")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 400_000], help="table sizes")
    parser.add_argument("--repeats", type=int, default=100)
    args = parser.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        config, _ = load_with_data(args.config, args.data_root, Path(folder))
        setup = prepare(config)
        runs = {rows: Run(setup, rows) for rows in args.rows}
        times = interleaved({str(rows): run for rows, run in runs.items()}, args.repeats)
    first = args.rows[0]
    records = [
        {
            "rows": rows,
            "milliseconds": 1e3 * times[str(rows)].median,
            "least_milliseconds": 1e3 * times[str(rows)].minimum,
            "temporary_mib": run.temporary_bytes / 2**20,
            "state_mib": run.state_bytes / 2**20,
            "time_ratio": times[str(rows)].median / times[str(first)].median,
            "temporary_ratio": run.temporary_bytes / runs[first].temporary_bytes,
        }
        for rows, run in runs.items()
    ]
    print(table(records[0], [[f"{value:.4g}" for value in record.values()] for record in records]))
    results = environment(("mlmt-jax", "jax", "jaxlib", "numpy")) | {"records": records}
    write_results(args.output, results)


if __name__ == "__main__":
    main()
