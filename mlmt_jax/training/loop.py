"""The training loop: draw a task, step, evaluate, keep the best, and score it at the end."""

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from mlmt_jax.training.checkpoint import Checkpoints, Progress
from mlmt_jax.training.durable import writing
from mlmt_jax.training.folder import RunFolder
from mlmt_jax.training.journal import Reporter, append_metrics, keep_metrics_until, score_table
from mlmt_jax.training.mixing import draw_task
from mlmt_jax.training.optim import learning_rate_schedule
from mlmt_jax.training.rows import up_to_date
from mlmt_jax.training.scoring import SplitScore, evaluate_split
from mlmt_jax.training.setup import Setup, fresh_state, versions
from mlmt_jax.training.signals import Stopped, StopRequest
from mlmt_jax.training.state import RunState
from mlmt_jax.training.step import StepMetrics, train_step
from mlmt_jax.training.window import Taken, Window
from mlmt_jax.types import Params

__all__ = ["evaluate", "headline", "jitted_steps", "train"]

# Losses are looked at so many steps late, when they are there without waiting for the device.
_LAG = 16


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


def jitted_steps(setup: Setup) -> dict[str, Callable[..., tuple[RunState, StepMetrics]]]:
    """``train_step`` of each task model that is ever drawn: (state, batch, key); the state is given away."""
    return {
        name: jax.jit(
            partial(train_step, setup.model.tasks[name], setup.optimizers[name], setup.users),
            donate_argnums=0,
        )
        for name in setup.batches
    }


def train(setup: Setup, folder: RunFolder) -> dict[str, Any]:
    """Trains a run in its folder, from its start or from its last checkpoint, and returns the summary.

    Raises:
        DivergedError: when a loss is not finite; the best checkpoint so far stays.
        RunError: where checkpoints cannot be used, or the folder cannot be written.
        Stopped: on Ctrl-C or SIGTERM, once the state is saved.
    """
    checkpoints = Checkpoints(folder.checkpoints, folder.id, setup.config.training.keep)
    try:
        with StopRequest() as stop:
            state = fresh_state(setup)
            progress = Progress(0, dict.fromkeys(setup.model.tasks, 0), None, None, 0, 0.0, 0, {})
            restored = checkpoints.restore_last(state)
            if restored is not None:
                state, progress = restored.state, restored.progress
                for refused in restored.refused:
                    print(f"warning: {refused}; going on from step {progress.step}", file=sys.stderr)
                summary = _summary_of(setup, folder, progress)
                if summary is not None:
                    print(
                        f"the run is finished: it has had {progress.step} steps; "
                        "raise training.max_step, max_epoch or patience to go on"
                    )
                    return summary
            _drop_after(folder, checkpoints, progress)
            state, progress = _train(setup, folder, checkpoints, stop, state, progress)
            checkpoints.wait()
            _check_stop(stop, progress.step)
            return _finish(setup, folder, checkpoints, state, progress)
    finally:
        checkpoints.close()


def _summary_of(setup: Setup, folder: RunFolder, progress: Progress) -> dict[str, Any] | None:
    """The summary of a run that is finished."""
    if not folder.summary.exists() or not _finished(setup, progress, progress.step, progress.task_steps):
        return None
    summary = folder.read("summary.json")
    return summary if summary["steps"] == progress.step else None


def _drop_after(folder: RunFolder, checkpoints: Checkpoints, progress: Progress) -> None:
    """Deletes what a run that ended left behind the state that it goes on from."""
    checkpoints.drop_after(progress)
    keep_metrics_until(folder.metrics, progress.evaluated)
    with writing(folder.summary):
        folder.summary.unlink(missing_ok=True)


def _check_stop(stop: StopRequest, step: int) -> None:
    if stop.signum is not None:
        raise Stopped(stop.signum, step)


def _train(
    setup: Setup,
    folder: RunFolder,
    checkpoints: Checkpoints,
    stop: StopRequest,
    state: RunState,
    progress: Progress,
) -> tuple[RunState, Progress]:
    training = setup.config.training
    key = jax.random.fold_in(jax.random.key(training.seed), 1)
    steps = jitted_steps(setup)
    task_steps = dict(progress.task_steps)
    taken: deque[Taken] = deque()
    current = jax.jit(partial(up_to_date, setup.users))
    window = Window(**progress.window)
    reporter = Reporter(_expected_steps(setup), progress.step)
    started = time.perf_counter() - progress.seconds
    try:
        step = progress.step
        while True:
            at_end = _at_end(setup, step, task_steps)
            if step > progress.evaluated and (step % training.eval_freq == 0 or at_end):
                while taken:
                    window.add(setup, taken.popleft())
                if step % training.eval_freq:
                    # A run that goes on longer has no evaluation here: it starts from before this one.
                    checkpoints.save_last(state, _so_far(progress, step, task_steps, started, window))
                params = current(state)
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
                    evaluated=step,
                    window={},
                )
                append_metrics(folder.metrics, _record(setup, progress, window, scores))
                if step % training.eval_freq == 0:
                    checkpoints.save_last(state, progress)
                mark = "  (best so far)" if better else ""
                reporter.tell(f"step {step}, {seconds:.0f} s{mark}\n{score_table(scores)}\n")
                window = Window(finite=window.finite)
            if _finished(setup, progress, step, task_steps):
                break
            if stop.signum is not None:
                while taken:
                    window.add(setup, taken.popleft())
                checkpoints.save_last(state, _so_far(progress, step, task_steps, started, window))
                checkpoints.wait()
                _check_stop(stop, step)
            name = draw_task(setup.weights, step)
            batch = setup.batches[name].batch(task_steps[name])
            state, metrics = steps[name](state, batch, key)
            step += 1
            taken.append(Taken(step, name, task_steps[name], metrics))
            task_steps[name] += 1
            if len(taken) > _LAG:
                window.add(setup, taken.popleft())
            wants_loss = reporter.wants_loss()
            reporter.step(step, name, float(metrics.loss) if wants_loss else None)
    finally:
        reporter.close()
    return state, progress


def _so_far(
    progress: Progress, step: int, task_steps: Mapping[str, int], started: float, window: Window
) -> Progress:
    """The progress at a step that is not evaluated."""
    return progress._replace(
        step=step,
        task_steps=dict(task_steps),
        seconds=time.perf_counter() - started,
        window=window.as_json(),
    )


def _record(
    setup: Setup, progress: Progress, window: Window, scores: Mapping[str, Mapping[str, SplitScore]]
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
    assert progress.best_step is not None
    params = checkpoints.restore_best(progress.best_step, state.params)
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
