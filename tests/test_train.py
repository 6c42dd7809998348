"""The `train` command: arguments, messages, exit statuses, and the files of the run folder."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_corpus
from command_lines import is_one_message, process, status
from config_edits import edited

from mlmt_jax import evaluate, predict, train
from mlmt_jax.runs import checkpoints
from mlmt_jax.runs.lock import locked
from mlmt_jax.tagger import Tagger

RUN_FILES = {
    *("run.json", "config.json", "vocab.json", "samples.json"),
    *("metrics.jsonl", "summary.json", "evaluation.json", "temperatures.json", "checkpoints"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_process_trains_and_refuses_to_overwrite_the_run(folder: Path) -> None:
    tiny_corpus.write_corpus(folder)
    tiny_corpus.write_config(folder, tiny_corpus.lean("nld ner", eval_freq=1), "ë.json")
    result = process("mlmt_jax.train", "ë.json", "--set", "training.max_step=2", "--set", "training.gpu=true")
    assert (result.returncode, "Traceback" in result.stderr) == (0, False)
    lines = result.stdout.splitlines()
    assert lines[0].startswith("device: cpu")
    assert "training.gpu is true, but JAX found no GPU" in result.stderr
    assert f"run folder: {Path('runs/ë')}" in lines
    assert [line for line in lines if line.startswith("nld ner  test")]
    assert {path.name for path in (folder / "runs" / "ë").iterdir()} == RUN_FILES
    again = process("mlmt_jax.train", "ë.json")
    assert again.returncode == 2
    assert is_one_message(again.stderr)
    assert "--resume" in again.stderr
    assert "--output" in again.stderr


def test_a_process_refuses_a_wrong_config(folder: Path) -> None:
    tiny_corpus.write_corpus(folder)
    path = tiny_corpus.write_config(folder, edited(tiny_corpus.config(), {"training.max_stepp": 3}))
    before = sorted(folder.rglob("*"))
    result = process("mlmt_jax.train", path)
    assert (result.returncode, result.stdout) == (2, "")
    assert is_one_message(result.stderr)
    assert 'did you mean "max_step"?' in result.stderr
    assert sorted(folder.rglob("*")) == before


def refused(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> str:
    """Run `train`, which is refused and writes no file, and return its message."""
    before = sorted(Path.cwd().rglob("*"))
    assert status(train.main, *argv) == 2
    err = capsys.readouterr().err
    assert is_one_message(err), err
    assert sorted(Path.cwd().rglob("*")) == before
    return err


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.max_step", "expected PATH=VALUE"),
        ("training.max_step=many", "expected an integer"),
        ("trainin.max_step=3", 'did you mean "training"?'),
        ("tasks.7.learning_rate=0.1", "known: 0 to 3"),
        ("tasks.0.dataset=nld_nerr", 'did you mean "nld_ner"?'),
        ("components.0.dimension=5", "is shared, but its input size is 9"),
        ("data_root=nowhere", "no such folder"),
        ("components.0.file=nld.ner.train", "nld.ner.train:"),
    ],
)
def test_wrong_overrides_are_refused(
    folder: Path, tiny_config: Path, capsys: pytest.CaptureFixture[str], override: str, message: str
) -> None:
    assert message in refused(capsys, tiny_config, "--set", override)


def test_overrides_and_output_are_saved(folder: Path, tiny_config: Path) -> None:
    moved = tiny_corpus.write_corpus(folder / "data")
    config = tiny_corpus.write_config(folder, tiny_corpus.lean("nld ner", max_step=2), "c.json")
    root = ["--set", f"data_root={moved.parent.relative_to(folder)}"]
    rates = ["--set", "tasks.0.learning_rate=0.3", "--set", "tasks.0.learning_rate=0.2"]
    assert status(train.main, config, *root, *rates, "--output", "out/run") == 0
    saved = json.loads((folder / "out" / "run" / "config.json").read_text(encoding="utf-8"))
    assert saved["tasks"][0]["learning_rate"] == 0.2
    assert Path(saved["data_root"]) == moved.parent
    assert saved["training"]["output"] == "out/run"
    assert not (folder / "runs").exists()


@pytest.mark.parametrize("flag", [["--no-such-flag"], ["--resume", "--check"], ["--set"]])
def test_wrong_flags_are_refused(
    folder: Path, tiny_config: Path, capsys: pytest.CaptureFixture[str], flag: list[str]
):
    assert status(train.main, tiny_config, *flag) == 2
    assert "mlmt_jax.train [-h]" in capsys.readouterr().err


def test_a_wrong_line_of_data_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny_corpus.write_corpus(folder)
    with (folder / "afr.ner.dev").open("a", encoding="utf-8") as file:
        file.write("\nalleen\n")
    count = len((folder / "afr.ner.dev").read_text(encoding="utf-8").splitlines())
    assert f"afr.ner.dev:{count}:7: 1 column(s)" in refused(capsys, config)


def test_unusable_folders_are_refused(
    folder: Path, tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    used = refused(capsys, tiny_run.config, "--output", tiny_run.folder)
    assert str(tiny_run.folder) in used
    assert "--resume" in used
    assert "--output" in used
    absent = refused(capsys, tiny_run.config, "--output", "none", "--resume")
    assert "none: there is no run to resume; start it without --resume" in absent
    changed = ("--set", "training.seed=4", "--resume")
    assert "another config" in refused(capsys, tiny_run.config, "--output", tiny_run.folder, *changed)
    (folder / "file").touch()
    assert "cannot be written" in refused(capsys, tiny_run.config, "--output", "file")
    undecodable = refused(capsys, tiny_run.config, "--output", "rn\udcff")
    assert 'training.output: invalid value (got "rn\\udcff", expected a path' in undecodable


def test_too_long_names_are_refused(
    folder: Path, tiny_config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "x" * 300
    for flags in (["--output", long], ["--output", long, "--resume"]):
        assert "File name too long" in refused(capsys, tiny_config, *flags)
    for main in (evaluate.main, predict.main):
        assert status(main, long, tiny_config) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert is_one_message(err)
        assert long in err
        assert "File name too long" in err


def test_check_prints_findings_and_tables_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_corpus.write_corpus(folder / "data")
    dev = folder / "data" / "nld.ner.dev"
    dev.write_text(dev.read_text(encoding="utf-8").replace("B-LOC", "I-LOC"), encoding="utf-8")
    before = sorted(folder.rglob("*"))
    assert status(train.main, config, "--check") == 0
    assert sorted(folder.rglob("*")) == before
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("ill-formed") == 1
    assert "warning: " in next(line for line in out.splitlines() if "ill-formed" in line)
    rows = [line.split() for line in out.splitlines()]
    assert ["lstm", "lstm", "lstm", "lstm", "lstm"] in rows
    assert ["spec_layer", "ner_nld", "ner_afr", "pos_nld", "pos_afr"] in rows
    # Two directions of gates with weights for 4 + 5 features and 5 states, and biases.
    assert ["lstm", str(2 * 4 * 5 * (4 + 5 + 5 + 1)), "4"] in rows
    words = sum(map(len, tiny_corpus.sentences("nld", 0)))
    (train_row,) = (row for row in rows if row[:2] == ["nld_ner", "train"])
    assert train_row[2:5] == ["iob2", str(tiny_corpus.SENTENCES), str(words)]
    known = {word for group in tiny_corpus.NAMES["nld"] for word in group}
    tokens = [token for sentence in tiny_corpus.sentences("nld", 0) for token in sentence]
    covered = sum(word in known for word, _, _ in tokens)
    assert train_row[-1] == f"{100 * covered / words:.1f}%"


def test_check_prints_all_errors_and_builds_no_model(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_corpus.write_corpus(folder)
    with (folder / "afr.ner.dev").open("a", encoding="utf-8") as file:
        file.write("\nalleen\n")
    (folder / "nld.pos.test").unlink()
    assert status(train.main, config, "--check") == 2
    out, err = capsys.readouterr()
    errors = [line for line in out.splitlines() if line.startswith("error: ")]
    assert ["nld.pos.test" in errors[0], "afr.ner.dev:" in errors[1], len(errors)] == [True, True, 2]
    assert "device:" not in out
    assert out.splitlines()[-2].startswith("2 errors, ")
    assert err == ""


def test_the_run_folder_holds_no_executable_file(tiny_run: Any) -> None:
    assert {path.name for path in tiny_run.folder.iterdir()} == RUN_FILES
    for path in tiny_run.folder.rglob("*"):
        if path.is_file():
            # Pickles of protocol 2 and later begin with this byte.
            assert path.read_bytes()[:1] != b"\x80", path
            assert path.suffix not in (".pkl", ".pickle", ".pt", ".py", ".npy", ".npz"), path
    for name in RUN_FILES - {"checkpoints", "metrics.jsonl"}:
        json.loads((tiny_run.folder / name).read_text(encoding="utf-8"))


def test_the_summary_holds_scores_and_versions(tiny_run: Any) -> None:
    summary = json.loads((tiny_run.folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["steps"] == tiny_corpus.TRAINED_STEPS == sum(summary["task_steps"].values())
    assert summary["best_step"] % tiny_corpus.EVAL_FREQ == 0
    assert summary["seconds"] > 0
    assert summary["device"].startswith("cpu")
    assert {"python", "jax", "flax", "optax", "mlmt-jax"} <= set(summary["versions"])
    assert set(summary["scores"]) == set(tiny_corpus.TASKS)
    for name, splits in summary["scores"].items():
        assert set(splits) == {"dev", "test"}
        for score in splits.values():
            fields = {"precision", "recall", "f1", "lenient_f1", "accuracy", "loss", "types"}
            assert set(score) == fields
            assert 0 <= score["accuracy"] <= 1
            assert score["loss"] > 0
            if name.endswith("ner"):
                assert set(score["types"]) == {"PER", "LOC"}
                assert all(0 <= score[key] <= 1 for key in ("precision", "recall", "f1", "lenient_f1"))
            else:
                assert score["precision"] is score["f1"] is score["lenient_f1"] is None


def test_a_run_resumes_after_a_full_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_corpus.write_corpus(folder)
    config = tiny_corpus.write_config(folder, tiny_corpus.lean("nld ner", eval_freq=2, max_step=6), "c.json")
    seal, sealed = checkpoints.seal, []

    def full(folder: Path, run: str) -> None:
        sealed.append(folder)
        if len(sealed) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        seal(folder, run)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "seal", full)
        assert status(train.main, config, "--output", "run") == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("error: ")
    assert err.endswith(": cannot be written: No space left on device\n")
    assert not list((folder / "run").rglob(".*"))
    assert len(Tagger.load("run").tag([["Piet", "woont"]])[0]) == 2
    assert status(train.main, config, "--output", "run", "--resume") == 0
    assert status(train.main, config, "--output", "whole") == 0
    summaries = [json.loads((folder / name / "summary.json").read_text("utf-8")) for name in ("run", "whole")]
    assert summaries[0]["scores"] == summaries[1]["scores"]


def test_a_folder_in_use_is_refused(folder: Path, tiny_run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(tiny_run.folder, folder / "run")
    with locked(folder / "run"):
        message = refused(capsys, tiny_run.config, "--output", "run", "--resume")
    assert "is training in this folder" in message


def test_importing_initializes_no_device() -> None:
    code = (
        "import mlmt_jax.train, mlmt_jax.training.loop, mlmt_jax.crf, mlmt_jax.predict\n"
        "from mlmt_jax import Tagger\nfrom jax._src import xla_bridge\n"
        "assert not xla_bridge.backends_are_initialized()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
