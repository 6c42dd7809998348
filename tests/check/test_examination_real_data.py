"""Real corpora and vectors, read as a simple separate reader reads them."""

from pathlib import Path

import numpy as np
import pytest

from mlmt_jax.check import examine
from mlmt_jax.check.scan import scan_file
from mlmt_jax.config import load_config
from mlmt_jax.corpus.vectors import read_vectors
from mlmt_jax.text.column_guess import guess_format
from mlmt_jax.text.columns import ColumnFormat, read_conll

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
MASAKHANE = [
    f"{language}.{task}.{split}.txt"
    for language in ("xho", "zul")
    for task in ("ner", "pos")
    for split in ("train", "dev", "test")
]
NER_SENTENCES = {
    "xho.ner.train.txt": 5718,
    "xho.ner.dev.txt": 817,
    "xho.ner.test.txt": 1633,
    "zul.ner.train.txt": 5848,
    "zul.ner.dev.txt": 836,
    "zul.ner.test.txt": 1670,
}
UNER = [
    f"{bank}-ud-{split}.iob2" for bank in ("da_ddt", "sv_talbanken") for split in ("train", "dev", "test")
]
UD = [
    "da_ddt-ud-dev.conllu",
    "da_ddt-ud-test.conllu",
    "sv_talbanken-ud-dev.conllu",
    "sv_talbanken-ud-test.conllu",
    "nl_alpino-ud-dev.conllu",
    "es_gsd-ud-test.conllu",
]
VECTORS = {"xho": 29393, "zul": 32338, "dan": 6030, "swe": 5381}


def groups(path: Path) -> list[list[str]]:
    """Split a file at its blank lines into groups of lines."""
    all_groups: list[list[str]] = [[]]
    for line in path.read_bytes().decode().split("\n"):
        if line:
            all_groups[-1].append(line)
        else:
            all_groups.append([])
    return [group for group in all_groups if group]


def read(path: Path, fmt: ColumnFormat):
    assert guess_format(path) in (fmt, ColumnFormat(fmt.token_col, fmt.label_col, "\t"))
    sentences, findings = read_conll(path, fmt)
    return [list(zip(s.tokens, s.tags, strict=True)) for s in sentences], findings


@pytest.mark.parametrize("name", MASAKHANE)
def test_masakhane_files_are_read_as_by_a_simple_reader(shared_data, name):
    path = shared_data / "masakhane" / name
    sentences, findings = read(path, ColumnFormat())
    # The last space is what separates: a line " O" has an empty token, and none of these has a comment.
    assert sentences == [[tuple(line.rsplit(" ", 1)) for line in group] for group in groups(path)]
    assert len(sentences) == NER_SENTENCES.get(name, len(sentences))
    expected = [(44520, 2)] if name == "xho.ner.train.txt" else []
    assert [(f.line, f.count) for f in findings] == expected


@pytest.mark.parametrize(("folder", "name"), [("uner", n) for n in UNER] + [("ud", n) for n in UD])
def test_universal_files_are_read_as_by_a_simple_reader(shared_data, folder, name):
    path = shared_data / folder / name
    label = 2 if folder == "uner" else 3
    sentences, findings = read(path, ColumnFormat(token_col=1, label_col=label))
    expected = []
    for group in groups(path):
        rows = [line.split("\t") for line in group if "\t" in line and not line.startswith("# ")]
        expected.append([(row[1], row[label]) for row in rows if row[0].isdigit()])
    assert sentences == expected
    assert len(sentences) == path.read_text(encoding="utf-8").count("# sent_id = ")
    assert list(findings) == []


def test_corpora_have_tokens_with_spaces_and_hashes(shared_data):
    tokens = {
        token
        for name in ("sv_talbanken-ud-test.conllu", "es_gsd-ud-test.conllu")
        for s in read_conll(shared_data / "ud" / name, ColumnFormat(1, 3))[0]
        for token in s.tokens
    }
    assert any(" " in token for token in tokens)
    assert "#" in tokens
    zulu, _ = read_conll(shared_data / "masakhane" / "zul.ner.train.txt", ColumnFormat())
    assert sum(token.startswith("#") for s in zulu for token in s.tokens) == 8


def test_check_finds_the_known_oddities_of_masakhane(shared_data):
    config = load_config(CONFIGS / "masakhane_xho_single.json", [f"data_root={shared_data}"])
    examination = examine(config, "config")
    places = [
        (Path(f.path).name, f.line, f.column, f.count, f.text.split()[-1]) for f in examination.findings
    ]
    assert places == [
        ("xho.ner.train.txt", 29346, 13, 4, "does"),  # ill-formed tags
        ("xho.ner.train.txt", 44520, 1, 2, "token"),  # empty
        ("xho.ner.dev.txt", 12806, 4, 1, "does"),
        ("xho.ner.test.txt", 9461, None, 252, "well"),  # sentences of train
        ("xho.ner.test.txt", 14985, 14, 4, "does"),
    ]
    assert (examination.errors, examination.files) == ([], 4)


@pytest.mark.parametrize(("folder", "name", "label"), [("uner", UNER[0], 2), ("ud", UD[-1], 3)])
def test_check_reads_the_sentences_of_training(shared_data, folder, name, label):
    path = shared_data / folder / name
    fmt = ColumnFormat(token_col=1, label_col=label)
    scan = scan_file(path, fmt)
    assert (scan.path, scan.sentences, list(scan.findings)) == (str(path), read_conll(path, fmt)[0], [])


@pytest.mark.parametrize("language", VECTORS)
def test_vector_files_are_read_as_by_a_simple_reader(shared_data, language):
    path = shared_data / "embeddings" / f"{language}.cbow.50d.txt"
    vectors, findings = read_vectors(path, 50, max_words=400_000)
    header, *lines = path.read_bytes().decode().rstrip("\n").split("\n")
    assert header.split() == [str(VECTORS[language]), "50"]
    assert vectors.words == [" ".join(line.split(" ")[:-50]) for line in lines]
    assert vectors.matrix.shape == (VECTORS[language], 50)
    for i in range(0, len(lines), 997):
        expected = np.array([float(x) for x in lines[i].split(" ")[-50:]], np.float32)
        np.testing.assert_array_equal(vectors.matrix[i], expected)
    assert list(findings) == []
