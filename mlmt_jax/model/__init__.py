"""The shared model: components as Flax modules, and the task models that are built from them."""

from mlmt_jax.model.build import Model, build_model, init_params, put_vectors
from mlmt_jax.model.readers import (
    NBest,
    Reader,
    best_tags,
    decode,
    tags_and_losses,
    tags_and_probabilities,
    without_padding_tags,
)
from mlmt_jax.model.roles import (
    by_role,
    pad_models,
    padded_task,
    resize,
    role_params,
    role_shapes,
    task_settings,
)
from mlmt_jax.model.stablehlo import export_programs
from mlmt_jax.model.task_model import (
    Part,
    TaskModel,
    TaskSettings,
    batch_loss,
    char_features,
    emissions,
    sentence_emissions,
    word_features,
)

__all__ = [
    "Model",
    "NBest",
    "Part",
    "Reader",
    "TaskModel",
    "TaskSettings",
    "batch_loss",
    "best_tags",
    "build_model",
    "by_role",
    "char_features",
    "decode",
    "emissions",
    "export_programs",
    "init_params",
    "pad_models",
    "padded_task",
    "put_vectors",
    "resize",
    "role_params",
    "role_shapes",
    "sentence_emissions",
    "tags_and_losses",
    "tags_and_probabilities",
    "task_settings",
    "without_padding_tags",
    "word_features",
]
