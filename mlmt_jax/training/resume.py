"""Starting and resuming: the plan for a run folder is made from what is on disk, and carried out."""

import sys
from collections.abc import Sequence

from mlmt_jax.runs.atomic_files import remove
from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.metrics_file import drop_metrics_after
from mlmt_jax.runs.progress import Progress
from mlmt_jax.runs.resume_plan import ReplicaStart, ResumePlan, plan_resume
from mlmt_jax.runs.survey import replica_on_disk
from mlmt_jax.training.loop import Start
from mlmt_jax.training.replica_set import ReplicaSet
from mlmt_jax.training.setup import Setup, fresh_state


def fresh_start(replicas: ReplicaSet, setups: Sequence[Setup]) -> Start:
    """Return the start of a new run: initial parameters, no steps."""
    progress = _fresh_progress(setups)
    return Start(
        0,
        progress.task_steps,
        0.0,
        [replicas.hold(fresh_state(setup)) for setup in setups],
        [progress] * len(setups),
        {},
    )


def resumed_start(
    replicas: ReplicaSet,
    setups: Sequence[Setup],
    folders: Sequence[RunFolder],
    checkpoints: Sequence[Checkpoints],
) -> Start | None:
    """Restore the newest states from which all replicas can be resumed; nothing on disk is changed.

    States and files that cannot be used are reported on standard error.

    Args:
        replicas: the replicas.
        setups: setup of each replica.
        folders: folder of each replica.
        checkpoints: checkpoints of each replica.

    Returns:
        The start, or None if the run starts anew.

    Raises:
        RunError: if the run can neither be resumed nor started anew.
    """
    fresh, training = _fresh_progress(setups), replicas.config.training
    on_disk = [replica_on_disk(*pair) for pair in zip(folders, checkpoints, strict=True)]
    plan = plan_resume(on_disk, fresh, training.eval_freq, training.patience)
    if plan is None:
        return None
    states = [
        replicas.hold(
            fresh_state(setup)
            if start.state_step is None
            else checkpoints[number].restore_state(start.state_step, replicas[number].shapes)
        )
        for number, (setup, start) in enumerate(zip(setups, plan.replicas, strict=True))
    ]
    for folder, start in zip(folders, plan.replicas, strict=True):
        _warn(folder, start, plan)
    return Start(
        plan.step,
        plan.task_steps,
        max(start.progress.seconds for start in plan.replicas),
        states,
        [start.progress for start in plan.replicas],
        {n: start.divergence for n, start in enumerate(plan.replicas) if start.divergence is not None},
    )


def _fresh_progress(setups: Sequence[Setup]) -> Progress:
    """Return the progress of a replica before its first step: no steps of any task model, no scores.

    All replicas train the same task models: those of the first setup.
    """
    return Progress(0, dict.fromkeys(setups[0].model.tasks, 0), None, None, 0, 0.0, 0, {})


def _warn(folder: RunFolder, start: ReplicaStart, plan: ResumePlan) -> None:
    """Print what of a replica's folder cannot be used."""
    for warning in start.warnings:
        print(f"warning: {warning}; going on from step {plan.step}", file=sys.stderr)
    if start.progress.evaluated and not folder.metrics.exists():
        print(
            f"warning: {folder.metrics} is missing: nothing until step {start.progress.evaluated} "
            "will be in it",
            file=sys.stderr,
        )


def clear_after(start: Start, folders: Sequence[RunFolder], checkpoints: Sequence[Checkpoints]) -> None:
    """Delete what an earlier process wrote after the start of a run: the run writes it again.

    Of each replica these are newer checkpoints, its summary, later lines of its metrics (damaged lines too,
    with a warning on standard error), and its note of a divergence unless ``start`` has it.

    Args:
        start: the start of the run.
        folders: folder of each replica, in the order of ``start.progress``.
        checkpoints: checkpoints of each replica, in the same order.

    Raises:
        RunError: if something cannot be deleted.
    """
    for number, (folder, replica) in enumerate(zip(folders, checkpoints, strict=True)):
        replica.drop_after(start.progress[number])
        if drop_metrics_after(folder.metrics, start.progress[number].evaluated):
            print(f"warning: {folder.metrics}: damaged lines are left out", file=sys.stderr)
        remove(folder.summary)
        if number not in start.divergences:
            remove(folder.divergence)
