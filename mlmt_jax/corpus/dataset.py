"""One data set of the config: its labelled sentences by split, and the sample of them that training uses."""

import itertools
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mlmt_jax.config import Config, DatasetConfig
from mlmt_jax.corpus import random_streams as streams
from mlmt_jax.errors import DataError
from mlmt_jax.metrics.spans import OUTSIDE, Scheme, ill_formed_words
from mlmt_jax.text.columns import ColumnFormat, Sentence, iter_blocks, read_conll
from mlmt_jax.text.findings import Finding, Findings, join_examples
from mlmt_jax.text.lines import open_text
from mlmt_jax.text.tag_schemes import detect_scheme, has_bare_labels, to_bioes


@dataclass(frozen=True)
class Dataset:
    """The sentences of one entry of the config's `datasets`."""

    name: str
    task: str
    scheme: Scheme  # the tag scheme of the files
    bare: bool  # true if the files write IO tags without "I-"
    splits: dict[str, list[Sentence]]  # by "train" (the sample alone), "dev", "test"; spans in BIOES
    sample: np.ndarray  # (len(train),) int64, ascending indices of the training sentences in their file
    available: int  # training sentences of at most `max_len` words: the sample is drawn from them
    findings: tuple[Finding, ...]

    @property
    def training_words(self) -> Iterator[str]:
        """The words of the training sentences, in order and with repetitions."""
        return (word for sentence in self.splits["train"] for word in sentence.tokens)


def column_format(dataset: DatasetConfig) -> ColumnFormat:
    """Return the column format that a data set's `parser` block describes."""
    return ColumnFormat(**dataset.parser.model_dump(exclude={"format", "scheme"}))


def read_dataset(config: Config, spec: DatasetConfig) -> Dataset:
    """Read the files of a data set. All training sentences of at most `max_len` words are in its sample.

    Raises:
        DataError: with file and line, if a file cannot be read as sentences with tags.
    """
    fmt = column_format(spec)
    files = {split: read_conll(config.path(file), fmt) for split, file in spec.files.by_split.items()}
    dataset = make_dataset(config, spec, {split: sentences for split, (sentences, _) in files.items()})
    reader_findings = itertools.chain.from_iterable(findings for _, findings in files.values())
    return replace(dataset, findings=(*reader_findings, *dataset.findings))


def check_beginnings(config: Config, lines: int = 1000) -> None:
    """Read the first lines of all data files, so that a fault there is reported before anything is loaded.

    Raises:
        DataError: with file and line, if they cannot be read as sentences with tags.
    """
    for spec in config.datasets:
        form = column_format(spec)
        for file in spec.files.by_split.values():
            findings = Findings(config.path(file))
            beginning = itertools.islice(open_text(findings, form.encoding), lines)
            for _ in iter_blocks(beginning, form, findings, labelled=True):
                pass


def make_dataset(config: Config, spec: DatasetConfig, sentences: Mapping[str, list[Sentence]]) -> Dataset:
    """Convert sentences that were read from a data set's files to a `Dataset`.

    Args:
        config: the config, for the paths of the files.
        spec: the entry of the config.
        sentences: by split, "train" among them, the sentences with the tags of the files.

    Returns:
        The data set, with the findings about tags, long sentences and the size of the sample.

    Raises:
        DataError: with file and line, on an empty tag.
    """
    tags = {split: [sentence.tags for sentence in part] for split, part in sentences.items()}
    scheme = detect_scheme(**tags) if spec.parser.scheme == "auto" else spec.parser.scheme
    findings = {split: Findings(config.path(spec.files.by_split[split])) for split in sentences}
    splits = {split: bioes_sentences(part, scheme, findings[split]) for split, part in sentences.items()}
    train = splits["train"]
    short = [i for i, sentence in enumerate(train) if len(sentence.tokens) <= spec.max_len]
    if len(short) < len(train):
        first = next(sentence for sentence in train if len(sentence.tokens) > spec.max_len)
        text = f"training sentence of more than {spec.max_len} words is left out (max_len)"
        findings["train"].note(text, first.line, column=1, count=len(train) - len(short))
    if isinstance(spec.sample, int) and spec.sample > len(short):
        text = f"{len(short)} training sentences, fewer than the sample of {spec.sample}: all are taken"
        findings["train"].note(text)
    bare = scheme == "io" and has_bare_labels(itertools.chain(*tags.values()))
    splits["train"] = [train[i] for i in short]
    sample, all_findings = np.array(short, np.int64), tuple(itertools.chain(*findings.values()))
    return Dataset(spec.name, spec.task, scheme, bare, splits, sample, len(short), all_findings)


def draw_sample(whole: Dataset, spec: DatasetConfig, seed: int) -> Dataset:
    """Return a data set whose training sentences are a random sample, in the order of the file.

    The sample is the beginning of a permutation that depends on the seed and the data set's name: a larger
    sample contains every smaller one.

    Args:
        whole: the data set with all training sentences.
        spec: the entry of the config; `sample` is "all", a number of sentences, or a share as a float.
        seed: the seed of the samples.
    """
    chosen = np.arange(whole.available)
    if spec.sample != "all":
        is_share = isinstance(spec.sample, float)
        size = max(1, round(spec.sample * whole.available)) if is_share else spec.sample
        random = np.random.default_rng((seed, zlib.crc32(spec.name.encode()), streams.SAMPLE))
        chosen = np.sort(random.permutation(whole.available)[:size])
    train = [whole.splits["train"][i] for i in chosen]
    return replace(whole, splits={**whole.splits, "train": train}, sample=whole.sample[chosen])


def bioes_sentences(sentences: Iterable[Sentence], scheme: Scheme, findings: Findings) -> list[Sentence]:
    """Return the sentences of a file with their tags in BIOES; tags of the scheme "none" stay as they are.

    Ill-formed tags are repaired as conlleval reads them, with a finding. A file whose tags are all O
    is a finding as well.

    Raises:
        DataError: with file and line, on an empty tag.
    """
    converted: list[Sentence] = []
    ill_formed: list[tuple[int, str]] = []  # line and tag
    for sentence in sentences:
        try:
            tags, count = to_bioes(sentence.tags, scheme)
        except ValueError as error:
            raise DataError(f"{findings.path}:{sentence.line}: {error}") from None
        if count:
            words = ill_formed_words(sentence.tags, scheme)
            ill_formed += [(sentence.lines[word], sentence.tags[word]) for word in words]
        converted.append(sentence._replace(tags=tuple(tags)))
    if ill_formed:
        text = f"tag is ill-formed in the scheme {scheme.upper()} and was read as conlleval does"
        example = join_examples(tag for _, tag in ill_formed)
        findings.note(text, ill_formed[0][0], count=len(ill_formed), example=example)
    words = sum(len(sentence.tags) for sentence in converted)
    if scheme != "none" and words and all(tag == OUTSIDE for sentence in converted for tag in sentence.tags):
        text = f"no span in the file: all {words} tags are O"
        advice = "nothing can be learnt or found in it: a span F1 on it is 0, and cannot choose a checkpoint"
        findings.note(text, converted[0].line, advice=advice)
    return converted
