"""Files that stand in the place of another, and tag sets that differ although they share a CRF."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from mlmt_jax.config import Config
from mlmt_jax.corpus.dataset import Dataset
from mlmt_jax.metrics.spans import OUTSIDE, split_tag
from mlmt_jax.text.columns import Sentence
from mlmt_jax.text.findings import Finding

_MIN_LENGTH = 5  # words; shorter sentences ("Yes .") recur by chance
_MIN_SENTENCES, _SAME_SHARE = 3, 0.9
_MIN_WORDS = 50  # of fewer words of a file, its language is not judged
_MIN_TAGS = 20  # of fewer tags of a file nothing is said
_FOREIGN_SHARE = 0.5  # of the tags of a file that training lacks
_DIFFERING_SHARE = 0.05  # of the tags of each of two data sets that the other one lacks
_SHOWN = 8


def find_misplaced_files(config: Config, datasets: Mapping[str, Dataset]) -> Iterator[Finding]:
    """Yield findings about files that seem to be another split, another task or another language.

    Args:
        config: the config.
        datasets: the data sets with all their training sentences, by name.
    """
    for name, dataset in datasets.items():
        paths = {split: str(config.path(file)) for split, file in config.dataset(name).files.by_split.items()}
        for earlier, split in itertools.combinations(dataset.splits, 2):
            yield from _find_same_sentences(dataset, paths[split], earlier, split)
        for split in dataset.splits:
            if split != "train":
                yield from _find_other_task(dataset, paths[split], split)
                yield from _find_other_language(config, datasets, dataset, paths[split], split)
    yield from _find_differing_tags(config, datasets)


def _find_same_sentences(dataset: Dataset, path: str, earlier: str, split: str) -> Iterator[Finding]:
    """Yield a finding if nearly all sentences of a file are those of an earlier one."""
    known = {sentence.tokens for sentence in dataset.splits[earlier]}
    long = [s for s in dataset.splits[split] if len(s.tokens) >= _MIN_LENGTH]
    same = sum(sentence.tokens in known for sentence in long)
    if len(long) >= _MIN_SENTENCES and same >= _SAME_SHARE * len(long):
        text = (
            f"the {split} file of {dataset.name!r} holds the sentences of its {earlier} file: "
            f"{same} of {len(long)}"
        )
        yield Finding(path, None, text, advice=f"scores on {split} say nothing; expected other sentences")


def _find_other_task(dataset: Dataset, path: str, split: str) -> Iterator[Finding]:
    """Yield a finding if most tags of a file have types that the training file lacks."""
    known, types = _types(dataset.splits["train"], dataset), _types(dataset.splits[split], dataset)
    foreign = Counter({name: count for name, count in types.items() if name not in known})
    if min(known.total(), types.total()) >= _MIN_TAGS and foreign.total() > _FOREIGN_SHARE * types.total():
        share = foreign.total() / types.total()
        text = (
            f"{share:.0%} of the tags of the {split} file of {dataset.name!r} are not in its train file: "
            f"{_listed(foreign)} against {_listed(known)}"
        )
        yield Finding(
            path, None, text, advice="is it the file of another task? expected the tags of the train file"
        )


def _find_other_language(
    config: Config, datasets: Mapping[str, Dataset], dataset: Dataset, path: str, split: str
) -> Iterator[Finding]:
    """Yield a finding if another language's training data has more of a file's words than its own has.

    As many words of each training file are compared: a longer one knows more words of any language.
    """
    words = [word.lower() for sentence in dataset.splits[split] for word in sentence.tokens if word.isalpha()]
    training = [word.lower() for word in dataset.training_words]
    if min(len(words), len(training)) < _MIN_WORDS:
        return
    language = config.dataset(dataset.name).language
    for other in datasets.values():
        if config.dataset(other.name).language != language:
            foreign = [word.lower() for word in itertools.islice(other.training_words, len(training))]
            size = min(len(training), len(foreign))
            own_share, other_share = (
                sum(word in known for word in words) / len(words)
                for known in (set(training[:size]), set(foreign[:size]))
            )
            if size >= _MIN_WORDS and other_share > 1.5 * own_share and other_share > own_share + 0.1:
                text = (
                    f"the {split} file of {dataset.name!r} looks like that of another language: "
                    f"{own_share:.0%} of its words are in its train file, "
                    f"{other_share:.0%} in that of {other.name!r}"
                )
                yield Finding(path, None, text, advice="are the files of two languages swapped?")


def _find_differing_tags(config: Config, datasets: Mapping[str, Dataset]) -> Iterator[Finding]:
    """Yield a finding for each two task models of one CRF of which each has frequent tags the other lacks."""
    for (_, task), (j, other) in itertools.combinations(enumerate(config.tasks), 2):
        if task.model.crf != other.model.crf or not {task.dataset, other.dataset} <= datasets.keys():
            continue
        first, second = (
            _types(itertools.chain.from_iterable(datasets[name].splits.values()), datasets[name])
            for name in (task.dataset, other.dataset)
        )
        lacking = [
            sum(count for name, count in counts.items() if name not in others) / max(1, counts.total())
            for counts, others in ((first, second), (second, first))
        ]
        if min(lacking) > _DIFFERING_SHARE:
            crf = f"{other.name} crf"
            path = str(config.path(config.dataset(other.dataset).files.train))
            text = (
                f"the tags of {task.dataset!r} and {other.dataset!r} differ, which share the CRF "
                f"{task.model.crf!r}: {_listed(first)} against {_listed(second)}"
            )
            advice = (
                f'rename the tags, or add {{"name": "{crf}", "model": "crf"}} to components and set '
                f'tasks[{j}].model.crf to "{crf}"'
            )
            yield Finding(path, None, text, advice=advice)


def _types(sentences: Iterator[Sentence] | Sequence[Sentence], dataset: Dataset) -> Counter[str]:
    """Count the types of tags other than O; the tags themselves if they are no spans."""
    tags = Counter(tag for sentence in sentences for tag in sentence.tags if tag != OUTSIDE)
    if dataset.scheme == "none":
        return tags
    types = Counter[str]()
    for tag, count in tags.items():
        types[split_tag(tag).type] += count
    return types


def _listed(types: Mapping[str, int]) -> str:
    """Return the names of types in order, the most frequent ones if there are many."""
    frequent = sorted(name for name, _ in Counter(types).most_common(_SHOWN))
    return ", ".join(frequent) + (", ..." if len(types) > _SHOWN else "")
