"""The last lines of a training: what they claim, and that their command runs."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import tiny_corpus
from command_lines import process, status
from config_edits import edited
from tiny_runs import read_json, script_scores, train_run

from mlmt_jax.config import parse_config
from mlmt_jax.results.closing_lines import Training, closing_lines
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.train import main

ARGUMENTS = ["my config.json"]
SCORE = {"f1": 0.625, "accuracy": 0.9, "standard_deviation": 0.03, "sentences": 12}


def lines(best_step: int, steps: int, repeated: float = 0.25, **training: Any) -> tuple[str, str, str]:
    """Return the closing lines of a run that was evaluated five times, with other values of `training`."""
    values = {f"training.{key}": value for key, value in training.items()}
    config = parse_config(edited(tiny_corpus.config(), {"training.output": "runs/x", **values}))
    scores = {steps * i // 5: 0.1 * i for i in range(1, 6)}
    name = config.target.name
    evaluation = {
        "best_step": best_step,
        "scores": {name: {"dev": SCORE, "test": SCORE}},
        "repeated_mentions": {name: {"dev": repeated, "test": repeated}},
    }
    return closing_lines(Training(config, ARGUMENTS, ["my config.json"], scores), evaluation)


def test_a_finished_run_leads_to_predict() -> None:
    assert lines(50, 100) == (
        "nld ner, test file: F1 62.5 (sd 3.0 over 12 sentences); repeating the training spans gives 25.0",
        "best dev score at step 50 of 100: no longer rising",
        f"next: python -m mlmt_jax.predict runs/x {Path('nld.ner.dev').absolute()}   # or a file of your own",
    )


def test_a_rising_run_leads_to_longer_training() -> None:
    _, trend, command = lines(100, 100, max_epoch=7)
    assert trend.endswith("still rising")
    options = "--resume --set training.max_step=48 --set training.max_epoch=14"
    assert command == f"next: python -m mlmt_jax.train 'my config.json' {options}   # longer training"


def test_a_run_below_the_baseline_has_failed() -> None:
    quality, _, command = lines(50, 100, repeated=0.7)
    assert quality.endswith("gives 70.0: the model has learnt no more")
    assert command == "next: python -m mlmt_jax.check 'my config.json'   # then label more sentences"


def test_few_evaluations_show_no_trend() -> None:
    config = parse_config(edited(tiny_corpus.config(), {"training.output": "runs/x"}))
    evaluation = {
        "best_step": 8,
        "scores": {"nld ner": {"dev": SCORE}},
        "repeated_mentions": {"nld ner": {"dev": 0}},
    }
    for scores, trend in (
        ({8: 0.1}, "only 1 evaluation"),
        ({8: 0.0, 16: 0.0, 24: 0.0}, "never rose above 0"),
    ):
        quality, line, _ = closing_lines(Training(config, ARGUMENTS, [], scores), evaluation)
        assert trend in line
        assert quality.startswith("nld ner, dev file, which chose the checkpoint: ")


def test_the_command_of_a_run_works(tiny_run: Any) -> None:
    quality, trend, command = tiny_run.output.splitlines()[-3:]
    summary = read_json(tiny_run.folder, "summary.json")
    assert quality.startswith(
        f"nld ner, test file: F1 {100 * summary['scores']['nld ner']['test']['f1']:.1f} (sd "
    )
    assert quality.endswith("repeating the training spans gives 85.0: the model has learnt no more")
    verdict = "still" if summary["best_step"] > 21.6 else "no longer"
    assert trend == f"best dev score at step {summary['best_step']} of 24: {verdict} rising"
    words = shlex.split(command.removeprefix("next: "), comments=True)
    assert words[2] == ("mlmt_jax.train" if verdict == "still" else "mlmt_jax.check")
    if words[2] == "mlmt_jax.check":
        assert process(*words[2:]).returncode == 0


def test_longer_training_trains_longer(
    corpus_copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script_scores(monkeypatch, [0.1, 0.2, 0.3, 0.3, 0.3, 0.3])
    folder = train_run(corpus_copy, tiny_corpus.lean("afr ner", max_step=6, eval_freq=2), "run")
    command = capsys.readouterr().out.splitlines()[-1]
    assert "--resume" in command
    words = shlex.split(command.removeprefix("next: "), comments=True)
    assert status(main, *words[3:]) == 0
    assert read_json(folder, "summary.json")["steps"] == 12
    *_, trend, command = capsys.readouterr().out.splitlines()
    assert trend == "best dev score at step 6 of 12: no longer rising"
    words = shlex.split(command.removeprefix("next: "), comments=True)
    assert words[2] in ("mlmt_jax.predict", "mlmt_jax.check")


def test_the_predict_command_tags_the_development_file(tiny_run: Any) -> None:
    training = Training(RunFolder(tiny_run.folder).config(), ARGUMENTS, [], {8: 0.1, 16: 0.2, 24: 0.1})
    evaluation = read_json(tiny_run.folder, "evaluation.json") | {
        "best_step": 16,
        "repeated_mentions": {"nld ner": {"dev": 0.0, "test": 0.0}},
    }
    words = shlex.split(closing_lines(training, evaluation)[2].removeprefix("next: "), comments=True)
    done = process(*words[2:])
    assert (done.returncode, done.stderr) == (0, "")
    sentences = tiny_corpus.sentences("nld", 1)
    assert [line.split()[0] for line in done.stdout.splitlines() if line] == [
        w for s in sentences for w, *_ in s
    ]
