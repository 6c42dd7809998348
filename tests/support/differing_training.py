"""``python differing_training.py ARGUMENTS...``: training whose second process is given more, in ``MORE``.

Stands here since it runs in processes of its own.
"""

import os
import sys

from mlmt_jax.cli.entry import run
from mlmt_jax.train import main

if __name__ == "__main__":
    more = os.environ["MORE"].split() if os.environ["JAX_PROCESS_ID"] == "1" else []
    run(lambda: main([*sys.argv[1:], *more]))
