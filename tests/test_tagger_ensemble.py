"""One replica of a run, the best one, and all of them together."""

import itertools
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_corpus
from command_lines import status
from config_edits import edited
from mlmt_jax.ensemble import _read_off
from task_grid import only_tasks

from mlmt_jax import Ensemble, Tagger
from mlmt_jax.corpus.dataset import bioes_sentences
from mlmt_jax.errors import RunError
from mlmt_jax.evaluate import main as evaluate
from mlmt_jax.model import tags_and_losses
from mlmt_jax.predict import main as predict
from mlmt_jax.text.columns import read_conll
from mlmt_jax.train import main as train

SENTENCES = [["Piet", "woon", "in", "Kaapstad"], ["Sannie"], [], ["Jan", "Botha", "slaap"]]


class Replicas:
    """Three runs of one sentence each: two know persons alone, one places alone."""

    def __init__(self, corpus: Path):
        data = tiny_corpus.lean("afr ner", max_step=12, eval_freq=4, seed=1, replicas=3)
        config = tiny_corpus.write_config(corpus, edited(data, {"datasets.0.sample": 1}), "ensemble.json")
        self.dev, self.folder = corpus / "afr.ner.dev", corpus / "run"
        train([str(config), "--output", str(self.folder)])
        self.members = [Tagger.load(self.folder, replica=number) for number in range(3)]


@pytest.fixture(scope="module")
def replicas(tiny_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Replicas:
    folder = tmp_path_factory.mktemp("ensemble") / "corpus"
    return Replicas(Path(shutil.copytree(tiny_config.parent, folder)))


def in_bioes(tagger: Tagger) -> Tagger:
    """The files are IOB1, which cannot part all BIOES sequences."""
    tagger._writer = type(tagger._writer)(tagger.tag_names, "bioes", bare=False)
    return tagger


def mean_marginals(members: list[Tagger], tokens: list[str]) -> list[dict[tuple[str, ...], float]]:
    """Of each word, then of each two neighbours, the mean probability of their tags, off whole sequences."""
    n = len(tokens)
    found: list[dict[tuple[str, ...], float]] = [{} for _ in range(2 * n - 1)]
    for member in members:
        (ranked,) = member.n_best([tokens], 5**n)
        assert sum(math.exp(one.log_probability) for one in ranked) == pytest.approx(1, abs=1e-5)
        for one in ranked:
            parts = [*((tag,) for tag in one.tags), *itertools.pairwise(one.tags)]
            for place, part in zip(found, parts, strict=True):
                place[part] = place.get(part, 0.0) + math.exp(one.log_probability) / len(members)
    return found


def test_replicas_of_one_run_may_know_other_tags(replicas: Replicas) -> None:
    names = [set(member.tag_names) for member in replicas.members]
    assert names[0] == names[2] != names[1]
    assert set(Ensemble(replicas.members).tag_names) == names[0] | names[1]


def test_an_ensemble_is_the_chain_of_the_mean_marginals(replicas: Replicas) -> None:
    members = [in_bioes(member) for member in replicas.members]
    ensemble = in_bioes(Ensemble(members))
    for tokens in (SENTENCES[0][:2], SENTENCES[1], SENTENCES[3]):
        n, means = len(tokens), mean_marginals(members, tokens)
        chances = {
            tags: math.prod(means[n + i].get(tags[i : i + 2], 0.0) for i in range(n - 1))
            / math.prod(means[i].get(tags[i : i + 1], 1.0) for i in range(1, n - 1))
            if n > 1
            else means[0].get(tags, 0.0)
            for tags in itertools.product(ensemble.tag_names, repeat=n)
        }
        assert sum(chances.values()) == pytest.approx(1, abs=1e-5)
        possible = [item for item in chances.items() if item[1]]
        expected = sorted(possible, key=lambda item: -item[1])[:4]
        (ranked,) = ensemble.n_best([tokens], 4)
        assert [tuple(one.tags) for one in ranked] == [tags for tags, _ in expected]
        np.testing.assert_allclose(
            [math.exp(one.log_probability) for one in ranked], [chance for _, chance in expected], rtol=1e-4
        )
        assert ensemble.tag([tokens]) == [ranked[0].tags]
        (told,) = ensemble.tag_with_probabilities([tokens])
        assert told.tags == ranked[0].tags
        assert told.log_probability == pytest.approx(ranked[0].log_probability, abs=1e-6)
        shares = [mean[tag,] for mean, tag in zip(means, told.tags, strict=False)]
        np.testing.assert_allclose(told.probabilities, shares, atol=1e-5)


def test_an_ensemble_of_one_is_that_one(replicas: Replicas) -> None:
    alone = Tagger.load(replicas.folder, replica=0)
    ensemble = Ensemble([alone])
    assert ensemble.tag(SENTENCES) == alone.tag(SENTENCES)
    sentences, findings = read_conll(replicas.dev, alone.column_format)
    examples = bioes_sentences(sentences, alone.scheme, findings)
    one, same = ensemble.evaluate(examples), alone.evaluate(examples)
    assert one.score == same.score
    assert one.loss == pytest.approx(same.loss, abs=1e-5)
    mine, theirs = (tagger.tag_with_probabilities(SENTENCES) for tagger in (ensemble, alone))
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
        assert [span[:3] for span in one.spans] == [span[:3] for span in other.spans]
        chances, same = ([span.probability for span in told.spans] for told in (one, other))
        np.testing.assert_allclose(chances, same, 1e-4)
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-5)
    for one, other in zip(ensemble.n_best(SENTENCES, 5), alone.n_best(SENTENCES, 5), strict=True):
        assert [ranked.tags for ranked in one] == [ranked.tags for ranked in other]


def test_order_and_batches_mean_nothing(replicas: Replicas) -> None:
    ensemble = Ensemble.load(replicas.folder)
    together = ensemble.tag(SENTENCES)
    assert [len(tags) for tags in together] == [len(tokens) for tokens in SENTENCES]
    assert [ensemble.tag([tokens])[0] for tokens in SENTENCES] == together


def test_the_best_replica_is_taken_where_none_is_named(replicas: Replicas) -> None:
    scores = [RunScores(replicas.folder / "replicas" / str(n)).best for n in range(3)]
    best = int(np.argmax(scores))
    assert len(set(scores)) > 1
    chosen = Tagger.load(replicas.folder)
    assert chosen.tag_names == replicas.members[best].tag_names
    found = chosen.tag_with_probabilities(SENTENCES)
    assert found == Tagger.load(replicas.folder, replica=best).tag_with_probabilities(SENTENCES)
    assert found == Tagger.load(replicas.folder / "replicas" / str(best)).tag_with_probabilities(SENTENCES)


class RunScores:
    """What a run's journal says."""

    def __init__(self, folder: Path):
        import json

        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        self.best = json.loads(lines[-1])["best_score"]


def test_scores_and_tags_from_the_command_line(
    replicas: Replicas, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tables = {}
    for which in (["--replica", "1"], ["--replica", "2"], ["--ensemble", "--calibration"]):
        evaluate([str(replicas.folder), str(replicas.dev), *which])
        tables[which[-1]] = capsys.readouterr().out
    assert "expected calibration error of spans" in tables["--calibration"]
    assert len(set(tables.values())) == 3
    ensemble = Ensemble.load(replicas.folder)
    path = tmp_path / "words.txt"
    path.write_text("".join(f"{' '.join(tokens)}\n" for tokens in SENTENCES), encoding="utf-8")
    predict([str(replicas.folder), str(path), "--input", "text", "--ensemble", "--pre-tokenized"])
    written = [line.split("\t")[-1] for line in capsys.readouterr().out.splitlines() if line]
    assert written == [tag for tags in ensemble.tag(SENTENCES) for tag in tags]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda run, alone: Tagger.load(run, replica=3), r"no replica 3; the run has 3, counted from 0"),
        (lambda run, alone: Tagger.load(run, replica=-1), "no replica -1"),
        (lambda run, alone: Tagger.load(alone, replica=1), "no replica 1; the run has 1"),
        (lambda run, alone: Ensemble.load(alone), "no replicas; expected a run of several"),
        (lambda run, alone: Ensemble.load(run, replica=1), "an ensemble is of all replicas"),
        (lambda run, alone: Ensemble.load(run).export("tagger.zip"), "export one replica"),
    ],
)
def test_what_is_not_there(replicas: Replicas, ask: Any, message: str) -> None:
    with pytest.raises(RunError, match=message):
        ask(replicas.folder, replicas.folder / "replicas" / "0")


@pytest.mark.parametrize("ask", [Tagger.load, Ensemble.load])
def test_a_replica_that_is_missing_is_told(replicas: Replicas, tmp_path: Path, ask: Any) -> None:
    run = tmp_path / "run"
    shutil.copytree(replicas.folder, run)
    shutil.rmtree(run / "replicas" / "1")
    with pytest.raises(RunError, match=r"replicas/1: is missing; expected the 3 replicas.*--replica"):
        ask(run)
    left = Tagger.load(replicas.folder, replica=2).tag(SENTENCES)
    assert Tagger.load(run, replica=2).tag(SENTENCES) == left


@pytest.mark.parametrize("ask", [Tagger.load, Ensemble.load])
def test_a_replica_that_was_not_evaluated_is_told(replicas: Replicas, tmp_path: Path, ask: Any) -> None:
    run = tmp_path / "run"
    shutil.copytree(replicas.folder, run)
    (run / "replicas" / "1" / "metrics.jsonl").unlink()
    with pytest.raises(RunError, match=r"replicas/1/metrics.jsonl: holds no score; .*--replica for one"):
        ask(run)


def test_replicas_that_diverged_tag_only_where_all_did(
    replicas: Replicas, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(replicas.folder, run)
    for number in (0, 2):
        (run / "replicas" / str(number) / "diverged.json").write_text("{}", encoding="utf-8")
    assert status(evaluate, run, replicas.dev) == 0
    best = capsys.readouterr()
    assert "diverged" not in best.err
    assert status(evaluate, run, replicas.dev, "--replica", "1") == 0
    assert capsys.readouterr() == best
    (run / "replicas" / "1" / "diverged.json").write_text("{}", encoding="utf-8")
    assert status(evaluate, run, replicas.dev, "--ensemble") == 0
    told = capsys.readouterr().err.splitlines()
    warning = "training diverged; it tags with its best checkpoint from before that"
    assert told[:3] == [f"warning: {run}/replicas/{n}: {warning}" for n in range(3)]


def test_many_sentences_are_read_in_groups(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = Ensemble(replicas.members)
    given = [["Piet"], *SENTENCES, ["in", "Kaapstad"], ["Jan", "woon"]]
    sentences, findings = read_conll(replicas.dev, ensemble.column_format)
    examples = bioes_sentences(sentences, ensemble.scheme, findings)
    whole = ensemble.tag_with_probabilities(given), ensemble.evaluate(examples)
    monkeypatch.setattr("mlmt_jax.ensemble._HELD", 60)
    found, score = ensemble.tag_with_probabilities(given), ensemble.evaluate(examples)
    assert [one.tags for one in found] == [one.tags for one in whole[0]]
    for one, want in zip(found, whole[0], strict=True):
        np.testing.assert_allclose(one.probabilities, want.probabilities, atol=1e-5)
    assert score.score == whole[1].score
    assert score.loss == pytest.approx(whole[1].loss, rel=1e-4)


def test_words_that_any_replica_was_trained_on_are_seen(replicas: Replicas) -> None:
    dataset = replicas.members[0]._task.dataset
    seen = [member._vocabulary.training_words[dataset] for member in replicas.members]
    assert len(set(seen)) > 1
    assert Ensemble(replicas.members)._vocabulary.training_words[dataset] == frozenset().union(*seen)
    sentences, findings = read_conll(replicas.dev, replicas.members[0].column_format)
    examples = bioes_sentences(sentences, replicas.members[0].scheme, findings)
    older = Tagger.load(replicas.folder, replica=1)
    older._vocabulary = replace(older._vocabulary, training_words={})  # of a run from before it was kept
    assert Ensemble(replicas.members).evaluate(examples).by_words is not None
    assert Ensemble([replicas.members[0], older]).evaluate(examples).by_words is None


def test_an_ensemble_of_the_task_that_is_asked_for(tiny_config: Path, tmp_path: Path) -> None:
    corpus = Path(shutil.copytree(tiny_config.parent, tmp_path / "corpus"))
    data = only_tasks(tiny_corpus.config(), "nld ner", "nld pos")
    data["training"] |= {"max_step": 1, "eval_freq": 1, "replicas": 2}
    run = tmp_path / "run"
    train([str(tiny_corpus.write_config(corpus, data, "two.json")), "--output", str(run)])
    for asked in (Ensemble.load(run, "nld pos"), Ensemble.load(run).for_task("nld pos")):
        assert asked.task == "nld pos"
        assert [member.task for member in asked._members] == ["nld pos"] * 2
        assert all(set(tags) <= set(asked.tag_names) for tags in asked.tag(SENTENCES))


def test_a_gold_tag_that_no_replica_holds_possible_has_a_finite_loss() -> None:
    words, pairs = np.array([[1.0, 0.0]]), np.zeros((0, 2, 2))
    losses = _read_off(tags_and_losses, words, pairs, np.array([1]))[1]
    assert np.isfinite(losses).all()
    assert (losses > 50).all()
