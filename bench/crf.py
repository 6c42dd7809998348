"""How fast is ``mlmt_jax.crf``, and how much memory does it take, beside other CRFs?

Every implementation gets the same random batches of ragged sentences (float32: B sentences, n words in the
longest, t tags) and is checked to agree with ours first; then all take turns within one process.

    loss + gradient    mean negative log-likelihood; gradients of emissions, transitions, start and end
    Viterbi, 10-best   tags
    marginals          P(tag at each word)

"sketch" is a short CRF in plain JAX (peers/crf_jax.py), which ours should never be slower than. In the table,

    times ours    ratio of medians; "(min)", that of minima, is disturbed less by other processes
    memory        what the resident memory of a process grows by, in 10^6 bytes
    program       temporary and output arrays, as XLA counts them, in 10^6 bytes
    limit         share of our time that the machine would need at best: the larger of words * t^2 * passes at
                  the rate of its matrix product and bytes at the rate of its copy, both measured in the run

Passes are 3 for loss + gradient (forward, backward, expected transitions), 2 for marginals, 1 for Viterbi, 10
for 10-best; bytes are the emissions of all words, once, and the outputs. A cell of which one array alone
would be larger than 1 GiB is left out.

    python bench/crf.py
    python bench/crf.py --shapes 19,40,17 --only ours sketch --no-memory --no-scaling
"""

import argparse
import importlib.util
import json
import os
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
from crf_tasks import (
    K_BEST,
    LOSS,
    MARGINALS,
    TASKS,
    VITERBI,
    Case,
    Implementation,
    K,
    Program,
    disagreement,
    random_case,
)
from memory import peak_growth
from mlmt_jax.training.tables import table
from report import COLUMNS, environment, rows
from scaling import plot, slope
from timing import Machine, Timing, interleaved, measure_machine

from mlmt_jax.cli.environment import keep_memory

Shape = tuple[int, int, int]

RESULTS = Path(__file__).resolve().parent / "results"
SHAPES: list[Shape] = [(19, 40, 17), (64, 64, 17), (256, 64, 17), (32, 512, 17), (32, 64, 50), (1, 30, 17)]
PASSES = {LOSS: 3, VITERBI: 1, MARGINALS: 2, K_BEST: K}
LARGEST = 1 << 30  # bytes of an array
GRIDS: dict[str, list[Shape]] = {
    "B (n = 64, t = 17)": [(B, 64, 17) for B in (1, 4, 16, 64, 256, 1024)],
    "n (B = 32, t = 17)": [(32, n, 17) for n in (16, 32, 64, 128, 256, 512, 1024, 2048)],
    "t (B = 32, n = 64)": [(32, 64, t) for t in (5, 10, 17, 32, 50, 75, 100)],
}
NAMES = ("ours", "sketch", "pytorch-crf", "torch-struct", "synjax")
PRELOAD = ["jax.numpy", "mlmt_jax.crf", "torch", "torchcrf", "torch_struct"]  # those that are there
LIBRARIES = ("jax", "jaxlib", "numpy", "torch", "pytorch-crf", "torch-struct", "synjax")


@cache
def implementations() -> dict[str, Implementation]:
    """Those that can be imported here, by name."""
    from peers import crf_jax

    found = {"ours": crf_jax.OURS, "sketch": crf_jax.SKETCH, "synjax": crf_jax.synjax()}
    if importlib.util.find_spec("torch"):
        from peers import crf_torch

        peers = {"torchcrf": crf_torch.PYTORCH_CRF, "torch_struct": crf_torch.TORCH_STRUCT}
        there = [peer if importlib.util.find_spec(module) else None for module, peer in peers.items()]
        found |= dict(zip(("pytorch-crf", "torch-struct"), there, strict=True))
    return {name: peer for name in NAMES if (peer := found.get(name)) is not None}


def build(name: str, shape: Shape, task: str) -> Any:
    """The call of one cell, for a process of its own."""
    return implementations()[name].prepare(random_case(shape), task).run


def prepared(case: Case, task: str, names: Sequence[str]) -> tuple[dict[str, Program], dict[str, Any], int]:
    """Programs that work, what is to be said of each implementation, and the bytes of our outputs."""
    programs: dict[str, Program] = {}
    notes: dict[str, Any] = {}
    ours, output_bytes = None, 0
    for name in names:
        peer = implementations()[name]
        if task not in peer.tasks:
            continue
        needs = peer.working_bytes(case, task)
        if needs > LARGEST:
            notes[name] = {"left_out": f"an array of {needs / 1e9:.1f} GB"}
            continue
        try:
            program = peer.prepare(case, task)
            answer = program.answer(program.run())
        except Exception as error:  # a peer's failure, of whatever kind, is a result
            if name == "ours":
                raise
            notes[name] = {"failed": f"{type(error).__name__}: {error}"[:200]}
            continue
        if name == "ours":
            ours, output_bytes = answer, sum(np.asarray(x).nbytes for x in jax.tree.leaves(answer))
        elif differs := disagreement(case, task, ours, answer):
            notes[name] = {"disagrees": differs}
        programs[name] = program
    return programs, notes, output_bytes


def cell(program: Program, timing: Timing, words: int, ours: Timing) -> dict[str, Any]:
    """The figures of one implementation."""
    return {
        "median_ms": 1e3 * timing.median,
        "minimum_ms": 1e3 * timing.minimum,
        "iqr_ms": 1e3 * timing.iqr,
        "repeats": timing.repeats,
        "calls_a_repeat": timing.calls,
        "tokens_a_second": words / timing.median,
        "times_ours": timing.median / ours.median,
        "times_ours_of_minima": timing.minimum / ours.minimum,
        "compile_seconds": program.compile_seconds,
        "program_bytes": program.program_bytes,
    }


def compare(
    shape: Shape, task: str, names: Sequence[str], repeats: int, machine: Machine, memory: bool
) -> list[dict[str, Any]]:
    """One record for each implementation, ours first."""
    case = random_case(shape)
    words, t = int(case.lengths.sum()), shape[2]
    programs, notes, output_bytes = prepared(case, task, names)
    timings = interleaved({name: program.run for name, program in programs.items()}, repeats)
    records = []
    for name in names:
        if name not in programs and name not in notes:
            continue
        record = {"shape": shape, "words": words, "task": task, "implementation": name} | notes.get(name, {})
        if name in programs:
            record |= cell(programs[name], timings[name], words, timings["ours"])
            if memory:
                record["memory_bytes"] = peak_growth(build, name, shape, task, preload=PRELOAD)
        if name == "ours":
            limit = machine.limit(words * t**2 * PASSES[task], 4 * words * t + output_bytes)
            record["share_of_limit"] = limit / timings[name].median
        records.append(record)
    return records


def measure_scaling(grids: Mapping[str, Sequence[Shape]], repeats: int) -> dict[str, Any]:
    """Our times over each grid of shapes in which one size varies: points (size, seconds), and slopes."""
    results: dict[str, Any] = {}
    for varied, shapes in grids.items():
        axis = "Bnt".index(varied[0])
        curves: dict[str, list[tuple[int, float]]] = {LOSS: [], VITERBI: []}
        for shape in shapes:
            timings = interleaved({task: build("ours", shape, task) for task in curves}, repeats)
            for task, points in curves.items():
                points.append((shape[axis], timings[task].median))
        results[varied] = {
            task: {
                "points": points,
                "slope": slope(points),
                "slope_of_larger_half": slope(points[len(points) // 2 :]),
            }
            for task, points in curves.items()
        }
    return results


def _shape(text: str) -> Shape:
    B, n, t = map(int, text.split(","))
    return B, n, t


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints the table, and writes crf.json and crf.png."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--shapes", type=_shape, nargs="+", default=SHAPES, metavar="B,n,t")
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of crf.json and crf.png")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="beside ours")
    parser.add_argument("--no-memory", dest="memory", action="store_false")
    parser.add_argument("--no-scaling", dest="scaling", action="store_false")
    args = parser.parse_args(argv)
    keep_memory()  # for all alike: pages that come and go would be much of what is measured
    wanted = [name for name in NAMES if name == "ours" or name in args.only]
    names = [name for name in wanted if name in implementations()]
    absent = [name for name in wanted if name not in names]
    if absent:
        print(f"cannot be imported here, left out: {', '.join(absent)}")
    memory = args.memory and jax.default_backend() == "cpu"  # elsewhere the arrays are not in the process
    start, load, machine = time.perf_counter(), os.getloadavg()[0], measure_machine()
    records: list[dict[str, Any]] = []
    for shape in args.shapes:
        for task in TASKS:
            found = compare(shape, task, names, args.repeats, machine, memory)
            print(table(COLUMNS, rows(found)), flush=True)
            records += found
    results = environment(LIBRARIES) | {
        "absent": absent,
        "machine": machine._asdict(),
        "repeats": args.repeats,
    }
    results["cells"] = records
    args.output.mkdir(parents=True, exist_ok=True)
    if args.scaling:
        results["scaling"] = measure_scaling(GRIDS, max(3, args.repeats // 3))
        panels = {
            varied: {task: curve["points"] for task, curve in curves.items()}
            for varied, curves in results["scaling"].items()
        }
        plot(panels, args.output / "crf.png", f"mlmt_jax.crf on {results['device']}, {os.cpu_count()} CPUs")
    results |= {"seconds": time.perf_counter() - start, "load_before": load}
    print(table(COLUMNS, rows(records)))
    (args.output / "crf.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
