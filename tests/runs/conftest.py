"""Fixtures of the tests of run folders."""

import contextlib
from pathlib import Path

import pytest
from stored_checkpoints import PROGRESS, RUN_ID, random_params, random_state

from mlmt_jax.config import Config, load_config
from mlmt_jax.corpus.corpora import Corpus, load_corpus
from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.same_run import data_records


@pytest.fixture(scope="session")
def config(tiny_config: Path) -> Config:
    """Return the tiny config with a sample of one data set."""
    return load_config(tiny_config, ["datasets.1.sample=5"])


@pytest.fixture(scope="session")
def corpus(config: Config) -> Corpus:
    """Return the corpus of the config."""
    return load_corpus(config)


@pytest.fixture
def folder(tmp_path: Path, config: Config, corpus: Corpus) -> RunFolder:
    """Return the folder of a run before its first step."""
    run_folder = RunFolder(tmp_path / "deep" / "run")
    run_folder.create(config, [(config, data_records(config, corpus))])
    return run_folder


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return a folder of checkpoints with the best parameters of step 5 and the state of step 7."""
    with contextlib.closing(Checkpoints(tmp_path, RUN_ID)) as checkpoints:
        checkpoints.save_best(3, random_params(3))
        checkpoints.save_best(5, random_params(5))
        checkpoints.save_last(random_state(7), PROGRESS)
        checkpoints.wait()
    return tmp_path
