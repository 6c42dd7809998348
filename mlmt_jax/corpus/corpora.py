"""All data of a run: its data sets, vocabularies and vectors."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mlmt_jax.config import Config, EmbeddingConfig
from mlmt_jax.corpus.dataset import Dataset, draw_sample, read_dataset
from mlmt_jax.corpus.tag_inventory import check_tags, task_tags, unknown_tags
from mlmt_jax.corpus.vocabulary import CharacterVocab, WordVocab
from mlmt_jax.corpus.word_tables import VectorFiles, rare_rows, word_table
from mlmt_jax.text.findings import Finding
from mlmt_jax.types import Sizes

__all__ = ["Corpus", "Vocabulary", "load_corpora", "load_corpus", "word_counts"]


@dataclass(frozen=True)
class Vocabulary:
    """What decides the model's sizes; a run folder keeps it."""

    words: dict[str, WordVocab]  # by embedding component
    characters: CharacterVocab
    tags: dict[str, tuple[str, ...]]  # by task
    spans: dict[str, bool]  # by task: BIOES spans, or one tag a word
    # By dataset: the words of its training data; nothing of runs that do not tell.
    seen: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def sizes(self) -> Sizes:
        """The same as the model wants it."""
        return Sizes(
            words={name: words.size for name, words in self.words.items()},
            characters=self.characters.size,
            tags={task: list(tags) for task, tags in self.tags.items()},
            spans=self.spans,
        )

    def as_json(self) -> dict:
        """What ``vocab.json`` holds."""
        return {
            "words": {name: words.as_json() for name, words in self.words.items()},
            "characters": list(self.characters.characters),
            "tags": {task: list(tags) for task, tags in self.tags.items()},
            "spans": self.spans,
            "seen": {dataset: sorted(words) for dataset, words in self.seen.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping) -> "Vocabulary":
        """The inverse of ``as_json``."""
        return cls(
            words={name: WordVocab.from_json(words) for name, words in data["words"].items()},
            characters=CharacterVocab(tuple(data["characters"])),
            tags={task: tuple(tags) for task, tags in data["tags"].items()},
            spans=dict(data["spans"]),
            # Runs of before it was written have none.
            seen={dataset: frozenset(words) for dataset, words in data.get("seen", {}).items()},
        )


class Corpus(NamedTuple):
    """Everything that training reads from files."""

    datasets: dict[str, Dataset]  # by name
    vocabulary: Vocabulary
    pretrained: dict[str, tuple[np.ndarray, np.ndarray]]  # by embedding component: rows, their vectors
    rare_words: dict[str, np.ndarray]  # by embedding component: (rows,) bool, seen once in training
    rare_characters: np.ndarray  # (rows,) bool, seen once in training
    findings: list[Finding]


def load_corpus(config: Config) -> Corpus:
    """Reads all files of a config.

    Raises:
        DataError: naming file and line, on the first thing that cannot be used.
    """
    return load_corpora([config])[0]


def load_corpora(configs: Sequence[Config]) -> list[Corpus]:
    """Reads all files of configs that differ in their seeds alone; each file once.

    Those that draw the same samples share one corpus.
    """
    whole = {spec.name: read_dataset(configs[0], spec) for spec in configs[0].datasets}
    # Beyond max_words, vector files are asked for what any of the samples could want.
    others = [e for d in whole.values() for e in d.splits["train"]] if len(configs) > 1 else []
    vectors = VectorFiles(configs[0], {word for example in others for word in example.tokens})
    samples = any(spec.sample != "all" for spec in configs[0].datasets)
    seeds = [config.training.effective_sample_seed if samples else 0 for config in configs]
    corpora = {}
    for config, seed in zip(configs, seeds, strict=True):
        if seed not in corpora:
            datasets = {spec.name: draw_sample(whole[spec.name], spec, seed) for spec in config.datasets}
            corpora[seed] = _assemble(config, datasets, vectors)
    return [corpora[seed] for seed in seeds]


def _assemble(config: Config, datasets: dict[str, Dataset], vectors: VectorFiles) -> Corpus:
    findings = [finding for dataset in datasets.values() for finding in dataset.findings]
    tags, spans = task_tags(datasets)
    for error in check_tags(config, spans):
        raise error
    characters = Counter(c for d in datasets.values() for e in d.splits["train"] for w in e.tokens for c in w)
    character_vocab = CharacterVocab(tuple(sorted(characters)))
    rare_characters = np.array([False, False, *(characters[c] == 1 for c in character_vocab.characters)])
    words, pretrained, rare_words = {}, {}, {}
    for spec in config.components:
        if isinstance(spec, EmbeddingConfig):
            counts = word_counts(config, spec, datasets)
            words[spec.name], pretrained[spec.name], found = word_table(spec, counts, vectors)
            findings += found
            rare_words[spec.name] = rare_rows(words[spec.name], counts)
    seen = {
        name: frozenset(word for example in dataset.splits["train"] for word in example.tokens)
        for name, dataset in datasets.items()
    }
    vocabulary = Vocabulary(words, character_vocab, tags, spans, seen)
    findings += unknown_tags(config, datasets, tags, spans)
    pretrained = {name: vectors for name, vectors in pretrained.items() if vectors is not None}
    return Corpus(datasets, vocabulary, pretrained, rare_words, rare_characters, findings)


def word_counts(config: Config, spec: EmbeddingConfig, datasets: Mapping[str, Dataset]) -> Counter[str]:
    """How often each word occurs in the training data of the tasks that use an embedding."""
    # Not a set: its order changes from one process to the next.
    used = dict.fromkeys(task.dataset for task in config.tasks if task.model.word_embed == spec.name)
    trained = (datasets[name].splits["train"] for name in used if name in datasets)
    return Counter(word for examples in trained for example in examples for word in example.tokens)
