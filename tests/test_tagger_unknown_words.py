"""Words that a run does not know: their vectors from a file, and the scores on what training never had."""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from command_lines import is_one_message, status

from mlmt_jax import Tagger, evaluate, predict
from mlmt_jax.corpus.vocabulary import WordVocab
from mlmt_jax.errors import DataError, RunError
from mlmt_jax.exported import ExportedTagger
from mlmt_jax.runs.checkpoints import load_best_params
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.text.columns import Sentence

VECTOR = (3.0, -2.0, 1.0, 4.0)
SENTENCES = [("Zwolle", "woont"), ("zwolle", "in", "Gent"), ("ZWOLLE",), ("Piet", "woont")]
EXAMPLES = [Sentence(tokens, ("O",) * len(tokens), range(1, len(tokens) + 1)) for tokens in SENTENCES]


def written(folder: Path, *words: str, dimension: int = 4) -> Path:
    """Vectors of words, all ``VECTOR``, behind two that the run knows and has other vectors of."""
    path = folder / "more.vec"
    rows = [("Piet", -7.0), ("woont", -7.0)]
    lines = [f"{word} " + " ".join([str(x)] * dimension) for word, x in rows]
    lines += [f"{word} " + " ".join(map(str, (VECTOR * dimension)[:dimension])) for word in words]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def losses(tiny_run: Any) -> Any:
    """The mean loss of each sentence by the tagger that is given."""
    return lambda tagger: [tagger.evaluate([example]).loss for example in EXAMPLES]


def with_unknown(tiny_run: Any) -> Tagger:
    """The run's tagger, whose unknown word has ``VECTOR``."""
    tagger = Tagger.load(tiny_run.folder)
    folder = RunFolder(tiny_run.folder)
    params = load_best_params(folder.checkpoints, folder.id, tagger._params)
    table = params["nld_words"]["table"]
    params = {**params, "nld_words": {"table": table.at[0].set(jnp.array(VECTOR))}}
    return Tagger(folder.config(), *folder.vocabulary(), params)


def test_what_the_file_knows_has_its_vector(tiny_run: Any, tmp_path: Path, losses: Any) -> None:
    plain = losses(Tagger.load(tiny_run.folder))
    found = losses(Tagger.load(tiny_run.folder, vectors=written(tmp_path, "Zwolle")))
    # All forms of the word fall back to the file's one; a word of the run keeps its own.
    np.testing.assert_allclose(found, losses(with_unknown(tiny_run)), rtol=1e-5)
    assert np.all(np.abs(np.subtract(found, plain))[:3] > 1e-3)
    assert found[3] == pytest.approx(plain[3], rel=1e-6)


def test_all_else_stays(tiny_run: Any, tmp_path: Path, losses: Any) -> None:
    plain = Tagger.load(tiny_run.folder)
    for words in ((), ("Almelo",)):
        tagger = Tagger.load(tiny_run.folder, vectors=written(tmp_path, *words))
        np.testing.assert_allclose(losses(tagger), losses(plain), rtol=1e-6)
    other = tagger.for_task("nld pos")
    assert other.tag(SENTENCES) == plain.for_task("nld pos").tag(SENTENCES)


def test_an_exported_tagger_has_them_too(tiny_run: Any, tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_run.folder, vectors=written(tmp_path, "Zwolle"))
    tagger.export(tmp_path / "exported")
    assert ExportedTagger.load(tmp_path / "exported").tag(SENTENCES) == tagger.tag(SENTENCES)
    with zipfile.ZipFile(tmp_path / "exported") as archive:
        words = json.loads(archive.read("about.json"))["vocabulary"]["words"]
    assert words["nld_words"]["more"]["words"] == ["Zwolle"]


@pytest.mark.parametrize("dimension", [3, 5])
def test_another_dimension(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], dimension: int
) -> None:
    path = written(tmp_path, "Zwolle", dimension=dimension)
    with pytest.raises(DataError, match=f"a word and {dimension} .*expected 4 numbers"):
        Tagger.load(tiny_run.folder, vectors=path)
    path.write_text(f"1 {dimension}\nZwolle {'1 ' * dimension}\n", encoding="utf-8")
    for main in (predict.main, evaluate.main):
        file = tiny_run.config.parent / "nld.ner.test"
        assert status(main, tiny_run.folder, file, "--vectors", path) == 2
        err = capsys.readouterr().err
        assert is_one_message(err)
        assert f"{path}:1: the header says {dimension} dimensions" in err
        assert "expected dimension 4" in err


@pytest.mark.parametrize(("other", "is_refused"), [(0, False), (7, False), (10, True)])
def test_vectors_of_another_training(tiny_run: Any, tmp_path: Path, other: int, is_refused: bool) -> None:
    """``other``: of ten of the run's words, how many have nothing of the file's vector."""
    tagger = Tagger.load(tiny_run.folder)
    name = tagger._task.model.word_embed
    words, table = tagger._vocabulary.words[name].words, np.asarray(tagger._params[name]["table"])
    many = [f"{word}{i}" for i in range(10) for word in words]
    own = np.tile(table[1:], (10, 1))
    vectors = np.where(np.arange(len(own))[:, None] < other * len(words), -own, own + 0.1)
    vocabulary = replace(
        tagger._vocabulary, words={**tagger._vocabulary.words, name: WordVocab(tuple(many), fall_back=False)}
    )
    params = {**tagger._params, name: {"table": jnp.array(np.concatenate([table[:1], own]))}}
    larger = Tagger(tagger._config, vocabulary, tagger._schemes, params)
    path = tmp_path / "other.vec"
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(many, vectors, strict=True)]
    path.write_text("\n".join([*lines, "Zwolle 1 2 3 4", ""]), encoding="utf-8")
    if is_refused:
        with pytest.raises(DataError, match=rf"another training.* of {len(many)} words.* at most -1\.00;\n"):
            larger._with_vectors(path)
    else:
        assert larger._with_vectors(path)._vocabulary.words[name].extension == WordVocab(("Zwolle",))


def test_a_table_without_vectors(tiny_run: Any, tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"more\.vec: the run's word table 'afr_words' did not start from vectors"
    ):
        Tagger.load(tiny_run.folder, "afr ner", written(tmp_path, "nuut"))


@pytest.mark.parametrize(("task", "figure"), [("nld ner", "F1"), ("nld pos", "accuracy")])
def test_scores_on_seen_and_unseen_words(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str, figure: str
) -> None:
    file = tiny_run.config.parent / f"{task.replace(' ', '.')}.test"
    other = tmp_path / "other"
    other.write_text(file.read_text(encoding="utf-8").replace("Gent", "Zwolle"), encoding="utf-8")
    seen = json.loads((tiny_run.folder / "vocab.json").read_text(encoding="utf-8"))["seen"]
    assert "Gent" in seen[task.replace(" ", "_")]
    assert "Zwolle" not in seen[task.replace(" ", "_")]
    assert status(evaluate.main, tiny_run.folder, other, "--task", task) == 0
    rows = [line.split() for line in capsys.readouterr().out.split("\n\n")[-1].splitlines()]
    assert rows[0] == ["words", figure, "gold", "predicted"]
    assert [row[0] for row in rows[1:]] == ["seen", "unseen"]
    # No other word of the file is new, and Zwolle is a span of its own.
    assert int(rows[2][2]) == other.read_text(encoding="utf-8").count("Zwolle")


def test_a_run_of_before(tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Path(shutil.copytree(tiny_run.folder, tmp_path / "run"))
    vocabulary = RunFolder(run).read("vocab.json")
    del vocabulary["seen"]
    RunFolder(run).write("vocab.json", vocabulary)
    assert status(evaluate.main, run, tiny_run.config.parent / "nld.ner.test") == 0
    out, err = capsys.readouterr()
    assert "unseen" not in out
    assert err == ""
