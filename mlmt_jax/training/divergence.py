"""Divergence: losses, gradients and parameters that are not finite, and what is reported of them."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from mlmt_jax.errors import InputError
from mlmt_jax.training.plan import PlannedStep
from mlmt_jax.training.recent_steps import RecentSteps
from mlmt_jax.training.setup import Setup
from mlmt_jax.training.split_scores import SplitScore
from mlmt_jax.types import Params


class DivergedError(InputError):
    """A training that diverged; the message names step, task model and sentences."""


def add_step(
    setup: Setup, recent: RecentSteps, planned: PlannedStep, loss: float, norm: float
) -> RecentSteps:
    """Return the recent steps of a replica with one more.

    Args:
        setup: setup of the replica.
        recent: steps before.
        planned: the step that was taken.
        loss: its loss, nats per sentence.
        norm: its gradient norm.

    Raises:
        DivergedError: if loss or norm are not finite.
    """
    if not (np.isfinite(loss) and np.isfinite(norm)):
        problem = f"loss is {loss}, gradient norm {norm}"
        raise DivergedError(_describe(setup, planned, problem, recent.finite))
    sentences = setup.batches[planned.task].indices(planned.task_step)
    return recent.add(planned, loss, norm, len(sentences))


def check_params(setup: Setup, recent: RecentSteps, params: Params) -> None:
    """Check the parameters after the last step, whose loss and gradient are those before its update.

    Raises:
        DivergedError: if a component holds numbers that are not finite.
    """
    components = [
        name
        for name, subtree in params.items()
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(subtree))
    ]
    _check(setup, recent, "parameters", components)


def check_losses(setup: Setup, recent: RecentSteps, scores: Mapping[str, Mapping[str, SplitScore]]) -> None:
    """Check the losses of an evaluation on development files.

    Args:
        setup: setup of the replica.
        recent: its recent steps, for the message.
        scores: by task model, then by split; all splits are checked.

    Raises:
        DivergedError: if a loss is infinite. NaN passes: it stands for a file without a loss.
    """
    tasks = [task for task, splits in scores.items() if any(np.isinf(s.loss) for s in splits.values())]
    _check(setup, recent, "losses of development data", tasks)


def _check(setup: Setup, recent: RecentSteps, quantity: str, names: Sequence[str]) -> None:
    """Raise DivergedError if any names are given.

    Args:
        setup: setup of the replica.
        recent: its recent steps; the message describes the latest one, if there is one.
        quantity: what is not finite, for the message.
        names: the components or task models whose values are not finite.
    """
    if not names:
        return
    listed = ", ".join(map(repr, names))
    if recent.latest is None:  # a state that was saved before its loss was known
        raise DivergedError(
            f"{quantity} are not finite ({listed}) in the state that the run goes on from;\n"
            "expected a lower learning_rate, and another --output"
        )
    problem = f"{quantity} are not finite after it ({listed})"
    raise DivergedError(_describe(setup, recent.latest, problem, recent.finite))


def _describe(
    setup: Setup, planned: PlannedStep, problem: str, finite: Mapping[str, tuple[int, float]]
) -> str:
    """Return the message: step, task model, problem, last finite norms, and the lines of the sentences."""
    dataset = setup.config.task(planned.task).dataset
    sentences = setup.corpus.datasets[dataset].splits["train"]
    path = setup.config.path(setup.config.dataset(dataset).files.train)
    batch = setup.batches[planned.task].indices(planned.task_step)
    lines = ", ".join(str(sentences[i].line) for i in batch)
    norms = ", ".join(f"{task!r} {norm:.4g} (step {step})" for task, (step, norm) in finite.items())
    return (
        f"step {planned.step + 1}, task {planned.task!r}: {problem}, "
        f"last finite norms: {norms or 'none'}; a lower learning_rate may help\n"
        f"its sentences begin in {path} at lines {lines}"
    )
