"""Benchmark of replicas: how long does a step of R runs in one program take, relative to one run?

Measured: milliseconds of a step for each R, its ratio to the step of a single run, and peak memory.

How: for each R, a process of its own trains R replicas in one program and a single run, in turns: a block of
steps of the one, the same steps of the other. Batches are assembled within the blocks; on a GPU by worker
processes, about ten batches ahead, as in training. All programs are compiled before the first block. If a
process fails, for example because memory runs out, larger R are not measured. The script also draws a plot.
If the data of the config is missing, it makes up data of the same sizes (bench/synthetic.py).

    python bench/replicas.py --data_root ../shared/data
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from memory import device_peak_mebibytes, peak_mebibytes
from report import argument_parser, environment, write_results
from scaling import plot
from step_block import StepBlock
from synthetic import load_with_data
from timing import interleaved

from mlmt_jax.cli.environment import enable_compilation_cache, keep_freed_memory
from mlmt_jax.training.plan import plan_steps
from mlmt_jax.training.setup import prepare_replicas
from mlmt_jax.training.tables import table

COUNTS = (1, 2, 4, 8, 16, 32, 64)


def measure(config: Path, data_root: Path, count: int, steps: int, repeats: int) -> dict[str, Any]:
    """Measure R = ``count`` replicas in this process.

    Args:
        config: config file of the run.
        data_root: folder of its data.
        count: number of replicas.
        steps: training steps of a block.
        repeats: number of blocks.
    """
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        loaded, _ = load_with_data(config, data_root, Path(folder))
        training = loaded.training.model_copy(update={"replicas": count})
        setups = prepare_replicas(loaded.model_copy(update={"training": training}))
    plan = plan_steps(setups[0].weights, 0, dict.fromkeys(setups[0].batches, 0))
    planned = list(itertools.islice(plan, steps))
    blocks = {"one": StepBlock(setups[:1], planned)}
    if count > 1:
        blocks["all"] = StepBlock(setups, planned)
    started = time.perf_counter()
    for block in blocks.values():
        block()
    compiling = time.perf_counter() - started
    times = interleaved(blocks, repeats, least=0.0, budget=1e4)
    for block in blocks.values():
        block.close()
    single, together = times["one"], times.get("all", times["one"])
    return {
        "replicas": count,
        "milliseconds": 1e3 * together.median / steps,
        "least_milliseconds": 1e3 * together.minimum / steps,
        "one_milliseconds": 1e3 * single.median / steps,
        "ratio": together.median / single.median,
        "ratio_of_minima": together.minimum / single.minimum,
        "first_block_seconds": compiling,
        "peak_mib": device_peak_mebibytes() or peak_mebibytes(),
    }


def main() -> None:
    """Measure, print the table, write the results and draw the plot."""
    parser = argument_parser(__doc__, "replicas.json")
    parser.add_argument("--replicas", type=int, nargs="+", default=COUNTS, help="the values of R")
    parser.add_argument("--steps", type=int, default=40, help="training steps of a block")
    parser.add_argument("--repeats", type=int, default=5, help="blocks")
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
            print(f"{count} replicas: the process ended with status {done.returncode}")
            break
        records.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(records[-1]), flush=True)
    if not records:
        sys.exit(1)
    print(table(records[0], [[f"{value:.4g}" for value in record.values()] for record in records]))
    results = environment(("mlmt-jax", "jax", "jaxlib", "numpy")) | {
        "steps": args.steps,
        "ended": ended,
        "records": records,
    }
    write_results(args.output, results)
    points = [(record["replicas"], record["milliseconds"] / 1e3) for record in records]
    if len(points) > 1:
        panels = {"replicas": {"a step of all": points}}
        plot(panels, args.output.with_suffix(".png"), "Replicas in one program", guides=(0, 1))


if __name__ == "__main__":
    main()
