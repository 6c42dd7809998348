"""TensorBoard event files with the numbers of ``metrics.jsonl``, under the same names.

tensorboardX writes ``_`` in place of spaces and other marks: ``scores/nld_ner/dev/f1``.
"""

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlmt_jax.config import Config
from mlmt_jax.errors import ConfigError
from mlmt_jax.runs.atomic_files import write_errors
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.training import processes


def require_tensorboard(config: Config) -> None:
    """Raise ConfigError if the config logs to TensorBoard and tensorboardX is not installed."""
    if config.training.log_to and importlib.util.find_spec("tensorboardX") is None:
        raise ConfigError(
            "training.log_to: got 'tensorboard', but tensorboardX is not installed;\n"
            "pip install tensorboardX, or --set training.log_to=[]"
        )


class TensorboardLog:
    """Event files in the folder ``tensorboard`` of each replica."""

    def __init__(self, config: Config, folders: Sequence[RunFolder], step: int):
        """Open the event files, if the config asks for them and this is the first process.

        Args:
            config: config of the run.
            folders: folder of each replica.
            step: steps before; later ones in older event files do not count any more.
        """
        self._writers = list[Any]()
        if config.training.log_to and processes.is_first():
            from tensorboardX import SummaryWriter

            for folder in folders:
                path = folder.path / "tensorboard"
                with write_errors(path):
                    # Its name has the second only: a run resumed in the same one would replace the file.
                    suffix = f".{step}"
                    self._writers.append(
                        SummaryWriter(str(path), purge_step=step + 1, filename_suffix=suffix)
                    )

    def write(self, records: Mapping[int, Mapping[str, Any]]) -> None:
        """Write the records of an evaluation, by replica."""
        for number, record in records.items() if self._writers else ():
            for name, value in scalars(record):
                self._writers[number].add_scalar(name, value, record["step"])
            self._writers[number].flush()

    def close(self) -> None:
        """Close the event files."""
        for writer in self._writers:
            writer.close()


def scalars(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of a record by the path of their keys, such as ``scores/nld ner/dev/f1``."""
    for key, value in record.items():
        if isinstance(value, Mapping):
            yield from scalars(value, f"{prefix}{key}/")
        elif isinstance(value, int | float):
            yield f"{prefix}{key}", float(value)
