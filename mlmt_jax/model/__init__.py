"""The shared model: components as Flax modules, and the task models that are built from them."""

from mlmt_jax.model.build import Model, build_model, init_params, put_vectors
from mlmt_jax.model.readers import (
    NBest,
    Reader,
    best_tags,
    decode,
    tags_and_losses,
    tags_and_probabilities,
)
from mlmt_jax.model.stablehlo import export_programs
from mlmt_jax.model.task_model import (
    TaskModel,
    batch_loss,
    emissions,
    sentence_emissions,
    word_features,
)

__all__ = [
    "Model",
    "NBest",
    "Reader",
    "TaskModel",
    "batch_loss",
    "best_tags",
    "build_model",
    "decode",
    "emissions",
    "export_programs",
    "init_params",
    "put_vectors",
    "sentence_emissions",
    "tags_and_losses",
    "tags_and_probabilities",
    "word_features",
]
