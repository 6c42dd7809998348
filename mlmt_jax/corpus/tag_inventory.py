"""The tags of a task over all its data sets: which there are, whether they are spans, what training lacks."""

from collections.abc import Iterator, Mapping

from mlmt_jax.config import Config, CRFConfig
from mlmt_jax.corpus.dataset import Dataset
from mlmt_jax.errors import ConfigError, DataError, InputError
from mlmt_jax.metrics.spans import split_tag
from mlmt_jax.text.findings import Finding
from mlmt_jax.text.tag_schemes import tags_of_task

__all__ = ["check_tags", "task_tags", "unknown_tags"]

# Of each file, so many tags that are not in the training data are told one by one.
_TAGS_TOLD = 5


def task_tags(
    datasets: Mapping[str, Dataset],
) -> tuple[dict[str, tuple[str, ...]], dict[str, bool]]:
    """Each task's tags: the union over its languages of what the training data holds; and if they are spans.

    Raises:
        DataError: datasets of a task disagree on the kind of tags, or have no training sentence.
    """
    tags: dict[str, tuple[str, ...]] = {}
    spans: dict[str, bool] = {}
    for task in dict.fromkeys(dataset.task for dataset in datasets.values()):
        own = [dataset for dataset in datasets.values() if dataset.task == task]
        kinds = {dataset.scheme == "none" for dataset in own}
        if len(kinds) == 2:
            schemes = ", ".join(f"{dataset.name}: {dataset.scheme}" for dataset in own)
            raise DataError(
                f"the datasets of task {task!r} disagree on their kind of tags ({schemes});\n"
                "expected span tags in all or in none; set parser.scheme if the guess is wrong"
            )
        seen = {tag for dataset in own for example in dataset.splits["train"] for tag in example.tags}
        if not seen:
            names = ", ".join(dataset.name for dataset in own)
            raise DataError(
                f"task {task!r} has no training sentence at all (datasets: {names}); expected one or more"
            )
        spans[task] = kinds == {False}
        tags[task] = tags_of_task(seen, spans=spans[task])
    return tags, spans


def check_tags(config: Config, spans: Mapping[str, bool]) -> Iterator[InputError]:
    """What the config wants of tags that are not spans, for the tasks in ``spans``."""
    for i, task in enumerate(config.tasks):
        if task.metric == "span_f1" and not spans.get(task.task, True):
            yield ConfigError(
                f"tasks[{i}].metric: got 'span_f1', but the tags of {task.dataset!r} are not spans; "
                "expected 'accuracy' or 'auto'"
            )
    for i, spec in enumerate(config.components):
        if not isinstance(spec, CRFConfig) or not spec.constrain:
            continue
        for task in config.tasks:
            if task.model.crf == spec.name and not spans.get(task.task, True):
                yield DataError(
                    f"components[{i}].constrain: got true, but the tags of {task.task!r} are not spans;\n"
                    "expected a span scheme (IOB1, IOB2, BIOES, IO), or constrain false"
                )


def unknown_tags(
    config: Config,
    datasets: Mapping[str, Dataset],
    tags: Mapping[str, tuple[str, ...]],
    spans: Mapping[str, bool],
) -> list[Finding]:
    """The tags of dev and test that no training sentence of their task has."""
    findings: list[Finding] = []
    text = "is not in the training data: always an error of the model"
    for spec in config.datasets:
        if spec.name not in datasets or spec.task not in tags:
            continue
        known = set(tags[spec.task])
        for split, file in spec.files.by_split.items():
            places: dict[str, list[int]] = {}
            for example in datasets[spec.name].splits.get(split, ()):
                for tag, line in zip(example.tags, example.lines, strict=True):
                    if tag not in known:
                        # BIOES tags are the model's; the file may have the type under another prefix.
                        name = split_tag(tag)[1] if spans[spec.task] else tag
                        places.setdefault(name, []).append(line)
            what = "span type" if spans[spec.task] else "tag"
            path = str(config.path(file))
            told = list(places.items())[:_TAGS_TOLD]
            findings += [
                Finding(path, lines[0], f"{what} {name!r} {text}", len(lines)) for name, lines in told
            ]
            if len(places) > len(told):
                more = f"further {what}s that are not in the training data: {len(places) - len(told)}"
                findings.append(Finding(path, None, more))
    return findings
