"""Runs side by side: each is the run alone, on one device or several, and each ends for itself."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tiny_corpus
from config_edits import edited
from replica_runs import metrics, poisoned, read, sampled, scripted, trained

from mlmt_jax.config import load_config
from mlmt_jax.errors import ConfigError, RunError
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.replica_choice import choose_replica, usable_replicas
from mlmt_jax.training import loop
from mlmt_jax.training.divergence import DivergedError
from mlmt_jax.training.plan import draw_task
from mlmt_jax.training.replica_group import ReplicaGroup
from mlmt_jax.training.replica_set import ReplicaSet, group_replicas
from mlmt_jax.training.setup import fresh_state, prepare, prepare_replicas
from mlmt_jax.training.summary import statistics

SEED = 3


def test_after_100_steps_each_replica_is_the_run_alone(corpus: Path) -> None:
    edits = {"datasets.1.sample": 2, "datasets.3.sample": 2, "training.replicas": 2}
    # The published learning rate: at the tiny corpus's own, rounding grows tenfold in 30 steps.
    edits |= {f"tasks.{i}.learning_rate": 0.02 for i in range(4)}
    data = edited(tiny_corpus.config(), edits)
    setups = prepare_replicas(load_config(tiny_corpus.write_config(corpus, data, "two.json")))
    sizes = [setup.model.sizes for setup in setups]
    assert sizes[0].words != sizes[1].words  # other samples, other words
    assert group_replicas(setups) == [[0, 1]]
    alone = [
        prepare(load_config(corpus / "two.json", ["training.replicas=1", f"training.seed={SEED + r}"]))
        for r in range(2)
    ]
    together, *singles = groups = [ReplicaGroup(setups), *(ReplicaGroup([setup]) for setup in alone)]
    states = [group.stack([fresh_state(own) for own in own_setups]) for group, own_setups in
              zip(groups, (setups, [alone[0]], [alone[1]]), strict=True)]  # fmt: skip
    task_steps = dict.fromkeys(together.batches, 0)
    for step in range(100):
        name, told = draw_task(setups[0].weights, step), []
        for i, group in enumerate(groups):
            batch = group.batches[name].batch(task_steps[name])
            states[i], metrics = group.step(states[i], name, batch)
            told.append(group.metrics(metrics))
        task_steps[name] += 1
        for r in range(2):
            np.testing.assert_allclose(told[0][r].loss, told[1 + r][0].loss, rtol=1e-5, atol=1e-5)
    for r, single in enumerate(singles):
        found, want = together.states(states[0])[r], single.states(states[1 + r])[0]
        assert jax.tree.structure(found) == jax.tree.structure(want)
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(want), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    first, second = together.states(states[0])
    assert not np.allclose(first.params["lstm"]["kernel_0"], second.params["lstm"]["kernel_0"], atol=0.1)


def assert_same_scores(ours: Any, theirs: Any) -> None:
    """All to the bit but losses, whose sums a backend may take in another order."""
    told = [jax.tree_util.tree_leaves_with_path(scores) for scores in (ours, theirs)]
    for (path, our), (_, their) in zip(*told, strict=True):
        is_loss = jax.tree_util.keystr(path).endswith("['loss']")
        assert our == (pytest.approx(their, rel=1e-5) if is_loss else their), path
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)


def test_a_run_of_replicas_leaves_a_run_folder_for_each(corpus: Path) -> None:
    folder = trained(corpus, sampled(), "three", "--replicas", "3")
    singles = [trained(corpus, sampled(seed=SEED + r), f"alone{r}") for r in range(3)]
    summary = read(folder, "summary.json")
    scores = [read(single, "summary.json")["scores"] for single in singles]
    assert_same_scores([one["scores"] for one in summary["replicas"]], scores)
    for r, single in enumerate(singles):
        own = folder / "replicas" / str(r)
        assert read(own, "samples.json") == read(single, "samples.json")
        assert read(own, "vocab.json") == read(single, "vocab.json")
        assert read(own, "config.json")["training"]["seed"] == SEED + r
        assert_same_scores(
            [record["scores"] for record in metrics(own)], [r["scores"] for r in metrics(single)]
        )
    values = [one["afr ner"]["test"]["f1"] for one in scores]
    found = summary["statistics"]["afr ner"]["test"]
    assert found == pytest.approx(
        {
            "runs": 3,
            "mean": np.mean(values),
            "standard_deviation": np.std(values, ddof=1),
            "minimum": min(values),
            "maximum": max(values),
        }
    )
    best = [read(single, "summary.json")["best_score"] for single in singles]
    assert summary["best_replica"] == int(np.argmax(best))
    samples = [read(single, "samples.json")["afr_ner"]["sentences"] for single in singles]
    assert len(set(map(tuple, samples))) == 3


def test_one_sample_for_all(corpus: Path) -> None:
    path = tiny_corpus.write_config(corpus, sampled(replicas=3, resample=False), "one_sample.json")
    setups = prepare_replicas(load_config(path))
    assert len({id(setup.corpus) for setup in setups}) == 1
    assert [setup.config.training.seed for setup in setups] == [3, 4, 5]
    assert [setup.config.training.effective_sample_seed for setup in setups] == [3, 3, 3]
    first = load_config(path).replica(0).training
    assert (first.replicas, first.sample_seed) == (1, None)


def test_statistics_of_one_run_and_of_accuracies() -> None:
    config = load_config_of_both()
    runs = [
        {"nld ner": {"dev": {"f1": f1, "accuracy": 0.9}}, "nld pos": {"dev": {"f1": None, "accuracy": 0.5}}}
        for f1 in (0.25, 0.75)
    ]
    both = statistics(config, runs)
    assert both["nld ner"]["dev"] == pytest.approx(
        {"runs": 2, "mean": 0.5, "standard_deviation": 0.125**0.5, "minimum": 0.25, "maximum": 0.75}
    )
    assert both["nld pos"]["dev"]["mean"] == 0.5
    assert statistics(config, runs[:1])["nld ner"]["dev"]["standard_deviation"] == 0.0


def load_config_of_both() -> Any:
    from mlmt_jax.config import parse_config

    return parse_config(tiny_corpus.config())


def test_a_replica_without_progress_ends_and_the_others_go_on(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By evaluation, of the replicas that still go on: the first is best at once.
    scripted(monkeypatch, [0.5, 0.1, 0.4, 0.2, 0.3, 0.3])
    data = edited(sampled(patience=1), {"training.eval_freq": 2, "training.max_step": 8})
    folder = trained(corpus, data, "patient", "--replicas", "2")
    steps = [[record["step"] for record in metrics(folder / "replicas" / str(r))] for r in range(2)]
    assert steps == [[2, 4], [2, 4, 6, 8]]
    summary = read(folder, "summary.json")
    assert [one["best_step"] for one in summary["replicas"]] == [2, 6]
    assert [one["steps"] for one in summary["replicas"]] == [4, 8]


def test_a_replica_that_diverges_stops_alone(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ReplicaSet.start

    def start_with_one_broken(replicas: ReplicaSet, states: Any) -> Any:
        return poisoned(start(replicas, states), 1)

    healthy = trained(corpus, sampled(), "healthy", "--replicas", "2")
    monkeypatch.setattr(ReplicaSet, "start", start_with_one_broken)
    folder = trained(corpus, sampled(), "broken", "--replicas", "2")
    out = capsys.readouterr().out
    assert "replica 1 has diverged, the others go on\nstep 1, task 'afr ner': loss is nan" in out
    assert out.count("data of replica 0; the others have samples of their own\n") == 2
    assert "scores: summary.json\n1 of them diverged and are left out: 1\n" in out
    summary, expected = read(folder, "summary.json"), read(healthy, "summary.json")
    found, want = (one["replicas"][0]["scores"]["afr ner"]["test"] for one in (summary, expected))
    assert found == {**want, "loss": pytest.approx(want["loss"], rel=1e-5)}
    assert "loss is nan" in summary["replicas"][1]["diverged"]
    assert summary["best_replica"] == 0
    assert summary["statistics"]["afr ner"]["test"]["runs"] == 1
    # What has diverged stays so when the others go on.
    monkeypatch.setattr(ReplicaSet, "start", start)
    trained(corpus, sampled(), "broken", "--replicas", "2", "--resume", "--set", "training.max_step=12")
    assert "loss is nan" in read(folder, "summary.json")["replicas"][1]["diverged"]
    assert [record["step"] for record in metrics(folder / "replicas" / "0")] == [4, 8, 12]


def test_the_last_replica_that_diverges_leaves_no_others(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start, step, steps = ReplicaSet.start, ReplicaSet.step, []

    def start_broken(replicas: ReplicaSet, states: Any) -> Any:
        return poisoned(poisoned(start(replicas, states), 0), 1)

    def counted_step(replicas: ReplicaSet, states: Any, task: str, batches: Any) -> Any:
        steps.append(task)
        return step(replicas, states, task, batches)

    monkeypatch.setattr(ReplicaSet, "start", start_broken)
    monkeypatch.setattr(ReplicaSet, "step", counted_step)
    data = edited(sampled(), {"training.eval_freq": 1000, "training.max_step": 1000})
    with pytest.raises(DivergedError):
        trained(corpus, data, "all broken", "--replicas", "2")
    assert len(steps) < 20  # nothing is left to be trained
    out = capsys.readouterr().out
    assert "replica 0 has diverged, the others go on\n" in out
    assert "replica 1 has diverged\n" in out
    with pytest.raises(RunError, match="replica 1 diverged before it was evaluated"):
        choose_replica(RunFolder(corpus.parent / "all broken"), 1)
    with pytest.raises(RunError, match="all replicas diverged before they were evaluated"):
        choose_replica(RunFolder(corpus.parent / "all broken"), None)


def test_a_replica_that_diverges_late_is_not_chosen(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [0.5, 0.9, 0.6])  # replica 1 is the best at first, and alone at that
    step, steps, finite = ReplicaSet.step, [], []

    def broken_step(replicas: ReplicaSet, states: Any, task: str, batches: Any) -> Any:
        if len(steps) == 5:
            states = poisoned(states, 1)
        steps.append(task)
        states, metrics = step(replicas, states, task, batches)
        if len(steps) == 8:
            finite.extend(np.isfinite(x).all() for x in jax.tree.leaves(states))
        return states, metrics

    monkeypatch.setattr(loop, "_LAG", 0)
    monkeypatch.setattr(ReplicaSet, "step", broken_step)
    folder = RunFolder(trained(corpus, sampled(), "late", "--replicas", "2"))
    assert read(folder.path, "summary.json")["best_replica"] == 0
    assert choose_replica(folder, None).path.name == "0"
    assert [member.path.name for member in usable_replicas(folder)] == ["0"]
    assert choose_replica(folder, 1).path.name == "1"  # where one asks for it
    # What has diverged does not stay among the numbers of the others.
    assert finite
    assert all(finite)


def test_a_replica_whose_parameters_are_not_finite_is_not_kept(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step, steps = ReplicaSet.step, []

    def last_step_too_far(replicas: ReplicaSet, states: Any, task: str, batches: Any) -> Any:
        states, metrics = step(
            replicas, states, task, batches
        )  # loss and gradient are from before the update
        steps.append(task)
        return poisoned(states, 1, np.inf) if len(steps) == 8 else states, metrics

    monkeypatch.setattr(ReplicaSet, "step", last_step_too_far)
    folder = trained(corpus, sampled(), "far", "--replicas", "2")
    assert "replica 1 has diverged, the others go on\nstep 8, task 'afr ner': parameters are not finite" in (
        capsys.readouterr().out
    )
    assert [record["step"] for record in metrics(folder / "replicas" / "1")] == [4]
    assert (folder / "replicas" / "1" / "checkpoints" / "best" / "4").is_dir()
    assert read(folder, "summary.json")["best_replica"] == 0


@pytest.mark.parametrize("key", ["seed", "sample_seed"])
def test_the_last_replica_needs_a_seed_too(corpus: Path, key: str) -> None:
    path = tiny_corpus.write_config(corpus, sampled(**{key: 2**32 - 2, "replicas": 2}), "seeds.json")
    load_config(path)
    with pytest.raises(ConfigError, match=rf"training.{key}: .*got 4294967294, expected a number < 4294967294 with 3"):
        load_config(path, ["training.replicas=3"])
