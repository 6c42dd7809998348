"""The config of an arrangement: which task model uses which component."""

import argparse
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlmt_jax.configure.flags import EPOCHS, MIN_STEPS
from mlmt_jax.configure.sources import Source
from mlmt_jax.corpus.vector_records import read_dimension

__all__ = ["build_config"]

_MIN_EVAL_FREQ = 50  # steps: an epoch of a small target is over before there is anything to see


def build_config(args: argparse.Namespace, sources: Sequence[Source], folder: Path) -> dict[str, Any]:
    """The config as JSON values.

    Args:
        args: the flags.
        sources: what the files look like, the target first.
        folder: where the config file will be; relative paths are from there.
    """
    target = sources[0]
    languages = list(dict.fromkeys(source.language for source in sources))
    components = [_embedding(args, i, language, folder) for i, language in enumerate(languages, 1)]
    components.append(
        {
            "name": "char_embed",
            "model": "char_cnn",
            "dimension": args.char_embed_dim,
            "filters": args.charcnn_filters,
        }
    )
    if args.use_highway:
        highway = {"num_layers": args.charhw_layer, "activation": args.charhw_func}
        components.append({"name": "char_highway", "model": "highway", **highway})
    components.append(
        {
            "name": "lstm",
            "model": "lstm",
            "hidden_size": args.lstm_hidden_size,
            "forget_bias": args.lstm_forget_bias,
        }
    )
    for task in dict.fromkeys(source.task for source in sources):
        components.append({"name": f"{task}_univ_linear", "model": "linear"})
        if len(languages) > 1:
            components += [{"name": f"{task}_{language}_linear", "model": "linear"} for language in languages]
        components.append({"name": f"{task}_crf", "model": "crf"})
    batches_per_epoch = math.ceil(target.sentences / max(1, args.batch_size))
    return {
        "training": {
            "max_epoch": getattr(args, "max_epoch", max(EPOCHS, math.ceil(MIN_STEPS / batches_per_epoch))),
            "eval_freq": max(_MIN_EVAL_FREQ, batches_per_epoch),
            **({"gpu": True} if args.gpu else {}),
        },
        "datasets": [_dataset(args, source, folder) for source in sources],
        "tasks": [_task(args, source, len(languages) > 1, source is target) for source in sources],
        "components": components,
    }


def _embedding(args: argparse.Namespace, number: int, language: str, folder: Path) -> dict[str, Any]:
    file = getattr(args, f"word_embed_{number}", None)
    # Languages share what reads the vectors: one without any takes the length of the other's.
    others = (getattr(args, f"word_embed_{i}", None) for i in (1, 2))
    given = file or next(filter(None, others), None)
    dimension = read_dimension(given) if given else 100
    return {
        "name": f"{language}_word_embed",
        "model": "embedding",
        "language": language,
        "dimension": getattr(args, "word_embed_dim", dimension),
        "ignore_case": args.word_ignore_case,
        **({"file": _relative(file, folder)} if file else {}),
    }


def _dataset_name(source: Source) -> str:
    return f"{source.language}_{source.task}"


def _dataset(args: argparse.Namespace, source: Source, folder: Path) -> dict[str, Any]:
    form = source.form
    separator = {} if form.separator is None else {"separator": form.separator}
    encoding = {} if form.encoding == "utf-8" else {"encoding": form.encoding}
    # Left open for tags of single words: what may be spans after all, ``check`` then tells.
    scheme = {} if source.scheme == "none" else {"scheme": source.scheme}
    return {
        "name": _dataset_name(source),
        "language": source.language,
        "type": "sequence",
        "task": source.task,
        "parser": {
            "format": "conll",
            "token_col": form.token_col,
            "label_col": form.label_col,
            **separator,
            **scheme,
            **encoding,
        },
        "batch_size": args.batch_size,
        "files": {split: _relative(path, folder) for split, path in source.files.items()},
    }


def _task(args: argparse.Namespace, source: Source, multilingual: bool, is_target: bool) -> dict[str, Any]:
    task, language = source.task, source.language
    return {
        "name": f"{language} {task}",
        "language": language,
        "task": task,
        "dataset": _dataset_name(source),
        **({"ref": True} if is_target else {}),
        "learning_rate": args.lr,
        "decay_rate": args.decay_rate,
        "decay_step": args.decay_step,
        "momentum": args.momentum,
        "gradient_clipping": args.grad_clipping,
        "model": {
            "model": "lstm_crf",
            "word_embed": f"{language}_word_embed",
            "char_embed": "char_embed",
            **({"char_highway": "char_highway"} if args.use_highway else {}),
            "lstm": "lstm",
            "univ_layer": f"{task}_univ_linear",
            # With one language a specific layer would see just what the universal one sees.
            **({"spec_layer": f"{task}_{language}_linear"} if multilingual else {}),
            "crf": f"{task}_crf",
            "embed_dropout": args.feat_dropout,
            "lstm_dropout": args.lstm_dropout,
            "linear_dropout": args.linear_dropout,
        },
    }


def _relative(path: str, folder: Path) -> str:
    """A path as it is found from the config file's folder; an absolute one as it was given."""
    place = Path(path)
    if place.is_absolute():
        return place.as_posix()
    # Of the folders the real ones: ".." does not lead back through a symbolic link.
    found = place.parent.resolve() / place.name
    return Path(os.path.relpath(found, folder.resolve())).as_posix()
