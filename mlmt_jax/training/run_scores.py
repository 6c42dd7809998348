"""The scores of a replica on its files, and the figure that a task model is judged by."""

from collections.abc import Callable, Mapping
from typing import Any

from mlmt_jax.config import Config
from mlmt_jax.model.readers import tags_and_losses
from mlmt_jax.training import run_model
from mlmt_jax.training.setup import Setup
from mlmt_jax.training.split_scores import SplitScore, TaskTags, evaluate_split
from mlmt_jax.types import Params

#: Scores by task model and split.
Scores = dict[str, dict[str, SplitScore]]


def score_replica(setup: Setup, params: Params, is_scored: Callable[[str, str], bool]) -> Scores:
    """Score parameters on development and test files.

    Args:
        setup: setup of the replica, with the model that evaluates.
        params: parameters in the shapes of that model.
        is_scored: tells of (task model, split) whether to score it.
    """
    corpus, scores = setup.corpus, {}
    for task in setup.config.tasks:
        splits = [s for s in ("dev", "test") if s in setup.encoded[task.name] and is_scored(task.name, s)]
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


def compile_in_advance(setup: Setup) -> None:
    """Start to compile, in threads, the programs that score the development and test files."""
    for task in setup.config.tasks:
        for split in ("dev", "test"):
            if split in setup.encoded[task.name]:
                sentences, size = setup.encoded[task.name][split], setup.config.training.eval_batch_size
                run_model.compile_in_advance(setup.model.tasks[task.name], tags_and_losses, sentences, size)


def headline(config: Config, task: str, score: Mapping[str, Any]) -> float:
    """Return the figure that a task model is judged by: strict span F1, or accuracy, in [0, 1].

    Args:
        config: config of the run.
        task: name of the task model.
        score: score of a split as JSON values.
    """
    if config.task(task).metric == "accuracy" or score["f1"] is None:
        return score["accuracy"]
    return score["f1"]


def scores_as_json(scores: Mapping[str, Mapping[str, SplitScore]]) -> dict[str, dict[str, Any]]:
    """Return scores as the JSON values that a run folder keeps."""
    return {
        task: {split: score.as_json() for split, score in splits.items()} for task, splits in scores.items()
    }
