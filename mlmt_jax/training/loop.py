"""The training loop: draw a task, step, evaluate, keep the best, and score it at the end."""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from mlmt_jax.errors import InputError
from mlmt_jax.training.checkpoint import Checkpoints, Progress
from mlmt_jax.training.folder import RunFolder
from mlmt_jax.training.journal import Reporter, append_metrics, keep_metrics_until, score_table
from mlmt_jax.training.mixing import draw_task
from mlmt_jax.training.optim import learning_rate_schedule
from mlmt_jax.training.replicas import Group
from mlmt_jax.training.scoring import SplitScore, evaluate_split
from mlmt_jax.training.setup import Setup, fresh_state, versions
from mlmt_jax.training.state import RunState
from mlmt_jax.training.step import StepMetrics
from mlmt_jax.types import Params

__all__ = ["DivergedError", "evaluate", "headline", "train"]

# Losses are looked at so many steps late, when they are there without waiting for the device.
_LAG = 16


class DivergedError(InputError):
    """Training diverged; the message names task, step and sentences."""


class _Taken(NamedTuple):
    step: int  # from 1
    task: str
    task_step: int  # from 0
    metrics: StepMetrics


def headline(setup: Setup, task: str, score: SplitScore) -> float:
    """The figure that a task is judged by: strict span F1, or accuracy."""
    if setup.config.task(task).metric == "accuracy" or score.score.f1 is None:
        return score.score.accuracy
    return score.score.f1


def evaluate(
    setup: Setup, params: Params, wanted: Callable[[str, str], bool]
) -> dict[str, dict[str, SplitScore]]:
    """Scores by task model and split, of the (task, split) pairs that are ``wanted``."""
    corpus, scores = setup.corpus, {}
    for task in setup.config.tasks:
        splits = [s for s in ("dev", "test") if s in setup.encoded[task.name] and wanted(task.name, s)]
        if splits:
            scores[task.name] = {
                split: evaluate_split(
                    setup.model.tasks[task.name],
                    params,
                    corpus.vocabulary.tags[task.task],
                    corpus.datasets[task.dataset].splits[split],
                    setup.encoded[task.name][split],
                    spans=corpus.vocabulary.spans[task.task],
                    batch_size=setup.config.training.eval_batch_size,
                )
                for split in splits
            }
    return scores


def train(setup: Setup, folder: RunFolder) -> dict[str, Any]:
    """Trains a run in its folder, from its start or from its last checkpoint, and returns the summary.

    Raises:
        DivergedError: when a loss is not finite; the best checkpoint so far stays.
    """
    checkpoints = Checkpoints(folder.checkpoints)
    try:
        state = _train(setup, folder, checkpoints)
        return _finish(setup, folder, checkpoints, *state)
    finally:
        checkpoints.close()


def _train(setup: Setup, folder: RunFolder, checkpoints: Checkpoints) -> tuple[RunState, Progress]:
    training = setup.config.training
    state = fresh_state(setup)
    progress = Progress(0, dict.fromkeys(setup.model.tasks, 0), None, None, 0, 0.0)
    restored = checkpoints.restore_last(state)
    if restored is not None:
        state, progress = restored
    # A process that ended between the two has left lines that no checkpoint knows of.
    keep_metrics_until(folder.metrics, progress.step)
    group = Group([setup])
    task_steps = dict(progress.task_steps)
    taken: deque[_Taken] = deque()
    window = _Window()
    reporter = Reporter(_expected_steps(setup), progress.step)
    started = time.perf_counter() - progress.seconds
    try:
        step = progress.step
        while not _finished(setup, progress, step, task_steps):
            name = draw_task(setup.weights, step)
            state, metrics = group.step(state, name, group.batch(name, task_steps[name]))
            step += 1
            taken.append(_Taken(step, name, task_steps[name], metrics))
            task_steps[name] += 1
            if len(taken) > _LAG:
                window.add(setup, taken.popleft())
            wants_loss = reporter.wants_loss()
            reporter.step(step, name, float(metrics.loss) if wants_loss else None)
            if step % training.eval_freq == 0 or _at_end(setup, step, task_steps):
                while taken:
                    window.add(setup, taken.popleft())
                [params] = group.params(state).values()
                own = {task.name for task in setup.config.tasks if task.require_eval or task.ref}
                scores = evaluate(setup, params, lambda task, split, own=own: split == "dev" and task in own)
                target = setup.config.target.name
                score = headline(setup, target, scores[target]["dev"])
                better = progress.best_score is None or score > progress.best_score
                if better:
                    checkpoints.save_best(step, params)
                seconds = time.perf_counter() - started
                progress = Progress(
                    step,
                    dict(task_steps),
                    step if better else progress.best_step,
                    score if better else progress.best_score,
                    0 if better else progress.stale + 1,
                    seconds,
                )
                append_metrics(folder.metrics, _record(setup, progress, window, scores))
                checkpoints.save_last(state, progress)
                mark = "  (best so far)" if better else ""
                reporter.tell(f"step {step}, {seconds:.0f} s{mark}\n{score_table(scores)}\n")
                window = _Window()
    finally:
        reporter.close()
    return state, progress


class _Window:
    """Losses and norms since the last evaluation, by task model."""

    def __init__(self):
        self.losses: dict[str, list[float]] = defaultdict(list)
        self.norms: dict[str, list[float]] = defaultdict(list)
        self.sentences = 0
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the window was opened, in seconds."""
        return time.perf_counter() - self._started

    def add(self, setup: Setup, taken: _Taken) -> None:
        """Takes one step in; waits for its loss where it is not there yet."""
        loss, norm = float(taken.metrics.loss), float(taken.metrics.gradient_norm)
        chosen = setup.batches[taken.task].indices(taken.task_step)
        if not (np.isfinite(loss) and np.isfinite(norm)):
            raise DivergedError(_divergence(setup, taken, chosen, loss, norm))
        self.losses[taken.task].append(loss)
        self.norms[taken.task].append(norm)
        self.sentences += len(chosen)


def _divergence(setup: Setup, taken: _Taken, chosen: np.ndarray, loss: float, norm: float) -> str:
    dataset = setup.config.task(taken.task).dataset
    examples = setup.corpus.datasets[dataset].splits["train"]
    path = setup.config.path(setup.config.dataset(dataset).files.train)
    lines = ", ".join(str(examples[i].line) for i in chosen)
    return (
        f"step {taken.step}, task {taken.task!r}: loss is {loss}, gradient norm {norm}; "
        "a lower learning_rate may help\n"
        f"its sentences begin in {path} at lines {lines}"
    )


def _record(
    setup: Setup, progress: Progress, window: _Window, scores: Mapping[str, Mapping[str, SplitScore]]
) -> dict[str, Any]:
    specs = {task.name: task for task in setup.config.tasks}
    return {
        "step": progress.step,
        "seconds": round(progress.seconds, 3),
        "task_steps": progress.task_steps,
        "losses": {name: float(np.mean(values)) for name, values in window.losses.items()},
        "gradient_norms": {name: float(np.mean(values)) for name, values in window.norms.items()},
        "learning_rates": {
            name: float(np.asarray(learning_rate_schedule(specs[name])(count)))
            for name, count in progress.task_steps.items()
        },
        "sentences_per_second": round(window.sentences / window.seconds, 1),
        "best_step": progress.best_step,
        "scores": {
            task: {split: score.as_json() for split, score in splits.items()}
            for task, splits in scores.items()
        },
    }


def _epoch_steps(setup: Setup) -> int | None:
    """Steps of the target after which ``max_epoch`` is reached."""
    epochs, target = setup.config.training.max_epoch, setup.config.target.name
    if epochs is None or target not in setup.batches:
        return None
    return epochs * setup.batches[target].batches_per_epoch


def _at_end(setup: Setup, step: int, task_steps: Mapping[str, int]) -> bool:
    limit, target_limit = setup.config.training.max_step, _epoch_steps(setup)
    return (limit is not None and step >= limit) or (
        target_limit is not None and task_steps[setup.config.target.name] >= target_limit
    )


def _finished(setup: Setup, progress: Progress, step: int, task_steps: Mapping[str, int]) -> bool:
    patience = setup.config.training.patience
    return _at_end(setup, step, task_steps) or (patience is not None and progress.stale >= patience)


def _expected_steps(setup: Setup) -> int:
    """How long the run is, for the progress bar; with ``max_epoch`` the expectation."""
    target_limit, share = _epoch_steps(setup), setup.weights[setup.config.target.name]
    limits = [setup.config.training.max_step, round(target_limit / share) if target_limit and share else None]
    return min(limit for limit in limits if limit is not None)


def _finish(
    setup: Setup, folder: RunFolder, checkpoints: Checkpoints, state: RunState, progress: Progress
) -> dict[str, Any]:
    """Scores the best parameters on all dev and test files and writes ``summary.json``."""
    params = checkpoints.restore_best(state.params)
    scores = evaluate(setup, params, lambda task, split: True)
    device = jax.devices()[0]
    summary = {
        "best_step": progress.best_step,
        "steps": progress.step,
        "seconds": round(progress.seconds, 3),
        "task_steps": progress.task_steps,
        "target": setup.config.target.name,
        "device": f"{device.platform} ({device.device_kind})",
        "versions": versions(),
        "scores": {
            task: {split: score.as_json() for split, score in splits.items()}
            for task, splits in scores.items()
        },
    }
    folder.write("summary.json", summary)
    print(
        f"best step {progress.best_step} of {progress.step}, {progress.seconds:.0f} s\n{score_table(scores)}"
    )
    return summary
