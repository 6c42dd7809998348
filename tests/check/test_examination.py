"""The check command: clean data, many errors, settings that do not fit the data."""

import subprocess
import sys
from pathlib import Path

import pytest
from command_lines import status
from doctored import TRAIN, Check, Output

from mlmt_jax.check.__main__ import main

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def test_clean_files_have_no_findings(check: Check) -> None:
    assert check() == Output(0, [], "0 errors, 0 warnings in 3 files")


def test_bundled_data_has_no_findings(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(main, CONFIGS / "quickstart.json") == 0
    assert capsys.readouterr().out == "0 errors, 0 warnings in 14 files\n"


def test_all_errors_are_reported_in_the_order_of_the_files(check: Check) -> None:
    output = check(
        train=f"{TRAIN}\nalone\n\nb\0 O\n",
        dev=b"Jan B-PER\n\xe9\xa0 O\nx\xa0y O\nalone\n",
        test=None,
        vectors="Jan 1\n",
    )
    assert output.status == 2
    assert [(message.kind, message.place) for message in output.messages] == [
        ("error", "c.json"),
        ("error", "train:11:6"),
        ("error", "train:13:2"),
        ("error", "dev:2:1"),
        ("warning", "dev:2:2"),
        ("error", "dev:4:6"),
        ("error", "vectors:1"),
    ]
    assert output.messages[0].text.startswith("datasets[0].files.test: no such file: test")
    assert output.summary == "6 errors, 1 warning in 3 files"


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("tasks.0.metric=span_f1", "tasks[0].metric: got 'span_f1', but the tags of 'nld' are not spans"),
        ("components.3.constrain=true", "components[3].constrain: got true, but the tags of 'ner'"),
        ("datasets.0.sample=0", "task 'ner' has no training sentence at all"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_errors(check: Check, override: str, text: str) -> None:
    files = {split: f"{split} NOUN\nx VERB\n" for split in ("train", "dev", "test")}
    output = check("--set", override, **files | {"train": "train NOUN\nx VERB\ndev NOUN\n"})
    errors = [message for message in output.messages if message.kind == "error"]
    assert output.status == 2
    assert errors[0].place == "c.json"
    assert errors[0].text.startswith(text)


def test_epochs_of_an_untrained_target_are_an_error(
    tiny_config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--set", "datasets.0.sample=0", "--set", "training.max_epoch=1"]
    assert status(main, tiny_config, *flags) == 2
    text = f"error: {tiny_config}: training.max_epoch: counts epochs of 'nld ner', which is never trained"
    assert text in capsys.readouterr().out


def test_too_long_file_names_are_missing_files(check: Check) -> None:
    long = "x" * 300
    overrides = ("--set", f"datasets.0.files.dev={long}", "--set", f"components.0.file={long}")
    output = check(*overrides, vectors="Jan 1 2\n")
    assert output.status == 2
    expected = ("datasets[0].files.dev: no such file: xxx", "components[0].file: no such file: xxx")
    assert [
        message.text.startswith(text) for message, text in zip(output.messages, expected, strict=True)
    ] == [True] * 2


def test_a_missing_config_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(main, tmp_path / "none.json") == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'none.json'}: cannot be read")


def test_check_does_not_import_jax() -> None:
    path = str(CONFIGS / "quickstart.json")
    code = (
        f"import sys\nfrom mlmt_jax.check.__main__ import main\nmain([{path!r}])\n"
        "assert not {'jax', 'flax', 'optax', 'orbax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
