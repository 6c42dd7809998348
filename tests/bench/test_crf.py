"""The CRF benchmark: peers agree with mlmt_jax.crf, timing, memory, and a small run of the script."""

import functools
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest
from crf_tasks import K_BEST, LOSS, MARGINALS, TASKS, VITERBI, Case, Implementation, disagreement, random_case
from memory import peak_growth
from peers.crf_jax import MLMT_JAX, SKETCH
from scaling import plot, slope
from timing import Machine, interleaved

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "crf.py"
SHAPES = [(5, 6, 4), (3, 1, 2), (1, 3, 5)]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Load the script as a module; its plain name is that of a folder of tests."""
    spec = importlib.util.spec_from_file_location("bench_crf", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(peer: Implementation, case: Case, task: str) -> Any:
    """Return the answer of an implementation."""
    program = peer.prepare(case, task)
    return program.answer(program.run())


def assert_agrees(peer: Implementation, shape: tuple[int, int, int], task: str) -> None:
    case = random_case(shape, seed=3)
    assert disagreement(case, task, answer(MLMT_JAX, case, task), answer(peer, case, task)) is None


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("task", SKETCH.tasks)
def test_sketch_agrees(shape, task):
    assert_agrees(SKETCH, shape, task)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("task", [LOSS, VITERBI])
def test_pytorch_crf_agrees(shape, task):
    pytest.importorskip("torchcrf")
    from peers.crf_torch import PYTORCH_CRF

    assert_agrees(PYTORCH_CRF, shape, task)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("task", TASKS)
def test_torch_struct_agrees(shape, task):
    pytest.importorskip("torch_struct")
    from peers.crf_torch import TORCH_STRUCT

    assert_agrees(TORCH_STRUCT, shape, task)


@pytest.mark.parametrize("task", TASKS)
def test_wrong_answers_are_reported(task):
    case = random_case((4, 5, 3))
    reference = answer(MLMT_JAX, case, task)
    assert disagreement(case, task, reference, reference) is None
    if task == LOSS:
        altered = (reference[0], reference[1], reference[2] + 0.1, *reference[3:])
    elif task == MARGINALS:
        altered = np.where(np.isfinite(reference), np.nan, reference)
    elif task == K_BEST:
        altered = np.repeat(reference[:, :1], 10, 1)  # ten times the best path
    else:
        altered = np.roll(reference, 1, 0)
    assert disagreement(case, task, reference, altered) is not None


def test_random_cases_have_unequal_lengths_and_one_full_sentence():
    lengths = random_case((50, 7, 2)).lengths
    assert lengths.max() == lengths[0] == 7
    assert lengths.min() == 1


def test_programs_take_turns():
    order: list[str] = []
    times = interleaved({name: functools.partial(order.append, name) for name in "ab"}, 4, least=0.0)
    assert [times[name].repeats for name in "ab"] == [4, 4]
    assert order[-16::2] == order[-15::2]  # a call that does not count comes first
    turns = order[-16::2]
    assert all(set(turns[i : i + 2]) == {"a", "b"} for i in range(0, 8, 2))


def test_slow_program_is_called_once():
    calls: list[int] = []
    (timing,) = interleaved({"slow": lambda: calls.append(1)}, 4, budget=0.0).values()
    assert (len(calls), timing.repeats) == (1, 1)


def test_limit_is_the_longer_of_arithmetic_and_copying():
    machine = Machine(multiply_adds=100.0, bytes_copied=10.0)
    assert machine.limit(200.0, 5.0) == 2.0
    assert machine.limit(200.0, 50.0) == 5.0


def test_peak_growth_measures_the_memory_of_a_call():
    growth = peak_growth(functools.partial, np.ones, 8_000_000, preload=["numpy"])
    if growth is None:
        pytest.skip("the system does not report memory")
    assert 63e6 < growth < 70e6


def test_slope_and_plot(tmp_path):
    points = [(x, 1e-3 * x**2) for x in (1, 4, 16)]
    assert slope(points) == pytest.approx(2)
    pytest.importorskip("matplotlib")
    plot({"n": {"task": points}}, tmp_path / "plot.png", "title")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_small_run_writes_results_and_a_table(script, tmp_path, capsys):
    script.main(
        ["--shapes", "2,4,3", "--repeats", "2", "--no-memory", "--no-scaling", "--output", str(tmp_path)]
    )
    results = json.loads((tmp_path / "crf.json").read_text())
    cells = {(cell["task"], cell["implementation"]): cell for cell in results["cells"]}
    reference = [cells[task, "ours"] for task in TASKS]
    assert all(0 < cell["share_of_limit"] < 1 and cell["times_ours"] == 1 for cell in reference)
    assert all(cell["minimum_ms"] <= cell["median_ms"] for cell in cells.values())
    assert not any("disagrees" in cell or "failed" in cell for cell in cells.values())
    assert {task for task, name in cells if name == "sketch"} == set(SKETCH.tasks)
    assert results["versions"]["jax"] == jax.__version__
    assert "tokens/s" in capsys.readouterr().out


def test_failing_peer_is_recorded(script, monkeypatch):
    def fail(case, task):
        raise RuntimeError("too many tags")

    peers = {"ours": MLMT_JAX, "sketch": Implementation((VITERBI,), fail)}
    monkeypatch.setattr(script, "implementations", lambda: peers)
    reference, sketch = script.compare((2, 3, 2), VITERBI, ["ours", "sketch"], 1, Machine(1e9, 1e9), False)
    assert sketch["failed"] == "RuntimeError: too many tags"
    assert "failed" not in reference
