"""What a run remembers of its steps between two evaluations, and the end of one that diverges."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from mlmt_jax.errors import InputError
from mlmt_jax.training.outcome import Scores
from mlmt_jax.training.setup import Setup
from mlmt_jax.training.step import StepMetrics
from mlmt_jax.types import Params

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
        self._last: Taken | None = None
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
        if not (np.isfinite(loss) and np.isfinite(norm)):
            what = f"loss is {loss}, gradient norm {norm}"
            raise DivergedError(_divergence(setup, taken, what, self.finite))
        self._last = taken
        self.losses[taken.task].append(loss)
        self.norms[taken.task].append(norm)
        self.finite[taken.task] = (taken.step, norm)
        self.sentences += len(setup.batches[taken.task].indices(taken.task_step))

    def check_params(self, setup: Setup, params: Params) -> None:
        """Looks at the parameters after the last step, whose loss and gradient are those of before it.

        Raises:
            DivergedError: where one is not finite.
        """
        wrong = [
            name
            for name, own in params.items()
            if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(own))
        ]
        self._check(setup, "parameters", wrong)

    def check_losses(self, setup: Setup, scores: Scores) -> None:
        """Looks at what an evaluation after the last step gave.

        Raises:
            DivergedError: where a loss is infinite.
        """
        wrong = [name for name, own in scores.items() if any(np.isinf(one.loss) for one in own.values())]
        self._check(setup, "losses of development data", wrong)

    def _check(self, setup: Setup, what: str, wrong: Sequence[str]) -> None:
        if not wrong:
            return
        names = ", ".join(map(repr, wrong))
        if self._last is None:  # a state that was saved before anyone looked at it
            raise DivergedError(
                f"{what} are not finite ({names}) in the state that the run goes on from;\n"
                "expected a lower learning_rate, and another --output"
            )
        raise DivergedError(
            _divergence(setup, self._last, f"{what} are not finite after it ({names})", self.finite)
        )


def _divergence(setup: Setup, taken: Taken, what: str, finite: Mapping[str, tuple[int, float]]) -> str:
    chosen = setup.batches[taken.task].indices(taken.task_step)
    dataset = setup.config.task(taken.task).dataset
    examples = setup.corpus.datasets[dataset].splits["train"]
    path = setup.config.path(setup.config.dataset(dataset).files.train)
    lines = ", ".join(str(examples[i].line) for i in chosen)
    norms = ", ".join(f"{task!r} {value:.4g} (step {step})" for task, (step, value) in finite.items())
    return (
        f"step {taken.step}, task {taken.task!r}: {what}, "
        f"last finite norms: {norms or 'none'}; a lower learning_rate may help\n"
        f"its sentences begin in {path} at lines {lines}"
    )
