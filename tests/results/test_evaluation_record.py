"""All numbers of an evaluation: they agree with the tables, and README lists their keys."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_lines import is_one_message, status

from mlmt_jax import evaluate

README = Path(evaluate.__file__).parent / "tag_files" / "README.md"
COUNTS = ("correct", "gold", "predicted")


@pytest.mark.parametrize(("task", "unit"), [("nld ner", "spans"), ("afr pos", "tokens")])
def test_every_breakdown_adds_up(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str, unit: str
) -> None:
    file, output = tiny_run.config.parent / f"{task.replace(' ', '.')}.test", tmp_path / "scores.json"
    output.write_text("older", encoding="utf-8")
    assert status(evaluate.main, tiny_run.folder, file, "--task", task, "--json", output) == 0
    record = json.loads(output.read_text(encoding="utf-8"))
    stored = json.loads((tiny_run.folder / "summary.json").read_text(encoding="utf-8"))["scores"][task][
        "test"
    ]
    assert {key: record[key] for key in stored if key not in ("types", "loss")} == {
        key: value for key, value in stored.items() if key not in ("types", "loss")
    }
    assert record["loss"] == pytest.approx(stored["loss"], abs=1e-6)
    totals = {key: sum(counts[key] for counts in record["types"].values()) for key in COUNTS}
    parts = ["sentence_lengths", "words", *(["span_lengths"] if unit == "spans" else [])]
    for part in parts:
        assert {key: sum(group[key] for group in record[part].values()) for key in COUNTS} == totals, part
    assert sum(sum(row.values()) for row in record["confusion"].values()) == record["tokens"]
    assert record["calibration"]["unit"] == unit
    assert sum(b["count"] for b in record["calibration"]["bins"]) == totals["predicted"]
    assert record["standard_deviation"] > 0


def test_readme_lists_every_key(tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "scores.json"
    assert (
        status(evaluate.main, tiny_run.folder, tiny_run.config.parent / "nld.ner.dev", "--json", output) == 0
    )
    record = json.loads(output.read_text(encoding="utf-8"))
    [schema] = re.findall("<!-- schema of --json -->(.*?)<!-- end", README.read_text("utf-8"), re.DOTALL)
    rows = [row.split("|")[1:3] for row in schema.splitlines()[3:] if row]
    assert {key for row in rows for key in re.findall("`(.*?)`", row[0])} == set(record)
    in_calibration = re.findall("`(.*?)`", rows[-1][1])
    assert in_calibration == [*record["calibration"], *record["calibration"]["bins"][0]]


def test_an_unwritable_file_is_refused(
    tiny_run: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tiny_run.config.parent / "nld.ner.dev"
    assert status(evaluate.main, tiny_run.folder, file, "--json", tmp_path / "none" / "x.json") == 2
    assert is_one_message(capsys.readouterr().err)
