"""All data of a run: sentences with their tags, samples, vocabularies and vectors."""

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlmt_jax.config import Config, DatasetConfig, EmbeddingConfig
from mlmt_jax.data.conll import ColumnFormat, Sentence, read_conll
from mlmt_jax.data.findings import Finding
from mlmt_jax.data.tags import detect_scheme, has_bare_labels, to_bioes
from mlmt_jax.data.task_tags import check_tags, task_tags, unknown_tags
from mlmt_jax.data.vocab import CharacterVocab, WordVocab
from mlmt_jax.data.word_tables import VectorFiles, rare_rows, word_table
from mlmt_jax.errors import DataError
from mlmt_jax.metrics.spans import Scheme, ill_formed_words
from mlmt_jax.types import Sizes

__all__ = [
    "Corpus",
    "Dataset",
    "Example",
    "Vocabulary",
    "column_format",
    "draw_sample",
    "label",
    "load_corpora",
    "load_corpus",
    "make_dataset",
    "read_dataset",
    "word_counts",
]

# Independent of the random streams of batching.
_SAMPLE_STREAM = 1


class Example(NamedTuple):
    """One sentence."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]  # BIOES for span tasks, else as they stand in the file
    lines: Sequence[int]  # 1-based line of each token in the file

    @property
    def line(self) -> int:
        """1-based line of the first token."""
        return self.lines[0]


@dataclass(frozen=True)
class Dataset:
    """One entry of the config's ``datasets``, read."""

    name: str
    language: str
    task: str
    scheme: Scheme  # of the files; inside, spans are BIOES
    bare: bool  # whether the files write IO tags without "I-"
    splits: dict[str, list[Example]]  # train (the sample of it), dev, test
    sample: np.ndarray  # (len(train),) which sentences of the training file were chosen, from 0
    available: int  # sentences of the training file that could have been chosen
    findings: tuple[Finding, ...]


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


def column_format(dataset: DatasetConfig) -> ColumnFormat:
    """The file format of a dataset's parser block."""
    parser = dataset.parser
    return ColumnFormat(
        token_col=parser.token_col,
        label_col=parser.label_col,
        separator=parser.separator,
        skip_comment=parser.skip_comment,
        encoding=parser.encoding,
    )


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
    seeds = [config.training.seed_of_samples if samples else 0 for config in configs]
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


def read_dataset(config: Config, spec: DatasetConfig) -> Dataset:
    """Reads the files of one dataset and brings spans to BIOES; all training sentences are there."""
    form = column_format(spec)
    files = spec.files.by_split.items()
    return make_dataset(config, spec, {split: read_conll(config.path(path), form) for split, path in files})


def make_dataset(
    config: Config, spec: DatasetConfig, read: Mapping[str, tuple[list[Sentence], list[Finding]]]
) -> Dataset:
    """``read_dataset`` of files that are read already: their sentences and findings by split."""
    files = {split: config.path(path) for split, path in spec.files.by_split.items()}
    tags = [sentence.tags for sentences, _ in read.values() for sentence in sentences]
    scheme = detect_scheme(tags) if spec.parser.scheme == "auto" else spec.parser.scheme
    findings = [finding for _, found in read.values() for finding in found]
    labelled = {
        split: label(sentences, scheme, files[split], findings) for split, (sentences, _) in read.items()
    }
    short = [i for i, example in enumerate(labelled["train"]) if len(example.tokens) <= spec.max_len]
    left_out = len(labelled["train"]) - len(short)
    if left_out:
        text = f"training sentence of more than {spec.max_len} words is left out (max_len)"
        findings.append(Finding(str(files["train"]), None, text, left_out))
    labelled["train"] = [labelled["train"][i] for i in short]
    bare = scheme == "io" and has_bare_labels(tags)
    return Dataset(
        spec.name,
        spec.language,
        spec.task,
        scheme,
        bare,
        labelled,
        np.array(short, np.int64),
        len(short),
        tuple(findings),
    )


def draw_sample(whole: Dataset, spec: DatasetConfig, seed: int) -> Dataset:
    """The dataset with its training sample alone."""
    chosen = _sample(whole.available, spec, seed)
    train = [whole.splits["train"][i] for i in chosen]
    return replace(whole, splits={**whole.splits, "train": train}, sample=whole.sample[chosen])


def label(
    sentences: Iterable[Sentence], scheme: Scheme, path: str | Path, findings: list[Finding]
) -> list[Example]:
    """Brings the tags to BIOES; ill-formed ones are repaired as conlleval reads them, and counted."""
    examples, repaired, first, example = [], 0, None, ""
    for sentence in sentences:
        try:
            tags, count = to_bioes(sentence.tags, scheme)
        except ValueError as error:
            raise DataError(f"{path}:{sentence.line}: {error}") from None
        if count and first is None:
            word = ill_formed_words(sentence.tags, scheme)[0]
            first, example = sentence.lines[word], repr(sentence.tags[word])
        repaired += count
        examples.append(Example(sentence.tokens, tuple(tags), sentence.lines))
    if repaired:
        text = f"tag is ill-formed in the scheme {scheme.upper()} and was read as conlleval does"
        findings.append(Finding(str(path), first, text, repaired, example=example))
    return examples


def _sample(available: int, spec: DatasetConfig, seed: int) -> np.ndarray:
    """The first so many of one seeded permutation, so that a larger sample holds every smaller one."""
    if spec.sample == "all":
        return np.arange(available)
    size = max(1, round(spec.sample * available)) if isinstance(spec.sample, float) else spec.sample
    random = np.random.default_rng((seed, zlib.crc32(spec.name.encode()), _SAMPLE_STREAM))
    return np.sort(random.permutation(available)[:size])


def word_counts(config: Config, spec: EmbeddingConfig, datasets: Mapping[str, Dataset]) -> Counter[str]:
    """How often each word occurs in the training data of the tasks that use an embedding."""
    # Not a set: its order changes from one process to the next.
    used = dict.fromkeys(task.dataset for task in config.tasks if task.model.word_embed == spec.name)
    trained = (datasets[name].splits["train"] for name in used if name in datasets)
    return Counter(word for examples in trained for example in examples for word in example.tokens)
