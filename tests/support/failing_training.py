"""``python failing_training.py ARGUMENTS...``: training whose first process cannot write its second state.

If the variable ``STOPPED`` is set, the process gets a signal instead of the error. The script is a file of
its own since several processes run it.
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
    """Train; fail, or send a signal, when the checkpoint of step 8 is written."""
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
