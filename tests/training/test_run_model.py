"""Inference returns exact results for each sentence, in order, whatever batch the sentence is in."""

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
from mlmt_jax.batches import inference_batches, windows
from mlmt_jax.batches.windows import LONGEST
from mlmt_jax.config import load_config
from mlmt_jax.model.build import init_params
from mlmt_jax.model.readers import NBest, best_tags, tags_and_losses, tags_and_probabilities
from mlmt_jax.model.task_model import emissions
from mlmt_jax.training.run_model import Inference
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

    def infer(self, reader: Any) -> list[tuple[np.ndarray, ...]]:
        return Inference(self.task, self.params).run(reader, encode_dense(self.sentences), 8)

    def emissions(self) -> list[np.ndarray]:
        """Return the emissions (n, t) of each sentence."""
        batch = random_batch("xho ner", LENGTHS, 16)
        padded = np.asarray(jax.jit(emissions, static_argnums=0)(self.task, self.params, batch), np.float64)
        return [padded[i, :n] for i, n in enumerate(LENGTHS)]


def make_sentences(lengths: list[int], seed: int = 0) -> list[DenseSentence]:
    """Return the sentences of `random_batch` for `LENGTHS`, and random ones for other lengths."""
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
    """Return every well-formed tag sequence and its probability, the most probable first."""
    n = len(scores)
    paths = [[NAMES.index(tag) for tag in tags] for tags in well_formed(n, ["LOC"], "bioes")]
    total = lambda path: (
        chain.start[path[0]]
        + chain.end[path[-1]]
        + sum(scores[i, tag] for i, tag in enumerate(path))
        + sum(chain.transitions[a, b] for a, b in pairwise(path))
    )
    totals = np.array([total(path) for path in paths])
    weights = np.exp(totals - totals.max())
    order = np.argsort(-weights, kind="stable")
    return [paths[i] for i in order], weights[order] / weights.sum()


def test_probabilities_equal_those_of_the_enumeration(setting: Setting) -> None:
    for arrays, scores in zip(setting.infer(tags_and_probabilities), setting.emissions(), strict=True):
        tags, marginals, steps = arrays
        n = len(scores)
        if not n:
            assert steps.sum() == 0
            continue
        paths, probabilities = distribution(scores, setting.chain)
        assert tags[:n].tolist() == paths[0]
        expected = np.zeros((n, len(NAMES)))
        for path, probability in zip(paths, probabilities, strict=True):
            expected[np.arange(n), path] += probability
        np.testing.assert_allclose(marginals[:n], expected, atol=1e-5)
        assert steps[:n].sum() == pytest.approx(np.log(probabilities[0]), abs=1e-5)
        for last in range(1, n):  # the probability of a part of the best path, whatever the other tags are
            for first in range(last):
                part = slice(first, last + 1)
                has_part = [path[part] == paths[0][part] for path in paths]
                chance = marginals[first, tags[first]] * np.exp(steps[first + 1 : last + 1].sum())
                assert chance == pytest.approx(probabilities[has_part].sum(), abs=1e-5)


def test_n_best_sequences_equal_those_of_the_enumeration(setting: Setting) -> None:
    for (tags, logs), scores in zip(setting.infer(NBest(7)), setting.emissions(), strict=True):
        n = len(scores)
        if not n:
            assert logs[0] == 0
            assert np.all(np.isneginf(logs[1:]))
            continue
        paths, probabilities = distribution(scores, setting.chain)
        count = min(7, len(paths))
        assert count < 7 or n > 1  # one word has two sequences: O and S
        assert np.all(np.isneginf(logs[count:]))
        np.testing.assert_allclose(logs[:count], np.log(probabilities[:count]), atol=1e-4)
        assert tags[:count, :n].tolist() == paths[:count]


def test_all_readers_return_the_same_tags(setting: Setting) -> None:
    losses = [loss for _, loss in setting.infer(tags_and_losses)]
    best = [tags for (tags,) in setting.infer(best_tags)]
    for reader in (tags_and_losses, tags_and_probabilities):
        np.testing.assert_equal([arrays[0] for arrays in setting.infer(reader)], best)
    scores = setting.emissions()
    for i, sentence in enumerate(setting.sentences):
        if len(sentence.words):
            paths, probabilities = distribution(scores[i], setting.chain)
            probability = probabilities[paths.index(sentence.tags.tolist())]
            assert losses[i] == pytest.approx(-np.log(probability), abs=1e-4)


def test_a_long_sentence_in_windows_equals_the_whole(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(setting.params["lstm"]["recurrent_0"][0])
    bias = setting.params["lstm"]["bias_0"].copy()
    bias[:, size : 2 * size] -= 3.0  # makes the LSTM forget, which random weights may not
    params = {**setting.params, "lstm": {**setting.params["lstm"], "bias_0": bias}}
    sentences = make_sentences([1200])
    sentences[0].tags[700] = -1
    run = lambda: [
        Inference(setting.task, params).run(reader, encode_dense(sentences), 8)
        for reader in (tags_and_probabilities, tags_and_losses)
    ]
    in_windows = run()
    assert np.isnan(in_windows[1][0][1])  # one of 1200 gold tags is unknown
    for module in (inference_batches, windows):
        monkeypatch.setattr(module, "LONGEST", 4 * LONGEST)
    whole = run()
    for results, expected_results in zip(in_windows, whole, strict=True):
        for arrays, expected in zip(results, expected_results, strict=True):
            np.testing.assert_array_equal(arrays[0], expected[0])
            for a, b in zip(arrays[1:], expected[1:], strict=True):
                np.testing.assert_allclose(a, b, atol=1e-4)


def test_results_do_not_depend_on_the_batch(tiny_config: Any) -> None:
    data = tiny_corpus.lean("nld ner")
    setup = prepare(load_config(tiny_corpus.write_config(tiny_config.parent, data, "inference.json")))
    random = np.random.default_rng(1)
    shapes = jax.eval_shape(lambda: init_params(setup.model, jax.random.key(0)))
    params = jax.tree.map(lambda x: random.normal(size=x.shape).astype(np.float32), shapes)
    task, encoded = setup.model.tasks["nld ner"], setup.encoded["nld ner"]["dev"]
    sentences = dense_sentences(encoded)
    inference = Inference(task, params)
    batched = inference.run(tags_and_losses, encoded, 16)
    single = [inference.run(tags_and_losses, encode_dense([s]), 16)[0] for s in sentences]
    lengths = [len(sentence.words) for sentence in sentences]
    batched_tags, single_tags = (
        [tags[:n].tolist() for (tags, _), n in zip(arrays, lengths, strict=True)]
        for arrays in (batched, single)
    )
    assert single_tags == batched_tags
    assert len(set(map(tuple, batched_tags))) > 3
    np.testing.assert_allclose([loss for _, loss in single], [loss for _, loss in batched], atol=1e-5)
