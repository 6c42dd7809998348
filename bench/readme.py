# ruff: noqa: E501  (prose)
"""Writes README's section on speed from the figures that the benches left in bench/results/.

python bench/readme.py
"""

import json
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "bench" / "results"

_SECTION = re.compile(r"(<!-- speed: .*? -->\n).*?(<!-- end of speed -->)", re.DOTALL)

_LOSS, _VITERBI, _MARGINALS, _K_BEST = "loss + gradient", "Viterbi", "marginals", "10-best"


def section(results: Path = RESULTS) -> str:
    """The section, Markdown, in the words of what the files say."""
    found = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name in _PARTS
        if (path := results / f"{name}.json").exists()
    }
    parts = [_machines(found), *(_PARTS[name](own) for name, own in found.items())]
    return "\n\n".join(parts) + "\n"


def _paragraph(*sentences: str) -> str:
    return textwrap.fill(" ".join(sentences), 115, break_long_words=False, break_on_hyphens=False)


def _machines(files: Mapping[str, Mapping[str, Any]]) -> str:
    machines: dict[str, list[str]] = {}
    for name, own in files.items():
        processor = own.get("processor", "a processor that was not noted")
        told = f"{own['cpus']} cores of {processor}, {own['device'].split()[0]}, jax {own['versions']['jax']}"
        machines.setdefault(f"{told}, {own['day']}" if "day" in own else told, []).append(name)
    return _paragraph(
        "Measured on",
        "; ".join(f"{told} ({', '.join(names)})" for told, names in machines.items()) + ".",
        "Peers take turns within one process. The machines are shared, and their speed halves at times: ratios say",
        "more than times.",
    )


def _training(train: Mapping[str, Any]) -> str:
    ours, peer = train["ours"], train["PyTorch"]
    parts = train["parts"]["milliseconds"]
    split = ", ".join(f"{part} {ms:.1f}" for part, ms in parts.items() if part != "whole step")
    compiled = train.get("torch.compile")
    told = f"`torch.compile` makes that {compiled['time / ours']:.1f} times." if compiled else ""
    return _paragraph(
        "**A run.** `python bench/train.py` trains the isiXhosa config's four tasks at the published sizes, and",
        "the same model in PyTorch (packed `nn.LSTM`, `nn.Conv1d`, pytorch-crf, fused SGD; a test holds the two",
        f"to one loss) with the same weights on the same batches: {ours['steps/s']:.0f} steps a second",
        f"({ours['sentences/s']:.0f} sentences) against {peer['steps/s']:.0f}, {peer['time / ours']:.1f} times",
        f"as many; {told}" if told else "as many.",
        f"Ours is {ours['GFLOP/s']:.0f} GFLOP/s of the model's own arithmetic,",
        f"{ours['of matmul rate']:.2f} of the {train['matmul GFLOP/s']:.0f} that a large matrix product reaches;",
        f"{train['programs']} programs,",
        f"{train['compile seconds']['ours']:.0f} s to compile them; {train['peak MiB']['ours']:.0f} MiB at the",
        f"most. Alone, the parts of one step of {parts['whole step']:.1f} ms take, in ms: {split}.",
    )


def _start(start: Mapping[str, Any]) -> str:
    return _paragraph(
        f"From `python -m mlmt_jax.train configs/{start['config']}` to the end of its first step it takes",
        f"{start['cold']['median']:.0f} s, {start['warm']['median']:.1f} s once its programs are kept",
        "(`python bench/start.py`).",
    )


def _vocabulary(vocabulary: Mapping[str, Any]) -> str:
    least, most = vocabulary["records"][0], vocabulary["records"][-1]
    return _paragraph(
        f"`python bench/vocabulary.py`: with {most['rows']:,} trainable word vectors a step takes",
        f"{most['time_ratio']:.2f} times as long as with {least['rows']:,}, and allocates",
        f"{most['temporary_ratio']:.2f} times the memory.",
    )


def _replicas(replicas: Mapping[str, Any]) -> str:
    rows: list[Sequence[object]] = [("replicas", "times a step of one", "milliseconds", "peak MiB")]
    rows += [
        (r["replicas"], f"{r['ratio']:.1f}", f"{r['milliseconds']:.0f}", f"{r['peak_mib']:.0f}")
        for r in replicas["records"]
    ]
    told = _paragraph(
        "**Replicas.** `python bench/replicas.py`: what a step of R runs of that config in one program takes",
        "([plot](bench/results/replicas.png)); the memory is that of R runs and one beside them.",
    )
    return f"{told}\n\n{_table(rows)}"


def _tagging(tag: Mapping[str, Any]) -> str:
    best = lambda side: max(rates["median"] for rates in tag["warm sentences/s"][side].values())
    latency = {side: own["median"] for side, own in tag["latency ms"].items()}
    cold = tag["cold sentences/s"]
    memory = "; ".join(
        f"{int(count):,} sentences {own['peak MiB']:.0f} MiB in {own['seconds']:.0f} s"
        for count, own in tag["predict"].items()
    )
    return _paragraph(
        f"**Tagging.** `python bench/tag.py`, from tokens to tags: {best('ours'):,.0f} sentences a second",
        f"against {best('PyTorch'):,.0f} of the PyTorch peer, {tag['times peer']:.1f} times as many, each at its",
        f"best batch size, and {tag['times training']:.1f} times the {tag['training sentences/s']:,.0f} that the",
        "target's training takes in the same run; in the first pass, which compiles, over",
        f"{tag['sentences']:,} sentences {cold['ours']:,.0f} (the peer {cold['PyTorch']:,.0f}).",
        f"One sentence takes {latency['ours']:.1f} ms (the peer {latency['PyTorch']:.1f}).",
        f"Memory of `predict`: {memory}.",
    )


def _crf(crf: Mapping[str, Any]) -> str:
    cells = {(tuple(c["shape"]), c["task"], c["implementation"]): c for c in crf["cells"]}
    shapes = list(dict.fromkeys(shape for shape, _, _ in cells))
    peers = [
        peer
        for peer in ("sketch", "pytorch-crf", "torch-struct", "synjax")
        if any(name == peer for *_, name in cells)
    ]

    def time(shape: tuple[int, ...], task: str) -> str:
        own = cells[shape, task, "ours"]
        return f"{own['median_ms']:.2f} / {own['minimum_ms']:.2f}"

    def times(shape: tuple[int, ...], task: str) -> list[str]:
        found = [cells.get((shape, task, peer), {}).get("times_ours") for peer in peers]
        return ["-" if x is None else f"{x:.1f}" if x < 10 else f"{x:.0f}" for x in found]

    rows: list[Sequence[object]] = [("B, n, t", _LOSS, *peers, _VITERBI, *peers, _MARGINALS, _K_BEST)]
    for shape in shapes:
        both = [x for task in (_LOSS, _VITERBI) for x in (time(shape, task), *times(shape, task))]
        others = [f"{cells[shape, task, 'ours']['median_ms']:.2f}" for task in (_MARGINALS, _K_BEST)]
        rows.append((", ".join(map(str, shape)), *both, *others))
    more = ", [torch-struct](https://pypi.org/project/torch-struct/)" if "torch-struct" in peers else ""
    more += ", SynJax" if "synjax" in peers else ""
    longest = max(c["compile_seconds"] for c in crf["cells"] if c["implementation"] == "ours")
    told = _paragraph(
        "**The CRF.** `python bench/crf.py` (extra `bench`), sentences of 1 to n words in a batch of B, t tags;",
        "milliseconds (median / minimum), and behind it how many times as long others take, by medians: a short CRF",
        f"in plain JAX (sketch), [pytorch-crf](https://pypi.org/project/pytorch-crf/){more}.",
    )
    ends = _paragraph(
        f"A function compiles in at most {longest:.1f} s. Costs by size: [plot](bench/results/crf.png). All",
        "figures: [bench/results](bench/results).",
    )
    return f"{told}\n\n{_table(rows)}\n\n{ends}"


def _table(rows: Sequence[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


_PARTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "train": _training,
    "start": _start,
    "vocabulary": _vocabulary,
    "replicas": _replicas,
    "tag": _tagging,
    "crf": _crf,
}


def main() -> None:
    """Replaces the section in README.md."""
    text = README.read_text(encoding="utf-8")
    README.write_text(_SECTION.sub(lambda found: f"{found[1]}{section()}{found[2]}", text), encoding="utf-8")


if __name__ == "__main__":
    main()
