"""An exported tagger returns the same tags as the tagger, without the model's code."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jax.export
import pytest
import tiny_corpus
from archives import rewritten
from command_lines import is_one_message, status
from tiny_runs import train_run

from mlmt_jax import Tagger, export
from mlmt_jax.errors import RunError
from mlmt_jax.exported import ExportedTagger

SENTENCES = [
    ["Piet", "Smit", "woont", "in", "Gent", "."],
    ["Anna"],
    [],
    ["nooit", "gezien", "\u1e7d\u4e16", "x" * 200, "12-3-2021", ""],
    ["Breda", "en", "Delft", "."] * 150,
]

# The code of a process that cannot import the model's code.
WITHOUT_MODEL = """
import json, sys
for name in ("mlmt_jax.model", "mlmt_jax.training", "mlmt_jax.crf", "flax", "optax", "orbax"):
    sys.modules[name] = None
from mlmt_jax.exported import ExportedTagger
print(json.dumps(ExportedTagger.load(sys.argv[1]).tag(json.load(sys.stdin))))
"""


@pytest.fixture(scope="module")
def file(tiny_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "nld ner.tagger"
    Tagger.load(tiny_run.folder).export(path)
    return path


def test_tags_are_the_same_without_the_models_code(tiny_run: Any, file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MODEL, str(file)],
        input=json.dumps(SENTENCES),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == Tagger.load(tiny_run.folder).tag(SENTENCES)


def test_the_file_holds_one_task_for_cpu_and_gpu(tiny_run: Any, file: Path) -> None:
    tagger, exported = Tagger.load(tiny_run.folder), ExportedTagger.load(file)
    assert (exported.task, exported.tag_names) == (tagger.task, tagger.tag_names)
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        about = json.loads(archive.read("about.json"))
        programs = [archive.read(name) for name in names if name.endswith(".stablehlo")]
    for program in programs:
        assert jax.export.deserialize(bytearray(program)).platforms == ("cpu", "cuda")
    assert {name.split("/")[0] for name in names} == {
        "about.json",
        "features.stablehlo",
        "emissions.stablehlo",
        "tags.stablehlo",
        "params",
    }
    # The run's other language and task are left out.
    assert (list(about["vocabulary"]["words"]), list(about["vocabulary"]["tags"])) == (["nld_words"], ["ner"])


def test_a_string_is_refused_as_a_sentence(file: Path) -> None:
    with pytest.raises(TypeError, match="got the sentence 'Piet woont'; expected a list of its tokens"):
        ExportedTagger.load(file).tag(["Piet woont"])


def test_the_command_replaces_a_file(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    path = tmp_path / "pos"
    path.write_text("an older file", encoding="utf-8")
    assert status(export.main, tiny_run.folder, path, "--task", "afr ner") == 0
    assert capsys.readouterr().out == f"afr ner: {path}\n"
    assert list(tmp_path.iterdir()) == [path]
    tags = ExportedTagger.load(path).tag(SENTENCES[:2])
    assert tags == Tagger.load(tiny_run.folder, "afr ner").tag(SENTENCES[:2])


def test_an_unwritable_file_is_refused(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "none" / "file"):
        assert status(export.main, tiny_run.folder, path) == 2
        err = capsys.readouterr().err
        assert is_one_message(err)
        assert f"{path}: cannot be written: " in err
    assert [*tmp_path.rglob("*")] == [tmp_path / "folder"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("about.json", b'{"format": 4}', "its format is 4, expected 3"),
        ("about.json", b"[]", "not an exported tagger"),
        ("about.json", b'{"format": 3}', "not an exported tagger"),
        ("about.json", b"{", "not an exported tagger"),
        ("about.json", None, "not an exported tagger"),
        ("features.stablehlo", None, "not an exported tagger"),
        ("tags.stablehlo", None, "not an exported tagger"),
        ("params/0000.npy", b"?", "not an exported tagger"),
    ],
)
def test_a_damaged_entry_is_refused(
    file: Path, tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    added = [] if data is None else [(name, data)]
    copy = rewritten(file, tmp_path / "edited", *added, without=(name,))
    with pytest.raises(RunError, match=message):
        ExportedTagger.load(copy)


@pytest.mark.parametrize(("field", "value"), [(6, 200), (8, 1), (10, 8), (10, 9), (10, 14), (20, 0)])
def test_a_damaged_directory_of_the_archive_is_refused(
    file: Path, tmp_path: Path, field: int, value: int
) -> None:
    # Fields of the first entry: version needed, flags (encrypted), compression method, size.
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        directory, first = archive.start_dir, archive.infolist()[0].header_offset
    data[directory + field] = data[first + field - 2] = value
    path = tmp_path / "damaged"
    path.write_bytes(data)
    with pytest.raises(RunError, match=r"damaged: not an exported tagger that can be read here: .+"):
        ExportedTagger.load(path)


def test_other_files_are_refused(tiny_run: Any, file: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path, tiny_run.folder / "config.json"):
        with pytest.raises(RunError, match=r"cannot be read|not an exported tagger"):
            ExportedTagger.load(path)
    half = Path(shutil.copy(file, tmp_path / "half"))
    half.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(RunError, match="not an exported tagger"):
        ExportedTagger.load(half)


def test_the_command_names_the_replica(
    tiny_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = Path(shutil.copytree(tiny_config.parent, tmp_path / "corpus"))
    run = train_run(corpus, tiny_corpus.lean("afr ner", max_step=4, eval_freq=4, replicas=2), "run")
    best = json.loads((run / "summary.json").read_text(encoding="utf-8"))["best_replica"]
    file = tmp_path / "file"
    for options, number in (([], best), (["--replica", str(1 - best)], 1 - best)):
        capsys.readouterr()
        assert status(export.main, run, file, *options) == 0
        assert capsys.readouterr().out == f"afr ner, replica {number}: {file}\n"
        tags = Tagger.load(run, replica=number).tag(SENTENCES)
        assert ExportedTagger.load(file).tag(SENTENCES) == tags
    assert status(export.main, run, file, "--replica", "2") == 2
    assert "no replica 2; the run has 2, counted from 0" in capsys.readouterr().err
