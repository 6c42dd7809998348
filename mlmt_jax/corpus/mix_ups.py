"""Files in each other's place: of two splits, two tasks or two languages; and tag sets that do not match."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np

from mlmt_jax.config import Config
from mlmt_jax.corpus.dataset import Dataset
from mlmt_jax.corpus.word_tables import WordTable
from mlmt_jax.metrics.spans import OUTSIDE, split_tag
from mlmt_jax.text.findings import Finding, join_examples

_SAME = 0.5  # share of a file's sentences that another file has, from which on it stands in its place
_MIN_SENTENCES, _MIN_WORDS = 10, 100  # less data shows nothing
_FOREIGN = 0.1  # share of the tags of a data set that another one lacks, from which on their tag sets differ
_MARGIN = 0.1  # share of words by which the vectors of the other language must know more


def find_mix_ups(config: Config, datasets: Mapping[str, Dataset]) -> list[Finding]:
    """Return findings about files that are likely to stand in each other's place.

    Args:
        config: the config.
        datasets: the data sets that have training sentences, by name.
    """
    return [
        *_find_same_splits(config, datasets),
        *_find_other_task(config, datasets),
        *_find_differing_tags(config, datasets),
    ]


def _path(config: Config, name: str, split: str) -> str:
    return str(config.path(config.dataset(name).files.by_split[split]))


def _find_same_splits(config: Config, datasets: Mapping[str, Dataset]) -> Iterator[Finding]:
    """Yield a finding for each pair of files of a data set of which one has most sentences of the other.

    The sample stands for the training file.
    """
    for name, dataset in datasets.items():
        files = config.dataset(name).files.by_split
        for first, second in combinations(dataset.splits, 2):
            sentences = [s.tokens for s in dataset.splits[second]]
            if len(sentences) < _MIN_SENTENCES or len(dataset.splits[first]) < _MIN_SENTENCES:
                continue
            in_first = {s.tokens for s in dataset.splits[first]}
            common = sum(tokens in in_first for tokens in sentences)
            back = len(in_first & set(sentences)) / len(in_first)
            if max(common / len(sentences), back) >= _SAME:
                text = f"the {second} file of {name!r} seems to be its {first} file, or a part of it"
                example = f"{common} of its {len(sentences)} sentences stand in {files[first]}"
                advice = f"scores on {second} mean nothing; give another file"
                yield Finding(_path(config, name, second), None, text, example=example, advice=advice)


def _find_other_task(config: Config, datasets: Mapping[str, Dataset]) -> Iterator[Finding]:
    """Yield a finding for each data set of a task called "ner" or "pos" that has tags of the other kind."""
    for name, dataset in datasets.items():
        are_spans, tags = dataset.scheme != "none", _tags(dataset)
        # Tags of which one has most words may be spans in another notation, which is another finding.
        are_other_spans = 2 * max(tags.values(), default=0) >= tags.total()
        task = dataset.task.lower()
        if (task == "pos" and are_spans) or (task == "ner" and not are_spans and not are_other_spans):
            kind = "spans" if are_spans else "tags of single words"
            text = f'the tags are {kind}, but the task is called "{dataset.task}"'
            example = join_examples(tag for tag, _ in tags.most_common())
            advice = "is it a file of another task? give the right one, or another name for the task"
            yield Finding(_path(config, name, "train"), None, text, example=example, advice=advice)


def find_other_languages(
    config: Config, datasets: Mapping[str, Dataset], tables: Mapping[str, WordTable]
) -> Iterator[Finding]:
    """Yield a finding for each data set whose words the vectors of another language know better.

    Args:
        config: the config.
        datasets: the data sets that have training sentences, by name.
        tables: the word tables, by embedding component.
    """
    with_vectors = {name: table for name, table in tables.items() if table.pretrained}
    components = {task.dataset: task.model.word_embed for task in config.tasks}
    for name, dataset in datasets.items():
        words = sorted(set(dataset.training_words))
        if components[name] not in with_vectors or len(words) < _MIN_WORDS:
            continue
        share = _share_with_vector(words, with_vectors[components[name]])
        if share + _MARGIN >= 1:
            continue  # No other table can know more; looking up unknown words is slow.
        shares = {component: _share_with_vector(words, table) for component, table in with_vectors.items()}
        best = max(shares, key=shares.__getitem__)
        if shares[best] > share + _MARGIN:
            text = f"its words are those of {best!r} rather than of {components[name]!r}"
            example = f"{shares[best]:.0%} of them have a vector there, {share:.0%} here"
            advice = "are two languages swapped? give the data and the vectors of one language together"
            yield Finding(_path(config, name, "train"), None, text, example=example, advice=advice)


def _share_with_vector(words: Sequence[str], table: WordTable) -> float:
    """Return the share of words that have a vector of the table's file."""
    assert table.pretrained is not None
    return float(np.isin(table.vocab.rows(words), table.pretrained.rows).mean())


def _find_differing_tags(config: Config, datasets: Mapping[str, Dataset]) -> Iterator[Finding]:
    """Yield a finding for each pair of data sets of one task whose tag sets differ in more than rare tags."""
    by_task: dict[str, list[str]] = {}
    for name, dataset in datasets.items():
        by_task.setdefault(dataset.task, []).append(name)
    for task, names in by_task.items():
        for first, second in pairwise(names):
            tags = [_tags(datasets[name]) for name in (first, second)]
            are_spans = {datasets[name].scheme != "none" for name in (first, second)}
            if len(are_spans) == 1 and all(_foreign_share(a, b) > _FOREIGN for a, b in (tags, tags[::-1])):
                i = [spec.name for spec in config.datasets].index(second)
                lists = [", ".join(sorted(counter)) for counter in tags]
                text = f"the tags of {first!r} and {second!r} differ, and share one CRF"
                example = f"{lists[0]} against {lists[1]}"
                advice = (
                    f"rename the tags in one of them, or give datasets[{i}] and its task models another "
                    f'"task" than "{task}", with a "univ_layer" and a "crf" of their own'
                )
                yield Finding(_path(config, second, "train"), None, text, example=example, advice=advice)


def _foreign_share(tags: Counter[str], others: Counter[str]) -> float:
    """Return the share of the tags of one data set that another one does not have."""
    return sum(count for tag, count in tags.items() if tag not in others) / max(1, tags.total())


def _tags(dataset: Dataset) -> Counter[str]:
    """Count the tags of all files of a data set; of spans their types, once for each word."""
    tags = (tag for split in dataset.splits.values() for sentence in split for tag in sentence.tags)
    if dataset.scheme == "none":
        return Counter(tags)
    return Counter(split_tag(tag)[1] for tag in tags if tag != OUTSIDE)
