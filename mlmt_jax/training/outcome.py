"""What a run comes to: its scores, the figure that it is judged by, and the statistics of several runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from mlmt_jax.config import Config
from mlmt_jax.training.printing import table
from mlmt_jax.training.setup import Setup, versions
from mlmt_jax.training.split_scores import SplitScore, TaskTags, evaluate_split
from mlmt_jax.types import Params

__all__ = [
    "Scores",
    "evaluate",
    "headline",
    "scores_as_json",
    "statistics",
    "statistics_table",
    "where",
]

#: By task model and split.
Scores = dict[str, dict[str, SplitScore]]


def evaluate(setup: Setup, params: Params, wanted: Callable[[str, str], bool]) -> Scores:
    """Scores by task model and split, of the (task, split) pairs that are ``wanted``."""
    corpus, scores = setup.corpus, {}
    for task in setup.config.tasks:
        splits = [s for s in ("dev", "test") if s in setup.encoded[task.name] and wanted(task.name, s)]
        if splits:
            scores[task.name] = {
                split: evaluate_split(
                    setup.model.tasks[task.name],
                    params,
                    TaskTags(corpus.vocabulary.tags[task.task], corpus.vocabulary.spans[task.task]),
                    corpus.datasets[task.dataset].splits[split],
                    setup.encoded[task.name][split],
                    setup.config.training.eval_batch_size,
                )
                for split in splits
            }
    return scores


def headline(config: Config, task: str, score: Mapping[str, Any]) -> float:
    """The figure that a task is judged by, of a score as JSON: strict span F1, or accuracy."""
    if config.task(task).metric == "accuracy" or score["f1"] is None:
        return score["accuracy"]
    return score["f1"]


def scores_as_json(scores: Mapping[str, Mapping[str, SplitScore]]) -> dict[str, dict[str, Any]]:
    """Scores as run folders keep them."""
    return {
        task: {split: score.as_json() for split, score in splits.items()} for task, splits in scores.items()
    }


def where() -> dict[str, Any]:
    """The device and the versions that a run's figures depend on."""
    device = jax.devices()[0]
    return {"device": f"{device.platform} ({device.device_kind})", "versions": versions()}


def statistics(config: Config, runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """How many runs there are, and of their headlines mean, standard deviation, minimum and maximum.

    The standard deviation is that of a sample, and 0 of one run.

    Args:
        config: of the runs.
        runs: ``scores`` of their summaries, one or more.
    """

    def spread(values: list[float]) -> dict[str, float]:
        return {
            "runs": len(values),
            "mean": float(np.mean(values)),
            "standard_deviation": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
            "minimum": min(values),
            "maximum": max(values),
        }

    def values(task: str, split: str) -> list[float]:
        return [headline(config, task, run[task][split]) for run in runs]

    return {task: {split: spread(values(task, split)) for split in own} for task, own in runs[0].items()}


def statistics_table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """The statistics in percent, a line for each task and split."""
    keys = ("mean", "standard_deviation", "minimum", "maximum")
    rows = [
        (task, split, own["runs"], *(f"{100 * own[key]:.2f}" for key in keys))
        for task, splits in found.items()
        for split, own in splits.items()
    ]
    return table(("task", "split", "runs", "mean", "standard deviation", "minimum", "maximum"), rows)
