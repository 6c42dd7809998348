"""Checkpoints of a run: the best parameters, and the last whole states to go on from. Orbax arrays only.

Each is written to a hidden folder, sealed, and then renamed: what has a step for its name is whole. Arrays
are written as NumPy's, which say nothing of the devices that they were on.
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import serialization

from mlmt_jax.runs.atomic_files import check_room, replace_text, sync, writing
from mlmt_jax.errors import RunError
from mlmt_jax.runs.safe_open import check_no_link, read_own
from mlmt_jax.runs.orbax_logs import silent
from mlmt_jax.runs.seal import broken_seal, seal
from mlmt_jax.types import Params

__all__ = ["Checkpoints", "Progress", "Restored", "load_best_params"]

_PROGRESS = "progress.json"
_BESIDE = 1 << 17  # bytes for what stands beside the arrays, and what the run writes meanwhile


class Progress(NamedTuple):
    """What a run knows beside its arrays."""

    step: int  # steps of all tasks so far
    task_steps: dict[str, int]  # by task model
    best_step: int | None  # of the best development score of the target so far
    best_score: float | None
    stale: int  # evaluations since then
    seconds: float  # of training and evaluation so far
    evaluated: int  # step of the last evaluation
    window: dict[str, Any]  # losses and norms since then, ready for JSON


class Restored(NamedTuple):
    """A state to go on from."""

    state: Any
    progress: Progress
    refused: list[str]  # newer checkpoints that could not be used: path and what is wrong


class Checkpoints:
    """The checkpoints under one folder, written in the order in which they are given, in the background."""

    def __init__(self, folder: Path, run: str, keep: int = 2):
        """Args: ``run``, which stands in each seal; ``keep``, how many of the last states stay."""
        self._best, self._last = (folder / "best").absolute(), (folder / "last").absolute()
        self._run, self._keep = run, keep
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._writing: list[Future[None]] = []

    def save_best(self, step: int, params: Params) -> None:
        """Keeps parameters as the best ones so far; earlier ones stay while a last state counts on them.

        Raises:
            RunError: where this or an earlier checkpoint could not be written. What is there stays.
        """
        self._start(self._best / str(step), "params", _host(params), None)

    def save_last(self, state: Any, progress: Progress) -> None:
        """Keeps the whole state beside the last ones.

        Raises:
            RunError: where this or an earlier checkpoint could not be written. What is there stays.
        """
        arrays = _host(serialization.to_state_dict(state))
        self._start(self._last / str(progress.step), "state", arrays, progress)

    def _start(self, path: Path, name: str, arrays: Any, progress: Progress | None) -> None:
        self.wait(all_but=1)  # the best and the last one come together
        given = path, name, arrays, progress, self._writing[-1:]
        self._writing.append(self._writer.submit(self._write, *given))

    def _write(
        self, path: Path, name: str, arrays: Any, progress: Progress | None, before: list[Future[None]]
    ) -> None:
        for one in before:
            one.result()  # a state without its best parameters must not take the place of one that has them
        if path.exists():  # with the same bits
            return
        folder, part = path.parent, path.with_name(f".{path.name}.part")
        try:
            with writing(path):
                for own in (folder.parent, folder):
                    own.mkdir(exist_ok=True)  # within the run's folder, which may have been moved
                part.mkdir()
                check_room(part, sum(leaf.nbytes for leaf in jax.tree.leaves(arrays)) + _BESIDE)
                with _checkpointer() as checkpointer, silent():
                    checkpointer.save(part / name, args=ocp.args.StandardSave(arrays))
                if progress is not None:
                    replace_text(part / _PROGRESS, json.dumps(progress._asdict(), ensure_ascii=False) + "\n")
                seal(part, self._run)
                part.rename(path)
                for parent in (folder, folder.parent, folder.parent.parent):
                    sync(parent)
        except ValueError as error:  # what tensorstore makes of the system's errors
            raise RunError(f"{path}: cannot be written: {_reason(error)}") from error
        finally:
            _clear(folder)
        if progress is not None:
            self._thin_out()

    def _thin_out(self) -> None:
        with writing(self._last):
            for step in _steps(self._last)[: -self._keep]:
                _remove(self._last / str(step))
            counted_on = set()
            for step in _steps(self._last):
                # One that is damaged is never gone on from, and counts on nothing.
                with contextlib.suppress(RunError, OSError, ValueError, TypeError, RecursionError):
                    counted_on.add(_progress(self._last / str(step)).best_step)
            for step in _steps(self._best)[:-1]:
                if step not in counted_on:
                    _remove(self._best / str(step))

    def restore_last(
        self, like: Any, at_most: int | None = None, *, without_best: bool = False
    ) -> Restored | None:
        """The newest sound state whose best parameters are sound as well, or None where none was saved.

        Args:
            like: gives the structure.
            at_most: where given, later steps are passed over.
            without_best: where no state's best parameters are sound, take the newest sound state without
                them: as if it had not been evaluated yet, nor any before it.

        Raises:
            RunError: where none of those that are there can be used, or the arrays are not those expected:
                another version saved them, say.
        """
        self.wait()
        refused: list[str] = []
        bereft: tuple[Path, int] | None = None  # the newest state that lacks its best parameters alone
        for step in reversed(_steps(self._last)):
            if at_most is not None and step > at_most:
                continue
            path = self._last / str(step)
            wrong = broken_seal(path, self._run)
            if wrong:
                refused.append(f"{path}: {wrong}")
                continue
            state, progress = _read_last(path, like)
            best = self._best / str(progress.best_step)
            wrong = None if progress.best_step is None else broken_seal(best, self._run)
            if wrong:
                bereft = bereft or (path, len(refused))
                refused.append(f"{path}: its best checkpoint {best} cannot be used: {wrong}")
                continue
            return Restored(state, progress, refused)
        if bereft and without_best:
            path, place = bereft
            refused = [
                *refused[:place],
                f"{refused[place]}; nor can an older one: the best score starts anew",
            ]
            state, progress = _read_last(path, like)
            before = min(progress.evaluated, progress.step - 1)
            anew = progress._replace(best_step=None, best_score=None, stale=0, evaluated=before)
            return Restored(state, anew, refused)
        if refused:
            raise RunError(f"{refused[0]};\nno other checkpoint is left; train anew with another --output")
        return None

    def drop_after(self, progress: Progress) -> None:
        """Deletes what lies behind a state that the run goes on from: it comes again."""
        for folder, step in ((self._last, progress.step), (self._best, progress.best_step or 0)):
            with writing(folder):
                _clear(folder)
                for late in (own for own in _steps(folder) if own > step):
                    _remove(folder / str(late))

    @property
    def newest_best(self) -> int | None:
        """The step of the newest best parameters, sound or not."""
        return max(_steps(self._best), default=None)

    def restore_best(self, step: int, like: Params) -> Params:
        """The parameters that were kept as the best ones at a step. ``like`` gives the structure.

        Raises:
            RunError: where they are not there or not sound.
        """
        self.wait()
        return _read_best(self._best / str(step), self._run, like)

    def wait(self, *, all_but: int = 0) -> None:
        """Waits for what is being written, but for so many of the latest.

        Raises:
            RunError: where it could not be written.
        """
        while len(self._writing) > all_but:
            self._writing.pop(0).result()

    def close(self) -> None:
        """Ends the writing, after what is begun."""
        self._writer.shutdown()


def load_best_params(folder: Path, run: str, like: Mapping[str, Any]) -> Params:
    """The best parameters under ``checkpoints/``, for reading alone.

    Args:
        folder: a run's ``checkpoints`` folder.
        run: what stands in the run's seals.
        like: the expected structure, as arrays or ``jax.ShapeDtypeStruct``.

    Raises:
        RunError: where there is no checkpoint, it is not sound, or its arrays are not those expected.
    """
    steps = _steps(folder / "best")
    if not steps:
        raise RunError(
            f"{folder / 'best'}: no checkpoint is there; expected one of a run that was evaluated once"
        )
    return _read_best((folder / "best" / str(steps[-1])).absolute(), run, like)


def _read_best(path: Path, run: str, like: Mapping[str, Any]) -> Params:
    wrong = broken_seal(path, run)
    if wrong:
        raise RunError(f"{path}: not a checkpoint that can be used: {wrong}")
    with _checkpointer() as checkpointer:
        try:
            found: Any = checkpointer.metadata(path / "params").item_metadata
            _check_shapes(path, found or {}, like)
            args = ocp.args.StandardRestore(_blank(dict(like)))
            return _on_device(checkpointer.restore(path / "params", args=args))
        except (ValueError, OSError, KeyError, TypeError) as error:
            raise RunError(f"{path}: not a checkpoint of this run: {_reason(error)}") from error


def _read_last(path: Path, like: Any) -> tuple[Any, Progress]:
    arrays = _blank(serialization.to_state_dict(like))
    with _checkpointer() as checkpointer:
        try:
            restored = checkpointer.restore(path / "state", args=ocp.args.StandardRestore(arrays))
            progress = _progress(path)
        except (ValueError, OSError, KeyError, TypeError) as error:
            raise RunError(
                f"{path}: not a state that this version can go on from: {_reason(error)}"
            ) from error
    state: Any = serialization.from_state_dict(like, restored)  # type: ignore[assignment]
    return _on_device(state), progress


def _progress(path: Path) -> Progress:
    return Progress(**json.loads(read_own(path / _PROGRESS).decode("utf-8")))


def _check_shapes(path: Path, found: Any, like: Mapping[str, Any]) -> None:
    got = {jax.tree_util.keystr(k): tuple(v.shape) for k, v in jax.tree_util.tree_leaves_with_path(found)}
    want = {
        jax.tree_util.keystr(k): tuple(v.shape) for k, v in jax.tree_util.tree_leaves_with_path(dict(like))
    }
    if not got:
        raise RunError(f"{path}: no arrays can be read from it; expected a whole checkpoint")
    for key in sorted(got.keys() | want.keys()):
        if got.get(key) != want.get(key):
            raise RunError(
                f"{path}: {key} has shape {got.get(key, 'none')}, expected {want.get(key, 'none')};\n"
                "config.json, vocab.json and the checkpoint are not of one run"
            )


def _checkpointer() -> ocp.Checkpointer:
    # Of several processes, each reads by itself, and the first one alone writes.
    own = jax.process_index()
    options = ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=str(own)
    )
    handler = ocp.StandardCheckpointHandler(multiprocessing_options=options)
    return ocp.Checkpointer(handler, multiprocessing_options=options)


def _host(tree: Any) -> Any:
    """A copy as NumPy arrays: the next step may take the memory of the tree's own."""
    for leaf in jax.tree.leaves(tree):
        if isinstance(leaf, jax.Array):
            leaf.copy_to_host_async()
    return jax.tree.map(lambda leaf: np.array(leaf), tree)


def _blank(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), tree)


def _on_device(tree: Any) -> Any:
    return jax.device_put(tree, jax.local_devices()[0])


def _steps(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder, ascending. Raises ``RunError`` where a link leads there."""
    for own in (folder.parent, folder):
        check_no_link(own)
    try:
        return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
    except FileNotFoundError:
        return []


def _remove(path: Path) -> None:
    """Deletes a checkpoint so that at no time part of one has a step for its name."""
    gone = path.rename(path.with_name(f".{path.name}.gone"))
    shutil.rmtree(gone, ignore_errors=True)


def _clear(folder: Path) -> None:
    """Deletes what was never finished."""
    for path in folder.glob(".*"):
        with contextlib.suppress(OSError):
            shutil.rmtree(path)


def _reason(error: Exception) -> str:
    """An error in one line; what the system said, where tensorstore passes that on."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    return os.strerror(int(code[1])) if code else str(error).splitlines()[0]
