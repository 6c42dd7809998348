"""One optimizer per task model: SGD with momentum, decayed by the task model's steps, in three groups."""

import re
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from mlmt_jax.config import TaskConfig
from mlmt_jax.types import Params


class OptimizerSettings(NamedTuple):
    """The numbers of an optimizer, () float32: one program serves all values."""

    learning_rate: Any  # at the task model's first step
    decay_rate: Any
    decay_step: Any
    momentum: Any
    gradient_clipping: Any

    @classmethod
    def of(cls, task: TaskConfig) -> "OptimizerSettings":
        """Return the settings of a task model's config, as () float32."""
        with np.errstate(over="ignore"):  # a run with such a rate diverges, and says so
            return cls(*(np.float32(getattr(task, field)) for field in cls._fields))

    def rate(self, task_step: Any) -> Any:
        """Return learning_rate * decay_rate ** (task_step / decay_step), task_step from 0."""
        return self.learning_rate * self.decay_rate ** (task_step / self.decay_step)


def build_optimizer(
    settings: OptimizerSettings, table: str, *, is_frozen: bool
) -> optax.GradientTransformation:
    """Build the optimizer for the parameters of a task model's components, in three groups.

    - "clipped": gradients are scaled down to a global norm of ``gradient_clipping`` over this group;
    - "unclipped": the word table, whose sparse gradients would dominate the norm;
    - "frozen": the word table if it is not trained.

    Args:
        settings: the numbers; they may be traced.
        table: key of the word embedding in the parameters.
        is_frozen: True if the word table is not trained.
    """
    rules = [(f"{re.escape(table)}/table", "frozen" if is_frozen else "unclipped"), (r".+", "clipped")]
    sgd = optax.sgd(settings.rate, momentum=settings.momentum)
    groups: dict[Hashable, optax.GradientTransformation] = {
        "clipped": optax.chain(optax.clip_by_global_norm(settings.gradient_clipping), sgd),
        "unclipped": sgd,
        "frozen": optax.set_to_zero(),
    }
    return optax.multi_transform(groups, lambda params: label_params(params, rules))


def label_params(params: Params, rules: Sequence[tuple[str, str]]) -> Params:
    """Return the group of every leaf: that of the first rule whose pattern matches its whole path.

    Args:
        params: nested dicts.
        rules: (pattern, group) pairs; patterns are matched against paths such as "lstm/bias_0".

    Raises:
        ValueError: if no rule matches a leaf; the message names it.
    """

    def group(path, _):
        name = "/".join(str(entry.key) for entry in path)
        for pattern, label in rules:
            if re.fullmatch(pattern, name):
                return label
        raise ValueError(f"no rule covers the parameter {name!r}")

    return jax.tree_util.tree_map_with_path(group, params)
