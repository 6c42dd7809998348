"""What no single field can tell: names that lead nowhere, components that do not fit, missing files."""

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

from mlmt_jax.config.blocks import ROLES, Config, TaskConfig
from mlmt_jax.config.components import CharCNNConfig, EmbeddingConfig, LSTMConfig
from mlmt_jax.config.problems import JsonPath, Problem, format_path, quoted, suggestion

__all__ = ["missing_files", "reference_problems"]


def reference_problems(config: Config) -> list[Problem]:
    """What is wrong between the blocks. What rests on names is checked once the names are right."""
    return (
        list(_duplicates(config))
        or list(_undefined(config))
        or [
            *_unused(config),
            *_mislabelled(config),
            *_target(config),
            *_contradictions(config),
            *_disagreements(config),
            *_seeds(config),
        ]
    )


def _seeds(config: Config) -> Iterator[Problem]:
    training = config.training
    last = training.replicas - 1
    samples = training.sample_seed if training.resample else None
    for key, value in (("seed", training.seed), ("sample_seed", samples)):
        if value is not None and value + last >= 2**32:
            message = f"got {value}; expected the last replica's, {last} more, to be below {2**32}"
            yield Problem(("training", key), message)


def _duplicates(config: Config) -> Iterator[Problem]:
    for block, entries in (
        ("datasets", config.datasets),
        ("tasks", config.tasks),
        ("components", config.components),
    ):
        first: dict[str, int] = {}
        for i, entry in enumerate(entries):
            if first.setdefault(entry.name, i) != i:
                before = f"{block}[{first[entry.name]}]"
                yield Problem((block, i, "name"), f"{quoted(entry.name)} is defined twice, first in {before}")


def _undefined(config: Config) -> Iterator[Problem]:
    datasets = [dataset.name for dataset in config.datasets]
    kinds: dict[str, str] = {component.name: component.model for component in config.components}
    for i, task in enumerate(config.tasks):
        if task.dataset not in datasets:
            hint = suggestion(task.dataset, datasets)
            yield Problem(("tasks", i, "dataset"), f"data set {quoted(task.dataset)} is not defined; {hint}")
        if task.model.use_char_embedding and task.model.char_embed is None:
            message = 'missing; expected the name of a char_cnn, or "use_char_embedding": false'
            yield Problem(("tasks", i, "model", "char_embed"), message)
        # Roles that are switched off must still name what is there.
        for role, kind in ROLES.items():
            name = getattr(task.model, role)
            if name is None or kinds.get(name) == kind:
                continue
            hint = suggestion(name, [known for known, its_kind in kinds.items() if its_kind == kind])
            where = ("tasks", i, "model", role)
            if name in kinds:
                yield Problem(where, f"{quoted(name)} is of kind {kinds[name]}; expected {kind}; {hint}")
            else:
                yield Problem(where, f"component {quoted(name)} is not defined; {hint}")


def _unused(config: Config) -> Iterator[Problem]:
    used = {task.dataset for task in config.tasks}
    for i, dataset in enumerate(config.datasets):
        if dataset.name not in used:
            yield Problem(("datasets", i), f"data set {quoted(dataset.name)} is never used by a task")
    used = {name for task in config.tasks for name in task.model.uses().values()}
    for i, component in enumerate(config.components):
        if component.name not in used:
            off = any(
                component.name in (task.model.char_embed, task.model.char_highway) for task in config.tasks
            )
            why = ': "use_char_embedding" is false where it is named' if off else " by a task"
            yield Problem(("components", i), f"component {quoted(component.name)} is never used{why}")


def _mislabelled(config: Config) -> Iterator[Problem]:
    for i, task in enumerate(config.tasks):
        dataset = config.dataset(task.dataset)
        for key in ("language", "task"):
            mine, theirs = getattr(task, key), getattr(dataset, key)
            if mine != theirs:
                message = f"got {quoted(mine)}, but its data set {quoted(dataset.name)} has {quoted(theirs)}"
                yield Problem(("tasks", i, key), message)
        table = config.component(task.model.word_embed)
        if isinstance(table, EmbeddingConfig) and table.language not in (None, task.language):
            message = (
                f"{quoted(table.name)} is of language {quoted(table.language)}, "
                f"but the task is in {quoted(task.language)}"
            )
            yield Problem(("tasks", i, "model", "word_embed"), message)


def _target(config: Config) -> Iterator[Problem]:
    targets = [i for i, task in enumerate(config.tasks) if task.ref]
    if not targets:
        yield Problem(("tasks",), 'no task has "ref": true; expected it of the target alone')
    for i in targets[1:]:
        message = f"the target is tasks[{targets[0]}] already; expected one task with true"
        yield Problem(("tasks", i, "ref"), message)
    for i in targets[:1]:
        if not config.tasks[i].require_eval:
            message = "got false for the target, whose score chooses the checkpoint; expected true"
            yield Problem(("tasks", i, "require_eval"), message)
        if config.training.mixing == "prob" and not config.tasks[i].prob:
            message = 'got 0 for the target with "mixing": "prob"; expected a number > 0'
            yield Problem(("tasks", i, "prob"), message)
        if config.training.max_step is None and config.dataset(config.tasks[i].dataset).sample == 0:
            message = "missing; epochs have no end when the target's sample is 0; expected an integer >= 1"
            message += "" if config.training.max_epoch is None else ", and max_epoch null"
            yield Problem(("training", "max_step"), message)


def _contradictions(config: Config) -> Iterator[Problem]:
    if config.training.max_step is None and config.training.max_epoch is None:
        yield Problem(("training", "max_step"), "missing; expected max_step, max_epoch or both")
    for i, dataset in enumerate(config.datasets):
        if dataset.parser.token_col == dataset.parser.label_col:
            message = f"got {dataset.parser.label_col}, the column of the token as well"
            yield Problem(("datasets", i, "parser", "label_col"), message)
    for i, component in enumerate(config.components):
        if isinstance(component, LSTMConfig) and component.dropout and component.num_layers == 1:
            message = f"got {component.dropout:g}, but between layers there is nothing: num_layers is 1"
            yield Problem(("components", i, "dropout"), f"{message}; see lstm_dropout of the tasks")
    for i, task in enumerate(config.tasks):
        if task.model.spec_layer == task.model.univ_layer:
            message = f"{quoted(task.model.spec_layer)} is its univ_layer as well; expected another linear"
            yield Problem(("tasks", i, "model", "spec_layer"), message)


def _disagreements(config: Config) -> Iterator[Problem]:
    first: dict[tuple[str, str], tuple[JsonPath, str]] = {}
    for i, task in enumerate(config.tasks):
        for role, name in task.model.uses().items():
            where = ("tasks", i, "model", role)
            for aspect, demand in _demands(config, task, role):
                before, other = first.setdefault((name, aspect), (where, demand))
                if other != demand:
                    message = (
                        f"{quoted(name)} is shared, but its {aspect} is {demand} here "
                        f"and {other} in {format_path(before)}"
                    )
                    yield Problem(where, message)


def _demands(config: Config, task: TaskConfig, role: str) -> Iterator[tuple[str, str]]:
    """What a task asks of the component in a role: all tasks that share one must ask the same."""
    uses = task.model.uses()
    features = 0
    if "char_embed" in uses:
        letters = config.component(uses["char_embed"])
        assert isinstance(letters, CharCNNConfig)
        features = letters.output_size
    match role:
        case "word_embed":
            yield "language", quoted(task.language)
        case "char_highway":
            yield "input size", str(features)
        case "lstm":
            words = config.component(uses["word_embed"])
            assert isinstance(words, EmbeddingConfig)
            yield (
                "input size",
                f"{words.dimension + features} ({words.dimension} word + {features} character)",
            )
        case "univ_layer" | "spec_layer":
            encoder = config.component(uses["lstm"])
            assert isinstance(encoder, LSTMConfig)
            yield "input size", str(encoder.output_size)
            yield "tag set", f"that of {quoted(task.task)}"
        case "crf":
            yield "tag set", f"that of {quoted(task.task)}"


def missing_files(config: Config) -> list[Problem]:
    """Files that the config names and that are not there."""
    named: list[tuple[JsonPath, str]] = []
    for i, dataset in enumerate(config.datasets):
        named += [(("datasets", i, "files", split), file) for split, file in dataset.files.by_split.items()]
    for i, component in enumerate(config.components):
        if isinstance(component, EmbeddingConfig) and component.file is not None:
            named.append((("components", i, "file"), component.file))
    paths = [(where, config.path(file)) for where, file in named]
    return [
        Problem(where, f"no such file: {_shown(path)}{_nearest_file(path)}")
        for where, path in paths
        if not os.path.isfile(path)
    ]


def _shown(path: Path) -> str:
    return str(path) if str(path).isprintable() and len(str(path)) <= 400 else quoted(str(path), limit=400)


def _nearest_file(path: Path) -> str:
    if not os.path.isdir(path.parent):
        return f" (no such folder: {_shown(path.parent)})"
    try:
        near = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1)
    except OSError:
        return ""
    return f"; did you mean {quoted(near[0])}?" if near and near[0] != path.name else ""
