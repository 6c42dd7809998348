"""Tags of a labelled file that a trained run does not know."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlmt_jax.metrics.spans import OUTSIDE
from mlmt_jax.text.columns import Sentence
from mlmt_jax.text.findings import Findings, join_examples
from mlmt_jax.text.tag_schemes import split_tag

if TYPE_CHECKING:
    from mlmt_jax.training.split_scores import TaskTags


def find_unknown_tags(findings: Findings, sentences: Sequence[Sentence], tags: "TaskTags", task: str) -> None:
    """Note the tags of a labelled file that a task model does not know.

    Args:
        findings: of the file, to be added to.
        sentences: of the file, with span tags in BIOES.
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
        return
    count = sum(not known.issuperset(sentence.tags) for sentence in sentences)
    kind = "spans of types" if tags.are_spans else "tags"
    text = f"{count} of {len(sentences)} sentences have {kind} that {task!r} does not know"
    text += f": {join_examples(sorted(first_lines))}"
    first = min(first_lines.values())
    if known.isdisjoint(tag for sentence in sentences for tag in sentence.tags if tag != OUTSIDE):
        columns = "--token-col, --label-col and --separator choose the columns"
        findings.refuse(text, first, advice=f"expected tags that it knows; {columns}")
    findings.note(text, first, advice="they count as wrong, and have no loss")
