"""Checks across the blocks of a config: names that must exist, components that must fit, files."""

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

from mlmt_jax.config.blocks import ROLES, Config, TaskConfig
from mlmt_jax.config.components import CharCNNConfig, EmbeddingConfig, LSTMConfig
from mlmt_jax.config.problems import JsonPath, Problem, format_path, invalid_value, quoted, suggestion

_ONE_TARGET = 'expected "ref": true in exactly one task'


def reference_problems(config: Config) -> list[Problem]:
    """Return the problems between blocks.

    If names are duplicate or undefined, only these are returned: other checks look blocks up by name.
    """
    return (
        list(_duplicate_names(config))
        or list(_undefined_names(config))
        or [
            *_unused_blocks(config),
            *_mislabelled_tasks(config),
            *_target_problems(config),
            *_contradictions(config),
            *_shared_component_conflicts(config),
            *_seed_overflows(config),
        ]
    )


def _duplicate_names(config: Config) -> Iterator[Problem]:
    """Yield a problem for each name that an earlier entry of its list has."""
    for block in ("datasets", "tasks", "components"):
        first: dict[str, int] = {}
        for i, entry in enumerate(getattr(config, block)):
            if first.setdefault(entry.name, i) != i:
                message = f"{quoted(entry.name)} is defined twice, first in {block}[{first[entry.name]}]"
                yield Problem((block, i, "name"), message)


def _undefined_names(config: Config) -> Iterator[Problem]:
    """Yield a problem for each name in a task that is missing, undefined, or of another kind of component."""
    datasets = [dataset.name for dataset in config.datasets]
    kinds: dict[str, str] = {component.name: component.model for component in config.components}
    for i, task in enumerate(config.tasks):
        if task.dataset not in datasets:
            hint = suggestion(task.dataset, datasets)
            yield Problem(("tasks", i, "dataset"), f"data set {quoted(task.dataset)} is not defined; {hint}")
        if task.model.use_char_embedding and task.model.char_embed is None:
            message = 'missing (expected the name of a char_cnn, or "use_char_embedding": false)'
            yield Problem(("tasks", i, "model", "char_embed"), message)
        # Roles out of use are checked as well.
        for role, kind in ROLES.items():
            name = getattr(task.model, role)
            if name is None or kinds.get(name) == kind:
                continue
            message = f"component {quoted(name)} is not defined"
            if name in kinds:
                message = f"{quoted(name)} is of another kind (got {kinds[name]}, expected {kind})"
            hint = suggestion(name, [known for known in kinds if kinds[known] == kind])
            yield Problem(("tasks", i, "model", role), f"{message}; {hint}")


def _unused_blocks(config: Config) -> Iterator[Problem]:
    """Yield a problem for each data set and component that no task uses."""
    models = [task.model for task in config.tasks]
    used_datasets = {task.dataset for task in config.tasks}
    for i, dataset in enumerate(config.datasets):
        if dataset.name not in used_datasets:
            yield Problem(("datasets", i), f"data set {quoted(dataset.name)} is never used by a task")
    used_components = {name for model in models for name in model.component_names().values()}
    for i, component in enumerate(config.components):
        if component.name not in used_components:
            is_off = any(component.name in (model.char_embed, model.char_highway) for model in models)
            reason = ': "use_char_embedding" is false in the tasks that name it' if is_off else " by a task"
            yield Problem(("components", i), f"component {quoted(component.name)} is never used{reason}")


def _mislabelled_tasks(config: Config) -> Iterator[Problem]:
    """Yield a problem for each task whose language or task is not that of its data set or word vectors."""
    for i, task in enumerate(config.tasks):
        dataset = config.dataset(task.dataset)
        for key in ("language", "task"):
            value, expected = getattr(task, key), getattr(dataset, key)
            if value != expected:
                message = f"not the {key} of data set {quoted(dataset.name)}"
                values = f"got {quoted(value)}, expected {quoted(expected)}"
                yield Problem(("tasks", i, key), f"{message} ({values})")
        table = config.component(task.model.word_embed)
        if isinstance(table, EmbeddingConfig) and table.language not in (None, task.language):
            languages = f"got {quoted(table.language)}, expected {quoted(task.language)}"
            message = f"{quoted(table.name)} is of another language than the task ({languages})"
            yield Problem(("tasks", i, "model", "word_embed"), message)


def _target_problems(config: Config) -> Iterator[Problem]:
    """Yield a problem if there is not exactly one target, or if it is never scored or never trained."""
    targets = [i for i, task in enumerate(config.tasks) if task.ref]
    if not targets:
        yield Problem(("tasks",), f"no target ({_ONE_TARGET})")
        return
    first, *others = targets
    for i in others:
        yield Problem(("tasks", i, "ref"), f"more than one target, first tasks[{first}] ({_ONE_TARGET})")
    task, training = config.tasks[first], config.training
    if not task.require_eval:
        message = "the score of the target selects the checkpoint (got false, expected true)"
        yield Problem(("tasks", first, "require_eval"), message)
    if training.mixing == "prob" and not task.prob:
        message = 'the target is never sampled with "mixing": "prob" (got 0, expected a number > 0)'
        yield Problem(("tasks", first, "prob"), message)
    if training.max_step is None and config.dataset(task.dataset).sample == 0:
        expected = "an integer >= 1" + ("" if training.max_epoch is None else ", and max_epoch null")
        message = f"missing: epochs have no end if the target's sample is 0 (expected {expected})"
        yield Problem(("training", "max_step"), message)


def _contradictions(config: Config) -> Iterator[Problem]:
    """Yield a problem for each pair of values of one block that exclude each other."""
    if config.training.max_step is None and config.training.max_epoch is None:
        yield Problem(("training", "max_step"), "missing (expected max_step, max_epoch or both)")
    for i, dataset in enumerate(config.datasets):
        column = dataset.parser.label_col
        if dataset.parser.token_col == column:
            message = f"the token is in the same column (got {column}, expected another one)"
            yield Problem(("datasets", i, "parser", "label_col"), message)
    for i, component in enumerate(config.components):
        if isinstance(component, LSTMConfig) and component.dropout and component.num_layers == 1:
            message = invalid_value(component.dropout, "0, because num_layers is 1")
            yield Problem(("components", i, "dropout"), f"{message}; see lstm_dropout of the tasks")
    for i, task in enumerate(config.tasks):
        if task.model.spec_layer == task.model.univ_layer:
            message = f"{quoted(task.model.spec_layer)} is its univ_layer as well (expected another linear)"
            yield Problem(("tasks", i, "model", "spec_layer"), message)


def _shared_component_conflicts(config: Config) -> Iterator[Problem]:
    """Yield a problem for each use of a component that requires something else than its first use."""
    first: dict[tuple[str, str], tuple[JsonPath, str]] = {}
    for i, task in enumerate(config.tasks):
        for role, name in task.model.component_names().items():
            path = ("tasks", i, "model", role)
            for aspect, value in _requirements(config, task, role):
                first_path, first_value = first.setdefault((name, aspect), (path, value))
                if value != first_value:
                    place = f"{first_value} in {format_path(first_path)}"
                    message = f"{quoted(name)} is shared, but its {aspect} is {value} here and {place}"
                    yield Problem(path, message)


def _requirements(config: Config, task: TaskConfig, role: str) -> Iterator[tuple[str, str]]:
    """Yield (aspect, value) for what a task requires of its component in a role; sharing tasks must agree."""
    parts = {role: config.component(name) for role, name in task.model.component_names().items()}
    words, encoder, characters = parts["word_embed"], parts["lstm"], parts.get("char_embed")
    assert isinstance(words, EmbeddingConfig)
    assert isinstance(encoder, LSTMConfig)
    features = characters.output_size if isinstance(characters, CharCNNConfig) else 0
    sizes = {
        "char_highway": f"{features}",
        "lstm": f"{words.dimension + features} ({words.dimension} word + {features} character)",
        "univ_layer": f"{encoder.output_size}",
        "spec_layer": f"{encoder.output_size}",
    }
    if role == "word_embed":
        yield "language", quoted(task.language)
    if role in sizes:
        yield "input size", sizes[role]
    if role in ("univ_layer", "spec_layer", "crf"):
        yield "tag set", f"that of {quoted(task.task)}"


def _seed_overflows(config: Config) -> Iterator[Problem]:
    """Yield a problem for each seed that exceeds 32 bits in the last replica."""
    training = config.training
    limit = 2**32 - (training.replicas - 1)
    sample_seed = training.sample_seed if training.resample else None
    for key, value in (("seed", training.seed), ("sample_seed", sample_seed)):
        if value is not None and value >= limit:
            message = invalid_value(value, f"a number < {limit} with {training.replicas} replicas")
            yield Problem(("training", key), message)


def missing_files(config: Config) -> list[Problem]:
    """Return a problem for each data or vector file of the config that does not exist."""
    files: dict[JsonPath, str] = {
        ("datasets", i, "files", split): name
        for i, dataset in enumerate(config.datasets)
        for split, name in dataset.files.by_split.items()
    }
    for i, component in enumerate(config.components):
        if isinstance(component, EmbeddingConfig) and component.file is not None:
            files["components", i, "file"] = component.file
    return [
        Problem(json_path, f"no such file: {_printable(path)}{_nearest_file(path)}")
        for json_path, name in files.items()
        if not os.path.isfile(path := config.path(name))
    ]


def _printable(path: Path) -> str:
    """Return a path as it is if it is printable and at most 400 characters long, else quoted and cut."""
    return str(path) if str(path).isprintable() and len(str(path)) <= 400 else quoted(str(path), limit=400)


def _nearest_file(path: Path) -> str:
    """Return the end of a message about a missing file: its missing folder, or the nearest file name."""
    if not os.path.isdir(path.parent):
        return f" (no such folder: {_printable(path.parent)})"
    try:
        nearest = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1)
    except OSError:
        return ""
    return f"; did you mean {quoted(nearest[0])}?" if nearest and nearest[0] != path.name else ""
