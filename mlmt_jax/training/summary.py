"""The summary of a finished run: scores of the best parameters, and statistics over replicas."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlmt_jax.config import Config
from mlmt_jax.errors import RunError
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.progress import Progress
from mlmt_jax.training.device import device_and_versions
from mlmt_jax.training.run_scores import Scores, headline, scores_as_json


def replica_summary(
    config: Config, progress: Progress, scores: Scores, divergence: str | None
) -> dict[str, Any]:
    """Return the ``summary.json`` of a replica.

    Args:
        config: config of the run.
        progress: of the replica at its end.
        scores: of its best parameters on all development and test files.
        divergence: the message of a replica that diverged.
    """
    return {
        "best_step": progress.best_step,
        "best_score": progress.best_score,
        "steps": progress.step,
        "seconds": round(progress.seconds, 3),
        "task_steps": progress.task_steps,
        "target": config.target.name,
        **device_and_versions(),
        "scores": scores_as_json(scores),
        **({} if divergence is None else {"diverged": divergence}),
    }


def stored_summary(config: Config, folder: RunFolder, progress: Progress) -> dict[str, Any] | None:
    """Return the stored summary of a replica if it was written after the steps that the replica has.

    It is None as well if it is damaged: it can be made again. If the last step is no multiple of
    ``eval_freq``, the stored state is from before its evaluation, and that may have been the best.
    """
    expected = {t.name: {*config.dataset(t.dataset).files.by_split} - {"train"} for t in config.tasks}
    try:
        summary = folder.read("summary.json")
        statistics(config, [summary["scores"]])
        splits = {name: set(scores) for name, scores in summary["scores"].items()}
        step, *best = (summary[key] for key in ("steps", "best_step", "best_score"))
        float(summary["seconds"])
    except (RunError, LookupError, TypeError, ValueError, AttributeError):
        return None
    is_best = best == [progress.best_step, progress.best_score]
    is_best |= progress.evaluated < step == best[0]
    return summary if (step, splits) == (progress.step, expected) and is_best else None


def run_summary(
    config: Config,
    step: int,
    summaries: Sequence[Mapping[str, Any] | None],
    divergences: Mapping[int, str],
) -> dict[str, Any] | None:
    """Return the ``summary.json`` of a run of several replicas; None if a summary that it needs is missing.

    Args:
        config: config of the run.
        step: the last step of the run.
        summaries: summary of each replica; None if there is none.
        divergences: messages of the replicas that diverged, which are left out of the statistics.
    """
    healthy = {n: summary for n, summary in enumerate(summaries) if n not in divergences}
    if not healthy or any(summary is None for summary in healthy.values()):
        return None
    scored: dict[int, Mapping[str, Any]] = {n: s for n, s in enumerate(summaries) if s is not None}
    return {
        "best_replica": max(healthy, key=lambda number: scored[number]["best_score"]),
        "steps": step,
        "seconds": round(max(summary["seconds"] for summary in scored.values()), 3),
        "target": config.target.name,
        **device_and_versions(),
        "statistics": statistics(config, [scored[number]["scores"] for number in healthy]),
        "replicas": [
            {"diverged": divergences[n]} if summary is None else summary
            for n, summary in enumerate(summaries)
        ],
    }


def statistics(config: Config, runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the statistics of the headline scores of runs by task model and split.

    They are ``runs`` (their number), ``mean``, ``standard_deviation`` (of a sample; 0 for one run),
    ``minimum`` and ``maximum``.

    Args:
        config: config of the runs.
        runs: ``scores`` of their summaries, one or more.
    """

    def spread(task: str, split: str) -> dict[str, float]:
        values = [headline(config, task, run[task][split]) for run in runs]
        return {
            "runs": len(values),
            "mean": float(np.mean(values)),
            "standard_deviation": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
            "minimum": min(values),
            "maximum": max(values),
        }

    return {task: {split: spread(task, split) for split in splits} for task, splits in runs[0].items()}
