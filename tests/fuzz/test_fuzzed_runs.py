"""Run folders with wrong bytes in them: refused in words, or a tagger that is what its files say."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fuzz.campaign import run_campaign
from fuzz.mutations import mutated, mutated_values

from mlmt_jax import Tagger
from mlmt_jax.training.folder import RunFolder

SENTENCES = [["Piet", "Smit", "woont", "in", "Gent", "."], ["Anna"], [], ["nooit", "gezien"]]
# What decides the tagger and has no checksum: another valid value makes another tagger.
MEANT = ("config.json", "vocab.json")


@pytest.fixture
def run(tiny_run: Any, tmp_path: Path) -> Path:
    """A copy of the run folder to break."""
    return Path(shutil.copytree(tiny_run.folder, tmp_path / "copy"))


def same(data: bytes, good: bytes) -> bool:
    """Whether two JSON files hold the same values."""
    try:
        return json.loads(data) == json.loads(good)
    except (ValueError, RecursionError):
        return data == good


def sound_run(run: Path, expected: list[list[str]] | None) -> None:
    config = RunFolder(run).config()
    resolved = config.resolved()
    assert config.model_validate(json.loads(json.dumps(resolved))).resolved() == resolved
    vocabulary, schemes = RunFolder(run).vocabulary()
    assert json.loads(json.dumps(vocabulary.as_json())) == vocabulary.as_json()
    tagger = Tagger.load(run)
    assert tagger.tasks == tuple(task.name for task in config.tasks)
    tags = tagger.tag(SENTENCES)
    if expected is not None:
        assert tags == expected
    assert list(map(len, tags)) == list(map(len, SENTENCES))
    kinds = {tag.partition("-")[2] or tag for tag in tagger.tag_names}
    assert {tag.partition("-")[2] or tag for one in tags for tag in one} <= kinds
    for task in tagger.tasks:
        assert tagger.for_task(task).scheme == schemes[config.task(task).dataset]["scheme"]


def test_runs(run: Path) -> None:
    good = {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
    best = [path for path in good if path.is_relative_to(run / "checkpoints" / "best")]
    tags = Tagger.load(run).tag(SENTENCES)

    def case(random: Random) -> tuple[Any, Callable[[], object]]:
        for changed, data in good.items():
            if not changed.exists() or changed.read_bytes() != data:
                changed.write_bytes(data)
        names = ("config.json", "vocab.json", "vocab.json", "run.json", "metrics.jsonl", "summary.json")
        path = random.choice([*(run / name for name in names), *random.sample(best, 3)])
        if random.random() < 0.03:
            path.unlink()
            return (path, None), lambda: sound_run(run, tags)
        by_value = path.suffix == ".json" and random.random() < 0.7
        data = (mutated_values if by_value else mutated)(good[path], random)
        path.write_bytes(data)
        expected = None if path.name in MEANT and not same(data, good[path]) else tags
        return (path, data), lambda: sound_run(run, expected)

    run_campaign("runs", 0.04, case, seconds=60)
