"""Small corpora on disk with their configs."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from mlmt_jax.config import Config, parse_config
from mlmt_jax.corpus.corpora import Corpus, load_corpus

# Sentences as "word/tag word/tag", by split.
Files = dict[str, tuple[str, ...]]


def columns(sentences: Iterable[str]) -> str:
    """Return the column file of sentences."""
    lines = ["".join(word.replace("/", " ") + "\n" for word in sentence.split()) for sentence in sentences]
    return "\n".join(lines)


def vector_file(words: list[str]) -> str:
    """Return a file in which the i-th word, from 1, has the vector (i, -i)."""
    return "".join(f"{word} {i} -{i}\n" for i, word in enumerate(words, 1))


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., Config]:
    """Return a function that writes data sets and returns a config with one task model for each of them."""

    def make(
        datasets: dict[str, Files],
        *,
        vectors: list[str] | None = None,
        embedding: dict[str, Any] | None = None,
        crf: dict[str, dict[str, Any]] | None = None,
        dataset: dict[str, Any] | None = None,
        seed: int = 1,
    ) -> Config:
        """Write the files and return their config, without character features.

        Args:
            datasets: the sentences, by "language.task".
            vectors: the words of a vector file that all embeddings read.
            embedding: settings of all embeddings.
            crf: settings of the CRFs, by task.
            dataset: settings of the first data set.
            seed: the seed of the training.
        """
        entries, tasks = [], []
        for name, files in datasets.items():
            language, task = name.split(".")
            paths = {}
            for split, sentences in files.items():
                paths[split] = f"{name}.{split}"
                (tmp_path / paths[split]).write_text(columns(sentences), encoding="utf-8")
            pair = {"language": language, "task": task}
            settings = (dataset or {}) if not entries else {}
            entries.append({"name": name, "files": paths, **pair, **settings})
            roles = {
                "word_embed": f"{language} words",
                "lstm": "lstm",
                "univ_layer": f"{task} layer",
                "crf": f"{task} crf",
                "use_char_embedding": False,
            }
            tasks.append({"name": name, "dataset": name, "ref": not tasks, "model": roles, **pair})
        table: dict[str, Any] = {"model": "embedding", "dimension": 2, **(embedding or {})}
        if vectors is not None:
            (tmp_path / "vectors").write_text(vector_file(vectors), encoding="utf-8")
            table["file"] = "vectors"
        components: list[dict[str, Any]] = [{"name": "lstm", "model": "lstm", "hidden_size": 2}]
        for language in sorted({entry["language"] for entry in entries}):
            components.append({"name": f"{language} words", **table})
        for task in sorted({entry["task"] for entry in entries}):
            components.append({"name": f"{task} layer", "model": "linear"})
            components.append({"name": f"{task} crf", "model": "crf", **(crf or {}).get(task, {})})
        return parse_config(
            {
                "data_root": str(tmp_path),
                "training": {"max_step": 1, "seed": seed},
                "datasets": entries,
                "tasks": tasks,
                "components": components,
            }
        )

    return make


@pytest.fixture
def load(make_config: Callable[..., Config]) -> Callable[..., Corpus]:
    """Return a function that writes data sets, as `make_config`, and loads their corpus."""
    return lambda *args, **kwargs: load_corpus(make_config(*args, **kwargs))
