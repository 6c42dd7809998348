"""The setting of all tests: the CPU, quick compilation, and what several files share."""

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

# Read when JAX is first imported, here and in the processes that tests start. Compiling is most of
# the tests' time: programs are left as they are written, and one that was compiled is not again.
# Workers of pytest-xdist inherit the environment, but not the folder: a program half-written by one would
# be read by another.
_PROGRAMS = tempfile.mkdtemp(prefix="mlmt-jax-programs-")
atexit.register(shutil.rmtree, _PROGRAMS, ignore_errors=True)
if "PYTEST_XDIST_WORKER" in os.environ:
    del os.environ["JAX_COMPILATION_CACHE_DIR"]
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):  # later ones abort at it
    # XLA's older way to write loops is compiled in less than half of the time.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _PROGRAMS)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

# A shell has it ignored by what it starts in the background, and then training rightly does so too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The machines are shared: how long an example takes says nothing.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real corpora beside the checkout; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real corpora are not at {SHARED_DATA}")
    return SHARED_DATA


class TinyRun(NamedTuple):
    """A run that was trained to its end; tests read it and leave it as it is."""

    config: Path
    folder: Path
    output: str  # what training printed
    programs: list[str]  # what was compiled for it


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config file of the tiny corpus, which stands beside it."""
    return tiny_corpus.write_corpus(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_run(tiny_config: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """The four-task run of the tiny config."""
    from compilations import recorded_compilations

    from mlmt_jax.train import main

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    output = io.StringIO()
    with contextlib.redirect_stdout(output), recorded_compilations() as programs:
        main([str(tiny_config), "--output", str(folder)])
    return TinyRun(tiny_config, folder, output.getvalue(), programs)
