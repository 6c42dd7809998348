"""Plans for a run folder that exists: pure functions of what is on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mlmt_jax.errors import RunError
from mlmt_jax.runs.checkpoints import StoredState
from mlmt_jax.runs.progress import Progress


class FolderContents(NamedTuple):
    """The content of a run folder, as far as it matters for starting or resuming a run there."""

    path: Path
    holds_run: bool  # a config, checkpoints or metrics
    is_replica: bool  # of a run whose folder is around it
    has_run_json: bool
    foreign: tuple[str, ...]  # files with names that a run writes
    only_first_files: bool  # it is a folder, with nothing but what a run writes before its first step


def check_start(contents: FolderContents, *, resume: bool) -> None:
    """Decide whether a run may start, or be resumed, in a folder; return None if it may.

    1. New run, the folder holds a run: refuse.
    2. New run, files with a run's names stand there without ``run.json``: refuse, they are a stranger's.
    3. New run, anything else: start.
    4. Resume, the folder is a replica's: refuse, since its run would not know of the steps.
    5. Resume, the folder holds a run: resume.
    6. Resume, the run ended before all of its first files were written: start it.
    7. Resume, anything else: refuse, there is no run.

    Raises:
        RunError: if it may not.
    """
    path = contents.path
    if not resume:
        if contents.holds_run:
            raise RunError(
                f"{path}: this folder already holds a run;\n"
                "continue it with --resume, or choose another folder with --output"
            )
        if contents.foreign and not contents.has_run_json:
            raise RunError(
                f"{path / contents.foreign[0]}: is not of a run, which would write a file of this name;\n"
                "choose another folder with --output"
            )
    elif contents.is_replica:
        raise RunError(
            f"{path}: is a replica of a run, which would not know of its further steps;\n"
            "resume the whole run, or a copy of this folder elsewhere"
        )
    elif not (contents.holds_run or contents.only_first_files):
        raise RunError(f"{path}: there is no run to resume; start it without --resume")


class ReplicaOnDisk(NamedTuple):
    """The content of the folder of a replica, or of a run alone."""

    checkpoints: Path
    states: Sequence[StoredState]  # the newest first
    newest_best: int | None  # step of the newest best parameters
    newest_metrics: int  # step of the last evaluation in its metrics; 0 if there is none
    has_summary: bool
    divergence: tuple[int, str] | None  # step and message of ``diverged.json``


class ReplicaStart(NamedTuple):
    """The start of a resumed replica."""

    state_step: int | None  # step of the stored state to restore; None: its fresh state
    progress: Progress
    warnings: tuple[str, ...]  # newer states that cannot be used, and why
    divergence: str | None  # the message of a replica that had diverged by then


class ResumePlan(NamedTuple):
    """The start of all replicas of a resumed run."""

    step: int  # of the run
    task_steps: dict[str, int]  # of the run, by task model
    replicas: tuple[ReplicaStart, ...]


class _Choice(NamedTuple):
    """A usable state of a replica, or none."""

    state: StoredState | None
    progress: Progress | None  # of the state; without best parameters if these are lost
    refused: tuple[str, ...]  # newer states that cannot be used


def plan_resume(
    replicas: Sequence[ReplicaOnDisk], fresh: Progress, eval_freq: int, patience: int | None
) -> ResumePlan | None:
    """Decide from which step all replicas are resumed; None: from their fresh states.

    Of a single replica (a run alone):

    1. There is no state, nor a trace of an evaluation after the first: start anew. (The state of an
       evaluation is written last: until the first one is, there may be metrics and best parameters without a
       state.)
    2. There is no state, but a later evaluation or a summary: refuse, the states were deleted.
    3. The newest state is sound, with sound best parameters or none: resume from it.
    4. Newer states are damaged, an older one is sound: resume from that one, with a warning for each.
    5. No state has sound best parameters, and a run alone has a sound state: resume from it as if it had not
       been evaluated, since it can be evaluated again. Replicas are evaluated together: refuse.
    6. All states are damaged: refuse.

    Of several replicas, cases 1 to 6 hold for each, and then:

    7. A replica ended (patience, divergence) at or before the common step: it stays as it is.
    8. The others are at different steps: resume from the newest step that all of them have.
    9. A replica has no state, and none is later than the first evaluation: start anew.
    10. There is no common step: refuse.

    Args:
        replicas: what is on disk for each replica.
        fresh: progress before the first step.
        eval_freq: steps between evaluations.
        patience: evaluations without a better score that end a replica.

    Raises:
        RunError: if the run cannot be resumed.
    """
    choices = [_newest_usable(replica, len(replicas) == 1) for replica in replicas]
    for replica, choice in zip(replicas, choices, strict=True):
        if choice.state is None:
            _check_never_saved(replica, eval_freq)
    newest = [choice.progress and choice.progress.step for choice in choices]
    if all(step is None for step in newest):
        return None
    refused = [choice.refused for choice in choices]
    while True:
        ends = [_end(*pair, patience) for pair in zip(replicas, choices, strict=True)]
        steps = [0 if choice.progress is None else choice.progress.step for choice in choices]
        step = min((s for s, end in zip(steps, ends, strict=True) if end is None), default=max(steps))
        continuing = [n for n, end in enumerate(ends) if end is None or end > step]
        step = min((steps[n] for n in continuing), default=step)
        late = [n for n in continuing if steps[n] > step]
        if not late:
            break
        for n in late:
            choices[n] = _newest_usable(replicas[n], len(replicas) == 1, at_most=step)
            refused[n] += choices[n].refused
    if any(newest[n] is None for n in continuing) and max(s for s in newest if s is not None) <= eval_freq:
        return None
    if any(choices[n].state is None for n in continuing):
        listed = ", ".join(f"replica {n}: {'none' if s is None else s}" for n, s in enumerate(newest))
        raise RunError(
            f"{replicas[0].checkpoints.parents[2]}: no step of which all replicas have a state "
            f"(newest: {listed});\n"
            "a replica that has ended cannot go on with others that are further: keep patience as it was"
        )
    starts = tuple(
        ReplicaStart(
            choice.state and choice.state.step,
            choice.progress or fresh,
            warnings,
            replica.divergence[1] if replica.divergence and replica.divergence[0] <= step else None,
        )
        for replica, choice, warnings in zip(replicas, choices, refused, strict=True)
    )
    leader = starts[(continuing or [steps.index(step)])[0]]
    return ResumePlan(step, dict(leader.progress.task_steps), starts)


def _newest_usable(replica: ReplicaOnDisk, is_alone: bool, at_most: int | None = None) -> _Choice:
    """Choose the newest usable state of a replica (cases 3 to 6).

    A state whose best parameters cannot be used is chosen only if the run is alone and no other is usable;
    its best score is then forgotten.

    Args:
        replica: what is on disk, newest state first.
        is_alone: True if the run has one replica.
        at_most: the highest step that may be chosen; None for any.

    Returns:
        The state with its progress, and the problems of newer states; None for both if there is no state.

    Raises:
        RunError: if there are states of such steps, and none is usable.
    """
    refused: list[str] = []
    bereft: tuple[StoredState, Progress, int] | None = None  # the newest that lacks only its best parameters
    for state in replica.states:
        if at_most is not None and state.step > at_most:
            continue
        if state.progress is None:
            refused.append(f"{state.path}: {state.problem}")
        elif state.best_problem is None:
            return _Choice(state, state.progress, tuple(refused))
        else:
            bereft = bereft or (state, state.progress, len(refused))
            refused.append(f"{state.path}: {state.best_problem}")
    if bereft and is_alone:
        state, progress, place = bereft
        last = f"{refused[place]}; nor can an older one: the best score starts anew"
        return _Choice(state, progress.without_best(), (*refused[:place], last))
    if refused:
        raise RunError(f"{refused[0]};\nno other checkpoint is left; train anew with another --output")
    return _Choice(None, None, ())


def _check_never_saved(replica: ReplicaOnDisk, eval_freq: int) -> None:
    """Check that a replica without states never had any: it would start anew over the rest (case 2).

    Raises:
        RunError: if a summary, or a best checkpoint or a metrics line after step ``eval_freq``, shows that it
            had states.
    """
    step = max(replica.newest_best or 0, replica.newest_metrics)
    if step > eval_freq or replica.has_summary:
        remedy = "train" if replica.newest_best is None else "the best checkpoint can still tag; train"
        raise RunError(
            f"{replica.checkpoints / 'last'}: missing or empty; expected a state to go on from, "
            f"since the run was evaluated;\n{remedy} anew with another --output"
        )


def _end(replica: ReplicaOnDisk, choice: _Choice, patience: int | None) -> int | None:
    """Return the step at which a replica ended by patience or divergence; None if it did not."""
    if choice.progress is not None and choice.progress.has_ended(patience):
        return choice.progress.step
    return None if replica.divergence is None else replica.divergence[0]
