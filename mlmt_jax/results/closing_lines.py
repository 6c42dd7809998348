"""The last lines of a training: how good the target is, if its score was still rising, the next command."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mlmt_jax.cli.arguments import command_line
from mlmt_jax.config import Config

# The best evaluation of a run that was still rising lies in the last tenth of the steps.
_LATE = 0.9
_FEWEST_EVALUATIONS = 3


class Training(NamedTuple):
    """A finished training, as far as the closing lines need it."""

    config: Config
    arguments: Sequence[str]  # of the command that started it
    config_arguments: Sequence[str]  # its config file and its options --set
    best_scores: Mapping[int, float]  # best dev score of the target so far, by step of all evaluations


def closing_lines(training: Training, evaluation: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the three lines.

    Args:
        training: the training.
        evaluation: the ``evaluation.json`` of the run, or of the replica that tags.
    """
    name = training.config.target.name
    splits = evaluation["scores"][name]
    split = "test" if "test" in splits else "dev"
    record, repeated = splits[split], evaluation["repeated_mentions"][name][split]
    figure = "accuracy" if record["f1"] is None else "f1"
    score, deviation = 100 * record[figure], 100 * record["standard_deviation"]
    note = "" if split == "test" else ", which chose the checkpoint"
    verdict = "" if record[figure] > repeated else ": the model has learnt no more"
    title, mentions = ("F1", "spans") if figure == "f1" else (figure, "tags")
    quality = (
        f"{name}, {split} file{note}: {title} {score:.1f} (sd {deviation:.1f} over {record['sentences']} "
        f"sentences); repeating the training {mentions} gives {100 * repeated:.1f}{verdict}"
    )
    best, steps = evaluation["best_step"], max(training.best_scores, default=0)
    is_rising = best > _LATE * steps
    trend = f"best dev score at step {best} of {steps}: {'still' if is_rising else 'no longer'} rising"
    if len(training.best_scores) < _FEWEST_EVALUATIONS:
        trend = f"only {len(training.best_scores)} evaluation(s): too few to see if the score was rising"
    elif not any(training.best_scores.values()):
        trend = "the dev score never rose above 0"
    return quality, trend, f"next: {_next_command(training, is_rising, bool(verdict))}"


def _next_command(training: Training, is_rising: bool, has_failed: bool) -> str:
    """Return the command that helps most: train longer, check the files of a failed run, or predict."""
    config, arguments = training.config, list(training.arguments)
    if is_rising:
        limits = {key: getattr(config.training, key) for key in ("max_step", "max_epoch")}
        arguments += [] if "--resume" in arguments else ["--resume"]
        for key, limit in limits.items():
            arguments += [] if limit is None else ["--set", f"training.{key}={2 * limit}"]
        return f"{command_line('train', *arguments)}   # longer training"
    if has_failed:
        return f"{command_line('check', *training.config_arguments)}   # then label more sentences"
    file = config.path(config.dataset(config.target.dataset).files.dev)
    command = command_line("predict", str(config.training.output), str(file))
    return f"{command}   # or a file of your own"
