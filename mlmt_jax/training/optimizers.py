"""One optimizer per task model: SGD with momentum, decayed by the task model's steps, in three groups."""

import re
from collections.abc import Hashable, Sequence

import jax
import optax

from mlmt_jax.config import Config, TaskConfig
from mlmt_jax.types import Params


def learning_rate_schedule(task: TaskConfig) -> optax.Schedule:
    """Return the schedule learning_rate * decay_rate ** (task_step / decay_step), task_step from 0."""
    return optax.exponential_decay(task.learning_rate, task.decay_step, task.decay_rate)


def build_optimizer(config: Config, task: TaskConfig) -> optax.GradientTransformation:
    """Build the optimizer for the parameters of a task model's components, in three groups.

    - "clipped": gradients are scaled down to a global norm of ``gradient_clipping`` over this group;
    - "unclipped": word-embedding tables, whose sparse gradients would dominate the norm;
    - "frozen": tables with ``trainable`` false.
    """
    table = config.component(task.model.word_embed)
    trainable = getattr(table, "trainable", True)
    rules = [
        (f"{re.escape(table.name)}/table", "unclipped" if trainable else "frozen"),
        (r".+", "clipped"),
    ]
    sgd = optax.sgd(learning_rate_schedule(task), momentum=task.momentum)
    groups: dict[Hashable, optax.GradientTransformation] = {
        "clipped": optax.chain(optax.clip_by_global_norm(task.gradient_clipping), sgd),
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
