"""Temperatures of the probabilities of a run, fitted on development data after training."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlmt_jax.corpus.dataset import Dataset
from mlmt_jax.metrics.temperature import fit_temperature
from mlmt_jax.model.readers import TEMPERATURES, losses_by_temperature
from mlmt_jax.runs.folder import TEMPERATURES as FILE
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.tagger import Ensemble, Tagger


def fit_temperatures(
    folder: RunFolder,
    tagger: Tagger | Ensemble,
    best_steps: Sequence[int | None],
    datasets: Mapping[str, Dataset],
) -> dict[str, float]:
    """Fit the temperature of each task model that has development data; write ``temperatures.json``.

    The calibration error before and after is that of the target alone: it takes as long as tagging.

    Args:
        folder: the folder, of a replica or, for an ensemble, of the run.
        tagger: the tagger of any task of the run.
        best_steps: step of the parameters of each member.
        datasets: data sets by name.

    Returns:
        The temperatures by task model.

    Raises:
        RunError: if the file cannot be written.
    """
    tagger = tagger.with_temperatures({})
    tasks: dict[str, dict[str, Any]] = {}
    for name in tagger.tasks:
        task_tagger = tagger.for_task(name)
        model = task_tagger.model
        sentences = datasets[model.context.task.dataset].splits.get("dev", [])
        tokens, gold = [s.tokens for s in sentences], [s.tags for s in sentences]
        fit = fit_temperature(
            TEMPERATURES, [row for (row,) in model.read(losses_by_temperature, tokens, gold)]
        )
        if fit is None:
            continue
        before = after = None
        if name == model.context.config.target.name:
            tempered = task_tagger.with_temperatures({name: fit.temperature})
            errors = (t.calibration(sentences).error for t in (task_tagger, tempered))
            before, after = (error if error == error else None for error in errors)  # NaN without spans
        tasks[name] = {**fit._asdict(), "error_before": before, "error_after": after}
    folder.write(FILE, {"best_steps": list(best_steps), "tasks": tasks})
    return {name: fit["temperature"] for name, fit in tasks.items()}


def temperature_line(folder: RunFolder, task: str) -> str | None:
    """Return a line about the temperature of a task model: losses and calibration before and after."""
    fit = folder.read(FILE)["tasks"].get(task)
    if fit is None:
        return None
    errors = (fit["error_before"], fit["error_after"])
    before, after = ("-" if error is None else f"{100 * error:.1f} %" for error in errors)
    return (
        f"probabilities of {task}: temperature {fit['temperature']:.2f}, fitted on dev; loss "
        f"{fit['loss_before']:.3f} -> {fit['loss_after']:.3f} nats, calibration error {before} -> {after}"
    )
