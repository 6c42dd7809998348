"""Counts of spans by whether their words occur in the training data."""

import random

import pytest

from mlmt_jax.metrics.scores import Counts, score_spans, score_tokens
from mlmt_jax.metrics.unseen import count_by_words


def test_a_span_is_unseen_if_one_of_its_words_is() -> None:
    tokens = [["Jan", "Smit", "in", "Gent"], ["Jan", "in", "Breda"]]
    gold = [["B-P", "E-P", "O", "S-L"], ["S-P", "O", "S-L"]]
    predicted = [["B-P", "E-P", "O", "S-P"], ["S-P", "S-L", "O"]]
    counts = count_by_words(tokens, gold, predicted, "bioes", {"Jan", "in", "Gent"})
    # Seen: Gent, Jan and "in", which is only predicted. Unseen: Jan Smit and Breda.
    assert counts.seen == Counts(correct=1, predicted=3, gold=2)
    assert counts.unseen == Counts(correct=1, predicted=1, gold=2)


def test_words_are_compared_with_their_case() -> None:
    counts = count_by_words([["a", "A", "b"]], [["X", "X", "Y"]], [["X", "Y", "Y"]], "none", {"a", "b"})
    assert counts.seen == Counts(2, 2, 2)
    assert counts.unseen == Counts(0, 1, 1)


@pytest.mark.parametrize("scheme", ["bioes", "none"])
def test_seen_and_unseen_counts_add_up_to_all_counts(scheme) -> None:
    rng = random.Random(3)
    tags = ["O", "B-X", "I-X", "E-X", "S-X", "S-Y"]
    sizes = [rng.randint(0, 9) for _ in range(40)]
    tokens, gold, predicted = (
        [rng.choices(choices, k=n) for n in sizes] for choices in ("abcdef", tags, tags)
    )
    counts = count_by_words(tokens, gold, predicted, scheme, {"a", "b", "c", "d"})
    score = (score_tokens if scheme == "none" else lambda g, p: score_spans(g, p, scheme))(gold, predicted)
    assert counts.seen + counts.unseen == sum(score.types.values(), Counts(0, 0, 0))
    assert min(counts.seen.correct, counts.unseen.correct) > 0
