"""The end of a training: the scores of its best parameters as JSON, in the folder of each replica."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlmt_jax.corpus.dataset import Dataset
from mlmt_jax.errors import RunError
from mlmt_jax.results.evaluation_record import evaluation_record, write_record
from mlmt_jax.runs.checkpoints import stored_steps
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.tagger import Tagger
from mlmt_jax.training.setup import Setup

_EVALUATION = "evaluation.json"


def finish_run(folder: RunFolder, setups: Sequence[Setup]) -> None:
    """Write ``evaluation.json`` of every replica that was evaluated, unless it is that of its best step.

    Args:
        folder: folder of the run.
        setups: setup of each replica, whose development and test files are scored.

    Raises:
        RunError: if a checkpoint cannot be used, or a file cannot be written.
    """
    for replica_folder, setup in zip(folder.runs(len(setups)), setups, strict=True):
        steps = stored_steps(replica_folder.checkpoints / "best")
        if steps and _stored_step(replica_folder) != steps[-1]:
            scores = _scores(Tagger.load(replica_folder.path), setup.corpus.datasets)
            record = {"best_step": steps[-1], "scores": scores}
            write_record(replica_folder.path / _EVALUATION, record)


def _stored_step(folder: RunFolder) -> int | None:
    """Return the step whose parameters the stored ``evaluation.json`` scores; None if it is unusable."""
    try:
        return folder.read(_EVALUATION)["best_step"]
    except (RunError, LookupError, TypeError):
        return None


def _scores(tagger: Tagger, datasets: Mapping[str, Dataset]) -> dict[str, dict[str, Any]]:
    """Return the records of all development and test files, by task model and split."""
    scores: dict[str, dict[str, Any]] = {}
    for name in tagger.tasks:
        task_tagger = tagger.for_task(name)
        splits = datasets[task_tagger.model.context.task.dataset].splits
        scores[name] = {
            split: evaluation_record(task_tagger, sentences)
            for split, sentences in splits.items()
            if split != "train"
        }
    return scores
