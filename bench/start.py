"""Benchmark of the start: how long is it from a command to its result, beside the same run in PyTorch?

Measured, in wall and CPU seconds of a whole process, with its peak memory: a training run of ``--config``
with its evaluations and final scores, cold and warm; the same in PyTorch alone (bench/peers/run_torch.py); a
short run, cold; the bundled run until its first step and until its table of scores, beside ``import torch``;
and one sentence of text by ``predict``.

How: "cold" finds an empty cache of programs, "warm" finds what "cold" left. Within a repeat, each row is
measured once, one after the other; medians over repeats are printed, and times relative to the peer.

    python bench/start.py --data_root ../shared/data --repeats 5
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from report import ROOT, argument_parser, environment, write_results

from mlmt_jax.training.tables import table

QUICKSTART = ROOT / "configs" / "quickstart.json"

# The command line of training, in a process that exits after its first step.
_FIRST_STEP = """
import os
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


class Cost(NamedTuple):
    """The cost of a process."""

    wall: float  # seconds
    cpu: float  # seconds, user and system
    mebibytes: float  # peak memory


def run(command: Sequence[str], cache: Path, text: str = "") -> Cost:
    """Run a command with a cache of compiled programs and ``text`` as its input; return its cost."""
    variables = os.environ | {"MLMT_JAX_CACHE": str(cache)}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(text.encode())
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if status:
        raise RuntimeError(f"status {os.waitstatus_to_exitcode(status)}: {' '.join(command[:4])}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(config: Path, data_root: Path, folder: Path) -> Iterator[tuple[str, Cost]]:
    """Yield each row of one repeat; ``folder`` is empty."""
    cache, quick_cache, runs = folder / "cache", folder / "quick", folder / "runs"
    train = ["-m", "mlmt_jax.train"]

    def settings(steps: int, every: int) -> list[str]:
        values = f"data_root={data_root}", f"training.max_step={steps}", f"training.eval_freq={every}"
        return [part for value in values for part in ("--set", value)]

    long, short = settings(1000, 250), settings(120, 120)
    for row in ("cold", "warm"):
        yield f"1,000 steps, {row}", run([*train, str(config), "--output", str(runs / row), *long], cache)
    peer = str(ROOT / "bench" / "peers" / "run_torch.py")
    yield "1,000 steps, PyTorch", run([peer, str(config), *long], cache)
    arguments = [*train, str(config), "--output", str(runs / "short"), *short]
    yield "120 steps, cold", run(arguments, folder / "short")
    yield "import torch", run(["-c", "import torch"], cache)
    for row in ("cold", "warm"):
        arguments = [str(QUICKSTART), "--output", str(runs / f"first {row}")]
        yield f"bundled run to its first step, {row}", run(["-c", _FIRST_STEP, *arguments], quick_cache)
    table_run = ["--output", str(runs / "table")]
    yield "bundled run to its table, cold", run([*train, str(QUICKSTART), *table_run], folder / "table")
    predict = ["-m", "mlmt_jax.predict", str(runs / "table"), "--input", "text"]
    for row in ("cold", "warm"):
        yield f"one sentence by predict, {row}", run(predict, quick_cache, "Piet woon in Kaapstad .\n")


def main() -> None:
    """Measure, print and write the results."""
    parser = argument_parser(__doc__, "start.json")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    costs: Mapping[str, list[Cost]] = defaultdict(list)
    for repeat in range(args.repeats):
        with tempfile.TemporaryDirectory() as folder:
            for row, cost in measure(args.config.resolve(), args.data_root.resolve(), Path(folder)):
                costs[row].append(cost)
                print(f"{repeat + 1}  {row}: {cost.wall:.1f} s, {cost.cpu:.1f} s of CPU", flush=True)
    medians = {row: Cost(*map(statistics.median, zip(*of_row, strict=True))) for row, of_row in costs.items()}
    peer = medians["1,000 steps, PyTorch"].wall
    rows = [
        (row, f"{m.wall:.1f}", f"{m.cpu:.1f}", f"{m.wall / peer:.2f}", f"{m.mebibytes:.0f}")
        for row, m in medians.items()
    ]
    print(table(("", "wall s", "CPU s", "wall / PyTorch", "peak MiB"), rows))
    results: dict[str, Any] = environment(("mlmt-jax", "jax", "jaxlib", "numpy", "torch"))
    results |= {"config": args.config.name, "repeats": args.repeats}
    results["costs"] = {row: [cost._asdict() for cost in of_row] for row, of_row in costs.items()}
    results["medians"] = {row: cost._asdict() for row, cost in medians.items()}
    write_results(args.output, results)


if __name__ == "__main__":
    main()
