"""What a run folder keeps of config and data, and how others are told from them."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from mlmt_jax.config import Config
from mlmt_jax.config.problems import format_path, quoted
from mlmt_jax.corpus.corpora import Corpus
from mlmt_jax.text.columns import Sentence
from mlmt_jax.runs.run_json import checksum

__all__ = ["config_differences", "data_difference", "data_files", "digests", "essence"]

_MOST_TOLD = 5  # differences


def data_files(config: Config, corpus: Corpus) -> dict[str, dict[str, Any]]:
    """What a run folder keeps of the data, by file name."""
    datasets = corpus.datasets.values()
    schemes = {dataset.name: {"scheme": dataset.scheme, "bare": dataset.bare} for dataset in datasets}
    samples = {
        dataset.name: {
            "file": config.dataset(dataset.name).files.train,
            "available": dataset.available,
            "sentences": dataset.sample.tolist(),
            "lines": [example.line for example in dataset.splits["train"]],
            "digests": {split: _digest(examples) for split, examples in dataset.splits.items()},
        }
        for dataset in datasets
    }
    return {
        "vocab.json": {"schemes": schemes, **corpus.vocabulary.as_json()},
        "samples.json": samples,
    }


def essence(config: Config, free: Collection[str]) -> dict[str, Any]:
    """A resolved config without where its data is, and without these keys of ``training``."""
    data = config.resolved()
    training = {key: value for key, value in data["training"].items() if key not in free}
    return {**data, "training": training, "data_root": None, "$schema": None}


def digests(corpora: Iterable[tuple[Config, Corpus]]) -> dict[str, bytes]:
    """The SHA-256 of what trains replicas, by what it is of; what the rest may follow from comes first.

    Where data is, and where the run's folder, is left out.

    Args:
        corpora: of each replica, its own config and data.
    """
    sums = {"the config": hashlib.sha256()}
    for config, corpus in corpora:
        data = data_files(config, corpus)
        parts: dict[str, Any] = {
            "the config": essence(config, ("output",)),
            **{f"the data of {name!r}": sample for name, sample in data["samples.json"].items()},
            "the vocabulary": data["vocab.json"],
        }
        for name, value in parts.items():
            sums.setdefault(name, hashlib.sha256()).update(json.dumps(value).encode())
        for name, arrays in corpus.pretrained.items():
            of_vectors = sums.setdefault(f"the vectors of {name!r}", hashlib.sha256())
            for array in arrays:
                of_vectors.update(np.ascontiguousarray(array).data)
    return {name: sum_.digest() for name, sum_ in sums.items()}


def _digest(examples: Sequence[Sentence]) -> str:
    """SHA-256 of the words and tags of sentences."""
    text = json.dumps([(example.tokens, example.tags) for example in examples])
    return checksum(text.encode())


def config_differences(before: Any, now: Any) -> list[str]:
    """The values by which two resolved configs differ, the first few: ``training.seed: 1, now 2``."""
    found = list(_differences(before, now, ()))
    more = len(found) - _MOST_TOLD
    return [*found[:_MOST_TOLD], *([f"{more} more"] if more > 0 else [])]


def _differences(before: Any, now: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*before, *now)):
            yield from _differences(before.get(key), now.get(key), (*path, key))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for i, pair in enumerate(zip(before, now, strict=True)):
            yield from _differences(*pair, (*path, i))
    elif isinstance(before, list) and isinstance(now, list):
        yield f"{format_path(path)}: {len(before)} of them, now {len(now)}"
    else:
        yield f"{format_path(path)}: {quoted(before, 200)}, now {quoted(now, 200)}"


def data_difference(name: str, theirs: Any, mine: dict[str, Any]) -> str:
    """What differs in a file of the data: the splits whose words or tags do, if it is no more than that."""
    if name == "samples.json" and isinstance(theirs, dict):
        for dataset, own in mine.items():
            before = theirs.get(dataset)
            if isinstance(before, dict) and {**before, "digests": None} == {**own, "digests": None}:
                digests = before.get("digests")
                digests = digests if isinstance(digests, dict) else {}
                splits = [s for s, digest in own["digests"].items() if digests.get(s) != digest]
                if splits:
                    return f"words or tags of {dataset!r} have changed ({', '.join(splits)})"
    return f"{name} would differ"
