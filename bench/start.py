"""How long from a command line to the first training step, with nothing compiled before and with it kept?

Each start is a process of its own: ``python -m mlmt_jax.train CONFIG`` as users type it, ended once its first
step is done. The first one finds an empty cache of programs, the others what it kept.

    python bench/start.py
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import environment

ROOT = Path(__file__).resolve().parents[1]

# What the command line runs, but that the process ends with its first step.
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
    """Seconds from the start of a process to the end of its first step."""
    started = time.perf_counter()
    command = [sys.executable, "-c", _CHILD, str(config), "--output", str(output)]
    subprocess.run(
        command, env=os.environ | {"MLMT_JAX_CACHE": str(cache)}, stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - started


def main() -> None:
    """Measures, prints and writes JSON."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "quickstart.json")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "start.json")
    args = parser.parse_args()
    cold, warm = [], []
    for repeat in range(args.repeats):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder, "cache")
            for i, times in enumerate((cold, warm)):
                times.append(seconds_to_first_step(args.config, cache, Path(folder, str(i))))
        print(f"{repeat + 1}: cold {cold[-1]:.1f} s, warm {warm[-1]:.1f} s", flush=True)
    results = environment(("mlmt-jax", "jax", "jaxlib", "numpy")) | {
        "config": args.config.name,
        **{
            name: {"median": statistics.median(times), "seconds": times}
            for name, times in (("cold", cold), ("warm", warm))
        },
    }
    args.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
