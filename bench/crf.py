"""Benchmark of the CRF: how fast is ``mlmt_jax.crf``, and how much memory does it need, beside others?

Measured, for each task and shape (B sentences, n words in the longest one, t tags, float32):

    loss + gradient    mean negative log-likelihood; gradients of emissions, transitions, start and end
    Viterbi, 10-best   tags
    marginals          P(tag at each word)

Implementations: "ours" is mlmt_jax.crf; "sketch" is a short CRF in plain JAX (peers/crf_jax.py), which ours
should never be slower than; pytorch-crf, torch-struct and SynJax if they can be imported.

How: all implementations get the same random batches of sentences of unequal length. Each answer is first
compared with ours, then all programs take turns within one process. An implementation that needs a single
array larger than 1 GiB is left out. Columns of the table:

    times ours    ratio of medians; "(min)" is the ratio of minima, which other processes disturb less
    memory        growth of a process's resident memory, in 10^6 bytes
    program       temporary and output arrays as XLA counts them, in 10^6 bytes
    limit         least time that the machine could need, in percent of our time. It is the larger of
                  words * t^2 * passes at the rate of a matrix product, and bytes at the rate of a copy; both
                  rates are measured in the same run

Passes are 3 for loss + gradient (forward, backward, expected transitions), 2 for marginals, 1 for Viterbi and
10 for 10-best. Bytes are the emissions of all words, once, and the outputs.

    python bench/crf.py
    python bench/crf.py --shapes 19,40,17 --only ours sketch --no-memory --no-scaling
"""

import argparse
import importlib.util
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
from report import RESULTS, environment, write_results
from scaling import plot, slope
from timing import Machine, Timing, interleaved, measure_machine

from mlmt_jax.cli.environment import keep_freed_memory
from mlmt_jax.training.tables import table

Shape = tuple[int, int, int]

SHAPES: list[Shape] = [(19, 40, 17), (64, 64, 17), (256, 64, 17), (32, 512, 17), (32, 64, 50), (1, 30, 17)]
PASSES = {LOSS: 3, VITERBI: 1, MARGINALS: 2, K_BEST: K}
LARGEST = 1 << 30  # bytes of an array
GRIDS: dict[str, list[Shape]] = {
    "B (n = 64, t = 17)": [(B, 64, 17) for B in (1, 4, 16, 64, 256, 1024)],
    "n (B = 32, t = 17)": [(32, n, 17) for n in (16, 32, 64, 128, 256, 512, 1024, 2048)],
    "t (B = 32, n = 64)": [(32, 64, t) for t in (5, 10, 17, 32, 50, 75, 100)],
}
NAMES = ("ours", "sketch", "pytorch-crf", "torch-struct", "synjax")
PRELOAD = ["jax.numpy", "mlmt_jax.crf", "torch", "torchcrf", "torch_struct"]  # missing modules are skipped
LIBRARIES = ("jax", "jaxlib", "numpy", "torch", "pytorch-crf", "torch-struct", "synjax")

COLUMNS = (
    *("B x n x t", "task", "implementation", "median ms", "min ms", "IQR ms", "tokens/s", "times ours"),
    *("(min)", "compile s", "memory", "program", "limit", "note"),
)
NUMBERS = (  # key of a record, decimal places, factor
    *(("median_ms", 3, 1.0), ("minimum_ms", 3, 1.0), ("iqr_ms", 3, 1.0), ("tokens_a_second", 0, 1.0)),
    *(("times_ours", 2, 1.0), ("times_ours_of_minima", 2, 1.0), ("compile_seconds", 2, 1.0)),
    *(("memory_bytes", 1, 1e-6), ("program_bytes", 1, 1e-6)),
)
NOTES = ("left_out", "failed", "disagrees")


@cache
def implementations() -> dict[str, Implementation]:
    """Return the implementations that can be imported, by name."""
    from peers import crf_jax

    peers = {"ours": crf_jax.MLMT_JAX, "sketch": crf_jax.SKETCH, "synjax": crf_jax.synjax()}
    if importlib.util.find_spec("torch"):
        from peers import crf_torch

        if importlib.util.find_spec("torchcrf"):
            peers["pytorch-crf"] = crf_torch.PYTORCH_CRF
        if importlib.util.find_spec("torch_struct"):
            peers["torch-struct"] = crf_torch.TORCH_STRUCT
    return {name: peer for name in NAMES if (peer := peers.get(name)) is not None}


def build(name: str, shape: Shape, task: str) -> Any:
    """Return the call of one implementation and task on a random case; importable by a new process."""
    return implementations()[name].prepare(random_case(shape), task).run


def prepare(case: Case, task: str, names: Sequence[str]) -> tuple[dict[str, Program], dict[str, Any], int]:
    """Prepare the programs of a task and compare their answers with ours.

    Returns:
        The programs that work, notes about implementations (each a part of its record), and the bytes of our
        answer.
    """
    programs: dict[str, Program] = {}
    notes: dict[str, Any] = {}
    reference, output_bytes = None, 0
    for name in names:
        peer = implementations()[name]
        if task not in peer.tasks:
            continue
        largest = peer.working_bytes(case, task)
        if largest > LARGEST:
            notes[name] = {"left_out": f"an array of {largest / 1e9:.1f} GB"}
            continue
        try:
            program = peer.prepare(case, task)
            answer = program.answer(program.run())
        except Exception as error:  # any failure of a peer is a result
            if name == "ours":
                raise
            notes[name] = {"failed": f"{type(error).__name__}: {error}"[:200]}
            continue
        if name == "ours":
            reference, output_bytes = answer, sum(np.asarray(x).nbytes for x in jax.tree.leaves(answer))
        elif difference := disagreement(case, task, reference, answer):
            notes[name] = {"disagrees": difference}
        programs[name] = program
    return programs, notes, output_bytes


def figures(program: Program, timing: Timing, words: int, reference: Timing) -> dict[str, Any]:
    """Return the figures of one program; ``reference`` is our timing, ``words`` the words of the case."""
    return {
        "median_ms": 1e3 * timing.median,
        "minimum_ms": 1e3 * timing.minimum,
        "iqr_ms": 1e3 * timing.iqr,
        "repeats": timing.repeats,
        "calls_a_repeat": timing.calls,
        "tokens_a_second": words / timing.median,
        "times_ours": timing.median / reference.median,
        "times_ours_of_minima": timing.minimum / reference.minimum,
        "compile_seconds": program.compile_seconds,
        "program_bytes": program.program_bytes,
    }


def compare(
    shape: Shape, task: str, names: Sequence[str], repeats: int, machine: Machine, memory: bool
) -> list[dict[str, Any]]:
    """Measure one task and shape.

    Args:
        shape: (B, n, t) of the random case.
        task: one of ``TASKS``.
        names: implementations, "ours" first.
        repeats: repeats of each program.
        machine: rates of the machine.
        memory: measure the memory of each program in a process of its own.

    Returns:
        One record for each implementation that has the task, in the order of ``names``.
    """
    case = random_case(shape)
    words, t = int(case.lengths.sum()), shape[2]
    programs, notes, output_bytes = prepare(case, task, names)
    timings = interleaved({name: program.run for name, program in programs.items()}, repeats)
    records = []
    for name in names:
        if name not in programs and name not in notes:
            continue
        record = {"shape": shape, "words": words, "task": task, "implementation": name} | notes.get(name, {})
        if name in programs:
            record |= figures(programs[name], timings[name], words, timings["ours"])
            if memory:
                record["memory_bytes"] = peak_growth(build, name, shape, task, preload=PRELOAD)
        if name == "ours":
            limit = machine.limit(words * t**2 * PASSES[task], 4 * words * t + output_bytes)
            record["share_of_limit"] = limit / timings[name].median
        records.append(record)
    return records


def rows(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return records as rows under ``COLUMNS``; "-" is a missing figure."""

    def number(value: float | None, places: int, factor: float) -> str:
        return "-" if value is None else f"{factor * value:.{places}f}"

    return [
        (
            "x".join(map(str, record["shape"])),
            record["task"],
            record["implementation"],
            *(number(record.get(key), places, factor) for key, places, factor in NUMBERS),
            f"{100 * record['share_of_limit']:.1f}%" if "share_of_limit" in record else "-",
            "; ".join(f"{key}: {record[key]}" for key in NOTES if key in record),
        )
        for record in records
    ]


def measure_scaling(grids: Mapping[str, Sequence[Shape]], repeats: int) -> dict[str, Any]:
    """Measure our times over grids of shapes, in each of which one size varies.

    Returns:
        By grid and task: points (size, seconds), and slopes in logarithmic axes.
    """
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
    """Parse B,n,t."""
    B, n, t = map(int, text.split(","))
    return B, n, t


def _parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--shapes", type=_shape, nargs="+", default=SHAPES, metavar="B,n,t")
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of crf.json and crf.png")
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, help="peers to measure beside ours"
    )
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="do not measure memory")
    parser.add_argument("--no-scaling", dest="scaling", action="store_false", help="do not measure scaling")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write crf.json and crf.png."""
    args = _parse_arguments(argv)
    keep_freed_memory()  # for all alike: otherwise much of the time is that of pages that come and go
    selected = [name for name in NAMES if name == "ours" or name in args.only]
    names = [name for name in selected if name in implementations()]
    absent = [name for name in selected if name not in names]
    if absent:
        print(f"not installed, left out: {', '.join(absent)}")
    memory = args.memory and jax.default_backend() == "cpu"  # elsewhere the arrays are not in the process
    start, load, machine = time.perf_counter(), os.getloadavg()[0], measure_machine()
    records: list[dict[str, Any]] = []
    for shape in args.shapes:
        for task in TASKS:
            task_records = compare(shape, task, names, args.repeats, machine, memory)
            print(table(COLUMNS, rows(task_records)), flush=True)
            records += task_records
    results = environment(LIBRARIES)
    results |= {"absent": absent, "machine": machine._asdict(), "repeats": args.repeats, "cells": records}
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
    write_results(args.output / "crf.json", results)


if __name__ == "__main__":
    main()
