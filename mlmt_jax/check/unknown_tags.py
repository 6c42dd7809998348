"""Tags of a labelled file that a trained run does not know."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlmt_jax.corpus.dataset import Example
from mlmt_jax.errors import DataError
from mlmt_jax.metrics.spans import OUTSIDE
from mlmt_jax.text.findings import Finding, shown
from mlmt_jax.text.tag_schemes import split_tag

if TYPE_CHECKING:
    from mlmt_jax.training.split_scores import TaskTags


def find_unknown_tags(path: str, sentences: Sequence[Example], tags: "TaskTags", task: str) -> Finding | None:
    """Return a finding about the tags that a task model does not know; None if it knows all.

    Args:
        path: the labelled file.
        sentences: of the file, span tags in BIOES.
        tags: the tags of the task model.
        task: the name of the task model.

    Raises:
        DataError: if the task model knows none of the file's tags but O.
    """
    known = set(tags.names)
    types = {split_tag(tag)[1] for tag in known}
    first_lines: dict[str, int] = {}  # by unknown tag, or by its span type if the type is unknown
    for sentence in sentences:
        for tag, line in zip(sentence.tags, sentence.lines, strict=True):
            if tag not in known:
                span_type = split_tag(tag)[1]
                is_type = tags.are_spans and span_type not in types
                first_lines.setdefault(span_type if is_type else tag, line)
    if not first_lines:
        return None
    count = sum(not known.issuperset(sentence.tags) for sentence in sentences)
    kind = "spans of types" if tags.are_spans else "tags"
    text = f"{count} of {len(sentences)} sentences have {kind} that {task!r} does not know"
    text += f": {shown(sorted(first_lines))}"
    first = min(first_lines.values())
    if known.isdisjoint(tag for sentence in sentences for tag in sentence.tags if tag != OUTSIDE):
        raise DataError(
            f"{path}:{first}: {text};\n"
            "expected known ones; --token-col, --label-col and --separator choose the columns"
        )
    return Finding(path, first, text, advice="they count as wrong, and have no loss")
