"""Task models against their formulas; independence of batches, dropout and gradients."""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from dense import DenseSentence, dense_chars, dense_words, pack_dense
from small_model import PAIRS, SIZES, random_batch, random_params, rebatch, small_config, small_model
from tag_oracles import well_formed

from mlmt_jax import crf
from mlmt_jax.model.build import build_model
from mlmt_jax.model.readers import tags_and_losses
from mlmt_jax.model.task_model import TaskModel, batch_loss, emissions, sentence_losses
from mlmt_jax.types import Batch, Params

NAMES = [f"{language} {task}" for language, task in PAIRS]
LENGTHS = [7, 1, 4, 2, 5]
INSIDE = np.arange(7) < np.array(LENGTHS)[:, None]
KEY, OTHER_KEY = jax.random.key(1), jax.random.key(2)


class Outputs(NamedTuple):
    emissions: np.ndarray
    losses: np.ndarray
    loss: np.ndarray
    tags: np.ndarray
    decoding_losses: np.ndarray


def outputs(task: TaskModel, params: Params, batch: Batch) -> Outputs:
    """Return the outputs of a task model, from the parameters of its components only."""
    return Outputs(*map(np.asarray, _outputs(task, task.select(params), batch)))


@partial(jax.jit, static_argnums=0)
def _outputs(task: TaskModel, params: Params, batch: Batch) -> tuple[jax.Array, ...]:
    scores = emissions(task, params, batch)
    tags, losses = tags_and_losses(
        scores, task.crf(params), jnp.asarray(batch.sentences.lengths), jnp.asarray(batch.sentences.tags)
    )
    return scores, sentence_losses(task, params, batch), batch_loss(task, params, batch), tags, losses


def dropped_emissions(task: TaskModel, params: Params, batch: Batch, key: jax.Array) -> np.ndarray:
    return np.asarray(_dropped_emissions(task, task.select(params), batch, key))


_dropped_emissions = jax.jit(emissions, static_argnums=0)
gradients = jax.jit(jax.grad(batch_loss, 1), static_argnums=0)


def slow_emissions(params: Params, name: str, batch: Batch, i: int, *, specific: bool = True) -> np.ndarray:
    """Compute the formulas of the model for one sentence, without padding."""
    language, _, task = name.partition(" ")
    params = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
    pair = lambda layer: (layer["kernel"], layer["bias"])
    head = lambda component, h: oracles.linear(h, *pair(params[component]))
    length = batch.sentences.lengths[i]
    letters = params["chars"]
    table = np.concatenate([np.full((1, 3), np.nan), letters["table"]])
    filters = [(letters[f"kernel_{k}"], letters[f"bias_{k}"]) for k in range(2)]
    words = [[int(c) for c in word if c] for word in dense_chars(batch)[i, :length]]
    features = np.array([oracles.char_cnn(word, table, filters) for word in words])
    layers = [
        (pair(params["highway"][f"gate_{k}"]), pair(params["highway"][f"transform_{k}"])) for k in range(2)
    ]
    features = oracles.highway(features, layers, oracles.selu)
    vectors = params[f"{language}_words"]["table"][dense_words(batch)[i, :length]]
    ways = [[params["lstm"][f"{kind}_0"][way] for kind in ("kernel", "recurrent", "bias")] for way in (0, 1)]
    h = oracles.bilstm(np.concatenate([vectors, features], 1), *ways)
    universal = head(f"{task}_univ", h)
    if not specific:
        return universal
    gate = oracles.sigmoid(head(f"{name}/gate", h))
    return gate * head(f"{task}_{language}", h) + (1 - gate) * universal


@pytest.mark.parametrize("name", ["xho ner", "zul pos"])
def test_emissions_are_those_of_the_formulas(name):
    model, params = small_model()
    batch = random_batch(name, LENGTHS, 7)
    scores = outputs(model.tasks[name], params, batch).emissions
    for i, length in enumerate(LENGTHS):
        expected = slow_emissions(params, name, batch, i)
        assert expected.shape == (length, len(SIZES.tags[name.split()[1]]))
        np.testing.assert_allclose(scores[i, :length], expected, 1e-4, 1e-5)


def test_without_a_specific_layer_only_the_universal_one_is_used():
    model = build_model(small_config((("xho", "ner"),), {"spec_layer": None}), SIZES)
    params = random_params(model)
    batch = random_batch("xho ner", LENGTHS, 7)
    scores = outputs(model.tasks["xho ner"], params, batch).emissions
    for i, length in enumerate(LENGTHS):
        expected = slow_emissions(params, "xho ner", batch, i, specific=False)
        np.testing.assert_allclose(scores[i, :length], expected, 1e-4, 1e-5)


@pytest.mark.parametrize("name", ["xho ner", "zul pos"])
def test_results_of_a_sentence_do_not_depend_on_its_batch(name):
    model, params = small_model()
    task, batch = model.tasks[name], random_batch(name, LENGTHS, 7)
    together = outputs(task, params, batch)
    order = [3, 0, 4, 1, 2]
    batches = [(order, rebatch(batch, order, 8, 16))]
    batches += [([i], rebatch(batch, [i], 1, 8)) for i in range(len(LENGTHS))]
    for indices, other_batch in batches:
        results = outputs(task, params, other_batch)
        for row, i in enumerate(indices):
            n = LENGTHS[i]
            np.testing.assert_allclose(results.emissions[row, :n], together.emissions[i, :n], 0, 1e-5)
            np.testing.assert_allclose(results.losses[row], together.losses[i], 1e-5, 1e-5)
            np.testing.assert_array_equal(results.tags[row, :n], together.tags[i, :n])


def test_padding_never_matters():
    model, params = small_model()
    task = model.tasks["xho ner"]
    batch = rebatch(random_batch("xho ner", LENGTHS, 7), list(range(5)), 5, 7)
    random = np.random.default_rng(5)
    words, packed = batch.words, batch.sentences
    count, distinct, chars = sum(LENGTHS), int(np.max(batch.word_ids)) + 1, int(np.max(words.segment_ends))
    assert len(batch.word_ids) - count >= 7
    assert len(words.row_index) - distinct >= 7
    assert len(words.chars) - chars >= 7

    def filled(values: Any, used: int, most: int) -> np.ndarray:
        return np.concatenate([values[:used], random.integers(0, most, len(values) - used)]).astype(
            values.dtype
        )

    filled_batch = Batch(
        words._replace(
            chars=filled(words.chars, chars, 9),
            row_index=filled(words.row_index, distinct, len(np.unique(words.table_rows))),
        ),
        filled(batch.word_ids, count, distinct),
        packed._replace(
            dropout_ids=filled(packed.dropout_ids, count, 1 << 20),
            tags=np.where(INSIDE, packed.tags, -1).astype(np.int32),
        ),
    )
    clean, results = outputs(task, params, batch), outputs(task, params, filled_batch)
    np.testing.assert_array_equal(results.emissions[INSIDE], clean.emissions[INSIDE])
    jax.tree.map(np.testing.assert_array_equal, results[1:], clean[1:])
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
        gradients(task, params, filled_batch),
        gradients(task, params, batch),
    )


@pytest.mark.parametrize("name", ["xho ner", "zul pos"])
def test_the_loss_is_the_mean_over_sentences_without_padding(name):
    model, params = small_model()
    task, batch = model.tasks[name], random_batch(name, LENGTHS, 7)
    results = outputs(task, params, batch)
    filled = outputs(task, params, rebatch(batch, [0, 1, 2, 3, 4], 8, 16))
    chain = task.crf(params)
    for i, length in enumerate(LENGTHS):
        scores = np.asarray(results.emissions[i, :length], np.float64)
        gold = oracles.crf_score(scores, np.asarray(batch.sentences.tags[i, :length]), *chain)
        expected = oracles.crf_log_partition(scores, *chain) - gold
        np.testing.assert_allclose(results.losses[i], expected, 1e-4, 1e-5)
    np.testing.assert_array_equal(filled.losses[5:], 0)
    np.testing.assert_allclose(results.loss, np.mean(results.losses), 1e-5)
    np.testing.assert_allclose(filled.loss, results.loss, 1e-5)
    np.testing.assert_array_equal(results.decoding_losses, results.losses)


def test_a_batch_of_empty_sentences_has_loss_zero():
    model, params = small_model()
    empty = random_batch("xho ner", [0] * len(LENGTHS), 7)
    assert outputs(model.tasks["xho ner"], params, empty).loss == 0
    jax.tree.map(
        lambda slopes: np.testing.assert_array_equal(slopes, np.zeros_like(slopes)),
        gradients(model.tasks["xho ner"], params, empty),
    )


def test_decoded_tags_are_the_best_and_well_formed():
    model, params = small_model()
    task, batch = model.tasks["xho ner"], random_batch("xho ner", LENGTHS, 7)
    results = outputs(task, params, batch)
    tags, _ = crf.viterbi(results.emissions, task.crf(params), batch.sentences.lengths)
    np.testing.assert_array_equal(results.tags, tags)
    for row, length in zip(results.tags, LENGTHS, strict=True):
        names = tuple(SIZES.tags["ner"][tag] for tag in row[:length])
        assert names in well_formed(length, ["LOC"], "bioes")


def test_an_unknown_gold_tag_gives_its_sentence_a_nan_loss():
    model, params = small_model()
    task, batch = model.tasks["xho ner"], random_batch("xho ner", LENGTHS, 7)
    tags = np.array(batch.sentences.tags)
    tags[2, 3] = -1
    unknown = batch._replace(sentences=batch.sentences._replace(tags=tags))
    clean, results = outputs(task, params, batch), outputs(task, params, unknown)
    np.testing.assert_array_equal(np.isnan(results.decoding_losses), [False, False, True, False, False])
    known = [0, 1, 3, 4]
    np.testing.assert_array_equal(results.decoding_losses[known], clean.losses[known])
    np.testing.assert_array_equal(results.tags, clean.tags)


@pytest.mark.parametrize("site", ["embed_dropout", "lstm_dropout"])
def test_dropout_changes_with_the_key(site):
    model, params = small_model()
    plain, batch = model.tasks["xho ner"], random_batch("xho ner", LENGTHS, 7)
    task = replace(plain, **{site: 0.5})
    first, again, other_key = (dropped_emissions(task, params, batch, key) for key in (KEY, KEY, OTHER_KEY))
    np.testing.assert_array_equal(first, again)
    for different in (other_key, outputs(plain, params, batch).emissions):
        assert np.all(np.any(first != different, -1)[INSIDE])


def test_dropout_of_the_tag_scores_comes_last():
    model, params = small_model()
    batch = random_batch("xho ner", LENGTHS, 7)
    task = replace(model.tasks["xho ner"], linear_dropout=0.25)
    plain = outputs(model.tasks["xho ner"], params, batch).emissions[INSIDE]
    scores = dropped_emissions(task, params, batch, KEY)[INSIDE]
    is_kept = scores != 0
    np.testing.assert_allclose(scores[is_kept], (plain / 0.75)[is_kept], 1e-4, 1e-5)
    assert 0.6 < np.mean(is_kept) < 0.9


def test_dropout_between_lstm_layers_differs_between_equal_sentences():
    config = small_config((("xho", "ner"),), lstm={"num_layers": 2, "dropout": 0.5})
    model = build_model(config, SIZES)
    params, task = random_params(model), model.tasks["xho ner"]
    batch = random_batch("xho ner", LENGTHS, 7)
    twice = rebatch(batch, [0] * 5, 5, 7)
    first, second, *_ = dropped_emissions(task, params, twice, KEY)
    assert np.all(np.any(first != second, -1))


def covering_batch(name: str) -> Batch:
    """Return a batch that contains every character and all words but the last."""
    batch = random_batch(name, LENGTHS, 7, seed=4)
    rows = SIZES.words[f"{name.split()[0]}_words"]
    words = np.zeros(INSIDE.shape, np.int32)
    words[INSIDE] = np.arange(np.sum(INSIDE)) % (rows - 1)
    assert set(range(1, SIZES.characters)) <= set(np.ravel(batch.words.chars))
    parts = words, dense_chars(batch), np.asarray(batch.sentences.tags)
    sentences = [DenseSentence(*(part[i, :length] for part in parts)) for i, length in enumerate(LENGTHS)]
    return pack_dense(sentences, len(LENGTHS), INSIDE.shape[1])


@pytest.mark.parametrize("name", NAMES)
def test_only_parameters_of_the_task_model_get_gradient_and_all_of_them(name):
    model, params = small_model()
    task = model.tasks[name]
    language, _, kind = name.partition(" ")
    slopes = gradients(task, params, covering_batch(name))
    components = task.select(params).keys()
    assert components == {
        *(f"{language}_words", "chars", "highway", "lstm", f"{kind}_univ", f"{kind}_{language}"),
        *(f"{name}/gate", f"{kind}_crf"),
    }
    # Forbidden transitions and the word that is not in the batch get no gradient.
    expected = jax.tree.map_with_path(lambda path, x: np.full(x.shape, path[0].key in components), params)
    expected[f"{language}_words"]["table"][-1] = False
    expected[f"{kind}_crf"] = jax.tree.map(np.isfinite, task.crf(params)._asdict())
    has_gradient = jax.tree.map(lambda x: np.asarray(x) != 0, slopes)
    jax.tree.map_with_path(
        lambda path, leaf, expected_leaf: np.testing.assert_array_equal(
            leaf, expected_leaf, jax.tree_util.keystr(path)
        ),
        has_gradient,
        expected,
    )


def test_tasks_share_by_name():
    model, params = small_model()
    shared = lambda a, b: model.tasks[a].select(params).keys() & model.tasks[b].select(params).keys()
    everywhere = {"chars", "highway", "lstm"}
    assert shared("xho ner", "zul ner") == {*everywhere, "ner_univ", "ner_crf"}
    assert shared("xho ner", "xho pos") == {*everywhere, "xho_words"}
    assert shared("xho ner", "zul pos") == everywhere


def test_losses_are_infinite_without_finite_scores_and_nan_with_unknown_tags() -> None:
    scores = np.zeros((3, 2, 2), np.float32)
    scores[1, 0, 0] = np.nan
    chain = crf.Chain(*(np.zeros(shape, np.float32) for shape in ((2, 2), (2,), (2,))))
    gold = np.array([[0, 1], [0, 1], [0, -1]])
    _, losses = tags_and_losses(jnp.asarray(scores), chain, jnp.full(3, 2), jnp.asarray(gold))
    np.testing.assert_allclose(losses, [np.log(4), np.inf, np.nan], 1e-6)
