"""All runs of a training: the groups of them that share a program, and where each of them is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from mlmt_jax.batches.prefetch import BatchesAhead
from mlmt_jax.errors import RunError
from mlmt_jax.runs.atomic_files import remove
from mlmt_jax.runs.checkpoints import Restored
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.training import processes
from mlmt_jax.training.outcome import statistics, statistics_table, where
from mlmt_jax.training.plan import draws
from mlmt_jax.training.printing import score_table
from mlmt_jax.training.replica_group import Group, batches_ahead, device_mesh, groups_of
from mlmt_jax.training.run import Evaluation, Run
from mlmt_jax.training.setup import Setup, fresh_state
from mlmt_jax.training.state import RunState
from mlmt_jax.training.step import StepMetrics
from mlmt_jax.training.window import DivergedError

__all__ = ["Fleet"]


class Fleet:
    """All runs, and the groups of them that share a program."""

    def __init__(self, setups: Sequence[Setup], folder: RunFolder):
        config = setups[0].config
        self._setups, self.folder = setups, folder
        self.alone, self.config = len(setups) == 1, config
        self._numbers = groups_of(setups)
        self.groups = [
            Group(
                [setups[i] for i in numbers],
                device_mesh(len(numbers), config.training.data_parallel),
            )
            for numbers in self._numbers
        ]
        self._place = {n: (g, i) for g, own in enumerate(self._numbers) for i, n in enumerate(own)}
        self.runs = []
        for number in range(len(setups)):
            group, i = self._of(number)
            # The newest state of one run may be a step behind another's: then both have one before it.
            keep = config.training.keep if self.alone else max(2, config.training.keep)
            own = folder if self.alone else folder.replica(number)
            self.runs.append(Run(group.setups[i], own, keep))
        self._states: list[RunState] = []  # until the groups have taken them
        self.retired: set[int] = set()  # diverged; the same in all processes
        self.step, self.task_steps = 0, dict.fromkeys(setups[0].model.tasks, 0)
        self.seconds = 0.0
        self._batches: BatchesAhead | None = None  # before ``begin``

    def _of(self, number: int) -> tuple[Group, int]:
        group, i = self._place[number]
        return self.groups[group], i

    @property
    def own(self) -> list[int]:
        """The runs that this process evaluates and saves."""
        return list(range(len(self.runs))) if processes.is_first() else []

    @property
    def weights(self) -> Mapping[str, float]:
        """The probability of each task model at a step."""
        return self._setups[0].weights

    @property
    def live(self) -> list[int]:
        """Those of ``own`` that have not come to an end."""
        return [number for number in self.own if not self.runs[number].ended]

    def restore(self) -> bool:
        """Finds the newest step of which every run that goes on has a sound state; False where nothing is.

        Raises:
            RunError: where there are states, but none of one step. Nothing is deleted.
        """
        found = [self._restored(n) for n in range(len(self.runs))]
        newest = [None if one is None else one.progress.step for one in found]
        if all(one is None for one in found):
            return False
        refused = [[] if one is None else one.refused for one in found]
        while True:
            ends = [run.end_of(one) for run, one in zip(self.runs, found, strict=True)]
            steps = [0 if one is None else one.progress.step for one in found]
            step = min((own for own, end in zip(steps, ends, strict=True) if end is None), default=max(steps))
            going = [n for n, end in enumerate(ends) if end is None or end > step]
            step = min((steps[n] for n in going), default=step)
            late = [n for n in going if steps[n] > step]
            if not late:
                break
            for n in late:
                found[n] = earlier = self._restored(n, step)
                refused[n] += [] if earlier is None else earlier.refused
        unsaved, first = any(newest[n] is None for n in going), self.config.training.eval_freq
        if unsaved and max(step for step in newest if step is not None) <= first:
            return False  # the process ended while the first states were written
        if any(found[n] is None for n in going):
            told = ", ".join(f"replica {n}: {'none' if own is None else own}" for n, own in enumerate(newest))
            raise RunError(
                f"{self.folder.path}: no step of which all replicas have a state (newest: {told});\n"
                "a replica that has ended cannot go on with others that are further: keep patience as it was"
            )
        for run, one, setup, own in zip(self.runs, found, self._setups, refused, strict=True):
            # One that diverged before anything was saved is at its start for good.
            restored = one or Restored(self._held(fresh_state(setup)), run.progress, [])
            run.go_on_from(restored._replace(refused=own), step)
            self._states.append(restored.state)
        lasting = found[(going or [steps.index(step)])[0]]
        assert lasting is not None
        self.step, self.task_steps = step, dict(lasting.progress.task_steps)
        self.seconds = max(run.progress.seconds for run in self.runs)
        return True

    def _restored(self, number: int, at_most: int | None = None) -> Restored | None:
        found = self.runs[number].restored(self._own_shapes(number), at_most)
        return None if found is None else found._replace(state=self._held(found.state))

    def _held(self, state: RunState) -> RunState:
        """A state until the groups take it: no device need have room for those of all runs twice."""
        return state if self.alone else jax.device_get(state)

    def _own_shapes(self, number: int) -> RunState:
        group, i = self._of(number)
        return group.own_shapes(i)

    def begin(self) -> None:
        """Puts the runs on their devices, as they were restored or from their start."""
        states = self._states
        if not states:
            states = [self._held(fresh_state(setup)) for setup in self._setups]
        for number in self.own:
            self.runs[number].clear_after()
        if processes.is_first() and not self.alone:
            remove(self.folder.summary)
        self._states = []
        self.arrays = [
            group.stack([states[number] for number in own])
            for group, own in zip(self.groups, self._numbers, strict=True)
        ]
        for number, run in enumerate(self.runs):
            if run.diverged is not None:
                self.retire(number)
        self._batches = batches_ahead(self.groups, draws(self.weights, self.step, self.task_steps))

    def retire(self, number: int) -> None:
        """Has a run that diverged go on as a copy of another, which nobody looks at.

        Numbers that are not finite would send the sums of all runs of its program the slow way. All processes
        have to call this at once.
        """
        self.retired.add(number)
        g, i = self._place[number]
        healthy = [place for place, n in enumerate(self._numbers[g]) if n not in self.retired]
        if healthy:
            self.arrays[g] = self.groups[g].replace(self.arrays[g], i, healthy[0])

    def take_step(self, name: str) -> list[StepMetrics]:
        """One step of all runs; what it tells comes by group, and may still be under way."""
        metrics = []
        assert self._batches is not None
        batches = self._batches.take(name, self.task_steps[name])
        for i, (group, batch) in enumerate(zip(self.groups, batches, strict=True)):
            self.arrays[i], own = group.step(self.arrays[i], name, batch)
            metrics.append(own)
        self.step += 1
        self.task_steps[name] += 1
        return metrics

    def by_run(self, values: Callable[[int, Group], dict[int, Any]]) -> dict[int, Any]:
        """What a function of each group's index and the group gives for its runs, by number of the run."""
        return {
            self._numbers[g][i]: value
            for g, group in enumerate(self.groups)
            for i, value in values(g, group).items()
        }

    def metrics(self, metrics: Sequence[StepMetrics]) -> dict[int, StepMetrics]:
        """What a step told, by run; waits for it."""
        return self.by_run(lambda g, group: group.metrics(metrics[g]))

    def save(self, seconds: float) -> None:
        """Keeps the state of every run that goes on, of a step that is not evaluated, or not yet."""
        self.wait()
        states = self.by_run(lambda g, group: group.states(self.arrays[g]))
        for number in self.live:
            self.runs[number].save(states[number], self.step, self.task_steps, seconds)

    def evaluate(
        self, seconds: float, lose: Callable[[int, DivergedError], None], *, keep: bool
    ) -> dict[int, Evaluation]:
        """Scores every run that goes on; with ``keep``, their states are kept to go on from.

        ``lose`` is called for a run whose parameters or losses are not finite; nothing of it is kept.
        """
        self.wait()
        params = self.by_run(lambda g, group: group.params(self.arrays[g]))
        states = self.by_run(lambda g, group: group.states(self.arrays[g])) if keep else {}
        # All processes look at all runs, since all take the same steps.
        for number, run in enumerate(self.runs):
            if number in self.retired:
                continue
            try:
                run.check(params[number])
            except DivergedError as error:
                lose(number, error)
        told, wrong = {}, dict[int, DivergedError]()
        for number in self.live:
            run, (group, i) = self.runs[number], self._of(number)
            own = group.cropped(i, params[number])
            there = group.on_device(params[number])
            try:
                told[number] = run.evaluate(there, own, self.step, self.task_steps, seconds)
            except DivergedError as error:
                wrong[number] = error
                continue
            if keep:
                run.keep(states[number])
        # Of several processes one alone evaluates.
        is_wrong = processes.any_of_each(np.isin(np.arange(len(self.runs)), list(wrong)))
        for number in np.flatnonzero(is_wrong).tolist():
            lose(number, wrong.get(number) or DivergedError("losses of development data are not finite"))
        for number in self._place.keys() - told.keys():
            self.runs[number].forget_steps()  # which nobody will ask for
        return told

    @property
    def epoch_steps(self) -> int | None:
        """Steps of the target after which ``max_epoch`` is reached."""
        epochs, target = self.config.training.max_epoch, self.config.target.name
        if epochs is None or target not in self.groups[0].batches:
            return None
        return epochs * self.groups[0].setups[0].batches[target].batches_per_epoch

    @property
    def at_end(self) -> bool:
        """Whether the runs have had all their steps."""
        limit, target_limit = self.config.training.max_step, self.epoch_steps
        return (limit is not None and self.step >= limit) or (
            target_limit is not None and self.task_steps[self.config.target.name] >= target_limit
        )

    @property
    def finished(self) -> bool:
        """Whether no run goes on. All processes ask at once."""
        return self.at_end or not processes.any_of(bool(self.live))

    @property
    def expected_steps(self) -> int:
        """How long the runs are, for the progress bar; with ``max_epoch`` the expectation."""
        setup, limit = self.groups[0].setups[0], self.epoch_steps
        share = setup.weights[self.config.target.name]
        limits = [self.config.training.max_step, round(limit / share) if limit and share else None]
        return min(limit for limit in limits if limit is not None)

    def finish(self, pause: Callable[[], None]) -> dict[str, Any]:
        """Scores the best parameters of every run and writes the summaries; calls ``pause`` before each run.

        Raises:
            DivergedError: where all have diverged.
        """
        for number in self.own:
            pause()
            run, (group, i) = self.runs[number], self._of(number)
            best = run.progress.best_step
            if best is None:  # it diverged before it was evaluated
                continue
            params = run.checkpoints.restore_best(best, group.own_shapes(i).params)
            scores = run.finish(group.padded(params))
            if self.alone:
                progress = run.progress
                more = " (near the end: with a larger max_step or max_epoch, --resume may find a better one)"
                hint = more if best > 0.9 * progress.step else ""
                print(f"best step {best} of {progress.step}{hint}, {progress.seconds:.0f} s")
                print(score_table(scores))
        summary = self.summary() if processes.is_first() else None
        if summary is not None:
            self.tell(summary)
        processes.wait_for_all("summarised")
        if processes.any_of(processes.is_first() and all(run.diverged for run in self.runs)):
            raise DivergedError("\n".join(f"replica {n}: {run.diverged}" for n, run in enumerate(self.runs)))
        return self.folder.read("summary.json") if summary is None else summary

    def tell(self, summary: Mapping[str, Any]) -> None:
        """Writes and prints what the replicas reached together; of a run alone there is no more to say."""
        if self.alone or not processes.is_first():
            return
        if not self.folder.summary.exists():
            self.folder.write("summary.json", summary)
        print(f"{len(self.runs)} replicas, {summary['seconds']:.0f} s; each one's scores: summary.json")
        diverged = [str(number) for number, run in enumerate(self.runs) if run.diverged is not None]
        if diverged:
            print(f"{len(diverged)} of them diverged and are left out: {', '.join(diverged)}")
        print(statistics_table(summary["statistics"]))

    def summary(self) -> dict[str, Any] | None:
        """The summary of the finished runs; None where one that it needs is not there."""
        own = [run.finished_summary() for run in self.runs]
        if self.alone:
            return own[0]
        scored = {number: one for number, one in enumerate(own) if one is not None}
        healthy = [n for n, run in enumerate(self.runs) if run.diverged is None]
        if not healthy or any(own[n] is None for n in healthy):
            return None
        return {
            "best_replica": max(healthy, key=lambda number: scored[number]["best_score"]),
            "steps": self.step,
            "seconds": round(max(one["seconds"] for one in scored.values()), 3),
            "target": self.config.target.name,
            **where(),
            # Of those that did not diverge.
            "statistics": statistics(self.config, [scored[n]["scores"] for n in healthy]),
            "replicas": [
                one if one is not None else {"diverged": run.diverged}
                for one, run in zip(own, self.runs, strict=True)
            ],
        }

    def wait(self) -> None:
        """Waits for what is being written."""
        for run in self.runs:
            run.checkpoints.wait()

    def close(self) -> None:
        """Ends the writing, and what assembles batches."""
        try:
            if self._batches is not None:
                self._batches.close()
        finally:
            for run in self.runs:
                run.checkpoints.close()
