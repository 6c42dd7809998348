"""Writers of tagged sentences: columns and comments of column files, objects of JSON lines."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlmt_jax.tag_files.inputs import InputSentence

if TYPE_CHECKING:
    from mlmt_jax.tagger import Ensemble, Tagger

_EMPTY_CELL = "_"  # as in CoNLL-U
_DIGITS = 6
# The fields that `tag_sentences` may return. Those of an earlier run, about other tags, are replaced.
_FIELDS = ("tags", "probabilities", "spans", "log_probability", "n_best")
# Characters that JSON need not escape, but that a terminal obeys or a reader of lines takes for line ends.
_UNSAFE_IN_JSON = re.compile(r"[\x7f-\x9f\u2028\u2029]")


def tag_sentences(
    tagger: "Tagger | Ensemble", sentences: Sequence[Sequence[str]], *, probabilities: bool, n_best: int
) -> list[dict[str, Any]]:
    """Tag sentences, and return the fields of JSON output for each.

    Args:
        tagger: the tagger.
        sentences: their tokens.
        probabilities: add `probabilities` (of the tag of each token), `spans` (a dict of `type`, `start`,
            `end`, exclusive, and `probability` for each) and `log_probability` (nats).
        n_best: if above 0, add `n_best`, a list of dicts of `tags` and `log_probability` (nats), the most
            probable first; shorter if the scheme allows fewer sequences.

    Returns:
        A dict for each sentence, in order: `tags`, and the requested fields. Numbers are rounded to 6 digits.
    """
    if not probabilities and not n_best:
        return [{"tags": tags} for tags in tagger.tag(sentences)]
    results: list[dict[str, Any]] = [{} for _ in sentences]
    if probabilities:
        for fields, tagged in zip(results, tagger.tag_with_probabilities(sentences), strict=True):
            fields["tags"] = tagged.tags
            fields["probabilities"] = [round(p, _DIGITS) for p in tagged.probabilities]
            fields["spans"] = [
                {**span._asdict(), "probability": round(span.probability, _DIGITS)} for span in tagged.spans
            ]
            fields["log_probability"] = round(tagged.log_probability, _DIGITS)
    if n_best:
        for fields, ranked in zip(results, tagger.n_best(sentences, n_best), strict=True):
            fields.setdefault("tags", ranked[0].tags)
            fields["n_best"] = [
                {"tags": tags, "log_probability": round(log, _DIGITS)} for tags, log in ranked
            ]
    return results


def column_lines(
    sentence: InputSentence, fields: Mapping[str, Any], n_best: int, *, with_comment: bool
) -> Iterator[str]:
    r"""Yield the lines of a sentence without newlines; those of tokens have further columns.

    All other lines, comments and empty ones, are yielded as they were read. A "\r" stays at the end.

    Args:
        sentence: as it was read.
        fields: the result of `tag_sentences` for it.
        n_best: the number of tag sequences that were requested; 0 and 1 add no column.
        with_comment: write a comment with the log probabilities (nats) of the tag sequences, if they are in
            the fields, above the sentence and the comments that directly precede it.

    Raises:
        ValueError: if the number of tags is not that of the tokens.
    """
    cells = dict(zip(sentence.token_lines, _cells(fields, n_best), strict=True))
    top = sentence.token_lines[0] if sentence.token_lines else None
    while top and sentence.lines[top - 1].strip():
        top -= 1
    ranked = fields.get("n_best") or ([fields] if "log_probability" in fields else [])
    logs = " ".join(f"{sequence['log_probability']:.{_DIGITS}f}" for sequence in ranked)
    for i, line in enumerate(sentence.lines):
        text = line.removesuffix("\r")
        ending = line[len(text) :]
        if i == top and with_comment and logs:
            yield f"# log_probability = {logs}{ending}"
        has_spaces = "\t" not in text and " " in text.strip()
        separator = sentence.separator or (" " if has_spaces else "\t")
        yield separator.join((text, *cells.get(i, ()))) + ending


def _cells(fields: Mapping[str, Any], n_best: int) -> list[tuple[str, ...]]:
    """Return the further cells of each token, a tuple of strings; "_" if there is no value.

    They are the tag; with probabilities, P(tag) and P(the span of the token), "_" outside of spans; the tags
    of rank 2 to `n_best`, "_" if there are fewer sequences.
    """
    columns, missing = [fields["tags"]], [_EMPTY_CELL] * len(fields["tags"])
    if "probabilities" in fields:
        spans = missing.copy()
        for span in fields["spans"]:
            size = span["end"] - span["start"]
            spans[span["start"] : span["end"]] = [f"{span['probability']:.{_DIGITS}f}"] * size
        columns += [[f"{p:.{_DIGITS}f}" for p in fields["probabilities"]], spans]
    ranked = [sequence["tags"] for sequence in fields.get("n_best", ())]
    columns += [*ranked[1:], *[missing] * (n_best - len(ranked))]
    return list(zip(*columns, strict=True))


def json_lines(sentence: InputSentence, fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield the JSON object of a sentence as one line without a newline.

    Nothing is yielded for a block of a column file without tokens. The object has the keys of the record,
    then `tokens` and the fields. Results of an earlier run in the record (`tags`, `probabilities`, `spans`,
    `log_probability`, `n_best`) are left out. Letters are not escaped.

    Args:
        sentence: as it was read.
        fields: the result of `tag_sentences` for it.
    """
    if sentence.tokens or sentence.record is not None:
        record = {key: value for key, value in (sentence.record or {}).items() if key not in _FIELDS}
        line = json.dumps({**record, "tokens": sentence.tokens, **fields}, ensure_ascii=False)
        yield _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", line)
