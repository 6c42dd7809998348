"""The lines that a run writes of its evaluations."""

import json
from pathlib import Path

from mlmt_jax.runs.metrics_file import append_metrics, keep_metrics_until


def test_metrics_are_a_line_each(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for step in (1, 2):
        append_metrics(path, {"step": step, "losses": {"isiXhosa ë": 0.5}})
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    assert "isiXhosa ë" in lines[0]


def test_lines_behind_a_step_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = '{"step": 5, "a": "ë\u2028\u2029"}\n{"step": 10}\n'  # which end no line here
    path.write_text(f'{whole}{{"step": 15}}\n{{"step": 20}}\n{{"step": 2', encoding="utf-8")
    assert keep_metrics_until(path, 10) is None
    assert path.read_text(encoding="utf-8") == whole
    assert list(tmp_path.iterdir()) == [path]
    assert keep_metrics_until(path, 0) is None
    assert path.read_text(encoding="utf-8") == ""
    path.write_text('{"step": 5}', encoding="utf-8")  # cut off before its newline
    assert keep_metrics_until(path, 10) is None
    assert path.read_text(encoding="utf-8") == '{"step": 5}\n'


def test_a_file_with_damaged_lines_is_kept_beside(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    damaged = b'{"step": 5}\n' + b"[" * 100_000 + b'\n\xff{"step": 10}\n{"step": 15}\n'
    path.write_bytes(damaged)
    aside = keep_metrics_until(path, 15)
    assert path.read_text(encoding="utf-8") == '{"step": 5}\n{"step": 15}\n'
    assert aside is not None
    assert (aside, aside.read_bytes()) == (tmp_path / "metrics.jsonl.damaged", damaged)


def test_no_metrics_yet(tmp_path: Path) -> None:
    keep_metrics_until(tmp_path / "metrics.jsonl", 10)
    assert not list(tmp_path.iterdir())
