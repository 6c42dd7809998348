"""Out-of-vocabulary words get vectors from a file, and scores distinguish seen from unseen words."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from command_lines import is_one_message, status

from mlmt_jax import Tagger, evaluate, predict
from mlmt_jax.errors import DataError, RunError
from mlmt_jax.exported import ExportedTagger
from mlmt_jax.runs.checkpoints import load_best_params
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.text.columns import Sentence

VECTOR = (3.0, -2.0, 1.0, 4.0)
SENTENCES = [("Zwolle", "woont"), ("zwolle", "in", "Gent"), ("ZWOLLE",), ("Piet", "woont")]
LABELLED = [Sentence(tokens, ("O",) * len(tokens), range(1, len(tokens) + 1)) for tokens in SENTENCES]


def write_vectors(folder: Path, *words: str, dimension: int = 4) -> Path:
    """Write `VECTOR` as the vector of each word, after two words of the run with vectors of their own."""
    path = folder / "more.vec"
    rows = [("Piet", -7.0), ("woont", -7.0)]
    lines = [f"{word} " + " ".join([str(x)] * dimension) for word, x in rows]
    lines += [f"{word} " + " ".join(map(str, (VECTOR * dimension)[:dimension])) for word in words]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def losses(tagger: Tagger) -> list[float]:
    """Return the loss of each sentence."""
    return [tagger.evaluate([sentence]).loss for sentence in LABELLED]


def with_unknown_vector(tiny_run: Any) -> Tagger:
    """Return the run's tagger with `VECTOR` as the embedding of the unknown word."""
    folder = RunFolder(tiny_run.folder)
    params = load_best_params(folder.checkpoints, folder.id, Tagger.load(tiny_run.folder).model.params)
    table = params["nld_words"]["table"]
    params = {**params, "nld_words": {"table": table.at[0].set(jnp.array(VECTOR))}}
    return Tagger(folder.config(), *folder.vocabulary(), params)


def test_a_word_of_the_file_has_its_vector(tiny_run: Any, tmp_path: Path) -> None:
    plain = losses(Tagger.load(tiny_run.folder))
    extended = losses(Tagger.load(tiny_run.folder, vectors=write_vectors(tmp_path, "Zwolle")))
    # All forms of the word fall back to the file's form. A word of the run keeps its vector.
    np.testing.assert_allclose(extended, losses(with_unknown_vector(tiny_run)), rtol=1e-5)
    assert np.all(np.abs(np.subtract(extended, plain))[:3] > 1e-3)
    assert extended[3] == pytest.approx(plain[3], rel=1e-6)


def test_other_words_and_tasks_are_unchanged(tiny_run: Any, tmp_path: Path) -> None:
    plain = Tagger.load(tiny_run.folder)
    for words in ((), ("Almelo",)):
        tagger = Tagger.load(tiny_run.folder, vectors=write_vectors(tmp_path, *words))
        np.testing.assert_allclose(losses(tagger), losses(plain), rtol=1e-6)
    pos = tagger.for_task("nld pos")
    assert pos.tag(SENTENCES) == plain.for_task("nld pos").tag(SENTENCES)


def test_an_exported_tagger_keeps_the_words_of_the_file(tiny_run: Any, tmp_path: Path) -> None:
    tagger = Tagger.load(tiny_run.folder, vectors=write_vectors(tmp_path, "Zwolle"))
    tagger.export(tmp_path / "exported")
    assert ExportedTagger.load(tmp_path / "exported").tag(SENTENCES) == tagger.tag(SENTENCES)
    with zipfile.ZipFile(tmp_path / "exported") as archive:
        words = json.loads(archive.read("about.json"))["vocabulary"]["words"]
    assert words["nld_words"]["more"]["words"] == ["Zwolle"]


@pytest.mark.parametrize("dimension", [3, 5])
def test_vectors_of_another_dimension_are_refused(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], dimension: int
) -> None:
    path = write_vectors(tmp_path, "Zwolle", dimension=dimension)
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


def test_a_word_table_without_vectors_is_refused(tiny_run: Any, tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"more\.vec: the run's word table 'afr_words' did not start from vectors"
    ):
        Tagger.load(tiny_run.folder, "afr ner", write_vectors(tmp_path, "nuut"))


@pytest.mark.parametrize(("task", "figure"), [("nld ner", "F1"), ("nld pos", "accuracy")])
def test_evaluate_prints_scores_on_seen_and_unseen_words(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str, figure: str
) -> None:
    file = tiny_run.config.parent / f"{task.replace(' ', '.')}.test"
    unseen = tmp_path / "unseen"
    unseen.write_text(file.read_text(encoding="utf-8").replace("Gent", "Zwolle"), encoding="utf-8")
    seen = json.loads((tiny_run.folder / "vocab.json").read_text(encoding="utf-8"))["seen"]
    assert "Gent" in seen[task.replace(" ", "_")]
    assert "Zwolle" not in seen[task.replace(" ", "_")]
    assert status(evaluate.main, tiny_run.folder, unseen, "--task", task) == 0
    rows = [line.split() for line in capsys.readouterr().out.split("\n\n")[-1].splitlines()]
    assert rows[0] == ["words", figure, "gold", "predicted"]
    assert [row[0] for row in rows[1:]] == ["seen", "unseen"]
    # No other word of the file is unseen, and each Zwolle is one span.
    assert int(rows[2][2]) == unseen.read_text(encoding="utf-8").count("Zwolle")


def test_a_run_without_the_training_words_has_no_such_scores(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(tiny_run.folder, tmp_path / "run"))
    vocabulary = RunFolder(run).read("vocab.json")
    del vocabulary["seen"]
    RunFolder(run).write("vocab.json", vocabulary)
    assert status(evaluate.main, run, tiny_run.config.parent / "nld.ner.test") == 0
    out, err = capsys.readouterr()
    assert "unseen" not in out
    assert err == ""
