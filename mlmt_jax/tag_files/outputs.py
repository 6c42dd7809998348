"""What ``predict`` writes beside the tags: columns and comments of CoNLL files, fields of JSON objects."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mlmt_jax.tagger import Tagger
    from mlmt_jax.text.decoded import RankedTags, TaggedSentence

__all__ = ["FIELDS", "Result", "columns", "comments", "fields", "results"]

_NOTHING = "_"  # CoNLL-U's mark of an empty cell
_DIGITS = 6

#: What ``fields`` may give.
FIELDS = ("tags", "probabilities", "spans", "log_probability", "n_best")


class Result(NamedTuple):
    """What is known of one sentence."""

    tags: Sequence[str]
    tagged: "TaggedSentence | None"  # where probabilities are asked for
    ranked: "Sequence[RankedTags]"  # where n best are asked for, the best first


def results(
    tagger: "Tagger", sentences: Sequence[Sequence[str]], *, probabilities: bool, n_best: int
) -> list[Result]:
    """Tags sentences, and computes no more than is asked for (``n_best`` 0 asks for none)."""
    ranked = tagger.n_best(sentences, n_best) if n_best else [[] for _ in sentences]
    if probabilities:
        found = tagger.tag_with_probabilities(sentences)
        return [Result(one.tags, one, own) for one, own in zip(found, ranked, strict=True)]
    tags = [own[0].tags for own in ranked] if n_best else tagger.tag(sentences)
    return [Result(one, None, own) for one, own in zip(tags, ranked, strict=True)]


def columns(result: Result, n_best: int) -> list[list[str]]:
    """Of each token the cells behind its line.

    The tag; with probabilities that of the tag, and that of the span in which the token lies; with n best
    the tags of rank 2 to n. ``_`` stands where there is no span, or no sequence of that rank.
    """
    cells = [[tag] for tag in result.tags]
    if result.tagged is not None:
        inside = {i: span for span in result.tagged.spans for i in range(span.start, span.end)}
        for i, (own, probability) in enumerate(zip(cells, result.tagged.probabilities, strict=True)):
            span = f"{inside[i].probability:.{_DIGITS}f}" if i in inside else _NOTHING
            own += [f"{probability:.{_DIGITS}f}", span]
    for rank in range(1, n_best):
        tags = result.ranked[rank].tags if rank < len(result.ranked) else [_NOTHING] * len(cells)
        for own, tag in zip(cells, tags, strict=True):
            own.append(tag)
    return cells


def comments(result: Result) -> list[str]:
    """The lines above a sentence: the log probability (nats) of all its tags, of every rank that there is."""
    logs = [one.log_probability for one in result.ranked]
    if not logs and result.tagged is not None:
        logs = [result.tagged.log_probability]
    return [f"# log_probability = {' '.join(f'{log:.{_DIGITS}f}' for log in logs)}"] if logs else []


def fields(result: Result) -> dict[str, Any]:
    """The fields of a JSON object behind its tokens."""
    found: dict[str, Any] = {"tags": result.tags}
    if result.tagged is not None:
        found["probabilities"] = [round(p, _DIGITS) for p in result.tagged.probabilities]
        spans = result.tagged.spans
        found["spans"] = [{**s._asdict(), "probability": round(s.probability, _DIGITS)} for s in spans]
        found["log_probability"] = round(result.tagged.log_probability, _DIGITS)
    if result.ranked:
        found["n_best"] = [
            {"tags": tags, "log_probability": round(log, _DIGITS)} for tags, log in result.ranked
        ]
    return found
