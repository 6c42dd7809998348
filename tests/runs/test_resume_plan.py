"""The plans for an existing run folder, by the numbers of the cases in their docstrings."""

from pathlib import Path
from typing import Any

import pytest

from mlmt_jax.errors import RunError
from mlmt_jax.runs.checkpoints import StoredState
from mlmt_jax.runs.progress import Progress
from mlmt_jax.runs.resume_plan import FolderContents, ReplicaOnDisk, ResumePlan, check_start, plan_resume

RUN = Path("run")
FRESH = Progress(0, {"a": 0}, None, None, 0, 0.0, 0, {})
EVAL_FREQ, PATIENCE = 10, 3


def folder(**contents: Any) -> FolderContents:
    return FolderContents(RUN, False, False, False, (), False)._replace(**contents)


def test_start_case_1_new_run_in_the_folder_of_a_run_is_refused() -> None:
    with pytest.raises(RunError, match=r"run: this folder already holds a run;\n.*--resume.*--output"):
        check_start(folder(holds_run=True, has_run_json=True), resume=False)


def test_start_case_2_new_run_over_files_of_others_is_refused() -> None:
    with pytest.raises(RunError, match=r"vocab\.json: is not of a run"):
        check_start(folder(foreign=("vocab.json", "summary.json")), resume=False)


@pytest.mark.parametrize(
    "contents", [{}, {"only_first_files": True}, {"foreign": ("vocab.json",), "has_run_json": True}]
)
def test_start_case_3_new_run_starts(contents: dict[str, Any]) -> None:
    check_start(folder(**contents), resume=False)


def test_start_case_4_replica_is_not_resumed() -> None:
    with pytest.raises(RunError, match=r"is a replica of a run.*\n.*a copy of this folder"):
        check_start(folder(is_replica=True, holds_run=True), resume=True)


@pytest.mark.parametrize("contents", [{"holds_run": True}, {"only_first_files": True}])
def test_start_cases_5_and_6_run_is_resumed(contents: dict[str, Any]) -> None:
    check_start(folder(**contents), resume=True)


def test_start_case_7_missing_run_is_not_resumed() -> None:
    with pytest.raises(RunError, match="there is no run to resume; start it without --resume"):
        check_start(folder(foreign=("vocab.json",)), resume=True)


def state(step: int, best: int | None = None, stale: int = 0, **changes: Any) -> StoredState:
    """Return a sound state of a step, with best parameters of a step."""
    score = None if best is None else 0.5
    progress = Progress(step, {"a": step}, best, score, stale, float(step), step, {})
    return StoredState(step, Path(f"last/{step}"), None, progress, None)._replace(**changes)


def damaged(step: int) -> StoredState:
    """Return a state that cannot be read."""
    return state(step, problem="is damaged", progress=None)


def without_best(step: int) -> StoredState:
    """Return a state whose best parameters are damaged."""
    return state(step, best=step, best_problem="its best checkpoint is damaged")


def replica(*states: StoredState, number: int = 0, **contents: Any) -> ReplicaOnDisk:
    """Return a replica with states, the newest first."""
    checkpoints = RUN / "replicas" / str(number) / "checkpoints"
    newest = states[0].step if states else 0
    return ReplicaOnDisk(checkpoints, states, None, newest, False, None)._replace(**contents)


def plan(*replicas: ReplicaOnDisk, patience: int | None = PATIENCE) -> ResumePlan | None:
    return plan_resume(replicas, FRESH, EVAL_FREQ, patience)


def restored_steps(*replicas: ReplicaOnDisk, patience: int | None = PATIENCE) -> list[int | None]:
    resumed = plan(*replicas, patience=patience)
    assert resumed is not None
    return [start.state_step for start in resumed.replicas]


@pytest.mark.parametrize("trace", [{}, {"newest_metrics": EVAL_FREQ}, {"newest_best": EVAL_FREQ}])
def test_resume_case_1_run_without_states_starts_anew(trace: dict[str, Any]) -> None:
    assert plan(replica(**trace)) is None
    assert plan(replica(**trace), replica(number=1)) is None


@pytest.mark.parametrize(
    ("trace", "remedy"),
    [
        ({"newest_metrics": EVAL_FREQ + 1}, "\ntrain anew"),
        ({"newest_best": EVAL_FREQ + 1}, "\nthe best checkpoint can still tag"),
        ({"has_summary": True}, "\ntrain anew"),
    ],
)
def test_resume_case_2_deleted_states_are_refused(trace: dict[str, Any], remedy: str) -> None:
    with pytest.raises(RunError, match=f"checkpoints/last: missing or empty; .*{remedy}"):
        plan(replica(**trace))


@pytest.mark.parametrize("best", [None, 20])
def test_resume_case_3_newest_state_is_restored(best: int | None) -> None:
    resumed = plan(replica(state(20, best), state(10, 10)))
    assert resumed is not None
    assert (resumed.step, resumed.task_steps) == (20, {"a": 20})
    [start] = resumed.replicas
    assert (start.state_step, start.warnings, start.divergence) == (20, (), None)
    assert start.progress == state(20, best).progress


def test_resume_case_4_older_state_is_restored_with_a_warning() -> None:
    resumed = plan(replica(damaged(30), without_best(20), state(10, 10)))
    assert resumed is not None
    [start] = resumed.replicas
    assert (resumed.step, start.state_step) == (10, 10)
    assert start.warnings == ("last/30: is damaged", "last/20: its best checkpoint is damaged")


def test_resume_case_5_run_alone_chooses_lost_best_parameters_anew() -> None:
    resumed = plan(replica(damaged(30), without_best(20), without_best(10)))
    assert resumed is not None
    [start] = resumed.replicas
    assert start.state_step == 20
    progress = start.progress
    assert (progress.best_step, progress.best_score, progress.stale, progress.evaluated) == (
        None,
        None,
        0,
        19,
    )
    assert len(start.warnings) == 2
    assert start.warnings[1].endswith("nor can an older one: the best score starts anew")
    with pytest.raises(
        RunError, match="last/20: its best checkpoint is damaged;\nno other checkpoint is left"
    ):
        plan(replica(without_best(20)), replica(state(20), number=1))


def test_resume_case_6_damaged_states_are_refused() -> None:
    with pytest.raises(RunError, match="last/20: is damaged;\nno other checkpoint is left"):
        plan(replica(damaged(20), damaged(10)))


def test_resume_case_7_ended_replicas_stay_as_they_are() -> None:
    stale = replica(state(20, 10, stale=PATIENCE), state(10, 10))
    diverged = replica(state(10, 10), number=1, divergence=(15, "loss is nan"))
    resumed = plan(stale, diverged, replica(state(40, 40), state(30, 30), number=2))
    assert resumed is not None
    assert resumed.step == 40
    assert [start.state_step for start in resumed.replicas] == [20, 10, 40]
    assert [start.divergence for start in resumed.replicas] == [None, "loss is nan", None]
    # A replica that diverged before its first evaluation has no state.
    resumed = plan(replica(divergence=(3, "loss is nan")), replica(state(10, 10), number=1))
    assert resumed is not None
    assert resumed.replicas[0].state_step is None
    assert resumed.replicas[0].progress == FRESH
    # If all replicas have ended, the run is at the last step of any.
    assert restored_steps(stale, diverged) == [20, 10]


def test_resume_case_8_newest_common_step_is_restored() -> None:
    assert restored_steps(
        replica(state(30, 30), state(20, 20)), replica(state(20, 10), state(10, 10), number=1)
    ) == [20, 20]
    # A replica that ended later than the common step has not ended there.
    later = replica(state(30, 10, stale=PATIENCE), state(20, 10, stale=PATIENCE - 1), number=1)
    assert restored_steps(replica(damaged(30), state(20, 20)), later) == [20, 20]
    diverged = replica(state(30, 30), state(20, 20), number=1, divergence=(25, "nan"))
    resumed = plan(replica(damaged(30), state(20, 20)), diverged)
    assert resumed is not None
    assert [start.state_step for start in resumed.replicas] == [20, 20]
    assert resumed.replicas[1].divergence is None
    assert resumed.replicas[0].warnings == ("last/30: is damaged",)


def test_resume_case_9_run_without_all_first_states_starts_anew() -> None:
    assert plan(replica(state(10, 10)), replica(number=1)) is None


def test_resume_case_10_states_without_common_step_are_refused() -> None:
    replicas = replica(state(20, 10, stale=2), state(10, 10)), replica(state(40, 40), state(30, 30), number=1)
    message = "run: no step of which all replicas have a state .newest: replica 0: 20, replica 1: 40"
    with pytest.raises(RunError, match=message):
        plan(*replicas)
    # With the patience that ended one of them, the other one is resumed.
    assert restored_steps(*replicas, patience=2) == [20, 40]
