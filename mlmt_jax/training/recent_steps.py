"""The steps of a replica since its last evaluation: losses and gradient norms by task model."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlmt_jax.training.plan import PlannedStep


class RecentSteps(NamedTuple):
    """Losses and gradient norms since the last evaluation."""

    losses: Mapping[str, tuple[float, ...]]  # nats per sentence, by task model
    norms: Mapping[str, tuple[float, ...]]  # gradient norms before clipping, by task model
    sentences: int
    opened: float  # ``time.perf_counter()`` at the last evaluation
    finite: Mapping[str, tuple[int, float]]  # the run's step (from 1) and norm of each task model's last step
    latest: PlannedStep | None  # of this process

    def add(self, planned: PlannedStep, loss: float, norm: float, sentences: int) -> "RecentSteps":
        """Return the steps with one more, which becomes the latest.

        Args:
            planned: the step.
            loss: its loss, nats per sentence; finite.
            norm: its gradient norm; finite.
            sentences: number of sentences of its batch.
        """
        task = planned.task
        return self._replace(
            losses={**self.losses, task: (*self.losses.get(task, ()), loss)},
            norms={**self.norms, task: (*self.norms.get(task, ()), norm)},
            sentences=self.sentences + sentences,
            finite={**self.finite, task: (planned.step + 1, norm)},
            latest=planned,
        )

    def restart(self) -> "RecentSteps":
        """Return no steps, after an evaluation; the last finite norms stay known."""
        return restore_recent_steps({"finite": self.finite})

    @property
    def seconds(self) -> float:
        """Seconds since the last evaluation, without those between two processes of a run."""
        return time.perf_counter() - self.opened

    def as_json(self) -> dict[str, Any]:
        """Return what ``Progress.window`` holds before an evaluation."""
        fields = self._asdict()
        return {
            **{name: fields[name] for name in ("losses", "norms", "sentences", "finite")},
            "seconds": self.seconds,
        }


def restore_recent_steps(window: Mapping[str, Any]) -> RecentSteps:
    """Return the steps that ``Progress.window`` holds; an empty one holds none.

    Their time begins so long before now as they had taken. The latest step is not known: it is None.
    """
    return RecentSteps(
        {name: tuple(losses) for name, losses in window.get("losses", {}).items()},
        {name: tuple(norms) for name, norms in window.get("norms", {}).items()},
        window.get("sentences", 0),
        time.perf_counter() - window.get("seconds", 0.0),
        dict(window.get("finite", {})),
        None,
    )
