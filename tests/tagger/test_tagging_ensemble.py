"""A run of several replicas tags with one of them, with the best, or with the mean of all."""

import itertools
import json
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
from task_grid import only_tasks

from mlmt_jax import Ensemble, Tagger
from mlmt_jax.corpus.dataset import bioes_sentences
from mlmt_jax.errors import RunError
from mlmt_jax.evaluate import main as evaluate
from mlmt_jax.model.readers import tags_and_losses
from mlmt_jax.predict import main as predict
from mlmt_jax.tagger import sentence_models
from mlmt_jax.text.columns import Sentence, read_conll
from mlmt_jax.train import main as train

SENTENCES = [["Piet", "woon", "in", "Kaapstad"], ["Sannie"], [], ["Jan", "Botha", "slaap"]]


class Replicas:
    """A run of three replicas with one training sentence each: two know only persons, one only places."""

    def __init__(self, corpus: Path):
        data = tiny_corpus.lean("afr ner", max_step=12, eval_freq=4, seed=1, replicas=3)
        config = tiny_corpus.write_config(corpus, edited(data, {"datasets.0.sample": 1}), "ensemble.json")
        self.dev, self.folder = corpus / "afr.ner.dev", corpus / "run"
        train([str(config), "--output", str(self.folder)])
        self.members = [Tagger.load(self.folder, replica=number) for number in range(3)]

    def dev_sentences(self) -> list[Sentence]:
        sentences, findings = read_conll(self.dev, self.members[0].column_format)
        return bioes_sentences(sentences, self.members[0].scheme, findings)


@pytest.fixture(scope="module")
def replicas(tiny_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Replicas:
    folder = tmp_path_factory.mktemp("ensemble") / "corpus"
    return Replicas(Path(shutil.copytree(tiny_config.parent, folder)))


def with_bioes_output(tagger: Tagger) -> Tagger:
    """Return a tagger that writes BIOES: the files' IOB1 writes some BIOES sequences alike."""
    context = tagger.model.context
    schemes = {context.task.dataset: {"scheme": "bioes", "bare": False}}
    return Tagger(context.config, context.vocabulary, schemes, tagger.model.params, tagger.task)


def mean_marginals(members: list[Tagger], tokens: list[str]) -> list[dict[tuple[str, ...], float]]:
    """Return mean marginals of each word, then of each two neighbours, summed over whole sequences."""
    n = len(tokens)
    marginals: list[dict[tuple[str, ...], float]] = [{} for _ in range(2 * n - 1)]
    for member in members:
        [sequences] = member.n_best([tokens], 5**n)
        assert sum(math.exp(sequence.log_probability) for sequence in sequences) == pytest.approx(1, abs=1e-5)
        for tags, log in sequences:
            parts = [*((tag,) for tag in tags), *itertools.pairwise(tags)]
            for marginal, part in zip(marginals, parts, strict=True):
                marginal[part] = marginal.get(part, 0.0) + math.exp(log) / len(members)
    return marginals


def test_an_ensemble_knows_the_tags_of_all_members(replicas: Replicas) -> None:
    names = [set(member.tag_names) for member in replicas.members]
    assert names[0] == names[2] != names[1]
    assert set(Ensemble(replicas.members).tag_names) == names[0] | names[1]


def test_an_ensemble_is_the_markov_chain_of_the_mean_marginals(replicas: Replicas) -> None:
    members = [with_bioes_output(member) for member in replicas.members]
    ensemble = Ensemble(members)
    for tokens in (SENTENCES[0][:2], SENTENCES[1], SENTENCES[3]):
        n, means = len(tokens), mean_marginals(members, tokens)
        probabilities = {
            tags: math.prod(means[n + i].get(tags[i : i + 2], 0.0) for i in range(n - 1))
            / math.prod(means[i].get(tags[i : i + 1], 1.0) for i in range(1, n - 1))
            if n > 1
            else means[0].get(tags, 0.0)
            for tags in itertools.product(ensemble.tag_names, repeat=n)
        }
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
        possible = [item for item in probabilities.items() if item[1]]
        expected = sorted(possible, key=lambda item: -item[1])[:4]
        [ranked] = ensemble.n_best([tokens], 4)
        assert [tuple(sequence.tags) for sequence in ranked] == [tags for tags, _ in expected]
        np.testing.assert_allclose(
            [math.exp(sequence.log_probability) for sequence in ranked], [p for _, p in expected], rtol=1e-4
        )
        assert ensemble.tag([tokens]) == [ranked[0].tags]
        [tagged] = ensemble.tag_with_probabilities([tokens])
        assert tagged.tags == ranked[0].tags
        assert tagged.log_probability == pytest.approx(ranked[0].log_probability, abs=1e-6)
        marginals = [mean[tag,] for mean, tag in zip(means, tagged.tags, strict=False)]
        np.testing.assert_allclose(tagged.probabilities, marginals, atol=1e-5)


def test_an_ensemble_of_one_member_equals_the_member(replicas: Replicas) -> None:
    single = Tagger.load(replicas.folder, replica=0).with_temperatures({})
    ensemble = Ensemble([single])
    assert ensemble.tag(SENTENCES) == single.tag(SENTENCES)
    sentences = replicas.dev_sentences()
    ensemble_score, single_score = ensemble.evaluate(sentences), single.evaluate(sentences)
    assert ensemble_score.score == single_score.score
    assert ensemble_score.loss == pytest.approx(single_score.loss, abs=1e-5)
    pairs = zip(
        ensemble.tag_with_probabilities(SENTENCES), single.tag_with_probabilities(SENTENCES), strict=True
    )
    for tagged, expected in pairs:
        np.testing.assert_allclose(tagged.probabilities, expected.probabilities, atol=1e-5)
        assert [span[:3] for span in tagged.spans] == [span[:3] for span in expected.spans]
        np.testing.assert_allclose(
            [span.probability for span in tagged.spans], [span.probability for span in expected.spans], 1e-4
        )
        assert tagged.log_probability == pytest.approx(expected.log_probability, abs=1e-5)
    for ranked, expected in zip(ensemble.n_best(SENTENCES, 5), single.n_best(SENTENCES, 5), strict=True):
        assert [sequence.tags for sequence in ranked] == [sequence.tags for sequence in expected]


def test_an_ensembles_tags_do_not_depend_on_the_batch(replicas: Replicas) -> None:
    ensemble = Ensemble.load(replicas.folder)
    tags = ensemble.tag(SENTENCES)
    assert [len(sentence) for sentence in tags] == [len(tokens) for tokens in SENTENCES]
    assert [ensemble.tag([tokens])[0] for tokens in SENTENCES] == tags


def best_score(folder: Path) -> float:
    """Return the best score that the metrics of a replica record."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return json.loads(lines[-1])["best_score"]


def test_the_best_replica_is_the_default(replicas: Replicas) -> None:
    scores = [best_score(replicas.folder / "replicas" / str(number)) for number in range(3)]
    best = int(np.argmax(scores))
    assert len(set(scores)) > 1
    tagger = Tagger.load(replicas.folder)
    assert tagger.tag_names == replicas.members[best].tag_names
    tagged = tagger.tag_with_probabilities(SENTENCES)
    assert tagged == Tagger.load(replicas.folder, replica=best).tag_with_probabilities(SENTENCES)
    folder = replicas.folder / "replicas" / str(best)
    assert tagged == Tagger.load(folder).tag_with_probabilities(SENTENCES)


def test_the_commands_use_a_replica_or_the_ensemble(
    replicas: Replicas, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    outputs = {}
    for flags in (["--replica", "1"], ["--replica", "2"], ["--ensemble", "--calibration"]):
        evaluate([str(replicas.folder), str(replicas.dev), *flags])
        outputs[flags[-1]] = capsys.readouterr().out
    assert "expected calibration error of spans" in outputs["--calibration"]
    assert len(set(outputs.values())) == 3
    ensemble = Ensemble.load(replicas.folder)
    path = tmp_path / "words.txt"
    path.write_text("".join(f"{' '.join(tokens)}\n" for tokens in SENTENCES), encoding="utf-8")
    predict([str(replicas.folder), str(path), "--input", "text", "--ensemble", "--pre-tokenized"])
    predicted = [line.split("\t")[-1] for line in capsys.readouterr().out.splitlines() if line]
    assert predicted == [tag for tags in ensemble.tag(SENTENCES) for tag in tags]


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (lambda run, replica: Tagger.load(run, replica=3), r"no replica 3; the run has 3, counted from 0"),
        (lambda run, replica: Tagger.load(run, replica=-1), "no replica -1"),
        (lambda run, replica: Tagger.load(replica, replica=1), "no replica 1; the run has 1"),
        (lambda run, replica: Ensemble.load(replica), "no replicas; expected a run of several"),
    ],
)
def test_absent_replicas_are_refused(replicas: Replicas, load: Any, message: str) -> None:
    with pytest.raises(RunError, match=message):
        load(replicas.folder, replicas.folder / "replicas" / "0")


def test_an_ensemble_has_no_members_to_choose_and_no_export(replicas: Replicas) -> None:
    with pytest.raises(TypeError, match="replica"):
        Ensemble.load(replicas.folder, replica=1)  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="export"):
        Ensemble.load(replicas.folder).export  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("load", [Tagger.load, Ensemble.load])
def test_a_missing_replica_is_refused(replicas: Replicas, tmp_path: Path, load: Any) -> None:
    run = tmp_path / "run"
    shutil.copytree(replicas.folder, run)
    shutil.rmtree(run / "replicas" / "1")
    with pytest.raises(RunError, match=r"replicas/1: is missing; expected the 3 replicas.*--replica"):
        load(run)
    tags = Tagger.load(replicas.folder, replica=2).tag(SENTENCES)
    assert Tagger.load(run, replica=2).tag(SENTENCES) == tags


@pytest.mark.parametrize("load", [Tagger.load, Ensemble.load])
def test_a_replica_without_a_score_is_refused(replicas: Replicas, tmp_path: Path, load: Any) -> None:
    run = tmp_path / "run"
    shutil.copytree(replicas.folder, run)
    (run / "replicas" / "1" / "metrics.jsonl").unlink()
    with pytest.raises(RunError, match=r"replicas/1/metrics.jsonl: holds no score; .*--replica for one"):
        load(run)


def test_diverged_replicas_tag_only_if_all_diverged(
    replicas: Replicas, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(replicas.folder, run)
    for number in (0, 2):
        (run / "replicas" / str(number) / "diverged.json").write_text("{}", encoding="utf-8")
    assert status(evaluate, run, replicas.dev) == 0
    output = capsys.readouterr()
    assert "diverged" not in output.err
    assert status(evaluate, run, replicas.dev, "--replica", "1") == 0
    assert capsys.readouterr() == output
    (run / "replicas" / "1" / "diverged.json").write_text("{}", encoding="utf-8")
    assert status(evaluate, run, replicas.dev, "--ensemble") == 0
    errors = capsys.readouterr().err.splitlines()
    warning = "training diverged; the tagger uses the best checkpoint from before that"
    assert errors[:3] == [f"warning: {run}/replicas/{number}: {warning}" for number in range(3)]


def test_groups_of_sentences_give_the_same_result(
    replicas: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensemble = Ensemble(replicas.members)
    sentences = [["Piet"], *SENTENCES, ["in", "Kaapstad"], ["Jan", "woon"]]
    labelled = replicas.dev_sentences()
    expected_tagged, expected_score = ensemble.tag_with_probabilities(sentences), ensemble.evaluate(labelled)
    monkeypatch.setattr(sentence_models, "_MAX_MARGINALS", 60)
    tagged, score = ensemble.tag_with_probabilities(sentences), ensemble.evaluate(labelled)
    assert [sentence.tags for sentence in tagged] == [sentence.tags for sentence in expected_tagged]
    for sentence, expected in zip(tagged, expected_tagged, strict=True):
        np.testing.assert_allclose(sentence.probabilities, expected.probabilities, atol=1e-5)
    assert score.score == expected_score.score
    assert score.loss == pytest.approx(expected_score.loss, rel=1e-4)


def test_the_training_words_of_all_members_are_seen_words(replicas: Replicas) -> None:
    words = [member.model.context.training_words or frozenset() for member in replicas.members]
    assert len(set(words)) > 1
    assert Ensemble(replicas.members).model.context.training_words == frozenset().union(*words)
    sentences = replicas.dev_sentences()
    config, vocabulary, schemes, _ = replicas.members[1].model.context
    params = replicas.members[1].model.params
    # A run from before the training words were kept.
    older = Tagger(config, replace(vocabulary, training_words={}), schemes, params)
    assert Ensemble(replicas.members).evaluate(sentences).by_words is not None
    assert Ensemble([replicas.members[0], older]).evaluate(sentences).by_words is None


def test_an_ensemble_tags_with_the_requested_task(tiny_config: Path, tmp_path: Path) -> None:
    corpus = Path(shutil.copytree(tiny_config.parent, tmp_path / "corpus"))
    data = only_tasks(tiny_corpus.config(), "nld ner", "nld pos")
    data["training"] |= {"max_step": 1, "eval_freq": 1, "replicas": 2}
    run = tmp_path / "run"
    train([str(tiny_corpus.write_config(corpus, data, "two.json")), "--output", str(run)])
    for ensemble in (Ensemble.load(run, "nld pos"), Ensemble.load(run).for_task("nld pos")):
        assert ensemble.task == "nld pos"
        assert [member.task for member in ensemble.members] == ["nld pos"] * 2
        assert all(set(tags) <= set(ensemble.tag_names) for tags in ensemble.tag(SENTENCES))


def test_a_gold_tag_that_no_member_considers_possible_has_a_finite_loss() -> None:
    words, pairs = np.array([[1.0, 0.0]]), np.zeros((0, 2, 2))
    loss = sentence_models.read_marginals(tags_and_losses, words, pairs, np.array([1]))[1]
    assert np.isfinite(loss).all()
    assert (loss > 50).all()
