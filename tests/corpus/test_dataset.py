"""Training samples: size, nesting, dependence on seed and name; long sentences."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import tiny_corpus

from mlmt_jax.config import Config, load_config
from mlmt_jax.corpus.dataset import check_beginnings, draw_sample, read_dataset
from mlmt_jax.errors import DataError

# Print the corpus and the batches of a config, which must not depend on the process.
LOADS_AND_BATCHES = """
import json, sys
from mlmt_jax.config import parse_config
from mlmt_jax.batches.training_batches import OovReplacement, TrainingBatches
from mlmt_jax.corpus.corpora import load_corpus
from mlmt_jax.batches.encode import encode

corpus = load_corpus(parse_config(json.loads(sys.argv[1])))
print(corpus.vocabulary.as_json(), *corpus.findings, sep="\\n")
for name, dataset in corpus.datasets.items():
    print(name, dataset.sample.tolist())
    sentences = encode(corpus.vocabulary, "xho words", dataset.task, dataset.splits["train"])
    oov = OovReplacement(0.5, corpus.rare_words["xho words"], corpus.rare_characters)
    batches = TrainingBatches(name, sentences, 5, 1, oov, expected_steps=500.0)
    for step in range(4):
        print(batches.indices(step).tolist(), batches.batch(step).words.table_rows.tolist())
"""


def sample(config: Config) -> list[int]:
    """Return the indices of the sample, after checks of its sentences and of the development set."""
    spec = config.datasets[0]
    dataset = draw_sample(read_dataset(config, spec), spec, config.training.seed)
    assert [sentence.tokens[0] for sentence in dataset.splits["train"]] == [f"w{i}" for i in dataset.sample]
    assert len(dataset.splits["dev"]) == 2
    return dataset.sample.tolist()


@pytest.fixture
def draw(make_config: Callable[..., Config]) -> Callable[..., list[int]]:
    """Return a function that draws a sample of 13 training sentences of 1, 2, 3, 4, 1, ... words."""
    train = tuple(" ".join([f"w{i}/O", *["x/O"] * (i % 4)]) for i in range(13))
    files = {"xho.ner": {"train": train, "dev": ("a/O", "a/O b/O c/O d/O")}}
    return lambda size, *, seed=1, **dataset: sample(
        make_config(files, dataset={"sample": size, **dataset}, seed=seed)
    )


def test_sample_has_the_configured_size(draw):
    everything = list(range(13))
    assert draw("all") == draw(13) == draw(1.0) == draw(50) == everything
    assert draw(0) == []
    assert [len(draw(size)) for size in (1, 5, 0.5, 0.25, 0.001)] == [1, 5, 6, 3, 1]


def test_sample_larger_than_the_file_is_a_finding(load, tmp_path):
    files = {"xho.ner": {"train": ("a/B-X", "b/O c/O"), "dev": ("a/B-X b/O",)}}
    findings = {size: list(map(str, load(files, dataset={"sample": size}).findings)) for size in (2, 3, 1.0)}
    text = "2 training sentences, fewer than the sample of 3: all are taken"
    assert findings == {2: [], 3: [f"{tmp_path}/xho.ner.train: {text}"], 1.0: []}


def test_samples_are_nested(draw):
    sizes = [0, 0.01, *range(2, 6), 0.5, *range(7, 12), 0.95, "all"]
    ids = [set(draw(size)) for size in sizes]
    assert all(smaller < larger for smaller, larger in pairwise(ids))


def test_samples_depend_on_seed_and_dataset(draw, load):
    assert draw(5) == draw(5) == sorted(draw(5))
    assert len({tuple(draw(5, seed=seed)) for seed in range(8)}) > 4
    files = {"train": tuple(f"w{i}/O" for i in range(40)), "dev": ("a/O",)}
    corpora = [load({f"{language}.ner": files}, dataset={"sample": 20}) for language in ("xho", "zul")]
    ids = [dataset.sample.tolist() for corpus in corpora for dataset in corpus.datasets.values()]
    assert ids[0] != ids[1]


def test_samples_and_batches_do_not_depend_on_the_process(make_config):
    files = {
        f"xho.{task}": {"train": tuple(f"{task}{i}/T{i % 3}" for i in range(30)), "dev": ("a/T9",)}
        for task in ("ner", "pos", "case")
    }
    config = make_config(files, vectors=["x"], dataset={"sample": 12})
    outputs = [
        subprocess.run(
            [sys.executable, "-c", LOADS_AND_BATCHES, json.dumps(config.resolved())],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "3")
    ]
    assert outputs[0] == outputs[1]
    assert outputs[0].count("\n") > 10


def test_long_sentences_are_left_out_of_training_only(draw, load, tmp_path):
    short = [i for i in range(13) if i % 4 < 2]
    assert draw("all", max_len=2) == short
    assert set(draw(3, max_len=2)) < set(draw(6, max_len=2)) < set(short)
    files = {"xho.ner": {"train": ("a/B-X", "b/O c/O", "d/O e/O f/O"), "dev": ("a/B-X b/O",)}}
    corpus = load(files, dataset={"max_len": 1})
    assert corpus.datasets["xho.ner"].available == 1
    text = "training sentence of more than 1 words is left out (max_len)"
    assert [str(finding) for finding in corpus.findings] == [
        f"{tmp_path}/xho.ner.train:3:1: {text} (2 times)"
    ]


def test_a_fault_in_the_first_lines_is_found_by_reading_these_alone(tmp_path: Path) -> None:
    config = load_config(tiny_corpus.write_corpus(tmp_path))
    check_beginnings(config)
    file = config.path(config.datasets[3].files.dev)
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([*lines[:6], "broken", *lines[6:]]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"{file.name}:7"):
        check_beginnings(config)
    check_beginnings(config, lines=5)
