"""The setup of a replica: from a config to corpus, model, optimizers, batches and task weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import jax
import numpy as np
import optax

from mlmt_jax.batches.encode import encode
from mlmt_jax.batches.encoded_sentences import EncodedSentences
from mlmt_jax.batches.replica_batches import StackedBatches
from mlmt_jax.batches.shapes import choose_padding
from mlmt_jax.batches.training_batches import OovReplacement, TrainingBatches
from mlmt_jax.config import Config
from mlmt_jax.corpus.corpora import Corpus, load_corpora
from mlmt_jax.corpus.random_streams import INITIAL_KEY
from mlmt_jax.model.build import Model, build_model, init_params, put_vectors
from mlmt_jax.model.roles import by_role, padded_task, task_settings
from mlmt_jax.model.task_model import TaskModel
from mlmt_jax.training import averaging
from mlmt_jax.training.optimizers import OptimizerSettings, build_optimizer
from mlmt_jax.training.plan import check_weights, task_weights
from mlmt_jax.training.state import RunState, init_state
from mlmt_jax.training.step import StepSettings, TaskTraining
from mlmt_jax.training.word_rows import TableUser, table_users

# Steps of a run for which padding is chosen. Not its real number of steps: a run that is resumed with another
# max_step must compute the same.
_TYPICAL_STEPS = 3000

_Encodings = dict[str, dict[str, EncodedSentences]]


@dataclass(frozen=True)
class Setup:
    """Everything that a replica needs before its first step."""

    config: Config
    corpus: Corpus
    model: Model
    encoded: _Encodings  # by task model, by split
    batches: dict[str, TrainingBatches]  # by task model, of those with a weight above 0
    optimizers: dict[str, optax.GradientTransformation]  # by task model
    users: dict[str, dict[str, TableUser]]  # by word table that is trained, by task model
    weights: dict[str, float]  # probability of each task model at a step

    @cached_property
    def shapes(self) -> RunState:
        """Shapes of the replica's state, as ``jax.ShapeDtypeStruct``."""
        return self.shapes_of(self.model)

    def shapes_of(self, model: Model) -> RunState:
        """Return the shapes of the state of a model with the names of this one, as ``shapes``."""
        window = self.config.training.average_steps

        def init() -> RunState:
            params = init_params(model, jax.random.key(0))
            state = init_state(model, params, self.optimizers)
            if not window:
                return state
            frozen = {task.word_embed.name for task in model.tasks.values()} - self.users.keys()
            averaged = {name: subtree for name, subtree in params.items() if name not in frozen}
            return state._replace(average=averaging.init_average(averaged, self.users, window))

        return jax.eval_shape(init)

    @property
    def log_decay(self) -> np.float32 | None:
        """Log of the decay of the moving average at an update; None if the parameters are not averaged."""
        window = self.config.training.average_steps
        return np.float32(averaging.log_decay(window)) if window else None

    def task_training(self, name: str, model: Model | None = None) -> TaskTraining:
        """Return the training of a task model; of the sizes of ``model``, if given."""
        task = self.model.tasks[name]
        sized = task if model is None else model.tasks[name]
        users = self.users.get(task.word_embed.name, {})
        names = tuple(sorted(users, key=lambda user: user != name))
        settings = StepSettings(
            task_settings(task, len(sized.crf.module.tag_names)),
            OptimizerSettings.of(self.config.task(name)),
            [users[user] for user in names],
            self.log_decay if users else None,
        )
        return TaskTraining(sized, names, settings)


def prepare(config: Config) -> Setup:
    """Read the data and build the model of a run alone, whatever ``training.replicas`` says.

    Raises:
        InputError: if anything in config or data cannot be used.
    """
    return _prepare_all(config, [config])[0]


def prepare_replicas(config: Config) -> list[Setup]:
    """Read the data and build the model of each replica; what replicas share is read and encoded once.

    Raises:
        InputError: if anything in config or data cannot be used.
    """
    count = config.training.replicas
    return _prepare_all(config, [config.replica(n) for n in range(count)] if count > 1 else [config])


def _prepare_all(config: Config, configs: list[Config]) -> list[Setup]:
    """Return a setup for each config; configs with one corpus share its encoded sentences."""
    corpora = load_corpora(configs)
    distinct = {id(corpus): corpus for corpus in corpora}
    encoded = {key: _encode_corpus(config, corpus) for key, corpus in distinct.items()}
    return [
        _build(replica_config, corpus, encoded[id(corpus)])
        for replica_config, corpus in zip(configs, corpora, strict=True)
    ]


def _encode_corpus(config: Config, corpus: Corpus) -> _Encodings:
    """Return all splits encoded, by task model."""
    return {
        task.name: {
            split: encode(corpus.vocabulary, task.model.word_embed, task.task, sentences)
            for split, sentences in corpus.datasets[task.dataset].splits.items()
        }
        for task in config.tasks
    }


def _build(config: Config, corpus: Corpus, encoded: _Encodings) -> Setup:
    """Return the setup of a replica from its config, its corpus and the encoded sentences of that."""
    counts = {task.name: len(corpus.datasets[task.dataset].splits["train"]) for task in config.tasks}
    weights = task_weights(config, counts)
    check_weights(config, weights)
    batches = {
        task.name: TrainingBatches(
            task.name,
            encoded[task.name]["train"],
            config.dataset(task.dataset).batch_size,
            config.training.seed,
            OovReplacement(
                config.training.unknown_rate,
                corpus.rare_words[task.model.word_embed],
                corpus.rare_characters,
            ),
            expected_steps=weights[task.name] * _TYPICAL_STEPS,
        )
        for task in config.tasks
        if weights[task.name]
    }
    model = build_model(config, corpus.vocabulary.sizes)
    users = table_users(config, batches)
    optimizers = {
        task.name: build_optimizer(
            OptimizerSettings.of(task), task.model.word_embed, is_frozen=task.model.word_embed not in users
        )
        for task in config.tasks
    }
    batches = pad_together(model, batches)
    return Setup(config, corpus, model, encoded, batches, optimizers, users, weights)


_Batches = TypeVar("_Batches", TrainingBatches, StackedBatches)


def pad_together(model: Model, batches: Mapping[str, _Batches], parts: int = 1) -> dict[str, _Batches]:
    """Return the batches of all task models, padded alike if their steps can use the same programs.

    Args:
        model: the model.
        batches: batches by task model.
        parts: number of parts to which the sentences of a batch are dealt out.
    """
    kinds: dict[TaskModel, list[str]] = {}
    for name in batches:
        kinds.setdefault(by_role(padded_task(model.tasks[name])), []).append(name)
    paddings = {
        name: choose_padding([batches[other].needs for other in names], parts)
        for names in kinds.values()
        for name in names
    }
    return {name: of_task.padded(paddings[name]) for name, of_task in batches.items()}


def fresh_state(setup: Setup) -> RunState:
    """Return the state before the first step: initial parameters from the seed, and optimizer states."""
    key = jax.random.fold_in(jax.random.key(setup.config.training.seed), INITIAL_KEY)
    params = put_vectors(init_params(setup.model, key), setup.corpus.pretrained)
    # A compiled program that makes zeros would take longer than they do.
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), setup.shapes._replace(params={}))
    return zeros._replace(params=params)
