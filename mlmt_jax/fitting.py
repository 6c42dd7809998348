"""Training from Python: the same run folder, progress and scores as the command ``mlmt train``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlmt_jax.cli import environment
from mlmt_jax.config import load_config, parse_config
from mlmt_jax.errors import ConfigError
from mlmt_jax.results.run_end import finish_run, print_end
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.metrics_file import read_metrics
from mlmt_jax.runs.replica_choice import choose_replica
from mlmt_jax.tagger import Tagger
from mlmt_jax.training.launch import launch
from mlmt_jax.training.setup import Setup


def fit(
    config: str | Path | Mapping[str, Any], output: str | Path | None = None, *, resume: bool = False
) -> Tagger:
    """Train the run that a config describes, and load its tagger.

    Args:
        config: path of a config file, or its content as JSON values; relative paths of the latter start at
            the working directory.
        output: the run folder; None for `training.output` of the config, which content must then have.
        resume: continue the run that the folder holds.

    Returns:
        The tagger with the best parameters, of several replicas that of the best one. Its `metrics` are the
        records of all evaluations, as `metrics.jsonl` has them.

    Raises:
        InputError: if anything in config, data or run folder cannot be used, or the training diverged.
        TrainingStopped: on Ctrl-C or SIGTERM, once the state to resume from is saved.
    """
    environment.keep_freed_memory()
    if isinstance(config, Mapping):
        setting = {} if output is None else {"output": str(output)}
        data = {**config, "training": {**config.get("training", {}), **setting}}
        parsed = parse_config(data, check_files=True)
        if parsed.training.output is None:
            raise ConfigError("config: training.output: required key is missing (or give fit an output)")
        file = parsed.training.output / "config.json"  # that of the run holds all of the content
    else:
        parsed = load_config(config, [] if output is None else [f"training.output={json.dumps(str(output))}"])
        file = config
    assert parsed.training.output is not None

    def finish(folder: RunFolder, setups: Sequence[Setup]) -> None:
        finish_run(folder, setups)
        print_end(folder, [str(file), "--output", str(folder.path)], [str(file)])

    launch(parsed, resume=resume, distributed=False, finish=finish)
    tagger = Tagger.load(parsed.training.output)
    lines, _ = read_metrics(choose_replica(RunFolder(parsed.training.output), None).metrics)
    tagger.metrics = [line.record for line in lines]
    return tagger
