"""The model card of a packed run, in Markdown."""

from collections.abc import Mapping
from typing import Any

from mlmt_jax.errors import RunError
from mlmt_jax.runs.folder import EVALUATION, RunFolder
from mlmt_jax.text.escaping import printable


def model_card(folder: RunFolder) -> str:
    """Return the card of a run alone or of a replica: tasks, tags, scores, versions, how to use it.

    Raises:
        InputError: if the run cannot be read.
    """
    config, (vocabulary, _) = folder.config(), folder.vocabulary()
    samples = _stored(folder, "samples.json")
    rows = [
        (
            f"{_text(task.name)}{' (target)' if task.name == config.target.name else ''}",
            _text(task.language),
            _text(task.task),
            str(len(samples.get(task.dataset, {}).get("sentences", []))) if samples else "-",
            ", ".join(f"`{_text(tag)}`" for tag in vocabulary.tags[task.task]),
        )
        for task in config.tasks
    ]
    versions = _stored(folder, "summary.json").get("versions", {})
    used = ", ".join(f"{_text(name)} {_text(str(version))}" for name, version in versions.items())
    return "\n\n".join(
        (
            f"# Tagger: {_text(config.target.name)}",
            "A model of mlmt_jax, which tags the words of sentences.",
            _table(("task model", "language", "task", "training sentences", "tags"), rows),
            "## Scores",
            _scores(_stored(folder, EVALUATION), config.target.name),
            "## Use",
            "```sh\nmlmt predict THIS_FILE.zip INPUT   # one token a line\n```\n\n"
            "```python\nfrom mlmt_jax import Tagger\n\n"
            'Tagger.load("THIS_FILE.zip").tag([["a", "sentence"]])\n```',
            f"Trained with {used or 'unknown versions'}.\n",
        )
    )


def _scores(evaluation: Mapping[str, Any], target: str) -> str:
    """Return the scores of the target by type, in percent, with their bootstrap standard deviation."""
    splits = evaluation.get("scores", {}).get(target, {})
    if not splits:
        return "The model was not evaluated."
    split = "test" if "test" in splits else "dev"
    record = splits[split]
    figure = "accuracy" if record["f1"] is None else "f1"
    rows = [
        ("all", f"{100 * record[figure]:.1f}", f"{100 * record['standard_deviation']:.1f}", "-"),
        *(
            (
                _text(name),
                f"{100 * counts['f1']:.1f}",
                f"{100 * counts['standard_deviation']:.1f}",
                counts["gold"],
            )
            for name, counts in record["types"].items()
        ),
    ]
    title = "F1" if figure == "f1" else "accuracy (types: F1)"
    table = _table(("type", title, "standard deviation", "gold"), rows)
    return f"Of {_text(target)} on its {split} file, {record['sentences']} sentences, in percent:\n\n{table}"


def _table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """Return a Markdown table."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _text(text: str) -> str:
    """Return a text of the user without what Markdown or a terminal would obey."""
    return printable(text).replace("|", "\\|").replace("`", "'").replace("<", "&lt;")


def _stored(folder: RunFolder, name: str) -> Mapping[str, Any]:
    """Return an object of the run folder; {} if it is missing or unreadable."""
    try:
        data = folder.read(name)
    except RunError:
        return {}
    return data if isinstance(data, dict) else {}
