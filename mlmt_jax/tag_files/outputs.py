"""Writers of tagged sentences: columns and comments of column files, objects of JSON lines."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mlmt_jax.tag_files.inputs import InputSentence

if TYPE_CHECKING:
    from mlmt_jax.tagger import Ensemble, Tagger
    from mlmt_jax.text.decoded import RankedTags, TaggedSentence

_EMPTY_CELL = "_"  # as in CoNLL-U
_DIGITS = 6
# The fields that `json_lines` writes. Those of an earlier run, which may have had other tags, are replaced.
_FIELDS = ("tags", "probabilities", "spans", "log_probability", "n_best")
# Characters that JSON need not escape, but that a terminal obeys or a reader of lines takes for line ends.
_UNSAFE_IN_JSON = re.compile(r"[\x7f-\x9f\u2028\u2029]")


class Result(NamedTuple):
    """The tags of one sentence."""

    tags: Sequence[str]
    tagged: "TaggedSentence | None"  # with probabilities, if these were requested
    ranked: "Sequence[RankedTags]"  # the n best tag sequences; empty if these were not requested


def tag_sentences(
    tagger: "Tagger | Ensemble", sentences: Sequence[Sequence[str]], *, probabilities: bool, n_best: int
) -> list[Result]:
    """Tag sentences, with probabilities and the n best sequences if requested (`n_best` above 0)."""
    ranked = tagger.n_best(sentences, n_best) if n_best else [[] for _ in sentences]
    if probabilities:
        tagged = tagger.tag_with_probabilities(sentences)
        return [Result(best.tags, best, ranks) for best, ranks in zip(tagged, ranked, strict=True)]
    tags = [ranks[0].tags for ranks in ranked] if n_best else tagger.tag(sentences)
    return [Result(best, None, ranks) for best, ranks in zip(tags, ranked, strict=True)]


def column_lines(
    sentence: InputSentence, result: Result, n_best: int, *, with_comment: bool
) -> Iterator[str]:
    """Yield the lines of a sentence; those of tokens have further columns.

    The columns are the tag; with probabilities, P(tag) and P(span that holds the token); with n best
    sequences, the tags of rank 2 to n. A cell without a value has "_". With `with_comment`, the sentence and
    the comments directly above it follow a comment with the log probabilities (nats) of its tag sequences.
    """
    cells = dict(zip(sentence.token_lines, _cells(result, n_best), strict=True))
    top = sentence.token_lines[0] if sentence.token_lines else None
    while top and sentence.lines[top - 1].strip():
        top -= 1
    for i, line in enumerate(sentence.lines):
        text = line.removesuffix("\r")
        ending = line[len(text) :]
        logs = _log_probabilities(result) if i == top and with_comment else []
        if logs:
            yield f"# log_probability = {' '.join(f'{log:.{_DIGITS}f}' for log in logs)}{ending}"
        has_spaces = "\t" not in text and " " in text.strip()
        separator = sentence.separator or (" " if has_spaces else "\t")
        yield separator.join((text, *cells.get(i, ()))) + ending


def _cells(result: Result, n_best: int) -> list[list[str]]:
    """Return the further cells of each token."""
    columns = [result.tags]
    if result.tagged is not None:
        spans = [_EMPTY_CELL] * len(result.tags)
        for span in result.tagged.spans:
            spans[span.start : span.end] = [f"{span.probability:.{_DIGITS}f}"] * (span.end - span.start)
        columns += [[f"{p:.{_DIGITS}f}" for p in result.tagged.probabilities], spans]
    missing = [_EMPTY_CELL] * len(result.tags)
    columns += [result.ranked[i].tags if i < len(result.ranked) else missing for i in range(1, n_best)]
    return [list(cells) for cells in zip(*columns, strict=True)]


def _log_probabilities(result: Result) -> list[float]:
    """Return log P (nats) of the tag sequences: of all ranks, or of the best one."""
    if result.ranked or result.tagged is None:
        return [ranks.log_probability for ranks in result.ranked]
    return [result.tagged.log_probability]


def json_lines(sentence: InputSentence, result: Result) -> Iterator[str]:
    """Yield the JSON object of a sentence; nothing for a block of a column file without tokens."""
    if not sentence.tokens and sentence.record is None:
        return
    record = {key: value for key, value in (sentence.record or {}).items() if key not in _FIELDS}
    line = json.dumps({**record, "tokens": sentence.tokens, **_fields(result)}, ensure_ascii=False)
    yield _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def _fields(result: Result) -> dict[str, Any]:
    """Return the fields of a JSON object that follow its tokens."""
    fields: dict[str, Any] = {"tags": result.tags}
    if result.tagged is not None:
        fields["probabilities"] = [round(p, _DIGITS) for p in result.tagged.probabilities]
        fields["spans"] = [
            {**span._asdict(), "probability": round(span.probability, _DIGITS)}
            for span in result.tagged.spans
        ]
        fields["log_probability"] = round(result.tagged.log_probability, _DIGITS)
    if result.ranked:
        fields["n_best"] = [
            {"tags": tags, "log_probability": round(log, _DIGITS)} for tags, log in result.ranked
        ]
    return fields
