"""Packed runs tag as the run does, name no paths, and are read without trust."""

import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import tiny_corpus
from archives import rewritten
from command_lines import is_one_message, status
from tiny_runs import train_run

from mlmt_jax import Ensemble, Tagger, pack, predict
from mlmt_jax.errors import RunError

SENTENCES = [["Piet", "Smit", "woont", "in", "Gent", "."], ["Anna"], ["nooit", "gezien"], []]


@pytest.fixture(scope="module")
def packed(tiny_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "model.zip"
    assert status(pack.main, tiny_run.folder, path) == 0
    return path


@pytest.mark.parametrize("task", tiny_corpus.TASKS)
def test_a_packed_run_tags_as_the_run(tiny_run: Any, packed: Path, task: str) -> None:
    tagger, expected = Tagger.load(packed, task), Tagger.load(tiny_run.folder, task)
    assert tagger.temperature == expected.temperature != 1.0
    assert tagger.tag_with_probabilities(SENTENCES) == expected.tag_with_probabilities(SENTENCES)


def test_predict_takes_a_packed_run(tiny_run: Any, packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for run in (tiny_run.folder, packed):
        assert status(predict.main, run, tiny_run.config.parent / "nld.ner.dev", "--probabilities") == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] != ""


def test_no_path_and_no_state_is_packed(tiny_run: Any, packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    places = [str(tiny_run.folder.parent), str(tiny_run.config.parent), str(Path.home()), "/tmp/"]
    for name, data in entries.items():
        assert not [place for place in places if place.encode() in data], name
    assert not [name for name in entries if name.startswith(("checkpoints/last", "samples", "metrics"))]
    card = entries["README.md"].decode()
    scores = json.loads(entries["evaluation.json"])["scores"]["nld ner"]["test"]
    assert f"| PER | {100 * scores['types']['PER']['f1']:.1f} |" in card
    assert f"| all | {100 * scores['f1']:.1f} | {100 * scores['standard_deviation']:.1f} |" in card
    assert "| nld ner (target) | nld | ner | 12 | `O`" in card
    assert re.search(r"Trained with .*jax \d", card)


def test_versions_of_another_jax_do_not_matter(tiny_run: Any, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_run.folder, tmp_path / "run"))
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    summary["versions"] = dict.fromkeys(summary["versions"], "0.4.1|`<b>\x1b")
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    assert status(pack.main, folder, tmp_path / "model.zip") == 0
    assert Tagger.load(tmp_path / "model.zip").tag(SENTENCES) == Tagger.load(folder).tag(SENTENCES)
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        assert "0.4.1\\|'&lt;b>\\x1b" in archive.read("README.md").decode()


def test_states_are_dropped_on_request(
    tiny_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = Path(shutil.copytree(tiny_config.parent, tmp_path / "corpus"))
    run = train_run(corpus, tiny_corpus.lean("afr ner", max_step=4, eval_freq=4, replicas=2), "run")
    ensemble, file = Ensemble.load(run).tag(SENTENCES), tmp_path / "model.zip"
    capsys.readouterr()
    assert status(pack.main, run, file, "--replica", "1", "--drop-states") == 0
    assert f"{file} (replica 1): " in capsys.readouterr().out
    assert not list(run.rglob("checkpoints/last"))
    assert Tagger.load(file).tag(SENTENCES) == Tagger.load(run, replica=1).tag(SENTENCES)
    assert Ensemble.load(run).tag(SENTENCES) == ensemble
    with pytest.raises(RunError, match="a packed run has one replica"):
        Ensemble.load(file)


def link(name: str) -> zipfile.ZipInfo:
    """Return an entry that is a symbolic link."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("entry", "data", "message"),
    [
        ("../outside", b"x", "leads out of the folder"),
        ("a/../../outside", b"x", "leads out of the folder"),
        ("/outside", b"x", "leads out of the folder"),
        ("C:\\outside", b"x", "leads out of the folder"),
        ("config.json", b"{}", "stands there twice"),
        ("Config.JSON", b"{}", "stands there twice"),
        (link("linked"), b"/etc/passwd", "is a link"),
        ("folder/", b"", "is a link, a folder"),
        ("bomb", bytes(1 << 25), "are packed in it; expected at most"),
        ("added", b"x", "added does not belong to it"),
        ("run.json/x", b"x", "cannot be unpacked"),
    ],
)
def test_hostile_entries_are_refused(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], entry: Any, data: bytes, message: str
) -> None:
    path = rewritten(packed, tmp_path / "model.zip", (entry, data))
    assert status(predict.main, path, path) == 2
    err = capsys.readouterr().err
    assert is_one_message(err)
    assert message in err
    assert not list(tmp_path.rglob("outside"))


def test_other_files_are_refused(packed: Path, tmp_path: Path) -> None:
    half, text, empty = tmp_path / "half", tmp_path / "text", tmp_path / "empty"
    half.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    text.write_text("no archive", encoding="utf-8")
    zipfile.ZipFile(empty, "w").close()
    for path in (half, text, empty):
        with pytest.raises(RunError, match="not a packed run"):
            Tagger.load(path)


def test_an_unwritable_file_is_refused(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(pack.main, tiny_run.folder, tmp_path / "none" / "model.zip") == 2
    assert is_one_message(capsys.readouterr().err)
    assert not list(tmp_path.iterdir())
