"""What does a step of R runs at once cost, beside a step of one?

For each R a process of its own trains R replicas of a config in one program, and one run alone, in turns: a
block of steps of the one, the same steps of the other, and again. Batches are assembled within the timed
blocks, on a GPU by other processes, some ten batches ahead, as in training; every program is compiled before
the first one. A process that fails, as where memory ends, ends the curve. Prints, writes JSON and draws the
curve. Where the config's data is absent, data of the same sizes is made up.

    python bench/replicas.py --data_root ../shared/data
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
from report import environment
from scaling import plot
from synthetic import load_with_data
from timing import interleaved

from mlmt_jax.cli.environment import enable_compilation_cache, keep_freed_memory
from mlmt_jax.training.plan import plan_steps
from mlmt_jax.training.replica_set import ReplicaSet
from mlmt_jax.training.setup import Setup, fresh_state, prepare_replicas
from mlmt_jax.training.tables import table

ROOT = Path(__file__).resolve().parents[1]
COUNTS = (1, 2, 4, 8, 16, 32, 64)


class Block:
    """The first steps of some runs, taken again and again."""

    def __init__(self, setups: list[Setup], steps: int):
        self._replicas = ReplicaSet(setups)
        self._states = self._replicas.start([fresh_state(setup) for setup in setups])
        plan = plan_steps(setups[0].weights, 0, dict.fromkeys(setups[0].batches, 0))
        self._steps = list(itertools.islice(plan, steps))
        self._batches = self._replicas.prefetch(itertools.cycle(self._steps))

    def __call__(self) -> None:
        """Takes the steps, to their end."""
        for _ in self._steps:
            planned, batches = next(self._batches)
            self._states, _ = self._replicas.step(self._states, planned.task, batches)
        jax.block_until_ready(self._states)

    def close(self) -> None:
        """Ends what assembles ahead."""
        self._batches.close()


def peak_mebibytes() -> float:
    """Peak memory so far: of the device where it has its own, else of this process."""
    used = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return used / 2**20 if used else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(config: Path, data_root: Path, count: int, steps: int, repeats: int) -> dict[str, Any]:
    """The record of R = ``count``."""
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        loaded, _ = load_with_data(config, data_root, Path(folder))
        training = loaded.training.model_copy(update={"replicas": count})
        setups = prepare_replicas(loaded.model_copy(update={"training": training}))
    blocks = {"one": Block(setups[:1], steps)}
    if count > 1:
        blocks["all"] = Block(setups, steps)
    started = time.perf_counter()
    for block in blocks.values():
        block()
    compiling = time.perf_counter() - started
    times = interleaved(blocks, repeats, least=0.0, budget=1e4)
    for block in blocks.values():
        block.close()
    one, several = times["one"], times.get("all", times["one"])
    return {
        "replicas": count,
        "milliseconds": 1e3 * several.median / steps,
        "least_milliseconds": 1e3 * several.minimum / steps,
        "one_milliseconds": 1e3 * one.median / steps,
        "ratio": several.median / one.median,
        "ratio_of_minima": several.minimum / one.minimum,
        "first_block_seconds": compiling,
        "peak_mib": peak_mebibytes(),
    }


def main() -> None:
    """Measures, prints the table, writes it and draws the curve."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "masakhane_xho.json")
    parser.add_argument("--data_root", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--replicas", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--steps", type=int, default=40, help="of a block")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "replicas.json")
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)  # the process of one R
    args = parser.parse_args()
    if args.only:
        enable_compilation_cache()
        print(json.dumps(measure(args.config, args.data_root, args.only, args.steps, args.repeats)))
        return
    records, ended = [], None
    for count in args.replicas:
        command = [sys.executable, __file__, "--only", str(count), "--config", str(args.config)]
        command += ["--data_root", str(args.data_root), "--steps", str(args.steps)]
        command += ["--repeats", str(args.repeats)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            ended = {"replicas": count, "status": done.returncode}
            print(f"{count} replicas: ended with status {done.returncode}")
            break
        records.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(records[-1]), flush=True)
    if not records:
        sys.exit(1)
    header = tuple(records[0])
    print(table(header, [tuple(f"{record[key]:.4g}" for key in header) for record in records]))
    args.output.parent.mkdir(parents=True, exist_ok=True)
    results = environment(("mlmt-jax", "jax", "jaxlib", "numpy")) | {
        "steps": args.steps,
        "ended": ended,
        "records": records,
    }
    args.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    points = [(record["replicas"], record["milliseconds"] / 1e3) for record in records]
    if len(points) > 1:
        panels = {"replicas": {"a step of all": points}}
        plot(panels, args.output.with_suffix(".png"), "Replicas in one program", guides=(0, 1))


if __name__ == "__main__":
    main()
