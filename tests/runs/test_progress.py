"""The progress of a run after an evaluation."""

import pytest

from mlmt_jax.runs.progress import Progress

WINDOW = {"sentences": 8}
FRESH = Progress(0, {"ner": 0, "pos": 0}, None, None, 0, 0.0, 0, WINDOW)
AT_STEP_10 = Progress(12, {"ner": 9, "pos": 3}, 5, 0.5, 1, 1.5, 10, WINDOW)


def after_evaluation(progress: Progress, score: float) -> Progress:
    return progress.after_evaluation(20, {"ner": 15, "pos": 5}, 2.5, score)


def test_higher_score_is_the_best() -> None:
    progress = after_evaluation(AT_STEP_10, 0.75)
    assert progress == Progress(20, {"ner": 15, "pos": 5}, 20, 0.75, 0, 2.5, 20, WINDOW)


@pytest.mark.parametrize("score", [0.5, 0.25])
def test_equal_or_lower_score_is_stale(score: float) -> None:
    progress = after_evaluation(AT_STEP_10, score)
    assert progress == Progress(20, {"ner": 15, "pos": 5}, 5, 0.5, 2, 2.5, 20, WINDOW)


def test_equal_score_of_0_is_the_best_but_stale() -> None:
    progress = after_evaluation(AT_STEP_10._replace(best_score=0.0), 0.0)
    assert progress == Progress(20, {"ner": 15, "pos": 5}, 20, 0.0, 2, 2.5, 20, WINDOW)


@pytest.mark.parametrize("score", [0.0, 0.5])
def test_first_score_is_the_best(score: float) -> None:
    progress = after_evaluation(FRESH, score)
    assert (progress.best_step, progress.best_score, progress.stale) == (20, score, 0)


def test_progress_does_not_share_the_step_counts() -> None:
    task_steps = {"ner": 15, "pos": 5}
    progress = FRESH.after_evaluation(20, task_steps, 2.5, 0.5)
    task_steps["ner"] += 1
    assert progress.task_steps == {"ner": 15, "pos": 5}


def test_progress_without_best_parameters_is_unevaluated() -> None:
    assert AT_STEP_10.without_best() == AT_STEP_10._replace(best_step=None, best_score=None, stale=0)
    evaluated = AT_STEP_10._replace(evaluated=12)
    assert evaluated.without_best().evaluated == 11
