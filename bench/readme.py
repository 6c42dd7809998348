"""Writer of the measured figures in README.md and bench/README.md, from the JSON files in bench/results/.

A README marks each section that this script owns with two comments:

    <!-- speed: python bench/readme.py -->
    <!-- end of speed -->

    python bench/readme.py
"""

import json
import re
import statistics
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"

_LOSS, _VITERBI, _MARGINALS, _K_BEST = "loss + gradient", "Viterbi", "marginals", "10-best"
_CRF_PEERS = ("sketch", "pytorch-crf", "torch-struct", "synjax")

Results = Mapping[str, Mapping[str, Any]]  # contents of the JSON files, by name without the suffix


def read_results(folder: Path = RESULTS) -> Results:
    """Return the contents of all results files."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def update(text: str, sections: Mapping[str, Callable[[Results], str]], results: Results) -> str:
    """Return the text of a README with its marked sections written anew.

    Args:
        text: the README.
        sections: the function that writes each section, by the section's name.
        results: as `read_results` returns them.

    Raises:
        ValueError: if the text does not have exactly one section of a name.
    """
    for name, write in sections.items():
        body = write(results)
        marked = re.compile(rf"(<!-- {name}: .*? -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        text, count = marked.subn(lambda match, body=body: f"{match[1]}{body}\n{match[2]}", text)
        if count != 1:
            raise ValueError(f"{name}: {count} sections of this name (expected 1)")
    return text


def score_summary(results: Results) -> str:
    """Return README.md's table of mean test scores, of the paper's recipe and of the default."""
    means = {
        (c["pair"], c["tasks"], c["sentences"], c["recipe"]): c["test"]["mean"]
        for c in results["recipe"]["cells"]
        if not c["without"] and c["steps"] < 8000
    }
    sizes = (50, 200, 1000)
    rows: list[Sequence[str]] = [("`lin2018` -> `lowres-1`", *(f"{n:,} sentences" for n in sizes))]
    for pair, tasks in dict.fromkeys(key[:2] for key in means):
        scores = [[means.get((pair, tasks, n, recipe)) for recipe in ("lin2018", "lowres-1")] for n in sizes]
        written = ["-" if None in pair_of else " -> ".join(f"{x:.1f}" for x in pair_of) for pair_of in scores]
        if set(written) != {"-"}:
            rows.append((f"{pair} names, {tasks}", *written))
    return _table(rows)


def recipe_gains(results: Results) -> str:
    """Return bench/README.md's table of paired gains of the recipe, and of each of its parts."""
    rows: list[Sequence[str]] = [
        ("data", "task models", "sentences", "steps", "part", "gain in test F1", "95 %")
    ]
    rows += [
        (
            *(str(g[key]) for key in ("pair", "tasks", "sentences", "steps", "part")),
            f"{g['mean']:+.1f}",
            f"+- {g['half width']:.1f}",
        )
        for g in results["recipe"]["gains"]
    ]
    return _table(rows)


def speed_summary(results: Results) -> str:
    """Return README.md's table of speeds."""
    train, tag = results["train"], results["tag"]
    tagging_rates = [_best_rate(tag, side) for side in ("ours", "PyTorch")]
    rows = [
        ("", "mlmt_jax", "the same model in PyTorch"),
        (
            "training, steps per second",
            f"{train['ours']['steps/s']:.0f}",
            f"{train['PyTorch']['steps/s']:.0f}",
        ),
        ("tagging, sentences per second", *(f"{rate:,.0f}" for rate in tagging_rates)),
        ("tagging one sentence, ms", *(f"{tag['latency ms'][x]['median']:.1f}" for x in ("ours", "PyTorch"))),
        (
            "from the command to all scores, 1,000 steps of four tasks, s",
            *_walls(results, "cold", "PyTorch"),
        ),
        ("the same, programs compiled before, s", *_walls(results, "warm", "PyTorch")),
    ]
    return _table(rows)


def quickstart_scores(results: Results) -> str:
    """Return bench/README.md's table of the bundled data's scores."""
    rows: list[Sequence[str]] = [("command", "seed 1", "seed 2", "seed 3", "mean")]
    for name in ("four tasks", "target alone"):
        runs = results["quickstart"][name]
        scores = _seed_scores(runs)
        figures = [f"{score:.1f}" for score in (*scores, statistics.mean(scores))]
        rows.append((f"`{runs['command']}`", *figures))
    return _table(rows)


def machines(results: Results) -> str:
    """Return the sentence that names processor, versions and day of the measurements."""
    benches: dict[str, list[str]] = {}
    for name in ("train", "start", "vocabulary", "replicas", "tag", "crf"):
        bench = results[name]
        processor = bench.get("processor", "an unknown processor")
        machine = f"{bench['cpus']} cores of {processor}, {bench['device'].split()[0]}"
        machine += f", jax {bench['versions']['jax']}" + (f", {bench['day']}" if "day" in bench else "")
        benches.setdefault(machine, []).append(name)
    listed = (f"{machine} ({', '.join(names)})" for machine, names in benches.items())
    return _paragraph(f"Measured on {'; '.join(listed)}.")


def training_speed(results: Results) -> str:
    """Return bench/README.md's figures of training."""
    train = results["train"]
    sides = [side for side in ("ours", "PyTorch", "torch.compile") if side in train]
    rows: list[Sequence[str]] = [("", *("mlmt_jax" if side == "ours" else side for side in sides))]
    for row, key, digits in (
        ("steps per second", "steps/s", 0),
        ("sentences per second", "sentences/s", 0),
        ("time, relative to mlmt_jax", "time / ours", 1),
        ("GFLOP/s of the model's own arithmetic", "GFLOP/s", 0),
        ("share of the rate of a large matrix product", "of matmul rate", 2),
    ):
        rows.append((row, *(f"{train[side][key]:.{digits}f}" for side in sides)))
    notes = _paragraph(
        f"The matrix product reaches {train['matmul GFLOP/s']:.0f} GFLOP/s.",
        f"mlmt_jax compiles {train['programs']} programs in {train['compile seconds']['ours']:.0f} s",
        f"and needs {train['peak MiB']['ours']:.0f} MiB of memory at most.",
    )
    parts = train["parts"]["milliseconds"]
    split = [("part of one step, alone", "ms"), *((part, f"{ms:.1f}") for part, ms in parts.items())]
    return f"{_table(rows)}\n\n{notes}\n\n{_table(split)}"


def start_speed(results: Results) -> str:
    """Return bench/README.md's figures of the start of a run."""
    start = results["start"]
    medians = start["medians"]
    peer = medians["1,000 steps, PyTorch"]["wall"]
    rows = [("", "wall, s", "CPU, s", "wall, relative to PyTorch", "peak MiB")]
    for row, cost in medians.items():
        figures = f"{cost['wall']:.1f}", f"{cost['cpu']:.1f}", f"{cost['wall'] / peer:.2f}"
        rows.append((row, *figures, f"{cost['mebibytes']:.0f}"))
    return _table(rows)


def _walls(results: Results, *rows: str) -> list[str]:
    """Return the wall seconds of runs of 1,000 steps."""
    medians = results["start"]["medians"]
    return [f"{medians[f'1,000 steps, {row}']['wall']:.0f}" for row in rows]


def vocabulary_speed(results: Results) -> str:
    """Return bench/README.md's figures of vocabulary sizes."""
    smallest, largest = results["vocabulary"]["records"][0], results["vocabulary"]["records"][-1]
    return _paragraph(
        f"With {largest['rows']:,} trainable word vectors, a step takes",
        f"{largest['time_ratio']:.2f} times as long as with {smallest['rows']:,}, and allocates",
        f"{largest['temporary_ratio']:.2f} times the memory.",
    )


def replica_speed(results: Results) -> str:
    """Return bench/README.md's table of replicas."""
    rows: list[Sequence[str]] = [("replicas", "time, relative to one run", "ms per step", "peak MiB")]
    rows += [
        (str(r["replicas"]), f"{r['ratio']:.1f}", f"{r['milliseconds']:.0f}", f"{r['peak_mib']:.0f}")
        for r in results["replicas"]["records"]
        if r["replicas"] in (1, 8, 64)
    ]
    return _table(rows)


def tagging_speed(results: Results) -> str:
    """Return bench/README.md's figures of tagging."""
    tag = results["tag"]
    rows: list[Sequence[str]] = [("", "mlmt_jax", "PyTorch")]
    for row, figures in (
        ("sentences per second, at the best batch size", [_best_rate(tag, x) for x in ("ours", "PyTorch")]),
        (
            f"sentences per second in the first pass over {tag['sentences']:,}, which compiles",
            tag["cold sentences/s"].values(),
        ),
    ):
        rows.append((row, *(f"{figure:,.0f}" for figure in figures)))
    rows.append(("one sentence, ms", *(f"{x['median']:.1f}" for x in tag["latency ms"].values())))
    memory = " and ".join(
        f"{record['peak MiB']:.0f} MiB and {record['seconds']:.0f} s for {int(count):,} sentences"
        for count, record in tag["predict"].items()
    )
    notes = _paragraph(
        f"mlmt_jax tags {tag['times peer']:.1f} times as many sentences per second as the PyTorch model,",
        f"and {tag['times training']:.1f} times the {tag['training sentences/s']:,.0f} that it trains on in",
        f"the same run. `predict` needs {memory}.",
    )
    return f"{_table(rows)}\n\n{notes}"


def crf_speed(results: Results) -> str:
    """Return bench/README.md's table of CRFs."""
    cells = {(tuple(c["shape"]), c["task"], c["implementation"]): c for c in results["crf"]["cells"]}
    shapes = list(dict.fromkeys(shape for shape, _, _ in cells))
    peers = [peer for peer in _CRF_PEERS if any(implementation == peer for *_, implementation in cells)]

    def times(shape: tuple[int, ...], task: str) -> list[str]:
        reference = cells[shape, task, "ours"]
        ratios = [cells.get((shape, task, peer), {}).get("times_ours") for peer in peers]
        written = ["-" if ratio is None else f"{ratio:.{1 if ratio < 10 else 0}f}" for ratio in ratios]
        return [f"{reference['median_ms']:.2f} / {reference['minimum_ms']:.2f}", *written]

    rows: list[Sequence[str]] = [("B, n, t", _LOSS, *peers, _VITERBI, *peers, _MARGINALS, _K_BEST)]
    for shape in shapes:
        others = [f"{cells[shape, task, 'ours']['median_ms']:.2f}" for task in (_MARGINALS, _K_BEST)]
        rows.append((", ".join(map(str, shape)), *times(shape, _LOSS), *times(shape, _VITERBI), *others))
    longest = max(c["compile_seconds"] for c in cells.values() if c["implementation"] == "ours")
    return f"{_table(rows)}\n\nEach function of mlmt_jax compiles in at most {longest:.1f} s."


SECTIONS: dict[Path, dict[str, Callable[[Results], str]]] = {
    ROOT / "README.md": {"scores": score_summary, "speed": speed_summary},
    ROOT / "bench" / "README.md": {
        "quickstart scores": quickstart_scores,
        "recipe gains": recipe_gains,
        "machines": machines,
        "training": training_speed,
        "start": start_speed,
        "vocabulary": vocabulary_speed,
        "replicas": replica_speed,
        "tagging": tagging_speed,
        "crf": crf_speed,
    },
}


def main() -> None:
    """Write the sections of both READMEs."""
    results = read_results()
    for path, sections in SECTIONS.items():
        text = update(path.read_text(encoding="utf-8"), sections, results)
        path.write_text(text, encoding="utf-8")


def _seed_scores(runs: Mapping[str, Any]) -> list[float]:
    """Return the test F1 of each seed, in percent."""
    return [seed["test F1"] for seed in runs["seeds"].values()]


def _best_rate(tag: Mapping[str, Any], side: str) -> float:
    """Return the sentences per second of "ours" or "PyTorch" at its best batch size."""
    return max(rates["median"] for rates in tag["warm sentences/s"][side].values())


def _paragraph(*parts: str) -> str:
    """Join sentences and wrap them to the width of the READMEs."""
    return textwrap.fill(" ".join(parts), 115, break_long_words=False, break_on_hyphens=False)


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first row is the header."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


if __name__ == "__main__":
    main()
