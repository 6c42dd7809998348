"""The environment of all tests (the CPU, quick compilation), and fixtures that several folders share."""

import atexit
import contextlib
import io
import os
import shutil
import signal
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest
import tiny_corpus
from hypothesis import settings

# JAX reads these variables when it is first imported, here and in the processes that tests start. Most of the
# tests' time is compilation: programs are not optimized, and compiled programs are cached. Each worker of
# pytest-xdist has a cache folder of its own: it could read half-written programs from a common one.
_PROGRAMS = tempfile.mkdtemp(prefix="mlmt-jax-programs-")
atexit.register(shutil.rmtree, _PROGRAMS, ignore_errors=True)
if "PYTEST_XDIST_WORKER" in os.environ:
    del os.environ["JAX_COMPILATION_CACHE_DIR"]
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):  # Later versions abort at this flag.
    # XLA compiles loops without fusion emitters in less than half of the time.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _PROGRAMS)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

# A shell lets processes in the background ignore this signal, and training would then ignore it too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The machines are shared: the time of an example depends on other processes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real corpora beside the checkout; skip the test if it is missing."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real corpora are not at {SHARED_DATA}")
    return SHARED_DATA


class TinyRun(NamedTuple):
    """A finished run, which tests read but do not change."""

    config: Path
    folder: Path
    output: str  # text on standard output
    programs: list[str]  # compiled programs


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the tiny corpus and its config to a folder; return the config's path."""
    return tiny_corpus.write_corpus(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_run(tiny_config: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """Train the four task models of the tiny config."""
    from compilations import recorded_compilations

    from mlmt_jax.train import main

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    output = io.StringIO()
    with contextlib.redirect_stdout(output), recorded_compilations() as programs:
        main([str(tiny_config), "--output", str(folder)])
    return TinyRun(tiny_config, folder, output.getvalue(), programs)
