"""The bundled corpora: sizes, formats, held-out names, no shared sentences, and what the generator writes."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "quickstart"
SIZES = {
    "afr.ner.train.conll": 40,
    "afr.ner.dev.conll": 100,
    "afr.ner.test.conll": 200,
    "nld.ner.train.conll": 400,
    "nld.ner.dev.conll": 100,
    "nld.ner.test.conll": 100,
    "afr.pos.train.conllu": 300,
    "afr.pos.dev.conllu": 100,
    "afr.pos.test.conllu": 100,
    "nld.pos.train.conllu": 400,
    "nld.pos.dev.conllu": 100,
    "nld.pos.test.conllu": 100,
}
NER_FILES = [name for name in SIZES if ".ner." in name]
POS_FILES = [name for name in SIZES if ".pos." in name]
VECTOR_FILES = ["afr.vec.txt", "nld.vec.txt"]
UPOS = frozenset(
    {"ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"}
    | {"PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"}
)


def blocks(name: str) -> list[list[str]]:
    content = (FOLDER / name).read_text(encoding="utf-8")
    assert content.endswith("\n\n")
    assert "\r" not in content
    return [block.split("\n") for block in content[:-2].split("\n\n")]


def printed_tokens(block: list[str]) -> list[tuple[str, str]]:
    """Return the printed tokens of a CoNLL-U block with their MISC column: ranges replace their words."""
    tokens, covered = [], set()
    for row in (line.split("\t") for line in block if not line.startswith("#")):
        if "-" in row[0]:
            first, last = map(int, row[0].split("-"))
            covered |= set(range(first, last + 1))
            tokens.append((row[1], row[9]))
        elif int(row[0]) not in covered:
            tokens.append((row[1], row[9]))
    return tokens


def sentences(name: str) -> list[tuple[str, ...]]:
    if ".ner." in name:
        return [tuple(line.split("\t")[0] for line in block) for block in blocks(name)]
    return [tuple(form for form, _ in printed_tokens(block)) for block in blocks(name)]


def read_vectors(path: Path) -> tuple[list[str], np.ndarray]:
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    words = [line.split(" ")[0] for line in lines]
    vectors = np.array([[float(x) for x in line.split(" ")[1:]] for line in lines])
    assert header == f"{len(words)} {vectors.shape[1]}"
    return words, vectors


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_each_file_has_its_number_of_sentences_of_5_to_25_tokens(name: str, size: int) -> None:
    lengths = [len(sentence) for sentence in sentences(name)]
    assert len(lengths) == size
    assert all(5 <= length <= 25 for length in lengths)
    assert (FOLDER / name).stat().st_size < 300_000


@pytest.mark.parametrize("name", SIZES)
def test_sentences_start_with_a_capital_a_number_or_a_quotation(name: str) -> None:
    for sentence in sentences(name):
        first = next(form for form in sentence if form != "“" and not form.startswith("'"))
        assert first[0].isupper() or first[0].isdigit()
        assert sentence.count("“") == sentence.count("”")
        assert sentence[-1] in {".", "?", "”"}


@pytest.mark.parametrize("name", NER_FILES)
def test_ner_tags_are_well_formed_iob2_of_all_three_types(name: str) -> None:
    types = set()
    for block in blocks(name):
        previous = "O"
        for line in block:
            form, tag = line.split("\t")
            assert form
            assert not re.search(r"\s", form)
            assert tag == "O" or re.fullmatch(r"[BI]-(PER|LOC|ORG)", tag)
            if tag.startswith("I-"):
                assert previous[2:] == tag[2:]
            types.add(tag)
            previous = tag
    assert types == {"O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"}


@pytest.mark.parametrize("name", POS_FILES)
def test_pos_files_are_valid_conllu(name: str) -> None:
    ids = set()
    for block in blocks(name):
        assert block[0].startswith("# sent_id = ")
        assert block[1].startswith("# text = ")
        ids.add(block[0])
        expected_id, range_end = 1, 0
        for row in (line.split("\t") for line in block[2:]):
            assert len(row) == 10
            assert all(row)
            if "-" in row[0]:
                first, range_end = map(int, row[0].split("-"))
                assert first == expected_id < range_end
                assert row[2:9] == ["_"] * 7
                continue
            assert int(row[0]) == expected_id
            assert row[3] in UPOS
            assert row[9] in ({"_"} if expected_id <= range_end else {"_", "SpaceAfter=No"})
            expected_id += 1
        assert expected_id > range_end
        pieces = [form + " " * (misc != "SpaceAfter=No") for form, misc in printed_tokens(block)]
        assert block[1] == f"# text = {''.join(pieces).rstrip()}"
    assert len(ids) == SIZES[name]


def test_afrikaans_has_contractions_as_ranges() -> None:
    rows = [line for block in blocks("afr.pos.train.conllu") for line in block]
    assert any(re.match(r"\d+-\d+\tDis\t", row) for row in rows)


@pytest.mark.parametrize("language", ["afr", "nld"])
def test_no_sentence_occurs_twice_in_the_files_of_a_language(language: str) -> None:
    corpus = [sentence for name in SIZES if name.startswith(language) for sentence in sentences(name)]
    assert len(corpus) == len(set(corpus))


@pytest.mark.parametrize("language", ["afr", "nld"])
@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_quarter_to_three_fifths_of_the_name_tokens_are_new(language: str, split: str) -> None:
    training = {
        form
        for name in (f"{language}.ner.train.conll", f"{language}.pos.train.conllu")
        for sentence in sentences(name)
        for form in sentence
    }
    rows = [line.split("\t") for block in blocks(f"{language}.ner.{split}.conll") for line in block]
    new = [form not in training for form, tag in rows if tag != "O"]
    assert 0.25 < sum(new) / len(new) < 0.60


@pytest.mark.parametrize("language", ["afr", "nld"])
def test_over_a_quarter_of_the_name_forms_have_more_than_one_type(language: str) -> None:
    tags: dict[str, set[str]] = {}
    for split in ("train", "dev", "test"):
        for block in blocks(f"{language}.ner.{split}.conll"):
            for form, tag in (line.split("\t") for line in block):
                tags.setdefault(form, set()).add(tag[2:])
    names = [types for types in tags.values() if types != {""}]
    assert sum(len(types) > 1 for types in names) > len(names) / 4


@pytest.mark.parametrize("name", VECTOR_FILES)
def test_vectors_are_scaled_and_cover_about_half_of_the_new_names(name: str) -> None:
    words, vectors = read_vectors(FOLDER / name)
    language = name[:3]
    assert (FOLDER / name).stat().st_size < 700_000
    assert vectors.shape == (len(set(words)), 50)
    assert len(words) <= 1500
    np.testing.assert_allclose(vectors.std(), 0.5, atol=1e-3)
    # A held-out name occurs only in dev or test.
    training, names = set(), set()
    for file in SIZES:
        if file.startswith(language) and ".train." in file:
            training |= {form for sentence in sentences(file) for form in sentence}
        elif file.startswith(f"{language}.ner"):
            rows = [line.split("\t") for block in blocks(file) for line in block]
            names |= {form for form, tag in rows if tag != "O"}
    held_out = names - training
    assert 0.3 < len(held_out & set(words)) / len(held_out) < 0.7


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("quickstart")
    command = [sys.executable, "-B", str(FOLDER / "generate.py"), "--output", str(output)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return output


@pytest.mark.parametrize("name", SIZES)
def test_the_generator_writes_the_committed_corpora(regenerated: Path, name: str) -> None:
    assert (regenerated / name).read_bytes() == (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", VECTOR_FILES)
def test_the_generator_writes_the_committed_vectors(regenerated: Path, name: str) -> None:
    words, vectors = read_vectors(regenerated / name)
    committed_words, committed = read_vectors(FOLDER / name)
    assert words == committed_words
    # The last digits of an SVD differ between machines.
    np.testing.assert_allclose(vectors, committed, atol=1e-3)
