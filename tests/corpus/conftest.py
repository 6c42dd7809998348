"""Small corpora on disk: a config around them, and what loading it gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlmt_jax.config import Config, parse_config
from mlmt_jax.corpus.corpora import Corpus, load_corpus

# Sentences as "word/tag word/tag", by split.
Files = dict[str, tuple[str, ...]]


def columns(sentences) -> str:
    lines = ["".join(word.replace("/", " ") + "\n" for word in sentence.split()) for sentence in sentences]
    return "\n".join(lines)


def vector_file(words: list[str]) -> str:
    """Two-dimensional vectors: (place, -place)."""
    return "".join(f"{word} {place} -{place}\n" for place, word in enumerate(words, 1))


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., Config]:
    """Makes a config of one task model for each "language.task", without character features."""

    def make(
        datasets: dict[str, Files],
        *,
        vectors: list[str] | None = None,
        embedding: dict[str, Any] | None = None,
        crf: dict[str, dict[str, Any]] | None = None,
        dataset: dict[str, Any] | None = None,
        seed: int = 1,
    ) -> Config:
        """`embedding` is added to each of them, `dataset` to the first one, `crf` to those of its tasks."""
        entries, tasks = [], []
        for name, files in datasets.items():
            language, task = name.split(".")
            paths = {}
            for split, sentences in files.items():
                paths[split] = f"{name}.{split}"
                (tmp_path / paths[split]).write_text(columns(sentences), encoding="utf-8")
            both = {"language": language, "task": task}
            own = (dataset or {}) if not entries else {}
            entries.append({"name": name, "files": paths, **both, **own})
            roles = {
                "word_embed": f"{language} words",
                "lstm": "lstm",
                "univ_layer": f"{task} layer",
                "crf": f"{task} crf",
                "use_char_embedding": False,
            }
            tasks.append({"name": name, "dataset": name, "ref": not tasks, "model": roles, **both})
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
    """Makes such a config and loads it."""
    return lambda *args, **kwargs: load_corpus(make_config(*args, **kwargs))
