"""Which task a step trains: drawn by weight, as a pure function of the step."""

import zlib
from collections.abc import Iterator, Mapping

import numpy as np

from mlmt_jax.config import Config
from mlmt_jax.errors import ConfigError

__all__ = ["check_weights", "draw_task", "draws", "mixing_weights"]

_STREAM = zlib.crc32(b"mixing")


def mixing_weights(config: Config, sentences: Mapping[str, int]) -> dict[str, float]:
    """The probability of each task model, in the config's order; they sum to 1.

    With ``mixing`` "sqrt": sqrt(N) * (1 or aux_task_weight) * (1 or aux_language_weight), the second
    factor for another task than the target's, the third for another language. With "prob": the tasks'
    own ``prob``. A task without training sentences is never drawn.

    Args:
        config: the run's.
        sentences: training sentences by task model.
    """
    training, target = config.training, config.target
    weights = {}
    for task in config.tasks:
        if training.mixing == "prob":
            weight = task.prob
        else:
            weight = sentences[task.name] ** 0.5
            weight *= 1.0 if task.task == target.task else training.aux_task_weight
            weight *= 1.0 if task.language == target.language else training.aux_language_weight
        weights[task.name] = weight if sentences[task.name] else 0.0
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()} if total else weights


def check_weights(config: Config, weights: Mapping[str, float]) -> None:
    """Refuses weights by which nothing, or never the target that epochs count, would be trained.

    Raises:
        ConfigError: with the JSON path.
    """
    if not sum(weights.values()):
        raise ConfigError(
            "tasks: no task has both training sentences and a weight above 0; expected one or more"
        )
    if config.training.max_epoch is not None and not weights[config.target.name]:
        raise ConfigError(
            f"training.max_epoch: counts epochs of {config.target.name!r}, which is never trained "
            "(no sentences, or prob 0); expected max_step alone: --set training.max_epoch=null"
        )


def draw_task(weights: Mapping[str, float], step: int) -> str:
    """The task model of step ``step`` (from 0).

    All seeds draw alike: runs side by side are one program, which trains one task at a time.
    """
    point = np.random.default_rng((_STREAM, step)).random()
    names = list(weights)
    cumulative = np.cumsum([weights[name] for name in names])
    # side="right" never picks a task of weight 0.
    return names[int(np.searchsorted(cumulative / cumulative[-1], point, side="right"))]


def draws(
    weights: Mapping[str, float], step: int, task_steps: Mapping[str, int]
) -> Iterator[tuple[str, int]]:
    """The task model of every step from ``step`` on, and which of its own: ``task_steps`` are had."""
    counts = dict(task_steps)
    while True:
        name = draw_task(weights, step)
        yield name, counts[name]
        counts[name] += 1
        step += 1
