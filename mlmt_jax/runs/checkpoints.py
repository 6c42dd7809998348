"""Checkpoints of a run (orbax): its best parameters, and the last whole states to resume from.

A checkpoint is written to a hidden folder, sealed, then renamed to its step: a folder with a step for its
name is whole. Arrays are saved as NumPy arrays, which name no device.
"""

import contextlib
import json
import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp
from flax import serialization

from mlmt_jax.errors import RunError
from mlmt_jax.runs.atomic_files import check_room, replace_text, sync, write_errors
from mlmt_jax.runs.orbax_arrays import (
    blank_like,
    check_shapes,
    error_text,
    make_checkpointer,
    on_device,
    refused,
    state_parts,
    to_host,
)
from mlmt_jax.runs.orbax_logs import silence_logs
from mlmt_jax.runs.progress import Progress
from mlmt_jax.runs.safe_open import check_no_link, read_regular
from mlmt_jax.runs.seal import seal, seal_problem
from mlmt_jax.types import Params

_PROGRESS = "progress.json"
_EXTRA_BYTES = 1 << 17  # room for the seal, and for what the run writes meanwhile


class StoredState(NamedTuple):
    """A saved state without its arrays."""

    step: int
    path: Path
    problem: str | None  # why the state cannot be used
    progress: Progress | None  # None if there is a problem
    best_problem: str | None  # why its best parameters cannot be used; None if it has none


class _Checkpoint(NamedTuple):
    """A checkpoint to be written."""

    path: Path
    name: str  # of the folder of its arrays
    arrays: Any
    progress: Progress | None


class Checkpoints:
    """Checkpoints in one folder. They are written in the background, in the order in which they are saved."""

    def __init__(self, folder: Path, run_id: str, keep: int = 2):
        """Open a folder, which may be missing.

        Args:
            folder: a run's ``checkpoints`` folder.
            run_id: the id in each seal.
            keep: number of last states that stay.
        """
        self._best, self._last = (folder / "best").absolute(), (folder / "last").absolute()
        self._run_id, self._keep = run_id, keep
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._pending: list[Future[None]] = []

    def save_best(self, step: int, params: Params) -> None:
        """Save parameters as the best so far; earlier ones stay while a kept state refers to them.

        Raises:
            RunError: if an earlier checkpoint could not be written; existing checkpoints stay.
        """
        self._submit(_Checkpoint(self._best / str(step), "params", to_host(params), None))

    def save_last(self, state: Any, progress: Progress) -> None:
        """Save a whole state (a pytree) with its progress; raise as ``save_best`` does."""
        path = self._last / str(progress.step)
        self._submit(_Checkpoint(path, "state", to_host(state_parts(state)), progress))

    def _submit(self, checkpoint: _Checkpoint) -> None:
        """Queue a checkpoint for the writer thread, once at most one earlier write is pending.

        Raises:
            RunError: if a write that it waited for has failed; the checkpoint is not queued.
        """
        self.wait(pending=1)  # The best and the last checkpoint come together.
        self._pending.append(self._writer.submit(self._write, checkpoint, self._pending[-1:]))

    def _write(self, checkpoint: _Checkpoint, earlier: list[Future[None]]) -> None:
        """Write and seal a checkpoint in the writer thread, then delete old ones.

        One that exists already is not written again. Errors of ``earlier`` writes are raised again.
        """
        for write in earlier:
            write.result()  # If the best parameters are lost, their state must not be saved either.
        path, progress = checkpoint.path, checkpoint.progress
        if path.exists():  # with the same bits
            return
        folder, part = path.parent, path.with_name(f".{path.name}.part")
        try:
            with write_errors(path):
                for parent in (folder.parent, folder):
                    parent.mkdir(exist_ok=True)  # The run's folder is not recreated: it may have been moved.
                part.mkdir()
                check_room(part, sum(x.nbytes for x in jax.tree.leaves(checkpoint.arrays)) + _EXTRA_BYTES)
                with make_checkpointer() as checkpointer, silence_logs():
                    checkpointer.save(part / checkpoint.name, args=ocp.args.StandardSave(checkpoint.arrays))
                if progress is not None:
                    replace_text(part / _PROGRESS, json.dumps(progress._asdict(), ensure_ascii=False) + "\n")
                seal(part, self._run_id)
                part.rename(path)
                for parent in (folder, folder.parent, folder.parent.parent):
                    sync(parent)
        except ValueError as error:  # tensorstore wraps the system's errors in it
            raise RunError(f"{path}: cannot be written: {error_text(error)}") from error
        finally:
            _delete_unfinished(folder)
        if progress is not None:
            self._delete_old()

    def _delete_old(self) -> None:
        """Delete all but the newest states, and best parameters to which no kept state refers."""
        with write_errors(self._last):
            for step in _steps(self._last)[: -self._keep]:
                _delete(self._last / str(step))
            needed = set()
            for step in _steps(self._last):
                # A damaged state is never resumed from: it needs no best parameters.
                with contextlib.suppress(RunError, OSError, ValueError, TypeError, RecursionError):
                    needed.add(_read_progress(self._last / str(step)).best_step)
            for step in _steps(self._best)[:-1]:
                if step not in needed:
                    _delete(self._best / str(step))

    def stored_states(self) -> list[StoredState]:
        """Return what is known of each saved state, the newest first; all seals are verified.

        Raises:
            RunError: if a link leads to the states, or a sound state has a progress of another version.
        """
        self.wait()
        states = []
        for step in reversed(_steps(self._last)):
            path = self._last / str(step)
            problem, progress, best_problem = seal_problem(path, self._run_id), None, None
            if problem is None:
                with refused(path, "not a state that this version can go on from"):
                    progress = _read_progress(path)
                if progress.best_step is not None:
                    best = self._best / str(progress.best_step)
                    best_problem = seal_problem(best, self._run_id)
                    if best_problem:
                        best_problem = f"its best checkpoint {best} cannot be used: {best_problem}"
            states.append(StoredState(step, path, problem, progress, best_problem))
        return states

    @property
    def newest_best(self) -> int | None:
        """Step of the newest best parameters, sound or not."""
        return newest_best_step(self._best.parent)

    def restore_state(self, step: int, like: Any) -> Any:
        """Return the arrays of a sound state on the device.

        Args:
            step: step of the state.
            like: a pytree with its structure, shapes and dtypes.

        Raises:
            RunError: if its arrays are not those expected, for instance of another version.
        """
        path = self._last / str(step)
        arrays = blank_like(state_parts(like))
        with (
            make_checkpointer() as checkpointer,
            refused(path, "not a state that this version can go on from"),
        ):
            restored = checkpointer.restore(path / "state", args=ocp.args.StandardRestore(arrays))
        return on_device(serialization.from_state_dict(like, {**dict.fromkeys(like._fields), **restored}))

    def restore_best(self, step: int, like: Params) -> Params:
        """Return the best parameters of a step on the device; ``like`` gives the structure.

        Raises:
            RunError: if they are missing, damaged or not those expected.
        """
        self.wait()
        return _read_best(self._best / str(step), self._run_id, like)

    def drop_after(self, progress: Progress) -> None:
        """Delete later states, best parameters after ``progress.best_step``, and unfinished checkpoints.

        The run is resumed from that progress, and writes them again.
        """
        for folder, step in ((self._last, progress.step), (self._best, progress.best_step or 0)):
            with write_errors(folder):
                _delete_unfinished(folder)
                for later in _steps(folder):
                    if later > step:
                        _delete(folder / str(later))

    def wait(self, *, pending: int = 0) -> None:
        """Wait until at most so many of the latest writes are pending; raise RunError if a write failed."""
        while len(self._pending) > pending:
            self._pending.pop(0).result()

    def close(self) -> None:
        """Finish the pending writes."""
        self._writer.shutdown()


def load_best_params(folder: Path, run_id: str, like: Mapping[str, Any]) -> Params:
    """Return the newest best parameters of a run on the device, without a ``Checkpoints``.

    Args:
        folder: a run's ``checkpoints`` folder.
        run_id: the id in the run's seals.
        like: the expected structure, as arrays or ``jax.ShapeDtypeStruct``.

    Raises:
        RunError: if there is no checkpoint, it is damaged, or its arrays are not those expected.
    """
    steps = _steps(folder / "best")
    if not steps:
        raise RunError(
            f"{folder / 'best'}: no checkpoint is there; expected one of a run that was evaluated once"
        )
    return _read_best((folder / "best" / str(steps[-1])).absolute(), run_id, like)


def _read_best(path: Path, run_id: str, like: Mapping[str, Any]) -> Params:
    """Restore best parameters of the shapes and dtypes of ``like`` to the device.

    Raise RunError if the seal is broken or of another run, files cannot be read, or shapes differ.
    """
    problem = seal_problem(path, run_id)
    if problem:
        raise RunError(f"{path}: not a checkpoint that can be used: {problem}")
    with make_checkpointer() as checkpointer, refused(path, "not a checkpoint of this run"):
        stored: Any = checkpointer.metadata(path / "params").item_metadata
        check_shapes(path, stored or {}, dict(like))
        args = ocp.args.StandardRestore(blank_like(dict(like)))
        return on_device(checkpointer.restore(path / "params", args=args))


def _read_progress(path: Path) -> Progress:
    """Return the progress of a stored state; raise what JSON and ``Progress`` raise for a damaged one."""
    return Progress(**json.loads(read_regular(path / _PROGRESS).decode("utf-8")))


def _steps(folder: Path) -> list[int]:
    """Return the steps of the checkpoints in a folder, ascending; empty if the folder does not exist.

    Raise RunError if the folder or the one that holds it is a symbolic link.
    """
    for path in (folder.parent, folder):
        check_no_link(path)
    try:
        return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
    except FileNotFoundError:
        return []


def newest_best_step(folder: Path) -> int | None:
    """Return the step of the newest best parameters in a ``checkpoints`` folder; None if there are none."""
    return max(_steps(folder / "best"), default=None)


def _delete(path: Path) -> None:
    """Delete a checkpoint; at no time does a part of it have a step for its name."""
    renamed = path.rename(path.with_name(f".{path.name}.gone"))
    shutil.rmtree(renamed, ignore_errors=True)


def _delete_unfinished(folder: Path) -> None:
    """Delete the hidden folders of checkpoints that were not finished, or not wholly deleted."""
    for path in folder.glob(".*"):
        shutil.rmtree(path, ignore_errors=True)
