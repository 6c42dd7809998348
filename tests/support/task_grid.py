"""Configs of task models that share components by language and by task."""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


def task_grid(pairs: Sequence[tuple[str, str]], components: Json) -> Json:
    """Return a config with one data set and one task model for each pair of language and task.

    The first task model is the target. Every role of a task model is filled.

    Args:
        pairs: language and task of each task model.
        components: config of each component by its name, but for linear layers and CRFs, which are added.
    """
    languages, tasks = (dict.fromkeys(names) for names in zip(*pairs, strict=True))
    linears = {f"{task}_{kind}": {"model": "linear"} for task in tasks for kind in ("univ", *languages)}
    crfs = {f"{task}_crf": {"model": "crf"} for task in tasks}
    data = {
        "training": {"max_step": 100},
        "datasets": [
            {
                "name": f"{language}_{task}",
                "language": language,
                "task": task,
                "files": {split: f"{language}.{task}.{split}" for split in ("train", "dev", "test")},
            }
            for language, task in pairs
        ],
        "tasks": [
            {
                "name": f"{language} {task}",
                "language": language,
                "task": task,
                "dataset": f"{language}_{task}",
                "ref": (language, task) == pairs[0],
                "model": {
                    "word_embed": f"{language}_words",
                    "char_embed": "chars",
                    "char_highway": "highway",
                    "lstm": "lstm",
                    "univ_layer": f"{task}_univ",
                    "spec_layer": f"{task}_{language}",
                    "crf": f"{task}_crf",
                },
            }
            for language, task in pairs
        ],
        "components": [{"name": name, **part} for name, part in (components | linears | crfs).items()],
    }
    return only_tasks(data, *(task["name"] for task in data["tasks"]))


def only_tasks(data: Json, *names: str) -> Json:
    """Return a config with these task models alone, and the data sets and components that they use."""
    tasks = [task for task in data["tasks"] if task["name"] in names]
    used = {name for task in tasks for name in task["model"].values() if isinstance(name, str)}
    datasets = {task["dataset"] for task in tasks}
    return {
        **data,
        "datasets": [dataset for dataset in data["datasets"] if dataset["name"] in datasets],
        "tasks": tasks,
        "components": [component for component in data["components"] if component["name"] in used],
    }
