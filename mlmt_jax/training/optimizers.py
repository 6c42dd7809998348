"""One optimizer a task model: SGD with momentum, decayed by the task's own steps, in three groups."""

import re
from collections.abc import Hashable, Sequence

import jax
import optax

from mlmt_jax.config import Config, TaskConfig
from mlmt_jax.types import Params

__all__ = ["build_optimizer", "label_params", "learning_rate_schedule"]


def learning_rate_schedule(task: TaskConfig) -> optax.Schedule:
    """learning_rate * decay_rate ** (task_step / decay_step), task_step from 0."""
    return optax.exponential_decay(task.learning_rate, task.decay_step, task.decay_rate)


def build_optimizer(config: Config, task: TaskConfig) -> optax.GradientTransformation:
    """The optimizer of a task model's own sub-dict of the parameters.

    - "clipped": scaled down to a global norm of ``gradient_clipping``, measured over this group;
    - "unclipped": word-embedding tables, whose sparse gradients would drown the others' norm;
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
    """The group of every leaf: that of the first rule whose pattern matches its whole path.

    Args:
        params: nested dicts.
        rules: (pattern, group) pairs; patterns are matched against paths such as "lstm/bias_0".

    Raises:
        ValueError: naming a leaf that no rule covers.
    """

    def group(path, _):
        name = "/".join(str(entry.key) for entry in path)
        for pattern, label in rules:
            if re.fullmatch(pattern, name):
                return label
        raise ValueError(f"no rule covers the parameter {name!r}")

    return jax.tree_util.tree_map_with_path(group, params)
