"""Benchmark of scores: what does the recipe lowres-1 bring over that of the paper, with how many sentences?

Measured: target F1 on dev and test files of each replica, for isiXhosa (with isiZulu) and Danish (with
Swedish), with four tasks and with the target alone; and with 200 sentences, what each part of the recipe is
worth: the recipe without it.

How: the command line trains configs/masakhane_xho.json, for Danish with other languages and files, as several
replicas in one program. Replicas have the seeds 1, 2, ..., which also draw the sentences. The best checkpoint
is chosen on dev; test files are scored once, at the end. Finished runs are reused, interrupted ones resumed.
The results have all runs that are finished, so the grid may be trained in several sessions.

    python bench/recipe.py --data_root ../shared/data
"""

import json
import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from report import ROOT, argument_parser, environment, write_results
from scored_runs import train

from mlmt_jax.training.tables import table

LIBRARIES = ("jax", "jaxlib", "flax", "optax", "numpy")

PAIRS = ("isiXhosa", "Danish")
# Of Universal Dependencies and Universal NER. Parts of speech are trained on the development files, whose
# sentences are those of the names' development files.
_TREEBANKS = {"dan": "da_ddt-ud", "swe": "sv_talbanken-ud"}

#: The recipe without each of its parts.
WITHOUT = {
    "rotation": {"components.0.rotate": False, "components.1.rotate": False},
    "average": {"training.average_steps": 0},
    "character table": {"components.2.start": "xavier"},
    "word ends": {"training.word_ends": False},
    "language weight": {"training.aux_language_weight": 0.1},
}


class Cell(NamedTuple):
    """One setting, which several seeds are trained with."""

    pair: str
    tasks: str  # "four tasks" or "target alone"
    sentences: int | str  # of the target
    recipe: str
    steps: int
    seeds: int
    without: str = ""  # the part of the recipe that is left out

    @property
    def name(self) -> str:
        """Name of the run folder and of the entry in the results."""
        parts = (self.pair, self.tasks, self.sentences, self.recipe, self.steps, self.without)
        return "_".join(str(part).replace(" ", "-") for part in parts if part)


def cells() -> Iterator[Cell]:
    """Yield all settings, the most telling first."""
    for pair in PAIRS:
        for sentences, steps, seeds in ((200, 2000, 5), (50, 2000, 3), (1000, 3000, 3)):
            for recipe in ("lin2018", "lowres-1"):
                yield Cell(pair, "four tasks", sentences, recipe, steps, seeds)
    for pair in reversed(PAIRS):
        for part in WITHOUT:
            yield Cell(pair, "four tasks", 200, "lowres-1", 2000, 3, part)
    for sentences, seeds in ((200, 5), (50, 3), (1000, 3)):
        for pair in PAIRS:
            for recipe in ("lin2018", "lowres-1"):
                yield Cell(pair, "target alone", sentences, recipe, 2000, seeds)
    yield Cell("isiXhosa", "four tasks", 200, "lowres-1", 8000, 3)
    for pair in PAIRS:
        for tasks in ("four tasks", "target alone"):
            for recipe in ("lin2018", "lowres-1"):
                yield Cell(pair, tasks, "all", recipe, 8000, 3)


def config(cell: Cell) -> dict[str, Any]:
    """Return the config of a setting, as JSON values."""
    single = "_single" if cell.tasks == "target alone" else ""
    text = (ROOT / "configs" / f"masakhane_xho{single}.json").read_text(encoding="utf-8")
    if cell.pair == "Danish":
        for old, new in (("isiXhosa", "Danish"), ("isiZulu", "Swedish"), ("xho", "dan"), ("zul", "swe")):
            text = text.replace(old, new)
    data = json.loads(text)
    if cell.pair == "Danish":
        for dataset in data["datasets"]:
            ud = _TREEBANKS[dataset["language"]]
            if dataset["task"] == "pos":
                dataset["files"] = {"train": f"ud/{ud}-dev.conllu", "dev": f"ud/{ud}-test.conllu"}
                dataset["parser"] = {"token_col": 1, "label_col": 3}
            else:
                dataset["files"] = {split: f"uner/{ud}-{split}.iob2" for split in ("train", "dev", "test")}
                dataset["parser"] = {"token_col": 1, "label_col": 2}
    data["recipe"] = cell.recipe
    data["training"] = {"eval_freq": 250, "max_step": cell.steps}
    data["datasets"][0]["sample"] = cell.sentences
    for task in data["tasks"][1:]:
        task["require_eval"] = False
    return data


def train_cell(cell: Cell, data_root: Path, runs: Path) -> list[dict[str, Any]]:
    """Return the summaries of a setting's replicas; train them first if they are not finished."""
    path = runs / f"{cell.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config(cell), indent=2), encoding="utf-8")
    flags = ["--set", f"data_root={data_root}", "--replicas", str(cell.seeds)]
    for key, value in WITHOUT.get(cell.without, {}).items():
        flags += ["--set", f"{key}={json.dumps(value)}"]
    return train(path, runs / cell.name, *flags)["replicas"]


def figures(cell: Cell, replicas: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the F1 of each seed on dev and test, in percent, with mean and standard deviation."""
    scores = [replica["scores"][replica["target"]] for replica in replicas]
    by_split = {split: [round(100 * score[split]["f1"], 2) for score in scores] for split in ("dev", "test")}
    return {
        **cell._asdict(),
        **{
            split: {"seeds": values, "mean": statistics.mean(values), "sd": statistics.stdev(values)}
            for split, values in by_split.items()
        },
        "seconds": max(replica["seconds"] for replica in replicas),
    }


def paired_gain(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return mean and 95 % interval (Student's t) of the paired differences of test F1, seed by seed."""
    pairs = zip(before["test"]["seeds"], after["test"]["seeds"], strict=False)
    gains = [new - old for old, new in pairs]
    # Quantiles of Student's t for 2 and 4 degrees of freedom: three and five seeds.
    half = {3: 4.303, 5: 2.776}[len(gains)] * statistics.stdev(gains) / math.sqrt(len(gains))
    return {"mean": statistics.mean(gains), "half width": half}


def compare(results: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the paired gains of lowres-1 over lin2018, and what each part is worth."""
    comparisons = []
    for after in results.values():
        if after["recipe"] != "lowres-1":
            continue
        same = {key: after[key] for key in ("pair", "tasks", "sentences", "steps")}
        recipe = "lowres-1" if after["without"] else "lin2018"
        settings = {**same, "recipe": recipe, "without": ""}
        before = next((r for r in results.values() if settings.items() <= r.items()), None)
        if before is not None:
            pair = (after, before) if after["without"] else (before, after)
            comparisons.append({**same, "part": after["without"] or "all", **paired_gain(*pair)})
    return comparisons


def main() -> None:
    """Train the settings that are missing, print the table and write the results after each of them."""
    parser = argument_parser(__doc__, "recipe.json", reads_data=False)
    parser.add_argument("--data_root", type=Path, default=ROOT / "../shared/data", help="folder of the data")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "recipe", help="folder of the runs")
    parser.add_argument("--only", default="", help="train only settings whose name contains this")
    parser.add_argument("--reuse", action="store_true", help="train nothing: report finished runs")
    args = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    for cell in cells():
        is_finished = (args.runs / cell.name / "summary.json").exists()
        if is_finished or (args.only in cell.name and not args.reuse):
            results[cell.name] = figures(cell, train_cell(cell, args.data_root.resolve(), args.runs))
            write_results(
                args.output,
                {**environment(LIBRARIES), "cells": list(results.values()), "gains": compare(results)},
            )
    rows = [
        (name, *(f"{r[s]['mean']:.1f} +- {r[s]['sd']:.1f}" for s in ("dev", "test")))
        for name, r in results.items()
    ]
    print(table(("setting", "dev F1", "test F1"), rows))


if __name__ == "__main__":
    main()
