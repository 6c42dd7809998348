"""Training by the command line for benches of scores; finished runs are reused, interrupted ones resumed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def train(config: Path, output: Path, *flags: str) -> dict[str, Any]:
    """Return the summary of a run; train it first if it is not finished.

    Args:
        config: the config file.
        output: run folder.
        flags: further arguments of the command.
    """
    summary = output / "summary.json"
    if not summary.exists():
        resume = ["--resume"] if (output / "config.json").exists() else []
        command = [sys.executable, "-m", "mlmt_jax.train", str(config), "--output", str(output)]
        subprocess.run([*command, *flags, *resume], check=True, stdout=subprocess.DEVNULL)
    return json.loads(summary.read_text(encoding="utf-8"))
