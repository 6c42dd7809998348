"""Checkpoints of a run: the best parameters, and the last whole state to go on from. Orbax arrays only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import serialization

from mlmt_jax.errors import RunError
from mlmt_jax.training.state import RunState
from mlmt_jax.types import Params

__all__ = ["Checkpoints", "Progress", "load_best_params"]


class Progress(NamedTuple):
    """What a run knows beside its arrays."""

    step: int  # steps of all tasks so far
    task_steps: dict[str, int]  # by task model
    best_step: int | None  # of the best development score of the target so far
    best_score: float | None
    stale: int  # evaluations since then
    seconds: float  # of training and evaluation so far


class Checkpoints:
    """The checkpoints of one run folder, each written to a temporary folder and then renamed."""

    def __init__(self, folder: Path):
        self._best = _manager(folder / "best")
        self._last = _manager(folder / "last")

    def save_best(self, step: int, params: Params) -> None:
        """Keeps parameters in place of the best ones so far."""
        # After a resume the same step may come again, with the same bits.
        if step not in self._best.all_steps():
            self._best.save(step, args=ocp.args.Composite(params=ocp.args.StandardSave(params)))

    def save_last(self, state: RunState, progress: Progress) -> None:
        """Keeps the whole state in place of the last one."""
        if progress.step in self._last.all_steps():
            return
        self._best.wait_until_finished()
        arrays = serialization.to_state_dict(state)
        self._last.save(
            progress.step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(arrays), progress=ocp.args.JsonSave(progress._asdict())
            ),
        )

    def restore_last(self, like: RunState) -> tuple[RunState, Progress] | None:
        """The last state and its progress, or None where none was saved. ``like`` gives the structure.

        Raises:
            RunError: where the arrays are not those expected: another version saved them, say.
        """
        step = self._last.latest_step()
        if step is None:
            return None
        arrays = serialization.to_state_dict(like)
        args = ocp.args.Composite(
            state=ocp.args.StandardRestore(_shapes(arrays)), progress=ocp.args.JsonRestore()
        )
        try:
            restored = self._last.restore(step, args=args)
        except (ValueError, KeyError, TypeError) as error:
            path = Path(self._last.directory) / str(step)
            reason = str(error).splitlines()[0]
            raise RunError(f"{path}: not a state that this version can go on from: {reason}") from error
        state: RunState = serialization.from_state_dict(like, restored["state"])  # type: ignore[assignment]
        return state, Progress(**restored["progress"])

    def restore_best(self, like: Params) -> Params:
        """The best parameters. ``like`` gives the structure and where the arrays go."""
        self._best.wait_until_finished()
        step = self._best.latest_step()
        args = ocp.args.Composite(params=ocp.args.StandardRestore(_shapes(like)))
        return self._best.restore(step, args=args)["params"]

    def close(self) -> None:
        """Waits for what is being written."""
        for manager in (self._best, self._last):
            manager.wait_until_finished()
            manager.close()


def load_best_params(folder: Path, like: Mapping[str, Any]) -> Params:
    """The best parameters under ``checkpoints/``, for reading alone.

    Args:
        folder: a run's ``checkpoints`` folder.
        like: the expected structure, as arrays or ``jax.ShapeDtypeStruct``.

    Raises:
        RunError: where there is no checkpoint, or its arrays are not those expected.
    """
    steps = sorted(int(p.name) for p in (folder / "best").glob("*") if p.name.isdigit())
    if not steps:
        raise RunError(
            f"{folder / 'best'}: no checkpoint is there; expected one of a run that was evaluated once"
        )
    path = (folder / "best" / str(steps[-1])).absolute()
    handler = ocp.CompositeCheckpointHandler(params=ocp.StandardCheckpointHandler())
    with ocp.Checkpointer(handler) as checkpointer:
        try:
            found: Any = checkpointer.metadata(path).item_metadata
            _check_shapes(path, found["params"] or {}, like)
            args = ocp.args.Composite(params=ocp.args.StandardRestore(_shapes(like)))
            return checkpointer.restore(path, args=args)["params"]
        except (ValueError, OSError, KeyError, TypeError) as error:
            raise RunError(f"{path}: not a checkpoint of this run: {str(error).splitlines()[0]}") from error


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


def _manager(folder: Path) -> ocp.CheckpointManager:
    options = ocp.CheckpointManagerOptions(max_to_keep=1, create=True)
    return ocp.CheckpointManager(folder.absolute(), options=options)


def _shapes(tree: Any) -> Any:
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])

    def shape(x):
        if isinstance(x, np.ndarray | np.generic):
            return x
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device)

    return jax.tree.map(shape, tree)
