"""The lines that a run writes of its evaluations."""

import json
from pathlib import Path

from mlmt_jax.runs.metrics_file import append_metrics, drop_metrics_after


def test_each_record_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for step in (1, 2):
        append_metrics(path, {"step": step, "losses": {"isiXhosa ë": 0.5}})
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    assert "isiXhosa ë" in lines[0]


def test_lines_after_a_step_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first_lines = '{"step": 5, "a": "ë\u2028\u2029"}\n{"step": 10}\n'  # these characters end no line here
    path.write_text(f'{first_lines}{{"step": 15}}\n{{"step": 20}}\n{{"step": 2', encoding="utf-8")
    assert not drop_metrics_after(path, 10)
    assert path.read_text(encoding="utf-8") == first_lines
    assert list(tmp_path.iterdir()) == [path]
    assert not drop_metrics_after(path, 0)
    assert path.read_text(encoding="utf-8") == ""
    path.write_text('{"step": 5}', encoding="utf-8")  # cut off before its newline
    assert not drop_metrics_after(path, 10)
    assert path.read_text(encoding="utf-8") == '{"step": 5}\n'


def test_damaged_lines_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    damaged = b'{"step": 5}\n' + b"[" * 100_000 + b'\n\xff{"step": 10}\n{"step": 15}\n'
    path.write_bytes(damaged)
    assert drop_metrics_after(path, 15)
    assert path.read_text(encoding="utf-8") == '{"step": 5}\n{"step": 15}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_missing_file_has_no_lines(tmp_path: Path) -> None:
    assert not drop_metrics_after(tmp_path / "metrics.jsonl", 10)
    assert not list(tmp_path.iterdir())
