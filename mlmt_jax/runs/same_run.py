"""The rule of what makes two runs the same: what a folder records of config and data, and what may differ."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlmt_jax.config import Config
from mlmt_jax.config.problems import format_path, quoted
from mlmt_jax.corpus.corpora import Corpus
from mlmt_jax.errors import RunError
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.run_json import checksum
from mlmt_jax.text.columns import Sentence

#: Keys of ``training`` that may differ when a run is resumed; ``data_root`` may differ as well.
RESUMABLE_KEYS = (
    "max_step",
    "max_epoch",
    "patience",
    "output",
    "gpu",
    "eval_batch_size",
    "keep",
    "log_to",
    "data_parallel",
)
_SHOWN_DIFFERENCES = 5

#: The config and corpus of each replica.
Corpora = Sequence[tuple[Config, Corpus]]


def data_records(config: Config, corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Return what a run folder records of the data, by file name: ``vocab.json`` and ``samples.json``.

    The values are JSON values. Samples have, by data set, the indices and lines of the training sentences,
    and a digest of the words and tags of each split.
    """
    datasets = corpus.datasets.values()
    schemes = {dataset.name: {"scheme": dataset.scheme, "bare": dataset.bare} for dataset in datasets}
    samples = {
        dataset.name: {
            "file": config.dataset(dataset.name).files.train,
            "available": dataset.available,
            "sentences": dataset.sample.tolist(),
            "lines": [sentence.line for sentence in dataset.splits["train"]],
            "digests": {split: _digest(sentences) for split, sentences in dataset.splits.items()},
        }
        for dataset in datasets
    }
    return {"vocab.json": {"schemes": schemes, **corpus.vocabulary.as_json()}, "samples.json": samples}


def digests(corpora: Iterable[tuple[Config, Corpus]]) -> dict[str, bytes]:
    """Return the SHA-256 of everything that decides a training, by a name for messages, the config first.

    The places of data and of the run folder are left out.

    Args:
        corpora: config and corpus of each replica.
    """
    hashes = {"the config": hashlib.sha256()}
    for config, corpus in corpora:
        records = data_records(config, corpus)
        parts: dict[str, Any] = {
            "the config": _comparable(config, ("output",)),
            **{f"the data of {name!r}": sample for name, sample in records["samples.json"].items()},
            "the vocabulary": records["vocab.json"],
        }
        for name, value in parts.items():
            hashes.setdefault(name, hashlib.sha256()).update(json.dumps(value).encode())
        for name, arrays in corpus.pretrained.items():
            vector_hash = hashes.setdefault(f"the vectors of {name!r}", hashlib.sha256())
            for array in arrays:
                vector_hash.update(np.ascontiguousarray(array).data)
    return {name: part.digest() for name, part in hashes.items()}


def check_same_run(folder: RunFolder, config: Config, corpora: Corpora) -> None:
    """Raise RunError if config or data are not those that the run in ``folder`` was started with.

    Args:
        folder: folder of the run.
        config: config of the run.
        corpora: config and corpus of each replica; one pair for a run alone.
    """
    _check_config(folder, config)
    for replica_folder, (replica_config, corpus) in zip(folder.runs(len(corpora)), corpora, strict=True):
        _check_config(replica_folder, replica_config)
        for name, record in data_records(replica_config, corpus).items():
            stored = replica_folder.read(name)
            if stored != record:
                raise RunError(
                    f"{replica_folder.path}: the data is not what the run was started with: "
                    f"{_data_difference(name, stored, record)};\n"
                    "give --resume the same files, or start anew with another --output"
                )


def _check_config(folder: RunFolder, config: Config) -> None:
    """Check that a config is that of the run in ``folder``, but for the keys that ``--resume`` may change.

    Raises:
        RunError: with the JSON paths and values of the first differences and the number of the others.
    """
    current, stored = _comparable(config, RESUMABLE_KEYS), _comparable(folder.config(), RESUMABLE_KEYS)
    if current != stored:
        differences = list(_differences(stored, current, ()))
        more = len(differences) - _SHOWN_DIFFERENCES
        listed = [*differences[:_SHOWN_DIFFERENCES], *([f"{more} more"] if more > 0 else [])]
        raise RunError(
            f"{folder.path}: the run was started with another config (different: {', '.join(listed)});\n"
            "give --resume the same config, or start anew with another --output"
        )


def _comparable(config: Config, free_keys: Collection[str]) -> dict[str, Any]:
    """Return a resolved config without ``data_root`` and without some keys of ``training``."""
    data = config.resolved()
    training = {key: value for key, value in data["training"].items() if key not in free_keys}
    return {**data, "training": training, "data_root": None, "$schema": None}


def _digest(sentences: Sequence[Sentence]) -> str:
    """Return the SHA-256 of the words and tags of sentences."""
    return checksum(json.dumps([(sentence.tokens, sentence.tags) for sentence in sentences]).encode())


def _differences(before: Any, now: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    """Yield how two JSON values below ``path`` differ, such as ``training.seed: 1, now 2``."""
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*before, *now)):
            yield from _differences(before.get(key), now.get(key), (*path, key))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for i, pair in enumerate(zip(before, now, strict=True)):
            yield from _differences(*pair, (*path, i))
    elif isinstance(before, list) and isinstance(now, list):
        yield f"{format_path(path)}: {len(before)} entries, now {len(now)}"
    else:
        yield f"{format_path(path)}: {quoted(before, 200)}, now {quoted(now, 200)}"


def _data_difference(name: str, stored: Any, record: Mapping[str, Any]) -> str:
    """Describe how a file of the data differs: by splits if only their words or tags do."""
    if name == "samples.json" and isinstance(stored, dict):
        for dataset, sample in record.items():
            before = stored.get(dataset)
            if isinstance(before, dict) and {**before, "digests": None} == {**sample, "digests": None}:
                stored_digests = before.get("digests")
                stored_digests = stored_digests if isinstance(stored_digests, dict) else {}
                splits = [s for s, digest in sample["digests"].items() if stored_digests.get(s) != digest]
                if splits:
                    return f"words or tags of {dataset!r} have changed ({', '.join(splits)})"
    return f"{name} would differ"
