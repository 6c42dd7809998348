"""From a config to everything the loop needs: device, corpus, model, optimizers, batches."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import jax
import optax

from mlmt_jax.batches.encode import encode
from mlmt_jax.batches.encoded_sentences import EncodedSentences
from mlmt_jax.batches.training_batches import OovReplacement, TrainingBatches
from mlmt_jax.config import Config
from mlmt_jax.config.problems import quoted
from mlmt_jax.corpus.corpora import Corpus, load_corpora, load_corpus
from mlmt_jax.errors import ConfigError
from mlmt_jax.model import Model, build_model, init_params, put_vectors
from mlmt_jax.training import processes
from mlmt_jax.training.optimizers import build_optimizer
from mlmt_jax.training.plan import check_weights, mixing_weights
from mlmt_jax.training.state import RunState, init_state
from mlmt_jax.training.word_rows import TableUser, table_users

__all__ = [
    "INITIAL_KEY",
    "STEP_KEY",
    "Setup",
    "choose_device",
    "fresh_state",
    "prepare",
    "prepare_replicas",
    "require_memory",
    "versions",
]

# How long a run is thought to be when its padding is chosen. Not how long it is: a resumed run with another
# max_step must compute the same.
_TYPICAL_STEPS = 3000

# What a seed's keys are for: the first parameters, and what each step draws.
INITIAL_KEY, STEP_KEY = 0, 1

# XLA's executor of a program takes up to four threads beside its own.
_THREADS_OF_A_DEVICE, _MOST_THREADS = 5, 200


@dataclass(frozen=True)
class Setup:
    """A run before its first step."""

    config: Config
    corpus: Corpus
    model: Model
    encoded: dict[str, dict[str, EncodedSentences]]  # by task model, by split
    batches: dict[str, TrainingBatches]  # by task model that is ever drawn
    optimizers: dict[str, optax.GradientTransformation]  # by task model
    users: dict[str, tuple[TableUser, ...]]  # by word table that is trained
    weights: dict[str, float]  # probability of each task model at a step

    @cached_property
    def shapes(self) -> RunState:
        """The shapes of the run's state, as ``jax.ShapeDtypeStruct``."""

        def state():
            return init_state(self.model, init_params(self.model, jax.random.key(0)), self.optimizers)

        return jax.eval_shape(state)


def choose_device(gpu: bool | None, sharing: int = 1) -> tuple[str, str | None]:
    """Picks the device and names it; call it before anything else uses JAX.

    Args:
        gpu: ``training.gpu``: true wants one, false keeps to the CPU, null takes what is there.
        sharing: devices among which batches are shared out.

    Returns:
        A line that says which device is used, and a warning where a GPU was asked for and none found.
    """
    if gpu is False:
        jax.config.update("jax_platforms", "cpu")
    if sharing > 1:
        # A CPU's devices meet in sums of gradients, where each waits in threads of one pool. With as many
        # threads as cores, one device may hold them all, and wait for the other forever.
        threads = (os.cpu_count() or 1) + min(_THREADS_OF_A_DEVICE * sharing, _MOST_THREADS)
        os.environ.setdefault("NPROC", str(threads))
    device = processes.first_device()
    count = jax.device_count()
    many = f"{count} devices" if count > 1 else "device"
    line = f"{many}: {device.platform} ({device.device_kind}), jax {jax.__version__}"
    if gpu and device.platform == "cpu":
        return line, (
            "training.gpu is true, but JAX found no GPU and uses the CPU; "
            'for an NVIDIA GPU: pip install "mlmt-jax[cuda]"'
        )
    return line, None


def versions() -> dict[str, str]:
    """Versions of what a run's figures depend on."""
    packages = ("mlmt-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
    return {"python": platform.python_version(), **{name: _version(name) for name in packages}}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # a checkout that was not installed
        return "unknown"


def prepare(config: Config) -> Setup:
    """Reads the data and builds the model of a run alone.

    Raises:
        InputError: on anything in config or data that cannot be used.
    """
    corpus = load_corpus(config)
    return _prepared(config, corpus, _encoded(config, corpus))


def prepare_replicas(config: Config) -> list[Setup]:
    """The same for each of the config's replicas; what they have in common is read and encoded once.

    Raises:
        InputError: on anything in config or data that cannot be used.
    """
    count = config.training.replicas
    configs = [config.replica(number) for number in range(count)] if count > 1 else [config]
    corpora = load_corpora(configs)
    different = {id(corpus): corpus for corpus in corpora}
    encoded = {key: _encoded(config, corpus) for key, corpus in different.items()}
    pairs = zip(configs, corpora, strict=True)
    return [_prepared(own, corpus, encoded[id(corpus)]) for own, corpus in pairs]


_Encodings = dict[str, dict[str, EncodedSentences]]


def _encoded(config: Config, corpus: Corpus) -> _Encodings:
    """Encode all splits of each task model."""
    return {
        task.name: {
            split: encode(corpus.vocabulary, task.model.word_embed, task.task, examples)
            for split, examples in corpus.datasets[task.dataset].splits.items()
        }
        for task in config.tasks
    }


def _prepared(config: Config, corpus: Corpus, encoded: _Encodings) -> Setup:
    counts = {task.name: len(corpus.datasets[task.dataset].splits["train"]) for task in config.tasks}
    weights = mixing_weights(config, counts)
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
    optimizers = {task.name: build_optimizer(config, task) for task in config.tasks}
    users = table_users(config, batches)
    return Setup(config, corpus, model, encoded, batches, optimizers, users, weights)


def require_memory(setups: Sequence[Setup]) -> None:
    """Refuses replicas whose states alone are larger than the machine's memory, before any is made.

    Raises:
        ConfigError: naming the largest component, by its JSON path.
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # a system that does not tell
        return
    config, shapes = setups[0].config, setups[0].shapes
    needed = len(setups) * _bytes(shapes)
    if needed > memory:
        sizes = [_bytes(shapes.params.get(component.name, {})) for component in config.components]
        largest = max(range(len(sizes)), key=sizes.__getitem__)
        runs = "1 run" if len(setups) == 1 else f"{len(setups)} replicas"
        raise ConfigError(
            f"components[{largest}]: {quoted(config.components[largest].name)} has {_gib(sizes[largest])} of "
            f"parameters, and the state of {runs}, with all else and momenta, {_gib(needed)};\n"
            f"expected at most this machine's memory, {_gib(memory)}"
        )


def _bytes(tree: object) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _gib(size: int) -> str:
    return f"{size / 2**30:.3g} GiB" if size < 1000 * 2**30 else f"{size / 2**30:.0f} GiB"


def fresh_state(setup: Setup) -> RunState:
    """Initialised parameters and optimizer states."""
    key = jax.random.fold_in(jax.random.key(setup.config.training.seed), INITIAL_KEY)
    params = put_vectors(init_params(setup.model, key), setup.corpus.pretrained)
    return jax.jit(lambda params: init_state(setup.model, params, setup.optimizers))(params)
