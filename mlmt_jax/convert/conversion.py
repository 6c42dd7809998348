"""From a checkpoint of the original to a run: config, vocabulary and parameters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mlmt_jax.config import Config, parse_config
from mlmt_jax.convert.torch_file import MODELS, Checkpoint
from mlmt_jax.convert.weights import Rows, task_params
from mlmt_jax.corpus.corpora import Corpus, Vocabulary
from mlmt_jax.corpus.dataset import Dataset
from mlmt_jax.corpus.vocabulary import CharacterVocab, WordVocab
from mlmt_jax.errors import RunError
from mlmt_jax.model.build import gate_name
from mlmt_jax.text.tag_schemes import is_bioes
from mlmt_jax.types import Params

__all__ = ["Run", "assemble"]

_PADDING, _UNKNOWN = 0, 1  # rows of the original's tables
_PADDING_LABEL = "<$PAD$>"
_COLUMNS = {1: {}, 2: {"token_col": 1, "label_col": 3}}  # of names, and of parts of speech in CoNLL-U
# What torch.nn.functional calls them. Only those that compute the same: its gelu is not jax's.
_ACTIVATIONS = {
    **{name: name for name in ("celu", "elu", "leaky_relu", "relu", "relu6", "selu", "sigmoid", "tanh")},
    "hardtanh": "hard_tanh",
    "logsigmoid": "log_sigmoid",
    "softplus": "softplus",
    "softsign": "soft_sign",
}


class Run(NamedTuple):
    """What a run folder holds."""

    config: Config
    corpus: Corpus  # without sentences
    params: Params


class _Task(NamedTuple):
    """A task model with the names that it gets here."""

    name: str
    language: str
    kind: str
    components: dict[str, str]  # by role


def assemble(checkpoint: Checkpoint, output: Path) -> Run:
    """Lays out all task models of a checkpoint.

    Args:
        checkpoint: of the original.
        output: the run folder, which the config names.

    Raises:
        RunError: for what has no counterpart here.
        ConfigError: for training arguments that no config can have.
    """
    tasks, params = [], {}
    words, tags = {}, {}
    characters = _names(checkpoint, "char", _UNKNOWN + 1)
    for character in characters:
        if len(character) != 1:
            raise RunError(f"{checkpoint.path}: vocab.char: holds {character!r}; expected single characters")
    single = "lstm_crf" in checkpoint.models
    for key, state in checkpoint.models.items():
        place = MODELS[key]
        tokens = _names(checkpoint, "token" if single else f"token_{place.language}", _UNKNOWN + 1)
        labels = _names(checkpoint, "label" if single else f"label_{place.kind}", 0)
        rows = Rows(list(tokens.values()), list(characters.values()), list(labels.values()))
        parts = task_params(f"{checkpoint.path}: model.{key}", state, rows)
        task = _task(place.task, place.language, place.kind, parts)
        tasks.append(task)
        for role, subtree in parts.items():
            name = task.components[role]
            if name in params and not _equal(params[name], subtree):
                raise RunError(
                    f"{checkpoint.path}: model.{key}: its {role} differs from that of another task model;\n"
                    f"expected one {name!r} that they share"
                )
            params[name] = subtree
        words[task.components["word_embed"]] = WordVocab(
            tuple(tokens), checkpoint.args.get("word_ignore_case") is True, fall_back=False
        )
        tags[task.kind] = tuple(labels)
    spans = {kind: _are_bioes(labels) for kind, labels in tags.items()}
    vocabulary = Vocabulary(words, CharacterVocab(tuple(characters)), tags, spans)
    config = parse_config(_config(checkpoint, tasks, params, output), checkpoint.path)
    return Run(config, _corpus(tasks, vocabulary), params)


def _names(checkpoint: Checkpoint, key: str, first: int) -> dict[str, int]:
    """A vocabulary's names in the order of their indices, without those for padding and the unknown."""
    if key not in checkpoint.vocab:
        raise RunError(f"{checkpoint.path}: vocab.{key} is missing; expected a dict from names to indices")
    # The padding label has an index of its own in some versions and shares that of a real label in others.
    kept = {
        name: index
        for name, index in sorted(checkpoint.vocab[key].items(), key=lambda item: item[1])
        if index >= first and not (key.startswith("label") and name == _PADDING_LABEL)
    }
    if not kept:
        raise RunError(f"{checkpoint.path}: vocab.{key}: holds no names; expected those of a trained model")
    if len(set(kept.values())) < len(kept):
        raise RunError(f"{checkpoint.path}: vocab.{key}: two names have one index; expected one each")
    return kept


def _task(name: str, language: int, kind: int, parts: Mapping[str, Params]) -> _Task:
    names = {
        "word_embed": f"word_embed_{language}",
        "char_embed": "char_embed",
        "char_highway": "char_highway",
        "lstm": "lstm",
        "univ_layer": f"univ_linear_{kind}",
        "spec_layer": f"spec_linear_{kind}_{language}",
        "gate": gate_name(name),
        "crf": f"crf_{kind}",
    }
    components = {role: names[role] for role in parts}
    return _Task(name, f"language_{language}", f"task_{kind}", components)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    return np.array_equal(a, b)


def _are_bioes(labels: tuple[str, ...]) -> bool:
    """Whether the labels are of spans in BIOES, which is what span scores are made for here."""
    return all(map(is_bioes, labels)) and any(label[0] in "ES" for label in labels)


def _corpus(tasks: list[_Task], vocabulary: Vocabulary) -> Corpus:
    datasets = {}
    for task in tasks:
        scheme = "bioes" if vocabulary.spans[task.kind] else "none"
        datasets[task.name] = Dataset(
            name=task.name,
            task=task.kind,
            scheme=scheme,
            bare=False,
            splits={"train": []},
            sample=np.zeros(0, np.int64),
            available=0,
            findings=(),
        )
    return Corpus(datasets, vocabulary, {}, {}, np.zeros(0, bool), [])


def _config(checkpoint: Checkpoint, tasks: list[_Task], params: Params, output: Path) -> dict[str, Any]:
    """The config as JSON values. How the original was trained is told as far as its arguments are known."""
    args = checkpoint.args
    components: dict[str, dict[str, Any]] = {}
    for task in tasks:
        for role, name in task.components.items():
            if role != "gate":
                components[name] = {"name": name, **_component(role, params[name], checkpoint)}
        components[task.components["word_embed"]]["language"] = task.language
    single = "lstm_crf" in checkpoint.models and "train_tgt" not in args
    return {
        "training": {"output": str(output), "max_epoch": 1, **_given(args, max_epoch="max_epoch")},
        "datasets": [_dataset(task, "" if single else f"_{task.name}", args) for task in tasks],
        "tasks": [
            {
                "name": task.name,
                "language": task.language,
                "task": task.kind,
                "dataset": task.name,
                "ref": task.name == tasks[0].name,
                **_given(
                    args,
                    learning_rate="lr",
                    momentum="momentum",
                    decay_rate="decay_rate",
                    decay_step="decay_step",
                    gradient_clipping="grad_clipping",
                ),
                "model": {
                    **{role: name for role, name in task.components.items() if role != "gate"},
                    **_given(args, embed_dropout="embed_dropout"),
                    **_given(args, embed_dropout="feat_dropout", lstm_dropout="lstm_dropout"),
                },
            }
            for task in tasks
        ],
        "components": list(components.values()),
    }


def _given(args: Mapping[str, Any], **keys: str) -> dict[str, Any]:
    """Keys of the config with the original's arguments, where it has them."""
    return {key: args[name] for key, name in keys.items() if args.get(name) is not None}


def _dataset(task: _Task, suffix: str, args: Mapping[str, Any]) -> dict[str, Any]:
    files = _given(args, **{split: f"{split}{suffix}" for split in ("train", "dev", "test")})
    return {
        "name": task.name,
        "language": task.language,
        "task": task.kind,
        "parser": _COLUMNS[int(task.kind[-1])],
        "files": {"train": "unknown", "dev": "unknown", **files},
        **_given(args, batch_size="batch_size"),
    }


def _component(role: str, subtree: Params, checkpoint: Checkpoint) -> dict[str, Any]:
    args = checkpoint.args
    match role:
        case "word_embed":
            dimension = subtree["table"].shape[1]
            ignore_case = args.get("word_ignore_case") is True
            return {"model": "embedding", "dimension": dimension, "ignore_case": ignore_case}
        case "char_embed":
            kernels = [subtree[f"kernel_{i}"].shape for i in range(len(subtree) // 2)]
            filters = [[width, count] for width, _, count in kernels]
            return {"model": "char_cnn", "dimension": subtree["table"].shape[1], "filters": filters}
        case "char_highway":
            activation = args.get("charhw_func", "selu")  # the older scripts know no other
            if activation not in _ACTIVATIONS:
                raise RunError(
                    f"{checkpoint.path}: args.charhw_func: got {activation!r};\n"
                    f"expected one that jax.nn computes as PyTorch does: {', '.join(_ACTIVATIONS)}"
                )
            layers = len(subtree) // 2
            return {"model": "highway", "num_layers": layers, "activation": _ACTIVATIONS[activation]}
        case "lstm":
            ways, size, _ = subtree["recurrent_0"].shape
            layers = len(subtree) // 3
            return {"model": "lstm", "hidden_size": size, "bidirectional": ways == 2, "num_layers": layers}
        case "crf":
            # The original decodes without constraints, and its scores were trained without.
            return {"model": "crf", "constrain": False}
    hidden = [len(layer["bias"]) for name, layer in subtree.items() if name.startswith("hidden_")]
    return {"model": "linear", "hidden": hidden}
