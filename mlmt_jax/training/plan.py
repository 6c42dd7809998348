"""The plan of a run: which task model each step trains, a pure function of the weights and the step."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from mlmt_jax.config import Config
from mlmt_jax.corpus.random_streams import MIXING
from mlmt_jax.errors import ConfigError


class PlannedStep(NamedTuple):
    """One training step: its number in the run, its task model, and its number among the steps of that."""

    step: int  # from 0
    task: str
    task_step: int  # from 0


def task_weights(config: Config, sentences: Mapping[str, int]) -> dict[str, float]:
    """Return the probability of each task model at a step, in the config's order; they sum to 1.

        mixing "sqrt": sqrt(N) * (aux_task_weight if another task) * (aux_language_weight if another language)
        mixing "prob": the task model's ``prob``

    where "another" means other than the target's. A task model without training sentences has weight 0; if
    all weights are 0, they are returned as they are.

    Args:
        config: config of the run.
        sentences: number of training sentences N by task model.
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
    """Check that something is trained, and the target if its epochs end the run.

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
    """Return the task model of step ``step`` (from 0), drawn by weight.

    The draw is the same for all seeds: replicas are one program, which trains one task model at a time.
    """
    point = np.random.default_rng((MIXING, step)).random()
    names = list(weights)
    cumulative = np.cumsum([weights[name] for name in names])
    # side="right" never picks a task model of weight 0.
    return names[int(np.searchsorted(cumulative / cumulative[-1], point, side="right"))]


def plan_steps(
    weights: Mapping[str, float], step: int, task_steps: Mapping[str, int]
) -> Iterator[PlannedStep]:
    """Yield the steps of a run from ``step`` on, without end.

    Args:
        weights: probability of each task model (``task_weights``).
        step: number of steps before.
        task_steps: number of steps before, by task model.
    """
    counts = dict(task_steps)
    while True:
        task = draw_task(weights, step)
        yield PlannedStep(step, task, counts[task])
        counts[task] += 1
        step += 1


class RunLength(NamedTuple):
    """The steps after which a run ends, whichever limit comes first."""

    max_step: int | None  # steps of all task models
    target: str  # name of the target's task model
    target_steps: int | None  # steps of the target: ``max_epoch`` epochs

    def is_over(self, step: int, task_steps: Mapping[str, int]) -> bool:
        """Return True if a run with these numbers of steps has reached a limit."""
        return (self.max_step is not None and step >= self.max_step) or (
            self.target_steps is not None and task_steps[self.target] >= self.target_steps
        )

    def expected_steps(self, weights: Mapping[str, float]) -> int:
        """Return the expected number of steps of a run from its start: the lower of its limits.

        The limit by ``target_steps`` is divided by the target's probability and rounded to the nearest
        number; it is ignored if the probability is 0.

        Args:
            weights: probability of each task model; only the target's is read.

        Raises:
            ValueError: if the run has no limit.
        """
        share = weights[self.target]
        limits = [self.max_step, round(self.target_steps / share) if self.target_steps and share else None]
        return min(limit for limit in limits if limit is not None)
