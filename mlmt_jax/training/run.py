"""A whole training run: start or resume, the loop with its consumers, the final scores and the summary."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any

from mlmt_jax.config import Config
from mlmt_jax.runs.atomic_files import remove
from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.progress import Progress
from mlmt_jax.training import processes
from mlmt_jax.training.divergence import DivergedError
from mlmt_jax.training.events import Diverged, Finished, Stopped
from mlmt_jax.training.keep_checkpoints import keep_checkpoints
from mlmt_jax.training.loop import Start, train_replicas
from mlmt_jax.training.print_progress import Plan, ProgressPrinter
from mlmt_jax.training.record_metrics import record_metrics
from mlmt_jax.training.replica_set import ReplicaSet
from mlmt_jax.training.resume import clear_after, fresh_start, resumed_start
from mlmt_jax.training.run_scores import Scores, compile_in_advance, score_replica
from mlmt_jax.training.setup import Setup
from mlmt_jax.training.signals import StopRequest, TrainingStopped
from mlmt_jax.training.summary import replica_summary, run_summary, stored_summary
from mlmt_jax.training.tables import score_table, statistics_table
from mlmt_jax.training.tensorboard_log import TensorboardLog


def train(
    setups: Sequence[Setup],
    folder: RunFolder,
    before_changes: Callable[[], None] = lambda: None,
    *,
    verbose: bool = False,
) -> dict[str, Any]:
    """Train replicas side by side, from their start or from their last common states; return the summary.

    Args:
        setups: setup of each replica; one for a run alone.
        folder: folder of the run, which exists; the folders of several replicas are in it.
        before_changes: called once the states on disk are known to be usable, before anything is changed; not
            called if the run is finished.
        verbose: print all scores of each evaluation.

    Raises:
        DivergedError: if a run alone, or every replica, diverged; checkpoints stay.
        RunError: if states cannot be used, or the folder cannot be written.
        TrainingStopped: on Ctrl-C or SIGTERM, once the states are saved.
    """
    replicas, folders, config = ReplicaSet(setups), folder.runs(len(setups)), setups[0].config
    # A crash can leave the newest state of one replica an evaluation behind another's.
    keep = config.training.keep if len(setups) == 1 else max(2, config.training.keep)
    with ExitStack() as stack:
        checkpoints = [stack.enter_context(closing(Checkpoints(f.checkpoints, f.id, keep))) for f in folders]
        stop = stack.enter_context(StopRequest())
        with processes.refusing_together():  # The first process deletes what nobody resumes from only then.
            start = resumed_start(replicas, setups, folders, checkpoints)
        if start is not None:
            summary = _finished_summary(replicas, start, folders)
            if summary is not None:
                advice = _how_to_train_longer(config, start)
                print(f"the run is finished: it has had {start.step} steps; {advice}")
                _report_replicas(folder, summary, start.divergences)
                return summary
        replicas.compile_in_advance()
        if processes.is_first():
            compile_in_advance(setups[0])
        start = start or fresh_start(replicas, setups)
        before_changes()
        if processes.is_first():
            clear_after(start, folders, checkpoints)
            remove(folder.summary)
        is_span_task = setups[0].corpus.vocabulary.spans[config.target.task]
        figure = "F1" if is_span_task and config.target.metric != "accuracy" else "accuracy"
        steps = replicas.length.expected_steps(replicas.weights)
        printer = ProgressPrinter(Plan(config.target.name, figure, steps, start.step), verbose=verbose)
        board = stack.enter_context(closing(TensorboardLog(config, folders, start.step)))
        end = None
        with closing(printer), closing(train_replicas(replicas, start, stop)) as events:
            for event in events:
                if isinstance(event, Diverged):
                    _end_replica(folders, event)
                printer(event, len(replicas))
                board.write(record_metrics(config, folders, event))
                keep_checkpoints(checkpoints, event)
                if isinstance(event, Stopped):
                    raise TrainingStopped(event.signum, event.step)
                end = event
        assert isinstance(end, Finished)
        return _finish(replicas, folder, checkpoints, end, stop)


def _end_replica(folders: Sequence[RunFolder], event: Diverged) -> None:
    """Note that a replica diverged, for good; raise DivergedError for a run alone."""
    if len(folders) == 1:
        raise DivergedError(event.message)
    if processes.is_first():
        folder = folders[event.replica]
        folder.write(folder.divergence.name, {"step": event.step, "message": event.message})


def _finished_summary(
    replicas: ReplicaSet, start: Start, folders: Sequence[RunFolder]
) -> dict[str, Any] | None:
    """Return the stored summary of a run that is resumed after its end.

    None means that there is something to do: the run has not ended, or a replica's summary is missing.
    """
    if not (replicas.length.is_over(start.step, start.task_steps) or _have_all_ended(replicas.config, start)):
        return None
    return _stored_summary(
        replicas.config, folders, Finished(start.step, dict(enumerate(start.progress)), start.divergences)
    )


def _have_all_ended(config: Config, start: Start) -> bool:
    """Return True if every replica has ended by divergence or patience."""
    return all(
        number in start.divergences or progress.has_ended(config.training.patience)
        for number, progress in enumerate(start.progress)
    )


def _how_to_train_longer(config: Config, start: Start) -> str:
    """Return advice for a finished run: which config values to raise, or to start anew."""
    if len(start.progress) == 1:
        return "raise training.max_step, max_epoch or patience to go on"
    # They took their last steps at different times, and cannot go on side by side.
    if _have_all_ended(config, start):
        return "all replicas came to an end of their own; start anew with another --output to train longer"
    return "raise training.max_step or max_epoch to go on"


def _stored_summary(config: Config, folders: Sequence[RunFolder], end: Finished) -> dict[str, Any] | None:
    """Return the summary of a run from its replicas' stored ones; None if a needed one is missing."""
    summaries = [stored_summary(config, folder, end.progress[n]) for n, folder in enumerate(folders)]
    return summaries[0] if len(folders) == 1 else run_summary(config, end.step, summaries, end.divergences)


def _finish(
    replicas: ReplicaSet,
    folder: RunFolder,
    checkpoints: Sequence[Checkpoints],
    end: Finished,
    stop: StopRequest,
) -> dict[str, Any]:
    """Score the best parameters of every replica, write and print the summaries; return that of the run.

    Args:
        replicas: the replicas.
        folder: folder of the run.
        checkpoints: checkpoints of each replica.
        end: the end of the training.
        stop: the request to stop, which is looked at before each replica.

    Raises:
        DivergedError: if all replicas have diverged.
        TrainingStopped: on a signal; of several processes none stops here.
    """
    folders, summary = folder.runs(len(replicas)), None
    if processes.is_first():
        print("evaluating the best step on all files", file=sys.stderr, flush=True)
        for number, replica_folder in enumerate(folders):
            if stop.signum is not None and not processes.several():
                raise TrainingStopped(stop.signum, end.step)
            progress = end.progress[number]
            if progress.best_step is not None:  # None: it diverged before it was evaluated
                replica = replicas[number]
                params = checkpoints[number].restore_best(progress.best_step, replica.shapes.params)
                scores = score_replica(replica.setup, params, lambda task, split: True)
                divergence = end.divergences.get(number)
                summary = replica_summary(replicas.config, progress, scores, divergence)
                replica_folder.write("summary.json", summary)
                if len(replicas) == 1:
                    _print_scores(progress, scores)
        summary = _stored_summary(replicas.config, folders, end)
        if summary is not None:
            _report_replicas(folder, summary, end.divergences)
    processes.wait_for_all("summarised")
    if processes.any_of(processes.is_first() and len(end.divergences) == len(replicas)):
        raise DivergedError(
            "\n".join(f"replica {n}: {message}" for n, message in sorted(end.divergences.items()))
        )
    return folder.read("summary.json") if summary is None else summary


def _print_scores(progress: Progress, scores: Scores) -> None:
    """Print the best step and all scores of a run alone."""
    best, last = progress.best_step or 0, progress.step
    print(f"best step {best} of {last}, {progress.seconds:.0f} s")
    print(score_table(scores))


def _report_replicas(folder: RunFolder, summary: Mapping[str, Any], divergences: Mapping[int, str]) -> None:
    """Write and print what the replicas of a run reached together; nothing is left to say of a run alone."""
    if "replicas" not in summary or not processes.is_first():
        return
    if not folder.summary.exists():
        folder.write("summary.json", summary)
    count = len(summary["replicas"])
    print(f"{count} replicas, {summary['seconds']:.0f} s; each one's scores: summary.json")
    if divergences:
        numbers = ", ".join(map(str, sorted(divergences)))
        print(f"{len(divergences)} of them diverged and are left out: {numbers}")
    print(statistics_table(summary["statistics"]))
