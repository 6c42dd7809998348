"""The corpus of a run: its data sets, vocabularies and word vectors, loaded from the files of a config."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from mlmt_jax.config import Config, EmbeddingConfig
from mlmt_jax.corpus.dataset import Dataset, draw_sample, read_dataset
from mlmt_jax.corpus.misplaced_files import find_misplaced_files
from mlmt_jax.corpus.tag_inventory import find_unseen_tags, tag_errors, task_tags
from mlmt_jax.corpus.vocabulary import CharacterVocab, Vocabulary
from mlmt_jax.corpus.word_tables import PretrainedRows, VectorFile, build_word_table, read_component_vectors
from mlmt_jax.text.findings import Finding


class Corpus(NamedTuple):
    """Everything that training reads from files."""

    datasets: dict[str, Dataset]  # by name
    vocabulary: Vocabulary
    pretrained: dict[str, PretrainedRows]  # by embedding component; those without vectors are left out
    rare_words: dict[str, np.ndarray]  # by embedding component: (rows,) bool, true if it occurs once
    rare_characters: np.ndarray  # (rows of the character table,) bool, true if it occurs once
    findings: list[Finding]


def load_corpus(config: Config) -> Corpus:
    """Read all files of a config.

    Raises:
        DataError: with file and line, on the first thing that training cannot use.
        ConfigError: if a metric needs spans and its task has none.
    """
    return load_corpora([config])[0]


def load_corpora(configs: Sequence[Config]) -> list[Corpus]:
    """Read the files of configs that differ in their seeds only, each file once.

    Returns:
        The corpus of each config. Configs with the same samples share one object.

    Raises:
        DataError: as `load_corpus`.
        ConfigError: as `load_corpus`.
    """
    config = configs[0]
    whole = {spec.name: read_dataset(config, spec) for spec in config.datasets}
    has_samples = any(spec.sample != "all" for spec in config.datasets)
    seeds = [config.training.effective_sample_seed if has_samples else 0 for config in configs]
    samples = {
        seed: {spec.name: draw_sample(whole[spec.name], spec, seed) for spec in config.datasets}
        for seed in dict.fromkeys(seeds)
    }
    embeddings = {spec.name: spec for spec in config.components if isinstance(spec, EmbeddingConfig)}

    @cache
    def read_file(name: str) -> VectorFile:
        """Read the vectors of a component's file that any of the samples needs."""
        words = {word for datasets in samples.values() for word in word_counts(config, name, datasets)}
        return read_component_vectors(config, embeddings[name], words)

    misplaced = list(find_misplaced_files(config, whole))
    corpora = {seed: _build_corpus(config, datasets, read_file) for seed, datasets in samples.items()}
    for corpus in corpora.values():
        corpus.findings.extend(misplaced)
    return [corpora[seed] for seed in seeds]


def _build_corpus(
    config: Config, datasets: dict[str, Dataset], read_file: Callable[[str], VectorFile]
) -> Corpus:
    """Build the corpus of the data sets of one sample; `read_file` returns at least the needed vectors."""
    tags, spans = task_tags(datasets)
    for error in tag_errors(config, spans):
        raise error
    words = (word for dataset in datasets.values() for word in dataset.training_words)
    characters = Counter(itertools.chain.from_iterable(words))
    tables = {
        spec.name: build_word_table(spec, word_counts(config, spec.name, datasets), read_file(spec.name))
        for spec in config.components
        if isinstance(spec, EmbeddingConfig)
    }
    word_vocabs = {name: table.vocab for name, table in tables.items()}
    character_vocab = CharacterVocab(tuple(sorted(characters)))
    training_words = {name: frozenset(dataset.training_words) for name, dataset in datasets.items()}
    is_rare = [characters[char] == 1 for char in character_vocab.characters]
    return Corpus(
        datasets,
        Vocabulary(word_vocabs, character_vocab, tags, spans, training_words),
        pretrained={name: table.pretrained for name, table in tables.items() if table.pretrained},
        rare_words={name: table.rare for name, table in tables.items()},
        rare_characters=np.array([False, False, *is_rare]),
        findings=[
            *(finding for dataset in datasets.values() for finding in dataset.findings),
            *(finding for table in tables.values() for finding in table.findings),
            *find_unseen_tags(config, datasets, tags, spans),
        ],
    )


def word_counts(config: Config, component: str, datasets: Mapping[str, Dataset]) -> Counter[str]:
    """Count the words of the training sentences of the tasks that use an embedding component.

    Args:
        config: the config.
        component: the name of the component.
        datasets: the data sets, by name; tasks whose data set is missing are skipped.
    """
    # A dict, not a set: the order of a set of strings changes from process to process.
    names = dict.fromkeys(task.dataset for task in config.tasks if task.model.word_embed == component)
    return Counter(word for name in names if name in datasets for word in datasets[name].training_words)
