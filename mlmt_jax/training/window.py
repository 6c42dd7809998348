"""What a run remembers of its steps between two evaluations, and the end of one that diverges."""

import time
from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from mlmt_jax.errors import InputError
from mlmt_jax.training.setup import Setup
from mlmt_jax.training.step import StepMetrics

__all__ = ["DivergedError", "Taken", "Window"]


class DivergedError(InputError):
    """Training diverged; the message names task, step and sentences."""


class Taken(NamedTuple):
    """A step that was taken."""

    step: int  # from 1
    task: str
    task_step: int  # from 0
    metrics: StepMetrics


class Window:
    """Losses and norms since the last evaluation, by task model."""

    def __init__(
        self,
        losses: Mapping[str, list[float]] = MappingProxyType({}),
        norms: Mapping[str, list[float]] = MappingProxyType({}),
        sentences: int = 0,
        seconds: float = 0.0,
        finite: Mapping[str, tuple[int, float]] = MappingProxyType({}),
    ):
        self.losses: dict[str, list[float]] = defaultdict(list, losses)
        self.norms: dict[str, list[float]] = defaultdict(list, norms)
        self.sentences = sentences
        self.finite = dict(finite)  # of each task model's last step: the step and its norm
        self._started = time.perf_counter() - seconds

    @property
    def seconds(self) -> float:
        """Since the window was opened, in seconds."""
        return time.perf_counter() - self._started

    def as_json(self) -> dict[str, Any]:
        """The arguments that make it again."""
        names = ("losses", "norms", "sentences", "seconds", "finite")
        return {name: getattr(self, name) for name in names}

    def add(self, setup: Setup, taken: Taken) -> None:
        """Takes one step in; waits for its loss where it is not there yet."""
        loss, norm = float(taken.metrics.loss), float(taken.metrics.gradient_norm)
        chosen = setup.batches[taken.task].indices(taken.task_step)
        if not (np.isfinite(loss) and np.isfinite(norm)):
            raise DivergedError(_divergence(setup, taken, chosen, loss, norm, self.finite))
        self.losses[taken.task].append(loss)
        self.norms[taken.task].append(norm)
        self.finite[taken.task] = (taken.step, norm)
        self.sentences += len(chosen)


def _divergence(
    setup: Setup,
    taken: Taken,
    chosen: np.ndarray,
    loss: float,
    norm: float,
    finite: Mapping[str, tuple[int, float]],
) -> str:
    dataset = setup.config.task(taken.task).dataset
    examples = setup.corpus.datasets[dataset].splits["train"]
    path = setup.config.path(setup.config.dataset(dataset).files.train)
    lines = ", ".join(str(examples[i].line) for i in chosen)
    norms = ", ".join(f"{task!r} {value:.4g} (step {step})" for task, (step, value) in finite.items())
    return (
        f"step {taken.step}, task {taken.task!r}: loss is {loss}, gradient norm {norm}, "
        f"last finite norms: {norms or 'none'}; a lower learning_rate may help\n"
        f"its sentences begin in {path} at lines {lines}"
    )
