"""Tags and losses of many sentences come back in their order, and make the scores of a split."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tiny_corpus
from dense import words_of

from mlmt_jax.config import load_config
from mlmt_jax.data.batching import Encoded
from mlmt_jax.data.corpus import Example
from mlmt_jax.model import init_params
from mlmt_jax.training import scoring
from mlmt_jax.training.setup import prepare

TAGS = ("O", "B-X", "I-X", "E-X", "S-X")


class FakeTask:
    """Stands for a task model where decoding is faked as well."""

    def own(self, params: Any) -> Any:
        return params


def sentences(lengths: list[int], seed: int = 0) -> list[Encoded]:
    random = np.random.default_rng(seed)
    return [
        Encoded(
            random.integers(0, 99, n).astype(np.int32),
            np.ones((n, 3), np.int32),
            random.integers(0, len(TAGS), n).astype(np.int32),
        )
        for n in lengths
    ]


def faked(monkeypatch: pytest.MonkeyPatch, decode: Any) -> Any:
    monkeypatch.setattr(scoring, "decode_batch", decode)
    return FakeTask()


@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_the_order_given_is_kept(monkeypatch: pytest.MonkeyPatch, batch_size: int) -> None:
    # The tags are made from the words, the losses from the lengths; padding gives nonsense.
    decode = lambda task, params, batch: (
        words_of(batch) % 5,
        np.where(batch.lengths > 0, batch.lengths, -7.0),
    )
    task = faked(monkeypatch, decode)
    given = sentences([4, 1, 40, 0, 4, 17, 2, 1, 9, 33, 3])
    tags, losses = scoring.tag_sentences(task, {}, TAGS, given, batch_size)
    assert [list(own) for own in tags] == [[TAGS[word % 5] for word in one.words] for one in given]
    expected = [len(one.words) or -7.0 for one in given]
    assert losses.tolist() == expected


def test_no_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    task = faked(monkeypatch, lambda task, params, batch: 1 / 0)
    tags, losses = scoring.tag_sentences(task, {}, TAGS, [], 4)
    assert (tags, losses.shape) == ([], (0,))


def evaluated(monkeypatch: pytest.MonkeyPatch, gold: list[list[str]], predicted: list[list[str]], nats: list):
    """The score of given predictions; sentences are known by their first word."""
    index = {tag: i for i, tag in enumerate(TAGS)}
    sizes = list(map(len, gold))
    encoded = [Encoded(np.full(n, i), np.ones((n, 1)), np.zeros(n)) for i, n in enumerate(sizes)]
    examples = [Example(("w",) * len(g), tuple(g), range(1, len(g) + 1)) for g in gold]

    def decode(task, params, batch):
        best, losses = np.zeros(batch.tokens.shape, int), np.zeros(len(batch.tokens))
        for row, length in enumerate(batch.lengths):
            if length:
                which = int(words_of(batch)[row, 0])
                best[row, :length] = [index[tag] for tag in predicted[which]]
                losses[row] = nats[which]
        return best, losses

    task = faked(monkeypatch, decode)
    return scoring.evaluate_split(task, {}, TAGS, examples, encoded, spans=True, batch_size=2)


def test_a_split(monkeypatch: pytest.MonkeyPatch) -> None:
    gold = [["B-X", "E-X", "O"], ["S-Y"], ["S-X", "O"]]
    predicted = [["B-X", "E-X", "S-X"], ["S-X"], ["O", "O"]]
    # The type Y is not known to the task: no loss, and an error all the same.
    found = evaluated(monkeypatch, gold, predicted, [3.0, float("nan"), 1.0])
    assert found.loss == 2.0
    assert (found.score.precision, found.score.recall) == (1 / 3, 1 / 3)
    assert found.score.accuracy == 3 / 6
    record = found.as_json()
    assert record["loss"] == 2.0
    assert record["types"]["Y"] == {"precision": 0, "recall": 0, "f1": 0, "gold": 1, "predicted": 0}


def test_no_loss_where_every_sentence_has_an_unknown_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    found = evaluated(monkeypatch, [["S-Y"]], [["O"]], [float("nan")])
    assert np.isnan(found.loss)
    assert found.as_json()["loss"] is None


def test_the_batch_does_not_matter(tiny_config: Path) -> None:
    data = tiny_corpus.lean("nld ner")
    setup = prepare(load_config(tiny_corpus.write_config(tiny_config.parent, data, "scoring.json")))
    random = np.random.default_rng(1)
    shapes = jax.eval_shape(lambda: init_params(setup.model, jax.random.key(0)))
    params = jax.tree.map(lambda x: random.normal(size=x.shape).astype(np.float32), shapes)
    task, names = setup.model.tasks["nld ner"], setup.corpus.vocabulary.tags["ner"]
    given = setup.encoded["nld ner"]["dev"]
    tags, losses = scoring.tag_sentences(task, params, names, given, 16)
    one_by_one = [scoring.tag_sentences(task, params, names, [one], 16) for one in given]
    assert [own for (own,), _ in one_by_one] == tags
    assert len({tuple(own) for own in tags}) > 3
    np.testing.assert_allclose([loss[0] for _, loss in one_by_one], losses, atol=1e-5)
