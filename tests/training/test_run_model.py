"""What is read of many sentences comes back in their order, whatever batches they were in."""

from itertools import pairwise
from typing import Any

import jax
import numpy as np
import pytest
import tiny_corpus
from dense import DenseSentence, dense_chars, dense_sentences, dense_words, encode_dense
from small_model import SIZES, random_batch, small_model
from tag_oracles import well_formed

from mlmt_jax import crf
from mlmt_jax.batches import windows
from mlmt_jax.batches.windows import LONGEST
from mlmt_jax.config import load_config
from mlmt_jax.model import NBest, best_tags, emissions, init_params, tags_and_losses, tags_and_probabilities
from mlmt_jax.training.run_model import infer
from mlmt_jax.training.setup import prepare

NAMES = SIZES.tags["ner"]
LENGTHS = [5, 1, 0, 4, 3]


class Setting:
    """A model with random parameters, some sentences, and their emissions and chain."""

    def __init__(self):
        model, self.params = small_model()
        self.task = model.tasks["xho ner"]
        self.sentences = make_sentences(LENGTHS)
        self.chain = crf.Chain(*map(np.asarray, self.task.crf(self.params)))

    def infer(self, read: Any):
        return infer(self.task, self.params, read, encode_dense(self.sentences), 8)

    def scores(self) -> list[np.ndarray]:
        batch = random_batch("xho ner", LENGTHS, 16)
        found = np.asarray(jax.jit(emissions, static_argnums=0)(self.task, self.params, batch), np.float64)
        return [found[i, :n] for i, n in enumerate(LENGTHS)]


def make_sentences(lengths: list[int], seed: int = 0) -> list[DenseSentence]:
    """The sentences of ``random_batch``, or such of any length."""
    if lengths == LENGTHS:
        batch = random_batch("xho ner", lengths, 16)
        parts = dense_words(batch), dense_chars(batch), np.asarray(batch.sentences.tags)
        return [DenseSentence(*(part[i, :n] for part in parts)) for i, n in enumerate(lengths)]
    random = np.random.default_rng(seed)
    draw = lambda most, *shape: random.integers(1, most, shape).astype(np.int32)
    return [
        DenseSentence(draw(SIZES.words["xho_words"], n), draw(SIZES.characters, n, 4), np.zeros(n, np.int32))
        for n in lengths
    ]


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting()


def distribution(scores: np.ndarray, chain: crf.Chain) -> tuple[list[list[int]], np.ndarray]:
    """Every well-formed tag sequence and the share of each, the most probable first."""
    n = len(scores)
    paths = [[NAMES.index(tag) for tag in tags] for tags in well_formed(n, ["LOC"], "bioes")]
    total = lambda path: (
        chain.start[path[0]]
        + chain.end[path[-1]]
        + sum(scores[i, tag] for i, tag in enumerate(path))
        + sum(chain.transitions[a, b] for a, b in pairwise(path))
    )
    totals = np.array([total(path) for path in paths])
    shares = np.exp(totals - totals.max())
    order = np.argsort(-shares, kind="stable")
    return [paths[i] for i in order], shares[order] / shares.sum()


def test_probabilities_are_those_of_the_enumeration(setting: Setting) -> None:
    for found, scores in zip(setting.infer(tags_and_probabilities), setting.scores(), strict=True):
        tags, marginals, steps = found
        n = len(scores)
        if not n:
            assert steps.sum() == 0
            continue
        paths, shares = distribution(scores, setting.chain)
        assert tags[:n].tolist() == paths[0]
        expected = np.zeros((n, len(NAMES)))
        for path, share in zip(paths, shares, strict=True):
            expected[np.arange(n), path] += share
        np.testing.assert_allclose(marginals[:n], expected, atol=1e-5)
        assert steps[:n].sum() == pytest.approx(np.log(shares[0]), abs=1e-5)
        for last in range(1, n):  # a stretch of the best path, whatever the other tags are
            for first in range(last):
                here = [path[first : last + 1] == paths[0][first : last + 1] for path in paths]
                chance = marginals[first, tags[first]] * np.exp(steps[first + 1 : last + 1].sum())
                assert chance == pytest.approx(shares[here].sum(), abs=1e-5)


def test_n_best_are_those_of_the_enumeration(setting: Setting) -> None:
    for (tags, logs), scores in zip(setting.infer(NBest(7)), setting.scores(), strict=True):
        n = len(scores)
        if not n:
            assert logs[0] == 0
            assert np.all(np.isneginf(logs[1:]))
            continue
        paths, shares = distribution(scores, setting.chain)
        there = min(7, len(paths))
        assert there < 7 or n > 1  # of one word there are two: O and S
        assert np.all(np.isneginf(logs[there:]))
        np.testing.assert_allclose(logs[:there], np.log(shares[:there]), atol=1e-4)
        assert tags[:there, :n].tolist() == paths[:there]


def test_the_readers_agree(setting: Setting) -> None:
    losses = [loss for _, loss in setting.infer(tags_and_losses)]
    plain = [tags for (tags,) in setting.infer(best_tags)]
    for reader in (tags_and_losses, tags_and_probabilities):
        np.testing.assert_equal([arrays[0] for arrays in setting.infer(reader)], plain)
    scores = setting.scores()
    for i, sentence in enumerate(setting.sentences):
        if len(sentence.words):
            paths, shares = distribution(scores[i], setting.chain)
            assert losses[i] == pytest.approx(-np.log(shares[paths.index(sentence.tags.tolist())]), abs=1e-4)


def test_a_long_sentence_is_read_as_a_whole(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(setting.params["lstm"]["recurrent_0"][0])
    bias = setting.params["lstm"]["bias_0"].copy()
    bias[:, size : 2 * size] -= 3.0  # it forgets, as random weights need not
    params = {**setting.params, "lstm": {**setting.params["lstm"], "bias_0": bias}}
    given = make_sentences([1200])
    given[0].tags[700] = -1
    run = lambda: [
        infer(setting.task, params, read, encode_dense(given), 8)
        for read in (tags_and_probabilities, tags_and_losses)
    ]
    in_windows = run()
    assert np.isnan(in_windows[1][0][1])  # of 1200 gold tags one is not known
    monkeypatch.setattr(windows, "LONGEST", 4 * LONGEST)
    at_once = run()
    for found, expected in zip(in_windows, at_once, strict=True):
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours[0], theirs[0])
            for a, b in zip(ours[1:], theirs[1:], strict=True):
                np.testing.assert_allclose(a, b, atol=1e-4)


def test_the_batch_does_not_matter(tiny_config: Any) -> None:
    data = tiny_corpus.lean("nld ner")
    setup = prepare(load_config(tiny_corpus.write_config(tiny_config.parent, data, "inference.json")))
    random = np.random.default_rng(1)
    shapes = jax.eval_shape(lambda: init_params(setup.model, jax.random.key(0)))
    params = jax.tree.map(lambda x: random.normal(size=x.shape).astype(np.float32), shapes)
    task, contents = setup.model.tasks["nld ner"], setup.encoded["nld ner"]["dev"]
    given = dense_sentences(contents)
    together = infer(task, params, tags_and_losses, contents, 16)
    alone = [infer(task, params, tags_and_losses, encode_dense([one]), 16)[0] for one in given]
    cut = lambda found: [own[: len(one.words)].tolist() for (own, _), one in zip(found, given, strict=True)]
    assert cut(alone) == cut(together)
    assert len(set(map(tuple, cut(together)))) > 3
    np.testing.assert_allclose([loss for _, loss in alone], [loss for _, loss in together], atol=1e-5)
