"""The end of a training: scores of the best parameters as JSON, and the lines that close the command."""

from collections.abc import Sequence
from typing import Any

from mlmt_jax.corpus.dataset import Dataset
from mlmt_jax.errors import RunError
from mlmt_jax.metrics.breakdown import sentence_counts
from mlmt_jax.metrics.repeated_mentions import repeat_mentions
from mlmt_jax.metrics.scores import Counts
from mlmt_jax.results.closing_lines import Training, closing_lines
from mlmt_jax.results.evaluation_record import evaluation_record, write_record
from mlmt_jax.results.temperatures import fit_temperatures, temperature_line
from mlmt_jax.runs.checkpoints import newest_best_step
from mlmt_jax.runs.folder import EVALUATION, RunFolder
from mlmt_jax.runs.metrics_file import read_metrics
from mlmt_jax.runs.replica_choice import choose_replica, usable_replicas
from mlmt_jax.tagger import Ensemble, Tagger
from mlmt_jax.training.setup import Setup


def finish_run(folder: RunFolder, setups: Sequence[Setup]) -> None:
    """Write temperatures, and the target's scores as ``evaluation.json``, of each replica with a checkpoint.

    What is stored already of a replica's best step stays. Several replicas have temperatures as an ensemble.

    Args:
        folder: folder of the run.
        setups: setup of each replica, whose development and test files are scored.

    Raises:
        RunError: if a checkpoint cannot be used, or a file cannot be written.
    """
    for replica_folder, setup in zip(folder.runs(len(setups)), setups, strict=True):
        step = newest_best_step(replica_folder.checkpoints)
        if step is not None and _stored_step(replica_folder) != step:
            datasets, target = setup.corpus.datasets, setup.config.target
            dataset, tagger = datasets[target.dataset], Tagger.load(replica_folder.path)
            temperatures = fit_temperatures(replica_folder, tagger, [step], datasets)
            record = {
                "best_step": step,
                "scores": {target.name: _scores(tagger.with_temperatures(temperatures), dataset)},
                "repeated_mentions": {target.name: _repeated_mentions(dataset)},
            }
            write_record(replica_folder.path / EVALUATION, record)
    if len(setups) > 1:
        steps = [newest_best_step(replica.checkpoints) for replica in usable_replicas(folder)]
        if not folder.temperatures(steps):
            fit_temperatures(folder, Ensemble.load(folder.path), steps, setups[0].corpus.datasets)


def print_end(folder: RunFolder, arguments: Sequence[str], config_arguments: Sequence[str]) -> None:
    """Print the closing lines of a finished run, about the replica with the best score.

    Args:
        folder: folder of the run.
        arguments: of the command that started the training.
        config_arguments: its config file and its options --set.
    """
    config, replica_folder = folder.config(), choose_replica(folder, None)
    lines, _ = read_metrics(replica_folder.metrics)
    best_scores = {line.step: line.record["best_score"] for line in lines}
    training = Training(config, arguments, config_arguments, best_scores)
    calibration = temperature_line(replica_folder, config.target.name)
    print("" if calibration is None else f"\n{calibration}")
    print("\n".join(closing_lines(training, replica_folder.read(EVALUATION))))


def _stored_step(folder: RunFolder) -> int | None:
    """Return the step whose parameters the stored ``evaluation.json`` scores; None if it is unusable."""
    try:
        return folder.read(EVALUATION)["best_step"]
    except (RunError, LookupError, TypeError):
        return None


def _scores(tagger: Tagger, dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Return the records of the development and test files of a tagger's task, by split."""
    splits = {split: sentences for split, sentences in dataset.splits.items() if split != "train"}
    return {split: evaluation_record(tagger, sentences) for split, sentences in splits.items()}


def _repeated_mentions(dataset: Dataset) -> dict[str, float]:
    """Return F1 (accuracy without spans) of repeating the training mentions of a data set, by split."""
    scheme = "none" if dataset.scheme == "none" else "bioes"
    training = [(sentence.tokens, sentence.tags) for sentence in dataset.splits["train"]]
    scores: dict[str, float] = {}
    for split, sentences in dataset.splits.items():
        if split != "train":
            tags = repeat_mentions(training, [sentence.tokens for sentence in sentences], scheme)
            counts = sentence_counts([sentence.tags for sentence in sentences], tags, scheme)
            scores[split] = sum(counts, Counts()).f1
    return scores
