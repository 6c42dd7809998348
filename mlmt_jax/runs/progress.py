"""The progress of a run: what it knows beside its arrays. Each saved state stores it as ``progress.json``."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Progress(NamedTuple):
    """The steps of a run, its best score, and its steps since the last evaluation."""

    step: int  # steps of all tasks so far
    task_steps: dict[str, int]  # steps so far, by task model
    best_step: int | None  # step of the best development score of the target so far
    best_score: float | None  # that score, in [0, 1]
    stale: int  # evaluations since then
    seconds: float  # of training and evaluation so far
    evaluated: int  # step of the last evaluation
    window: dict[str, Any]  # RecentSteps as JSON values

    def after_evaluation(
        self, step: int, task_steps: Mapping[str, int], seconds: float, score: float
    ) -> "Progress":
        """Return the progress after an evaluation; ``window`` is left as it is.

        A higher score is the best one. While all scores are 0, the latest parameters count as the best, since
        they have learnt most; such an evaluation is stale all the same.
        """
        is_higher = self.best_score is None or score > self.best_score
        is_best = is_higher or score == self.best_score == 0
        return self._replace(
            step=step,
            task_steps=dict(task_steps),
            best_step=step if is_best else self.best_step,
            best_score=score if is_best else self.best_score,
            stale=0 if is_higher else self.stale + 1,
            seconds=seconds,
            evaluated=step,
        )

    def has_ended(self, patience: int | None) -> bool:
        """Return True if the last ``patience`` evaluations brought no better score; None ends no run."""
        return patience is not None and self.stale >= patience

    def without_best(self) -> "Progress":
        """Return the progress as if the run had not been evaluated yet: its best parameters are lost."""
        evaluated = min(self.evaluated, self.step - 1)
        return self._replace(best_step=None, best_score=None, stale=0, evaluated=evaluated)
