"""Benchmark of the start: how long is it from the command to the first step, cold and warm?

Measured: seconds from the start of a process to the end of its first training step.

How: each repeat starts two processes with one program cache: "cold" finds it empty, "warm" finds what "cold"
left. Each process runs ``python -m mlmt_jax.train CONFIG`` and exits after its first step.

    python bench/start.py
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import ROOT, argument_parser, environment, write_results

# The command line of training, in a process that exits after its first step.
_CHILD = """
import os, sys
from mlmt_jax.cli.entry import run
from mlmt_jax.train import main

def one_step(argv=None):
    import jax
    from mlmt_jax.training.replica_set import ReplicaSet

    step = ReplicaSet.step

    def step_and_exit(replicas, states, task, batches):
        jax.block_until_ready(step(replicas, states, task, batches))
        os._exit(0)

    ReplicaSet.step = step_and_exit
    main(argv)

run(one_step)
"""


def seconds_to_first_step(config: Path, cache: Path, output: Path) -> float:
    """Return the seconds from the start of a process to the end of its first step.

    Args:
        config: config file of the run.
        cache: folder of the compiled programs.
        output: run folder.
    """
    started = time.perf_counter()
    command = [sys.executable, "-c", _CHILD, str(config), "--output", str(output)]
    variables = os.environ | {"MLMT_JAX_CACHE": str(cache)}
    subprocess.run(command, env=variables, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    """Measure, print and write the results."""
    parser = argument_parser(__doc__, "start.json", reads_data=False)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "quickstart.json")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    seconds: dict[str, list[float]] = {"cold": [], "warm": []}
    for repeat in range(args.repeats):
        with tempfile.TemporaryDirectory() as folder:
            for name, times in seconds.items():
                times.append(seconds_to_first_step(args.config, Path(folder, "cache"), Path(folder, name)))
        figures = ", ".join(f"{name} {times[-1]:.1f} s" for name, times in seconds.items())
        print(f"{repeat + 1}: {figures}", flush=True)
    results = environment(("mlmt-jax", "jax", "jaxlib", "numpy")) | {"config": args.config.name}
    for name, times in seconds.items():
        results[name] = {"median": statistics.median(times), "seconds": times}
    write_results(args.output, results)


if __name__ == "__main__":
    main()
