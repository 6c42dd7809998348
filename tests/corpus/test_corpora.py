"""Loading of corpora: tags, vocabularies, vectors and findings from the files of a config."""

from pathlib import Path

import numpy as np
import pytest
from dense import dense_sentences

from mlmt_jax.batches.encode import encode, encode_sentences
from mlmt_jax.corpus.corpora import Corpus
from mlmt_jax.corpus.dataset import bioes_sentences
from mlmt_jax.errors import DataError
from mlmt_jax.text.columns import Sentence
from mlmt_jax.text.findings import Findings

# Sentences as "word/tag word/tag".
NER = ("Piet/B-PER woont/O", "in/O Gent/B-LOC")
POS = ("die/DET hond/NOUN",)
NO_SPANS = ("a/O",)


def bioes(*types: str) -> tuple[str, ...]:
    """Return the tags of a task with these span types."""
    return ("O", *(f"{prefix}-{type_}" for type_ in types for prefix in "BIES"))


def texts(corpus: Corpus, tmp_path: Path) -> list[str]:
    """Return the findings as text, without the folder of the files."""
    return [str(finding).removeprefix(f"{tmp_path}/") for finding in corpus.findings]


def test_spans_are_converted_to_bioes_and_other_tags_are_unchanged(load):
    corpus = load(
        {
            "xho.ner": {"train": ("Jan/B-PER Smit/I-PER x/O", "y/O"), "dev": ("Gent/B-PER",)},
            "xho.pos": {"train": POS, "dev": POS},
        }
    )
    ner, pos = corpus.datasets["xho.ner"], corpus.datasets["xho.pos"]
    assert (ner.scheme, ner.bare, pos.scheme, pos.bare) == ("iob2", False, "none", False)
    assert [tuple(sentence) for sentence in ner.splits["train"]] == [
        (("Jan", "Smit", "x"), ("B-PER", "E-PER", "O"), range(1, 4)),
        (("y",), ("O",), range(5, 6)),
    ]
    assert ner.splits["dev"][0].tags == ("S-PER",)
    assert pos.splits["train"][0].tags == ("DET", "NOUN")
    assert corpus.vocabulary.spans == {"ner": True, "pos": False}
    assert corpus.findings == []


def test_bare_labels_are_spans_if_the_scheme_is_io(load):
    files = {"train": ("Jan/PER Smit/PER x/O",), "dev": NO_SPANS}
    dataset = load({"xho.ner": files}, dataset={"parser": {"scheme": "io"}}).datasets["xho.ner"]
    assert (dataset.scheme, dataset.bare) == ("io", True)
    assert dataset.splits["train"][0].tags == ("B-PER", "E-PER", "O")
    prefixed = {"train": ("Jan/I-PER Smit/I-PER x/O",), "dev": NO_SPANS}
    assert not load({"xho.ner": prefixed}).datasets["xho.ner"].bare


def test_tags_of_a_task_are_the_union_over_its_languages(load):
    corpus = load(
        {
            "xho.ner": {"train": ("a/B-PER b/I-PER",), "dev": ("c/B-DATE",)},
            "zul.ner": {"train": ("a/O b/B-LOC",), "dev": ("c/B-PER",), "test": ("c/B-TIME",)},
            "xho.pos": {"train": ("a/VERB b/DET",), "dev": ("a/X",)},
            "zul.pos": {"train": ("a/NOUN b/DET",), "dev": ("a/VERB",)},
        }
    )
    assert corpus.vocabulary.tags == {"ner": bioes("LOC", "PER"), "pos": ("DET", "NOUN", "VERB")}


def test_tags_that_training_lacks_are_encoded_as_minus_one_with_findings(load, tmp_path):
    corpus = load(
        {
            "xho.ner": {
                "train": ("a/B-PER b/O",),
                # LOC is in the training data of the other language.
                "dev": ("a/B-PER b/B-LOC c/I-LOC", "b/O c/B-DATE d/I-DATE", "e/O", "f/B-DATE"),
            },
            "zul.ner": {"train": ("a/B-LOC b/O",), "dev": ("a/B-PER",), "test": ("b/O", "c/B-DATE")},
            "zul.pos": {"train": ("a/NOUN",), "dev": ("a/X", "b/X c/SYM a/NOUN")},
        }
    )
    index = {tag: i for i, tag in enumerate(corpus.vocabulary.tags["ner"])}
    dev = corpus.datasets["xho.ner"].splits["dev"]
    encoded = encode(corpus.vocabulary, "xho words", "ner", dev)
    assert [sentence.tags.tolist() for sentence in dense_sentences(encoded)] == [
        [index["S-PER"], index["B-LOC"], index["E-LOC"]],
        [0, -1, -1],
        [0],
        [-1],
    ]
    end = "is not in the training data: always an error of the model"
    assert texts(corpus, tmp_path) == [
        f"xho.ner.dev:6: span type 'DATE' {end} (3 times)",
        f"zul.ner.test:3: span type 'DATE' {end}",
        f"zul.pos.dev:1: tag 'X' {end} (2 times)",
        f"zul.pos.dev:4: tag 'SYM' {end}",
    ]


def test_five_unknown_tags_of_a_file_are_reported(load, tmp_path):
    files = {"train": ("a/X",), "dev": ("b/T1 c/T2 d/T3", "b/T4 c/T5 d/T6 e/T7 f/T6")}
    findings = texts(load({"xho.pos": files}), tmp_path)
    assert [text.split()[2] for text in findings[:5]] == ["'T1'", "'T2'", "'T3'", "'T4'", "'T5'"]
    assert findings[5:] == ["xho.pos.dev: further tags that are not in the training data: 2"]


def test_tags_and_words_outside_the_sample_are_unknown(load):
    files = {"train": tuple(f"w{i}/T{i}" for i in range(9)), "dev": ("w/T0 w/T8",)}
    corpus = load({"xho.pos": files}, dataset={"sample": 3})
    [sample] = [corpus.datasets["xho.pos"].splits["train"]]
    assert corpus.vocabulary.tags["pos"] == tuple(sorted(sentence.tags[0] for sentence in sample))
    assert len(sample) == 3
    assert set(corpus.vocabulary.words["xho words"].words) == {sentence.tokens[0] for sentence in sample}


def test_task_with_spans_in_one_language_only_is_refused(load):
    with pytest.raises(DataError, match=r"task 'ner' disagree .*xho\.ner: iob2, zul\.ner: none") as error:
        load({"xho.ner": {"train": NER, "dev": NER}, "zul.ner": {"train": POS, "dev": POS}})
    assert "parser.scheme" in str(error.value)


def test_task_without_training_sentences_is_refused(load):
    files = {"train": NER, "dev": NER}
    with pytest.raises(DataError, match=r"task 'ner' has no training sentence .*xho\.ner"):
        load({"xho.ner": files, "xho.pos": {"train": POS, "dev": POS}}, dataset={"sample": 0})
    corpus = load({"xho.ner": files, "zul.ner": files}, dataset={"sample": 0})
    assert corpus.datasets["xho.ner"].splits["train"] == []
    assert corpus.vocabulary.tags["ner"] == bioes("LOC", "PER")
    assert corpus.vocabulary.words["xho words"].words == ()


def test_constraints_are_refused_if_tags_are_not_spans(load):
    files = {"train": POS, "dev": POS}
    with pytest.raises(DataError, match=r"components\[3\]\.constrain: got true.*'pos'.*not spans"):
        load({"xho.pos": files}, crf={"pos": {"constrain": True}})
    load({"xho.pos": files}, crf={"pos": {"constrain": False}})
    load({"xho.ner": {"train": NER, "dev": NER}, "xho.pos": files}, crf={"ner": {"constrain": True}})


def test_ill_formed_tags_are_repaired_and_counted(load, tmp_path):
    train = ("a/B-PER b/I-PER", "a/O b/I-PER c/I-PER", "a/B-LOC b/I-PER", *["a/B-LOC b/O"] * 5)
    files = {"train": train, "dev": ("a/B-PER",), "test": ("a/I-PER",)}
    corpus = load({"xho.ner": files}, dataset={"parser": {"scheme": "iob2"}})
    tags = [sentence.tags for sentence in corpus.datasets["xho.ner"].splits["train"]]
    assert tags[:3] == [("B-PER", "E-PER"), ("O", "B-PER", "E-PER"), ("S-LOC", "S-PER")]
    text = "tag is ill-formed in the scheme IOB2 and was read as conlleval does"
    finding = f"{text}: 'I-PER'"
    assert texts(corpus, tmp_path) == [f"xho.ner.train:5: {finding} (2 times)", f"xho.ner.test:1: {finding}"]


def test_empty_tag_is_an_error_with_file_and_line():
    with pytest.raises(DataError, match=r"^some\.file:7: "):
        bioes_sentences([Sentence(("a",), ("",), (7,))], "iob2", Findings("some.file"))


def test_dev_and_test_add_no_words_or_characters(load):
    files = {"train": ("ab/O c/O",), "dev": ("new/O file/O",), "test": ("other/O ab/O",)}
    corpus = load({"xho.ner": files}, vectors=["file", "ab"])
    words = corpus.vocabulary.words["xho words"]
    assert set(words.words) == {"file", "ab", "c"}
    assert corpus.vocabulary.characters.characters == ("a", "b", "c")
    first = corpus.datasets["xho.ner"].splits["dev"][0].tokens
    [tokens] = dense_sentences(encode_sentences(corpus.vocabulary, "xho words", [first]))
    assert tokens.words.tolist() == [0, 1]
    assert tokens.chars.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert tokens.tags.tolist() == [0, 0]


def vectors_by_word(corpus: Corpus, table: str = "xho words") -> dict[str, float]:
    """Return the place in the vector file of each word that has a vector."""
    rows, matrix = corpus.pretrained[table]
    assert (matrix[:, 0] == -matrix[:, 1]).all()
    words = corpus.vocabulary.words[table].words
    return {words[row - 1]: place for row, place in zip(rows, matrix[:, 0], strict=True)}


# The file has these words at places 2, 4 (in lower case) and 6 (with zeros); "lost" is not in it.
FAR = ("two/O FOUR/O R66/O lost/O",)
FILE = ["one", "two", "three", "four", "dev", "r00", "seven"]


def test_training_words_beyond_max_words_have_their_vectors(load):
    files = {"xho.ner": {"train": FAR, "dev": ("dev/O three/O seven/O",)}}
    corpus = load(files, vectors=FILE, embedding={"max_words": 1})
    places = vectors_by_word(corpus)
    assert {word: places[word] for word in ("one", "two", "FOUR", "R66")} == {
        "one": 1,
        "two": 2,
        "FOUR": 4,
        "R66": 6,
    }
    words = corpus.vocabulary.words["xho words"]
    assert "lost" in words.words
    assert "lost" not in places
    assert words.rows(["dev", "three", "seven"]).tolist() == [0, 0, 0]


def test_vocabulary_of_the_data_has_only_training_words(load):
    files = {"xho.ner": {"train": FAR, "dev": FAR}}
    corpus = load(files, vectors=FILE, embedding={"vocabulary": "data"})
    assert set(corpus.vocabulary.words["xho words"].words) == {"two", "FOUR", "R66", "lost"}
    assert vectors_by_word(corpus) == {"two": 2, "FOUR": 4, "R66": 6}


def test_vocabulary_of_the_file_has_its_words_and_training_words(load):
    files = {"xho.ner": {"train": FAR, "dev": FAR}}
    corpus = load(files, vectors=FILE)
    assert corpus.vocabulary.words["xho words"].words[: len(FILE)] == tuple(FILE)
    assert corpus.vocabulary.sizes.words == {"xho words": 1 + len(FILE) + 3}


def test_components_without_vectors_are_left_out(load):
    files = {"xho.ner": {"train": ("a/O",), "dev": NO_SPANS}}
    assert load(files).pretrained == {}
    assert load(files, vectors=["x"], embedding={"vocabulary": "data"}).pretrained == {}


@pytest.mark.parametrize(("others", "warns"), [(38, False), (39, True)])
def test_coverage_below_five_per_cent_is_a_finding(load, tmp_path, others, warns):
    # Two words are in the file, in another case. Repeated words count each time.
    sentence = " ".join(["KNOWN/B-X"] * 2 + ["new/O"] * (others - 1) + ["once/O"])
    corpus = load({"xho.ner": {"train": (sentence,), "dev": ("known/B-X",)}}, vectors=["first", "known"])
    if not warns:
        assert corpus.findings == []
        return
    [text] = texts(corpus, tmp_path)
    assert text.startswith("vectors: vectors cover 4.9% of the 41 training words of 'xho words'")
    assert "language" in text
    assert "'first'" in text
    assert "'KNOWN'" in text


def test_rare_words_and_characters_occur_once_in_training(load):
    corpus = load(
        {
            "xho.ner": {"train": ("twice/O Both/O only/O",), "dev": ("only/O",)},
            "xho.pos": {"train": ("twice/X both/X",), "dev": ("only/X",)},
            "zul.ner": {"train": ("twice/O mq/O",), "dev": ("only/O",)},
        },
        vectors=["file", "only"],
    )
    for table, expected in (("xho words", {"Both", "both", "only"}), ("zul words", {"twice", "mq"})):
        words, rare = corpus.vocabulary.words[table], corpus.rare_words[table]
        assert rare.shape == (words.size,)
        assert not rare[0]
        assert {words.words[row - 1] for row in np.flatnonzero(rare)} == expected
    characters = corpus.vocabulary.characters
    assert corpus.rare_characters.shape == (characters.size,)
    rare = [characters.characters[row - 2] for row in np.flatnonzero(corpus.rare_characters)]
    assert rare == sorted("Bblmnqy")
    folded = load(
        {"xho.ner": {"train": ("Both/O both/O a/O",), "dev": NO_SPANS}}, embedding={"ignore_case": True}
    )
    assert folded.vocabulary.words["xho words"].words == ("both", "a")
    assert folded.rare_words["xho words"].tolist() == [False, False, True]
