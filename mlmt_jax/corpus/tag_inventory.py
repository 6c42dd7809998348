"""The tags of each task over all its data sets: their names, their kind, and tags that training lacks."""

from collections.abc import Iterator, Mapping

from mlmt_jax.config import Config, CRFConfig
from mlmt_jax.corpus.dataset import Dataset
from mlmt_jax.errors import ConfigError, DataError, InputError
from mlmt_jax.metrics.spans import split_tag
from mlmt_jax.text.findings import Finding, Findings
from mlmt_jax.text.tag_schemes import tags_of_task

_MAX_UNKNOWN_TAGS = 5  # a file's unknown tags that are reported one by one


def task_tags(datasets: Mapping[str, Dataset]) -> tuple[dict[str, tuple[str, ...]], dict[str, bool]]:
    """Collect the tags of each task from the training sentences of all its languages.

    Returns:
        By task, the tags in the order of their indices, and whether they are spans in BIOES.

    Raises:
        DataError: if some data sets of a task have spans and others have not, or a task has no training
            sentence.
    """
    tags: dict[str, tuple[str, ...]] = {}
    spans: dict[str, bool] = {}
    for task in dict.fromkeys(dataset.task for dataset in datasets.values()):
        members = [dataset for dataset in datasets.values() if dataset.task == task]
        kinds = {dataset.scheme == "none" for dataset in members}
        if len(kinds) == 2:
            schemes = ", ".join(f"{dataset.name}: {dataset.scheme}" for dataset in members)
            raise DataError(
                f"the data sets of task {task!r} disagree on their kind of tags ({schemes});\n"
                "expected span tags in all or in none; set parser.scheme if the guess is wrong"
            )
        sentences = (sentence for dataset in members for sentence in dataset.splits["train"])
        training_tags = {tag for sentence in sentences for tag in sentence.tags}
        if not training_tags:
            names = ", ".join(dataset.name for dataset in members)
            problem = f"task {task!r} has no training sentence at all (data sets: {names})"
            raise DataError(f"{problem}; expected one or more")
        spans[task] = kinds == {False}
        tags[task] = tags_of_task(training_tags, spans=spans[task])
    return tags, spans


def tag_errors(config: Config, spans: Mapping[str, bool]) -> Iterator[InputError]:
    """Yield an error for each setting that needs spans, of a task whose tags are not spans.

    Args:
        config: the config; such settings are the metric `span_f1` and a CRF's `constrain`.
        spans: whether the tags are spans, by task; a task that is missing is not checked.
    """
    tasks = [(i, task) for i, task in enumerate(config.tasks) if not spans.get(task.task, True)]
    for i, task in tasks:
        if task.metric == "span_f1":
            yield ConfigError(
                f"tasks[{i}].metric: got 'span_f1', but the tags of {task.dataset!r} are not spans; "
                "expected 'accuracy' or 'auto'"
            )
    for i, spec in enumerate(config.components):
        for _, task in tasks:
            if isinstance(spec, CRFConfig) and spec.constrain and task.model.crf == spec.name:
                yield DataError(
                    f"components[{i}].constrain: got true, but the tags of {task.task!r} are not spans;\n"
                    "expected a span scheme (IOB1, IOB2, BIOES, IO), or constrain false"
                )


def find_unseen_tags(
    config: Config,
    datasets: Mapping[str, Dataset],
    tags: Mapping[str, tuple[str, ...]],
    spans: Mapping[str, bool],
) -> list[Finding]:
    """Return findings about tags that no training sentence of their task has, file by file.

    Args:
        config: the config; its data sets without an entry in `datasets` or `tags` are skipped.
        datasets: the data sets, by name.
        tags: the tags of the training data, by task.
        spans: whether they are spans, by task; then types are reported, not BIOES tags.
    """
    findings: list[Finding] = []
    for spec in config.datasets:
        if spec.name not in datasets or spec.task not in tags:
            continue
        kind = "span type" if spans[spec.task] else "tag"
        for split, file in spec.files.by_split.items():
            unknown = Findings(config.path(file))
            for sentence in datasets[spec.name].splits.get(split, ()):
                for tag, line in zip(sentence.tags, sentence.lines, strict=True):
                    if tag not in tags[spec.task]:
                        # The file may write a span type with another prefix than BIOES does.
                        name = split_tag(tag)[1] if spans[spec.task] else tag
                        text = f"{kind} {name!r} is not in the training data: always an error of the model"
                        unknown.note(text, line)
            first, further = list(unknown)[:_MAX_UNKNOWN_TAGS], list(unknown)[_MAX_UNKNOWN_TAGS:]
            findings += first
            if further:
                text = f"further {kind}s that are not in the training data: {len(further)}"
                findings.append(Finding(unknown.path, None, text))
    return findings
