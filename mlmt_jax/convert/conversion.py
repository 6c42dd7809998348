"""The conversion of a checkpoint of the original to a run: config, vocabulary and parameters."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mlmt_jax.config import Config, parse_config
from mlmt_jax.convert.torch_file import MODELS, Checkpoint, Place
from mlmt_jax.convert.weights import task_params
from mlmt_jax.corpus.corpora import Corpus
from mlmt_jax.corpus.dataset import Dataset
from mlmt_jax.corpus.vocabulary import CharacterVocab, Vocabulary, WordVocab
from mlmt_jax.errors import RunError
from mlmt_jax.model.build import gate_name
from mlmt_jax.text.tag_schemes import is_bioes
from mlmt_jax.types import Params

_UNKNOWN = 1  # row of the unknown word or character in the original's tables; row 0 is padding
_PADDING_LABEL = "<$PAD$>"

#: Activation functions by their names in torch.nn.functional. Others, such as gelu, differ from jax.nn.
ACTIVATIONS = {
    **{name: name for name in ("celu", "elu", "leaky_relu", "relu", "relu6", "selu", "sigmoid", "tanh")},
    "hardtanh": "hard_tanh",
    "logsigmoid": "log_sigmoid",
    "softplus": "softplus",
    "softsign": "soft_sign",
}


class Run(NamedTuple):
    """The content of a run folder."""

    config: Config
    corpus: Corpus  # without sentences
    params: Params


class _Task(NamedTuple):
    """A task model with its names in the run."""

    name: str
    language: str
    kind: str  # of tags
    components: dict[str, str]  # by role, the gate included


def convert_checkpoint(checkpoint: Checkpoint, output: Path) -> Run:
    """Convert all task models of a checkpoint; nothing is written.

    Args:
        checkpoint: content of the original's file.
        output: run folder, which the config names as ``training.output``.

    Returns:
        Config, corpus and parameters, NumPy float32 by component name, then by parameter. The target is the
        first task. The corpus has the vocabulary, and data sets without sentences.

    Raises:
        RunError: a part of the checkpoint has no counterpart here, a vocabulary is missing or does not fit
            its table, or two task models differ in a component that they share by its name.
        ConfigError: the training arguments are invalid in a config.
    """
    tasks, params, words, tags = [], {}, {}, {}
    characters = _indices(checkpoint, "char", _UNKNOWN + 1)
    for character in characters:
        if len(character) != 1:
            raise RunError(f"{checkpoint.path}: vocab.char: not a single character (got {character!r})")
    is_single = "lstm_crf" in checkpoint.models
    for key, tensors in checkpoint.models.items():
        place = MODELS[key]
        tokens = _indices(checkpoint, "token" if is_single else f"token_{place.language}", _UNKNOWN + 1)
        labels = _indices(checkpoint, "label" if is_single else f"label_{place.kind}", 0)
        rows = (list(indices.values()) for indices in (tokens, characters, labels))
        parts = task_params(f"{checkpoint.path}: model.{key}", tensors, *rows)
        task = _task(place, parts)
        tasks.append(task)
        for role, subtree in parts.items():
            name = task.components[role]
            if not _are_equal(params.setdefault(name, subtree), subtree):
                message = f"its {role} differs from that of another task model (expected a shared {name!r})"
                raise RunError(f"{checkpoint.path}: model.{key}: {message}")
        is_lower_case = checkpoint.args.get("word_ignore_case") is True
        words[task.components["word_embed"]] = WordVocab(tuple(tokens), is_lower_case, fall_back=False)
        tags[task.kind] = tuple(labels)
    spans = {kind: _are_bioes(labels) for kind, labels in tags.items()}
    vocabulary = Vocabulary(words, CharacterVocab(tuple(characters)), tags, spans)
    config = parse_config(_config(checkpoint, tasks, params, output), checkpoint.path)
    return Run(config, _corpus(tasks, vocabulary), params)


def _indices(checkpoint: Checkpoint, key: str, first: int) -> dict[str, int]:
    """Return the indices of a vocabulary's names, ``{name: index}`` in ascending order of the indices.

    The padding label of a label vocabulary is left out. Indices need not be consecutive.

    Args:
        checkpoint: content of the original's file.
        key: name of the vocabulary, such as "token_1", "label" or "char".
        first: smallest index to keep; smaller ones are those of padding and the unknown.

    Raises:
        RunError: the vocabulary is missing, no name is kept, or two kept names have one index.
    """
    place = f"{checkpoint.path}: vocab.{key}"
    if key not in checkpoint.vocab:
        raise RunError(f"{place} is missing (expected a dict of indices by name)")
    # The padding label has its own index in some versions and that of a real label in others.
    kept = {
        name: index
        for name, index in sorted(checkpoint.vocab[key].items(), key=lambda item: item[1])
        if index >= first and not (key.startswith("label") and name == _PADDING_LABEL)
    }
    if not kept:
        raise RunError(f"{place}: no names (expected those of a trained model)")
    if len(set(kept.values())) < len(kept):
        raise RunError(f"{place}: two names have one index (expected different indices)")
    return kept


def _task(place: Place, roles: Mapping[str, Params]) -> _Task:
    """Return the names of a task model and of its components.

    Task models of one language share the word table, those of one kind of tags the CRF and the universal
    layer, and all share characters, highway and LSTM. The gate belongs to one task model.

    Args:
        place: the task model's place.
        roles: its parameters by role; only these roles get names.
    """
    names = {
        "word_embed": f"word_embed_{place.language}",
        "char_embed": "char_embed",
        "char_highway": "char_highway",
        "lstm": "lstm",
        "univ_layer": f"univ_linear_{place.kind}",
        "spec_layer": f"spec_linear_{place.kind}_{place.language}",
        "gate": gate_name(place.task),
        "crf": f"crf_{place.kind}",
    }
    components = {role: names[role] for role in roles}
    return _Task(place.task, f"language_{place.language}", f"task_{place.kind}", components)


def _are_equal(a: Any, b: Any) -> bool:
    """Return True if two trees of dicts and arrays have equal keys, shapes and values."""
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_are_equal(a[key], b[key]) for key in a)
    return np.array_equal(a, b)


def _are_bioes(labels: Sequence[str]) -> bool:
    """Return True if all labels are BIOES, and at least one begins with E or S: the tags of a span task."""
    return all(map(is_bioes, labels)) and any(label[0] in "ES" for label in labels)


def _corpus(tasks: Sequence[_Task], vocabulary: Vocabulary) -> Corpus:
    """Return a corpus without sentences, with a data set for each task model, named as the task model.

    Each data set has an empty "train" split alone; its scheme is "bioes" for spans, else "none".
    """
    datasets = {
        task.name: Dataset(
            name=task.name,
            task=task.kind,
            scheme="bioes" if vocabulary.spans[task.kind] else "none",
            bare=False,
            splits={"train": []},
            sample=np.zeros(0, np.int64),
            available=0,
            findings=(),
        )
        for task in tasks
    }
    return Corpus(datasets, vocabulary, {}, {}, np.zeros(0, bool), [])


def _config(checkpoint: Checkpoint, tasks: Sequence[_Task], params: Params, output: Path) -> dict[str, Any]:
    """Return the config as JSON values; training settings come from the arguments that the checkpoint has.

    Arguments that are absent or None are left to the config's defaults; ``max_epoch`` is then 1. Values are
    not checked here.

    Args:
        checkpoint: content of the original's file.
        tasks: the task models, the target first.
        params: parameters by component, from which sizes are read.
        output: the run folder.

    Returns:
        "training", "datasets", "tasks" and "components" of a config. Each task model has a data set of its
        name.

    Raises:
        RunError: the activation function of the highway layers has no counterpart here.
    """
    args = checkpoint.args
    components: dict[str, dict[str, Any]] = {}
    for task in tasks:
        for role, name in task.components.items():
            if role != "gate":
                components[name] = {"name": name, **_component(role, params[name], checkpoint)}
        components[task.components["word_embed"]]["language"] = task.language
    # The single-task script has the flags --train, ..., the others --train_tgt, ...
    has_suffix = "lstm_crf" not in checkpoint.models or "train_tgt" in args
    optimization = _settings(
        args, "momentum", "decay_rate", "decay_step", learning_rate="lr", gradient_clipping="grad_clipping"
    )
    dropout = _settings(args, "embed_dropout", "lstm_dropout") | _settings(args, embed_dropout="feat_dropout")
    return {
        "training": {"output": str(output), "max_epoch": 1, **_settings(args, "max_epoch")},
        "datasets": [_dataset(task, f"_{task.name}" if has_suffix else "", args) for task in tasks],
        "tasks": [
            {
                "name": task.name,
                "language": task.language,
                "task": task.kind,
                "dataset": task.name,
                "ref": task.name == tasks[0].name,
                **optimization,
                "model": {role: name for role, name in task.components.items() if role != "gate"} | dropout,
            }
            for task in tasks
        ],
        "components": list(components.values()),
    }


def _settings(args: Mapping[str, Any], *same: str, **renamed: str) -> dict[str, Any]:
    """Return the values of the original's flags by key of the config, without flags that are absent or None.

    Args:
        args: arguments of the original script, by flag without dashes at its start.
        same: keys of the config that have the names of their flags.
        renamed: flags of other keys of the config.
    """
    flags = {**dict(zip(same, same, strict=True)), **renamed}
    return {key: args[flag] for key, flag in flags.items() if args.get(flag) is not None}


def _dataset(task: _Task, suffix: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a task model's data set as JSON values, named as the task model.

    Files come from the flags train, dev and test, each followed by ``suffix``, and the batch size from
    batch_size. A train or dev file that is missing or None becomes "unknown"; a missing test file or batch
    size is left out. The columns of the second kind of tags are those of parts of speech in CoNLL-U.

    Args:
        task: the task model.
        suffix: suffix of its flags, such as "_tgt"; "" for those of the single-task script.
        args: arguments of the original script.
    """
    files = _settings(args, **{split: f"{split}{suffix}" for split in ("train", "dev", "test")})
    return {
        "name": task.name,
        "language": task.language,
        "task": task.kind,
        # The second kind of tags is parts of speech, in CoNLL-U.
        "parser": {"token_col": 1, "label_col": 3} if task.kind == "task_2" else {},
        "files": {"train": "unknown", "dev": "unknown", **files},
        **_settings(args, "batch_size"),
    }


def _component(role: str, subtree: Params, checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the config of a component without its name, from its role and the shapes of its parameters.

    Args:
        role: "word_embed", "char_embed", "char_highway", "lstm" or "crf"; any other is a linear layer.
        subtree: its converted parameters.
        checkpoint: its arguments tell ``word_ignore_case`` (default False) and ``charhw_func`` (default
            "selu").

    Raises:
        RunError: ``charhw_func`` is not in ``ACTIVATIONS``.
    """
    args = checkpoint.args
    match role:
        case "word_embed":
            ignore_case = args.get("word_ignore_case") is True
            return {"model": "embedding", "dimension": subtree["table"].shape[1], "ignore_case": ignore_case}
        case "char_embed":
            kernels = [subtree[f"kernel_{i}"].shape for i in range(len(subtree) // 2)]
            filters = [[width, count] for width, _, count in kernels]
            return {"model": "char_cnn", "dimension": subtree["table"].shape[1], "filters": filters}
        case "char_highway":
            activation = args.get("charhw_func", "selu")  # the only one of the older scripts
            if activation not in ACTIVATIONS:
                expected = f"one that jax.nn has as well: {', '.join(ACTIVATIONS)}"
                values = f"got {activation!r},\nexpected {expected}"
                raise RunError(f"{checkpoint.path}: args.charhw_func: invalid value ({values})")
            layers = {"num_layers": len(subtree) // 2, "activation": ACTIVATIONS[activation]}
            return {"model": "highway", **layers}
        case "lstm":
            directions, size, _ = subtree["recurrent_0"].shape
            sizes = {"hidden_size": size, "num_layers": len(subtree) // 3}
            return {"model": "lstm", "bidirectional": directions == 2, **sizes}
        case "crf":
            # The original trains and decodes without constraints.
            return {"model": "crf", "constrain": False}
    hidden = [len(layer["bias"]) for name, layer in subtree.items() if name.startswith("hidden_")]
    return {"model": "linear", "hidden": hidden}
