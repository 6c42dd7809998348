"""The config of an arrangement: which task model uses which data set and which components."""

import argparse
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlmt_jax.configure.flags import EPOCHS, MIN_STEPS
from mlmt_jax.configure.sources import Source
from mlmt_jax.corpus.vector_records import read_dimension

_MIN_EVAL_FREQ = 50  # steps: with a small target, an epoch is too short to show progress
# With lowres-1: steps at least, steps for each hundred sentences of the target, and between two evaluations.
_STEPS, _STEPS_PER_HUNDRED, _EVAL_FREQ = 2000, 100, 200

Json = dict[str, Any]


def build_config(args: argparse.Namespace, sources: Sequence[Source], folder: Path) -> Json:
    """Return the config as JSON values.

    Args:
        args: parsed flags.
        sources: data files of each task model, the target first.
        folder: folder of the config file; relative paths start there.
    """
    languages = list(dict.fromkeys(source.language for source in sources))
    components = [_embedding(args, i, language, folder) for i, language in enumerate(languages, 1)]
    char_cnn = {"dimension": args.char_embed_dim, "filters": args.charcnn_filters}
    components.append(_component("char_embed", "char_cnn", **char_cnn))
    if args.use_highway:
        highway = {"num_layers": args.charhw_layer, "activation": args.charhw_func}
        components.append(_component("char_highway", "highway", **highway))
    lstm = {"hidden_size": args.lstm_hidden_size, "forget_bias": args.lstm_forget_bias}
    components.append(_component("lstm", "lstm", **lstm))
    for task in dict.fromkeys(source.task for source in sources):
        components.append(_component(f"{task}_univ_linear", "linear"))
        if len(languages) > 1:
            components += [_component(f"{task}_{language}_linear", "linear") for language in languages]
        components.append(_component(f"{task}_crf", "crf"))
    config = {
        "recipe": args.recipe,
        "training": {**_length(args, sources[0].sentence_count), "gpu": args.gpu or None},
        "datasets": [_dataset(args, source, folder) for source in sources],
        "tasks": [_task(args, source, len(languages) > 1, source is sources[0]) for source in sources],
        "components": components,
    }
    return _without_none(config)


def _length(args: argparse.Namespace, sentences: int) -> Json:
    """Return how long a run is and how often it evaluates, by the target's number of training sentences."""
    if args.recipe != "lin2018":
        epochs = getattr(args, "max_epoch", None)
        steps = _STEPS + _STEPS_PER_HUNDRED * (sentences // 100)
        return {"eval_freq": _EVAL_FREQ, **({"max_epoch": epochs} if epochs else {"max_step": steps})}
    steps_per_epoch = math.ceil(sentences / max(1, args.batch_size))
    epochs = max(EPOCHS, math.ceil(MIN_STEPS / steps_per_epoch))
    return {
        "max_epoch": getattr(args, "max_epoch", epochs),
        "eval_freq": max(_MIN_EVAL_FREQ, steps_per_epoch),
    }


def _without_none(value: Any) -> Any:
    """Return JSON values without the keys whose value is None, at any depth."""
    if isinstance(value, dict):
        return {key: _without_none(child) for key, child in value.items() if child is not None}
    return [_without_none(child) for child in value] if isinstance(value, list) else value


def _component(name: str, kind: str, **settings: Any) -> Json:
    return {"name": name, "model": kind, **settings}


def _embedding(args: argparse.Namespace, number: int, language: str, folder: Path) -> Json:
    """Return the config of the word vectors of a language.

    The LSTM is shared, so a language without a vector file gets the vector size of the other language.

    Args:
        args: parsed flags.
        number: 1 for the target's language, 2 for the other one.
        language: name of the language.
        folder: folder of the config file.
    """
    paths = {i: getattr(args, f"word_embed_{i}", None) for i in (number, 1, 2)}
    path = paths[number]
    first_path = next(filter(None, paths.values()), None)
    dimension = read_dimension(first_path) if first_path else 100
    return _component(
        f"{language}_word_embed",
        "embedding",
        language=language,
        dimension=getattr(args, "word_embed_dim", dimension),
        ignore_case=args.word_ignore_case,
        file=path and _relative(path, folder),
    )


def _dataset(args: argparse.Namespace, source: Source, folder: Path) -> Json:
    """Return the config of the data set of a task model."""
    columns = source.columns
    return {
        "name": f"{source.language}_{source.task}",
        "language": source.language,
        "type": "sequence",
        "task": source.task,
        "parser": {
            "format": "conll",
            "token_col": columns.token_col,
            "label_col": columns.label_col,
            "separator": columns.separator,
            # Tags of single words stay "auto": if they may be spans after all, `check` reports it.
            "scheme": None if source.scheme == "none" else source.scheme,
            "encoding": None if columns.encoding == "utf-8" else columns.encoding,
        },
        "batch_size": args.batch_size,
        "files": {split: _relative(path, folder) for split, path in source.files.items()},
    }


def _task(args: argparse.Namespace, source: Source, is_multilingual: bool, is_target: bool) -> Json:
    """Return the config of a task model."""
    task, language = source.task, source.language
    return {
        "name": f"{language} {task}",
        "language": language,
        "task": task,
        "dataset": f"{language}_{task}",
        "ref": is_target or None,
        "learning_rate": args.lr,
        "decay_rate": args.decay_rate,
        "decay_step": args.decay_step,
        "momentum": args.momentum,
        "gradient_clipping": args.grad_clipping,
        "model": {
            "model": "lstm_crf",
            "word_embed": f"{language}_word_embed",
            "char_embed": "char_embed",
            "char_highway": "char_highway" if args.use_highway else None,
            "lstm": "lstm",
            "univ_layer": f"{task}_univ_linear",
            # With one language, a specific layer has the same training data as the universal layer.
            "spec_layer": f"{task}_{language}_linear" if is_multilingual else None,
            "crf": f"{task}_crf",
            "embed_dropout": args.feat_dropout,
            "lstm_dropout": args.lstm_dropout,
            "linear_dropout": args.linear_dropout,
        },
    }


def _relative(path: str, folder: Path) -> str:
    """Return a path relative to the config file's folder; an absolute path stays absolute."""
    place = Path(path)
    if place.is_absolute():
        return place.as_posix()
    # Symbolic links to folders are resolved: ".." leads to the parent of a link's destination.
    resolved = place.parent.resolve() / place.name
    return Path(os.path.relpath(resolved, folder.resolve())).as_posix()
