"""The shared model: components as Flax modules, and the task models that are built from them."""

from mlmt_jax.model.build import Model, build_model, init_params, put_vectors
from mlmt_jax.model.tagger import TaskModel, batch_loss, decode, emissions, sentence_losses

__all__ = [
    "Model",
    "TaskModel",
    "batch_loss",
    "build_model",
    "decode",
    "emissions",
    "init_params",
    "put_vectors",
    "sentence_losses",
]
