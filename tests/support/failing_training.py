"""``python failing_training.py ARGUMENTS...``: training whose first process cannot write its second state.

With ``STOPPED`` set, it is asked to stop in place of that.

Stands here since it runs in processes of its own.
"""

import errno
import os
import signal
import sys
from pathlib import Path
from unittest import mock

from mlmt_jax.cli.entry import run
from mlmt_jax.runs import checkpoints
from mlmt_jax.train import main


def train() -> None:
    """Training on a disk that fills up."""
    seal = checkpoints.seal

    def seal_or_fail(folder: Path, run_id: str) -> None:
        if (folder.parent.name, folder.name) == ("last", ".8.part") and "STOPPED" in os.environ:
            os.kill(os.getpid(), signal.SIGTERM)
        elif ".8.part" in folder.name and "STOPPED" not in os.environ:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        seal(folder, run_id)

    with mock.patch.object(checkpoints, "seal", seal_or_fail):
        main(sys.argv[1:])


if __name__ == "__main__":
    run(train)
