"""``python differing_training.py ARGUMENTS...``: training whose second process gets further arguments.

The variable ``SECOND_PROCESS_ARGUMENTS`` holds them. The script is a file of its own since several processes
run it.
"""

import os
import sys

from mlmt_jax.cli.entry import run
from mlmt_jax.train import main

if __name__ == "__main__":
    is_second = os.environ["JAX_PROCESS_ID"] == "1"
    further = os.environ["SECOND_PROCESS_ARGUMENTS"].split() if is_second else []
    run(lambda: main([*sys.argv[1:], *further]))
