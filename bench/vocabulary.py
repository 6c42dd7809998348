"""Does a training step's cost grow with the vocabulary?

Times steps of one task model of a config with word tables of several sizes, on the same batches, in turns.
Prints milliseconds, the memory that a step allocates beside its state (XLA's temporary buffers), and the
state's own size, each also as a ratio to the smallest table.

    python bench/vocabulary.py --data_root ../shared/data
"""

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path

import jax
import numpy as np
from report import environment
from synthetic import load_with_data
from timing import interleaved

from mlmt_jax.cli.environment import keep_freed_memory
from mlmt_jax.model import build_model, init_params
from mlmt_jax.training.setup import Setup, prepare
from mlmt_jax.training.state import init_state
from mlmt_jax.training.step import train_step
from mlmt_jax.training.tables import table

ROOT = Path(__file__).resolve().parents[1]


class Run:
    """Steps of the target with a table of some rows."""

    def __init__(self, setup: Setup, rows: int):
        sizes = setup.corpus.vocabulary.sizes
        model = build_model(setup.config, sizes._replace(words=dict.fromkeys(sizes.words, rows)))
        name = setup.config.target.name
        batch, self._key = setup.batches[name].batch(0), jax.random.key(0)
        # Rows from all over the table, as many for every size.
        count = len(batch.words.table_rows)
        touched = np.random.default_rng(0).choice(np.arange(1, rows), count, replace=False)
        words = batch.words._replace(table_rows=np.sort(touched).astype(np.int32))
        self._batch = batch._replace(words=words)
        self.state = init_state(model, init_params(model, self._key), setup.optimizers)
        step = partial(train_step, setup.task_training(name)._replace(task=model.tasks[name]))
        self._step = jax.jit(step, donate_argnums=0)
        analysis = self._step.lower(self.state, self._batch, self._key).compile().memory_analysis()
        assert analysis is not None  # a backend may not tell; CPU and GPU do
        self.temporary = analysis.temp_size_in_bytes
        self.kept = sum(x.nbytes for x in jax.tree.leaves(self.state) if hasattr(x, "nbytes"))

    def __call__(self) -> None:
        """One step, to its end."""
        self.state, _ = self._step(self.state, self._batch, self._key)
        jax.block_until_ready(self.state)


def main() -> None:
    """Measures, prints the table and writes it."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "masakhane_xho.json")
    parser.add_argument("--data_root", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 400_000])
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "vocabulary.json")
    args = parser.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        config, _ = load_with_data(args.config, args.data_root, Path(folder))
        setup = prepare(config)
        runs = {rows: Run(setup, rows) for rows in args.rows}
        times = interleaved({str(rows): run for rows, run in runs.items()}, args.repeats)
    least = args.rows[0]
    records = [
        {
            "rows": rows,
            "milliseconds": 1e3 * times[str(rows)].median,
            "least_milliseconds": 1e3 * times[str(rows)].minimum,
            "temporary_mib": run.temporary / 2**20,
            "state_mib": run.kept / 2**20,
            "time_ratio": times[str(rows)].median / times[str(least)].median,
            "temporary_ratio": run.temporary / runs[least].temporary,
        }
        for rows, run in runs.items()
    ]
    header = tuple(records[0])
    print(table(header, [tuple(f"{record[key]:.4g}" for key in header) for record in records]))
    args.output.parent.mkdir(parents=True, exist_ok=True)
    results = environment(("mlmt-jax", "jax", "jaxlib", "numpy")) | {"records": records}
    args.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
