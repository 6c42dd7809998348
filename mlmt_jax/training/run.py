"""One run as the host sees it: its folder, its checkpoints, how far it is and what it has told so far."""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mlmt_jax.errors import RunError
from mlmt_jax.runs.atomic_files import remove
from mlmt_jax.runs.checkpoints import Checkpoints, Progress, Restored
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.metrics_file import append_metrics, keep_metrics_until, read_metrics
from mlmt_jax.training import processes
from mlmt_jax.training.optimizers import learning_rate_schedule
from mlmt_jax.training.outcome import Scores, evaluate, headline, scores_as_json, statistics, where
from mlmt_jax.training.setup import Setup
from mlmt_jax.training.state import RunState
from mlmt_jax.training.window import DivergedError, Taken, Window
from mlmt_jax.types import Params

__all__ = ["Evaluation", "Run"]


class Evaluation(NamedTuple):
    """What an evaluation found."""

    scores: Scores
    score: float  # that the run is judged by
    better: bool  # than all before


class _Note(NamedTuple):
    """What ``diverged.json`` holds."""

    step: int
    message: str


def _read_note(folder: RunFolder) -> _Note:
    data = folder.read(folder.diverged.name)
    try:
        note = _Note(**data)
    except TypeError:
        note = None
    if note is None or not isinstance(note.step, int) or not isinstance(note.message, str):
        raise RunError(f'{folder.diverged}: not what a run writes there; expected "step" and "message"')
    return note


class Run:
    """A run between its steps. Its arrays are elsewhere: they come in where they are needed."""

    def __init__(self, setup: Setup, folder: RunFolder, keep: int):
        """``setup``: with the model that evaluates; ``keep``: how many states stay."""
        self.setup, self.folder = setup, folder
        self.checkpoints = Checkpoints(folder.checkpoints, folder.id, keep)
        self.progress = Progress(0, dict.fromkeys(setup.model.tasks, 0), None, None, 0, 0.0, 0, {})
        self.window = Window()
        self.diverged: str | None = None  # what was said of it
        # Read once: of several processes, the first may take it away.
        self._noted = _read_note(folder) if folder.diverged.exists() else None

    @property
    def ended(self) -> bool:
        """Whether the run has come to an end of its own, whatever its ``max_step``."""
        patience = self.setup.config.training.patience
        return self.diverged is not None or (patience is not None and self.progress.stale >= patience)

    def restored(self, like: RunState, at_most: int | None = None) -> Restored | None:
        """The newest sound state in the folder, of a step that is ``at_most`` this one.

        Raises:
            RunError: where the states that are there cannot be used, or those that were there are gone.
        """
        # Replicas are evaluated together: one cannot be evaluated again where it is.
        restored = self.checkpoints.restore_last(like, at_most, without_best=not self.folder.is_replica)
        if restored is None and at_most is None:
            self._check_unsaved()
        return restored

    def _check_unsaved(self) -> None:
        """Raises ``RunError`` where a run without states has had some: it would start anew over the rest."""
        best = self.checkpoints.newest_best
        step = max([best or 0, *(own for own, _, _ in read_metrics(self.folder.metrics))])
        # The first evaluation's state is written after all else of it, so that until then there is none.
        if step > self.setup.config.training.eval_freq or self.folder.summary.exists():
            remedy = "train" if best is None else "the best checkpoint can still tag; train"
            raise RunError(
                f"{self.folder.checkpoints / 'last'}: missing or empty; expected a state to go on from, "
                f"since the run was evaluated;\n{remedy} anew with another --output"
            )

    def end_of(self, restored: Restored | None) -> int | None:
        """The step at which the run came to an end of its own, where it did by this state or later."""
        patience = self.setup.config.training.patience
        if restored is not None and patience is not None and restored.progress.stale >= patience:
            return restored.progress.step
        return None if self._noted is None else self._noted.step

    def go_on_from(self, restored: Restored, step: int) -> None:
        """Takes up what was restored, with others that are at ``step``."""
        for text in restored.refused:
            print(f"warning: {text}; going on from step {step}", file=sys.stderr)
        self.progress, self.window = restored.progress, Window(**restored.progress.window)
        evaluated, metrics = self.progress.evaluated, self.folder.metrics
        if evaluated and not metrics.exists():
            print(
                f"warning: {metrics} is missing: nothing until step {evaluated} will be in it",
                file=sys.stderr,
            )
        if self._noted is not None and self._noted.step <= step:
            self.diverged = self._noted.message

    def clear_after(self) -> None:
        """Deletes what an earlier process left behind the step from which the run goes on."""
        self.checkpoints.drop_after(self.progress)
        aside = keep_metrics_until(self.folder.metrics, self.progress.evaluated)
        if aside is not None:
            text = "what is no line of it is left out; as it was, it is kept as"
            print(f"warning: {self.folder.metrics}: {text} {aside}", file=sys.stderr)
        remove(self.folder.summary)
        if self.diverged is None:
            remove(self.folder.diverged)

    def add(self, taken: Taken) -> None:
        """Takes in what a step told.

        Raises:
            DivergedError: where it is not finite.
        """
        self.window.add(self.setup, taken)

    def check(self, params: Params) -> None:
        """Looks at the parameters that the steps have come to.

        Raises:
            DivergedError: where they are not finite.
        """
        self.window.check_params(self.setup, params)

    def diverge(self, step: int, error: DivergedError) -> None:
        """Ends the run for good; its checkpoints stay."""
        self.diverged = str(error)
        if processes.is_first():
            self.folder.write(self.folder.diverged.name, _Note(step, self.diverged)._asdict())

    def save(self, state: RunState, step: int, task_steps: Mapping[str, int], seconds: float) -> None:
        """Keeps the state of a step that is not evaluated, or not yet."""
        progress = self.progress._replace(
            step=step, task_steps=dict(task_steps), seconds=seconds, window=self.window.as_json()
        )
        self.checkpoints.save_last(state, progress)

    def evaluate(
        self, params: Params, own: Params, step: int, task_steps: Mapping[str, int], seconds: float
    ) -> Evaluation:
        """Scores the run on its dev files and keeps it if it is better than before.

        Args:
            params: up to date, as ``setup``'s model wants them.
            own: the same in the run's own shapes.

        Raises:
            DivergedError: where a loss is not finite; nothing is kept then.
        """
        config, before = self.setup.config, self.progress
        names = {task.name for task in config.tasks if task.require_eval or task.ref}
        scores = evaluate(self.setup, params, lambda task, split: split == "dev" and task in names)
        self.window.check_losses(self.setup, scores)
        target = config.target.name
        score = headline(config, target, scores[target]["dev"].as_json())
        better = before.best_score is None or score > before.best_score
        # Scores of nothing choose nothing: of such parameters the last have learnt most.
        best = better or score == before.best_score == 0
        if best:
            self.checkpoints.save_best(step, own)
        self.progress = Progress(
            step,
            dict(task_steps),
            step if best else before.best_step,
            score if best else before.best_score,
            0 if better else before.stale + 1,
            seconds,
            evaluated=step,
            window={"finite": self.window.finite},
        )
        append_metrics(self.folder.metrics, self._record(scores))
        self.forget_steps()
        return Evaluation(scores, score, best)

    def forget_steps(self) -> None:
        """Begins a new window."""
        self.window = Window(finite=self.window.finite)

    def keep(self, state: RunState) -> None:
        """Keeps the state that was evaluated."""
        self.checkpoints.save_last(state, self.progress)

    def _record(self, scores: Scores) -> dict[str, Any]:
        progress, window = self.progress, self.window
        return {
            "step": progress.step,
            "seconds": round(progress.seconds, 3),
            "task_steps": progress.task_steps,
            "losses": {name: float(np.mean(values)) for name, values in window.losses.items()},
            "gradient_norms": {name: float(np.mean(values)) for name, values in window.norms.items()},
            "learning_rates": {
                name: float(np.asarray(learning_rate_schedule(self.setup.config.task(name))(count)))
                for name, count in progress.task_steps.items()
            },
            "sentences_per_second": round(window.sentences / window.seconds, 1),
            "best_step": progress.best_step,
            "best_score": progress.best_score,
            "scores": scores_as_json(scores),
        }

    def finish(self, params: Params) -> Scores:
        """Scores the best parameters on all dev and test files and writes ``summary.json``."""
        scores = evaluate(self.setup, params, lambda task, split: True)
        progress = self.progress
        summary = {
            "best_step": progress.best_step,
            "best_score": progress.best_score,
            "steps": progress.step,
            "seconds": round(progress.seconds, 3),
            "task_steps": progress.task_steps,
            "target": self.setup.config.target.name,
            **where(),
            "scores": scores_as_json(scores),
        }
        if self.diverged is not None:
            summary["diverged"] = self.diverged
        self.folder.write("summary.json", summary)
        return scores

    def finished_summary(self) -> dict[str, Any] | None:
        """The summary that was written after the steps that the run has had, if it was.

        None where it is damaged as well: it can be made again. Where the last step is no multiple of
        ``eval_freq``, the state is of before its evaluation, and that may have been the best.
        """
        config, progress = self.setup.config, self.progress
        scored = {t.name: {*config.dataset(t.dataset).files.by_split} - {"train"} for t in config.tasks}
        try:
            summary = self.folder.read("summary.json")
            statistics(config, [summary["scores"]])
            splits = {name: set(own) for name, own in summary["scores"].items()}
            step, *best = (summary[key] for key in ("steps", "best_step", "best_score"))
            float(summary["seconds"])
        except (RunError, LookupError, TypeError, ValueError, AttributeError):
            return None
        is_best = best == [progress.best_step, progress.best_score]
        is_best |= progress.evaluated < step == best[0]
        return summary if (step, splits) == (progress.step, scored) and is_best else None
