"""The `evaluate` command: its tables agree with the run's scores, and bad input is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_corpus
from command_lines import is_one_message, process, status

from mlmt_jax import evaluate


def figures(out: str) -> list[list[str]]:
    """Return the rows of the table of scores, without the name of the task."""
    return [line.split()[2:] for line in out.splitlines() if line.startswith(("nld ", "afr "))]


def expected_row(name: str, score: dict[str, Any]) -> list[str]:
    """Return a row of the table from a split's scores in the summary."""
    keys = ("precision", "recall", "f1", "lenient_f1", "accuracy")
    shares = ["-" if score[key] is None else f"{100 * score[key]:.2f}" for key in keys]
    return [name, *shares, f"{score['loss']:.3f}"]


@pytest.mark.parametrize("task", tiny_corpus.TASKS)
def test_scores_agree_with_the_summary_of_the_run(
    tiny_run: Any, capsys: pytest.CaptureFixture[str], task: str
) -> None:
    scores = json.loads((tiny_run.folder / "summary.json").read_text(encoding="utf-8"))["scores"][task]
    file = tiny_run.config.parent / f"{task.replace(' ', '.')}.test"
    assert status(evaluate.main, tiny_run.folder, file, "--task", task) == 0
    out, err = capsys.readouterr()
    assert figures(out) == [expected_row(file.name, scores["test"])]
    assert expected_row("test", scores["test"]) in figures(tiny_run.output)
    rows = {line.split()[0]: line.split()[1:] for line in out.split("\n\n")[1].splitlines()[1:]}
    for name, counts in scores["test"]["types"].items():
        shares = [f"{100 * counts[key]:.2f}" for key in ("precision", "recall", "f1")]
        assert rows.pop(name) == [*shares, str(counts["gold"]), str(counts["predicted"])]
    assert not rows
    assert err == ""


def test_a_process_evaluates(tiny_run: Any) -> None:
    file = tiny_run.config.parent / "nld.ner.dev"
    result = process("mlmt_jax.evaluate", tiny_run.folder, file)
    assert (result.returncode, result.stderr) == (0, "")
    scores = json.loads((tiny_run.folder / "summary.json").read_text(encoding="utf-8"))["scores"]
    assert figures(result.stdout) == [expected_row("nld.ner.dev", scores["nld ner"]["dev"])]


def test_repaired_tags_cause_a_warning(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other"
    file.write_text("Piet B-PER\nSmit I-LOC\n\nAjax B-ORG\n", encoding="utf-8")
    assert status(evaluate.main, tiny_run.folder, file) == 0
    out, err = capsys.readouterr()
    assert "other:2: tag is ill-formed in the scheme IOB2" in err
    assert [line for line in out.splitlines() if line.startswith("ORG")]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["RUN", "missing"], "missing: cannot be read"),
        (["RUN", "unlabelled"], "unlabelled:1:5: 1 column(s), but label_col is 1"),
        (["RUN", "empty"], "no sentence in it"),
        (["RUN", "labelled", "--task", "nld nerr"], "'nld ner', 'afr ner', 'nld pos', 'afr pos'"),
        (["none", "labelled"], "config.json is missing; expected the folder of a run"),
    ],
)
def test_bad_input_is_refused(
    tiny_run: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("unlabelled").write_text("Piet\nwoont\n", encoding="utf-8")
    Path("labelled").write_text("Piet O\n", encoding="utf-8")
    Path("empty").touch()
    run, *rest = argv
    assert status(evaluate.main, tiny_run.folder if run == "RUN" else run, *rest) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert is_one_message(err)
    assert message in err
