"""Recording of evaluations: each is a line in the ``metrics.jsonl`` of its replica."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlmt_jax.config import Config
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.metrics_file import append_metrics
from mlmt_jax.training.events import Evaluated, Event, ReplicaEvaluation
from mlmt_jax.training.optimizers import OptimizerSettings
from mlmt_jax.training.run_scores import scores_as_json


def record_metrics(config: Config, folders: Sequence[RunFolder], event: Event) -> dict[int, dict[str, Any]]:
    """Append the evaluations of an event to the metrics of their replicas; other events are passed over.

    Args:
        config: config of the run.
        folders: folder of each replica.
        event: an event of the training.

    Returns:
        The records by replica.

    Raises:
        RunError: if a file cannot be written.
    """
    if not isinstance(event, Evaluated):
        return {}
    records = {number: _record(config, evaluation) for number, evaluation in event.replicas.items()}
    for number, record in records.items():
        append_metrics(folders[number].metrics, record)
    return records


def _record(config: Config, evaluation: ReplicaEvaluation) -> dict[str, Any]:
    """Return the JSON values of one line: means over the steps since the last evaluation, and scores."""
    progress, recent = evaluation.progress, evaluation.recent
    return {
        "step": progress.step,
        "seconds": round(progress.seconds, 3),
        "task_steps": progress.task_steps,
        "losses": {name: float(np.mean(losses)) for name, losses in recent.losses.items()},
        "gradient_norms": {name: float(np.mean(norms)) for name, norms in recent.norms.items()},
        "learning_rates": {
            name: float(np.asarray(OptimizerSettings.of(config.task(name)).rate(count)))
            for name, count in progress.task_steps.items()
        },
        "sentences_per_second": round(recent.sentences / recent.seconds, 1),
        "best_step": progress.best_step,
        "best_score": progress.best_score,
        "scores": scores_as_json(evaluation.scores),
    }
