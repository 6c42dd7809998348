"""Config, column and vector files with mutated bytes: they are refused with a message or read correctly."""

import gzip
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import tiny_corpus
from campaign import assert_readable, run_campaign
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import mutated, mutated_values

from mlmt_jax.check import examine
from mlmt_jax.config import load_config, parse_config
from mlmt_jax.corpus.corpora import load_corpus
from mlmt_jax.corpus.vectors import read_vectors
from mlmt_jax.errors import InputError
from mlmt_jax.text.column_guess import guess_format
from mlmt_jax.text.columns import ColumnFormat, iter_blocks, read_conll, sentence_of
from mlmt_jax.text.findings import Findings
from mlmt_jax.text.lines import open_text

DIMENSION = 4
FORMATS = (
    ColumnFormat(),
    ColumnFormat(1, 3),
    ColumnFormat(-2, -1, " "),
    ColumnFormat(0, 1, "\t", skip_comment=False),
    ColumnFormat(0, 1, "||"),
)
ENCODINGS = (
    "utf-8",
    "utf-8",
    "utf-8",
    "utf-16",
    "utf-16-le",
    "cp1252",
    "utf-7",
    "gb18030",
    "utf-8-sig",
    "shift_jis",
)

Attempt = tuple[Any, Callable[[], object]]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of valid files, to mutate one at a time."""
    return tiny_corpus.write_corpus(tmp_path_factory.mktemp("fuzzed")).parent


def check_config(path: Path) -> None:
    """Load a config; the resolved config must be unchanged after a round trip through JSON."""
    config = load_config(path, check_files=False)
    resolved = config.resolved()
    assert parse_config(json.loads(json.dumps(resolved))).resolved() == resolved
    load_config(path)  # also checks that the files exist


def test_mutated_configs(corpus: Path) -> None:
    good = (corpus / "tiny.json").read_bytes()
    path = corpus / "broken.json"

    def case(random: Random) -> Attempt:
        data = random.choice((mutated, mutated_values))(good, random)
        path.write_bytes(data)
        return data, lambda: check_config(path)

    run_campaign("configs", 0.34, case)


def check_sentences(path: Path, form: ColumnFormat, labelled: bool) -> None:
    """Read a column file and check its sentences and findings."""
    findings = Findings(path)
    blocks = list(iter_blocks(open_text(findings, form.encoding), form, findings, labelled=labelled))
    sentences = [sentence_of(block) for block in blocks if block.rows]
    if labelled and sentences:
        reread, findings_of_reader = read_conll(path, form)
        assert (reread, list(findings_of_reader)) == (sentences, list(findings))
    empty = sum(not token for sentence in sentences for token in sentence.tokens)
    assert empty == sum(finding.count for finding in findings if finding.text == "an empty token")
    for sentence in sentences:
        assert len(sentence.tokens) == len(sentence.lines) > 0
        assert len(sentence.tags) == (len(sentence.tokens) if labelled else 0)
        assert all(sentence.tags)
    guess_format(path, form.encoding)


def test_mutated_column_files(corpus: Path) -> None:
    good = [(corpus / name).read_bytes() for name in ("nld.ner.train", "afr.ner.train", "nld.pos.train")]
    path = corpus / "broken.txt"

    def case(random: Random) -> Attempt:
        form = ColumnFormat(**{**vars(random.choice(FORMATS)), "encoding": random.choice(ENCODINGS)})
        text = random.choice(good).decode()
        data = mutated(text.encode(form.encoding if random.random() < 0.8 else "utf-8"), random)
        labelled = random.random() < 0.8
        path.write_bytes(data)
        return (form, labelled, data), lambda: check_sentences(path, form, labelled)

    run_campaign("columns", 0.2, case)


def test_mutated_corpora(corpus: Path) -> None:
    """Mutate one file of a corpus; `check` must find an error exactly if training refuses the corpus."""
    names = [f"{dataset}.{split}" for dataset in ("nld.ner", "afr.pos") for split in ("train", "dev")]
    names.append("nld.vec")
    good = {name: (corpus / name).read_bytes() for name in names}
    config = load_config(corpus / "tiny.json")

    def check() -> None:
        examination = examine(config, "tiny.json")
        for finding in examination.findings:
            assert_readable(str(finding))
        try:
            loaded = load_corpus(config)
        except InputError:
            assert examination.errors
            raise
        assert not examination.errors
        for dataset in loaded.datasets.values():
            tags = set(loaded.vocabulary.tags[dataset.task])
            for sentence in dataset.splits["train"]:
                assert len(sentence.tokens) == len(sentence.tags) == len(sentence.lines)
                assert tags.issuperset(sentence.tags)

    def case(random: Random) -> Attempt:
        for name, data in good.items():
            (corpus / name).write_bytes(data)
        name = random.choice(names)
        data = mutated(good[name], random)
        (corpus / name).write_bytes(data)
        return (name, data), check

    try:
        run_campaign("corpora", 0.12, case)
    finally:
        for name, data in good.items():
            (corpus / name).write_bytes(data)


def vector_files(text: bytes) -> dict[str, bytes]:
    """Return the vectors of a text file in all formats."""
    rows = [line.split() for line in text.splitlines()]
    header = f"{len(rows)} {DIMENSION}\n".encode()
    binary = io.BytesIO()
    for word, *numbers in rows:
        binary.write(word + b" " + struct.pack(f"<{DIMENSION}f", *map(float, numbers)) + b"\n")
    packed = gzip.compress(header + text, mtime=0)
    return {"glove": text, "word2vec": header + text, "gzip": packed, "binary": header + binary.getvalue()}


def check_vectors(path: Path, max_words: int) -> None:
    """Read a vector file and check its vectors and findings."""
    vectors, findings = read_vectors(path, DIMENSION, max_words=max_words, extra_words={"Gent"})
    assert vectors.matrix.dtype == np.float32
    assert vectors.matrix.shape == (len(vectors.words), DIMENSION)
    assert np.isfinite(vectors.matrix).all()
    assert len(set(vectors.words)) == len(vectors.words) <= max_words + 1
    assert all(vectors.words)
    for finding in findings:
        assert_readable(str(finding))


def test_mutated_vector_files(corpus: Path) -> None:
    good = vector_files((corpus / "nld.vec").read_bytes())
    path = corpus / "broken.vec"

    def case(random: Random) -> Attempt:
        kind = random.choice([*good])
        if kind == "gzip" and random.random() < 0.5:  # mutate the content, not the packing
            data = gzip.compress(mutated(good["word2vec"], random), mtime=0)
        else:
            data = mutated(good[kind], random)
        max_words = random.choice((1, 5, 10**6))
        path.write_bytes(data)
        return (kind, max_words, data), lambda: check_vectors(path, max_words)

    run_campaign("vectors", 0.3, case)


def json_paths(data: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the paths of all values in JSON data, that of the whole first."""
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(below for key, child in children for below in json_paths(child, (*path, key)))]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=60, derandomize=True)
@given(path=st.sampled_from(json_paths(tiny_corpus.config())), value=ANY_JSON)
def test_config_with_any_value_at_any_path(path: tuple[str | int, ...], value: Any) -> None:
    data: Any = tiny_corpus.config()
    if path:
        parent = data
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = value
    else:
        data = value
    try:
        resolved = parse_config(data).resolved()
    except InputError as error:
        assert_readable(str(error))
    else:
        assert parse_config(json.loads(json.dumps(resolved))).resolved() == resolved


@settings(
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from("\t\n \r#0-"), max_size=60))
def test_any_text_as_column_or_vector_file(text: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(text.encode())
    for read in (lambda: check_sentences(path, ColumnFormat(), True), lambda: check_vectors(path, 3)):
        try:
            read()
        except InputError as error:
            assert_readable(str(error))
