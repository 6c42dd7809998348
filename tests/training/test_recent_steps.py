"""The losses and gradient norms since the last evaluation."""

from mlmt_jax.training.plan import PlannedStep
from mlmt_jax.training.recent_steps import restore_recent_steps


def test_seconds_before_a_resume_count() -> None:
    recent = restore_recent_steps({"seconds": 100.0})
    assert 100 <= recent.seconds < 200
    assert 100 <= restore_recent_steps(recent.as_json()).seconds < 200


def test_steps_are_restored_from_json_values() -> None:
    recent = restore_recent_steps({}).add(PlannedStep(6, "a", 2), 1.5, 0.5, 4)
    recent = recent.add(PlannedStep(7, "b", 0), 2.5, 0.25, 3).add(PlannedStep(8, "a", 3), 3.5, 0.125, 4)
    restored = restore_recent_steps(recent.as_json())
    assert restored.losses == recent.losses == {"a": (1.5, 3.5), "b": (2.5,)}
    assert restored.norms == recent.norms == {"a": (0.5, 0.125), "b": (0.25,)}
    assert restored.finite == recent.finite == {"a": (9, 0.125), "b": (8, 0.25)}
    assert restored.sentences == recent.sentences == 11
    assert restored.latest is None


def test_restart_keeps_the_last_finite_norms() -> None:
    recent = restore_recent_steps({}).add(PlannedStep(6, "a", 2), 1.5, 0.5, 4).restart()
    assert (recent.losses, recent.sentences, recent.latest) == ({}, 0, None)
    assert recent.finite == {"a": (7, 0.5)}
