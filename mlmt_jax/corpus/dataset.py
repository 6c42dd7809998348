"""One data set of the config: its sentences with their tags, and the sample that training sees."""

import itertools
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mlmt_jax.config import Config, DatasetConfig
from mlmt_jax.corpus import random_streams as streams
from mlmt_jax.errors import DataError
from mlmt_jax.metrics.spans import OUTSIDE, Scheme, ill_formed_words
from mlmt_jax.text.columns import ColumnFormat, Sentence, read_conll
from mlmt_jax.text.findings import Finding, Findings, shown
from mlmt_jax.text.tag_schemes import detect_scheme, has_bare_labels, to_bioes

__all__ = [
    "Dataset",
    "column_format",
    "draw_sample",
    "label",
    "make_dataset",
    "read_dataset",
]


@dataclass(frozen=True)
class Dataset:
    """One entry of the config's ``datasets``, read."""

    name: str
    language: str
    task: str
    scheme: Scheme  # of the files; inside, spans are BIOES
    bare: bool  # whether the files write IO tags without "I-"
    splits: dict[str, list[Sentence]]  # train (the sample of it), dev, test; spans are BIOES
    sample: np.ndarray  # (len(train),) which sentences of the training file were chosen, from 0
    available: int  # sentences of the training file that could have been chosen
    findings: tuple[Finding, ...]


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


def read_dataset(config: Config, spec: DatasetConfig) -> Dataset:
    """Reads the files of one dataset and brings spans to BIOES; all training sentences are there."""
    form = column_format(spec)
    files = spec.files.by_split.items()
    return make_dataset(config, spec, {split: read_conll(config.path(path), form) for split, path in files})


def make_dataset(
    config: Config, spec: DatasetConfig, read: Mapping[str, tuple[list[Sentence], Iterable[Finding]]]
) -> Dataset:
    """``read_dataset`` of files that are read already: their sentences and findings by split."""
    files = {split: config.path(path) for split, path in spec.files.by_split.items()}
    tags = {split: [sentence.tags for sentence in sentences] for split, (sentences, _) in read.items()}
    scheme = detect_scheme(**tags) if spec.parser.scheme == "auto" else spec.parser.scheme
    findings = [finding for _, found in read.values() for finding in found]
    labelled: dict[str, list[Sentence]] = {}
    for split, (sentences, _) in read.items():
        labelled[split] = label(sentences, scheme, noted := Findings(files[split]))
        findings += noted
    short = [i for i, example in enumerate(labelled["train"]) if len(example.tokens) <= spec.max_len]
    long = [example for example in labelled["train"] if len(example.tokens) > spec.max_len]
    if long:
        text = f"training sentence of more than {spec.max_len} words is left out (max_len)"
        findings.append(Finding(str(files["train"]), long[0].line, text, len(long), column=1))
    labelled["train"] = [labelled["train"][i] for i in short]
    if isinstance(spec.sample, int) and spec.sample > len(short):
        text = f"{len(short)} training sentences, fewer than the sample of {spec.sample}: all are taken"
        findings.append(Finding(str(files["train"]), None, text))
    bare = scheme == "io" and has_bare_labels(itertools.chain(*tags.values()))
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


def label(sentences: Iterable[Sentence], scheme: Scheme, findings: Findings) -> list[Sentence]:
    """Brings the tags to BIOES; ill-formed ones are repaired as conlleval reads them, and counted."""
    examples, repaired, first = [], 0, None
    odd: list[str] = []
    for sentence in sentences:
        try:
            tags, count = to_bioes(sentence.tags, scheme)
        except ValueError as error:
            raise DataError(f"{findings.path}:{sentence.line}: {error}") from None
        if count:
            wrong = ill_formed_words(sentence.tags, scheme)
            first = first or sentence.lines[wrong[0]]
            odd += (sentence.tags[word] for word in wrong)
        repaired += count
        examples.append(sentence._replace(tags=tuple(tags)))
    if repaired:
        text = f"tag is ill-formed in the scheme {scheme.upper()} and was read as conlleval does"
        findings.note(text, first, count=repaired, example=shown(odd))
    words = sum(len(example.tags) for example in examples)
    if scheme != "none" and words and all(tag == OUTSIDE for example in examples for tag in example.tags):
        text = f"no span in the file: all {words} tags are O"
        advice = "nothing is learnt from it, or found in it: a span F1 on it is 0, and chooses no checkpoint"
        findings.note(text, examples[0].line, advice=advice)
    return examples


def _sample(available: int, spec: DatasetConfig, seed: int) -> np.ndarray:
    """The first so many of one seeded permutation, so that a larger sample holds every smaller one."""
    if spec.sample == "all":
        return np.arange(available)
    size = max(1, round(spec.sample * available)) if isinstance(spec.sample, float) else spec.sample
    random = np.random.default_rng((seed, zlib.crc32(spec.name.encode()), streams.SAMPLE))
    return np.sort(random.permutation(available)[:size])
