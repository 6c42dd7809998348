"""The command line of the data doctor: clean data, many errors, what of a config does not fit."""

import subprocess
import sys
from pathlib import Path

import pytest
from command_lines import status
from doctored import TRAIN, Check, Output

from mlmt_jax.check.__main__ import main

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def test_clean_files_are_silent(check: Check) -> None:
    assert check() == Output(0, [], "0 errors, 0 warnings in 3 files")


def test_the_bundled_data_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(main, CONFIGS / "quickstart.json") == 0
    assert capsys.readouterr().out == "0 errors, 0 warnings in 14 files\n"


def test_all_errors_are_told_and_in_the_order_of_the_files(check: Check) -> None:
    found = check(
        train=f"{TRAIN}\nalone\n\nb\0 O\n",
        dev=b"Jan B-PER\n\xe9\xa0 O\nx\xa0y O\nalone\n",
        test=None,
        vectors="Jan 1\n",
    )
    assert found.status == 2
    assert [(told.kind, told.place) for told in found.messages] == [
        ("error", "c.json"),
        ("error", "train:11:6"),
        ("error", "train:13:2"),
        ("error", "dev:2:1"),
        ("warning", "dev:2:2"),
        ("error", "dev:4:6"),
        ("error", "vectors:1"),
    ]
    assert found.messages[0].text.startswith("datasets[0].files.test: no such file: test")
    assert found.summary == "6 errors, 1 warning in 3 files"


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("tasks.0.metric=span_f1", "tasks[0].metric: got 'span_f1', but the tags of 'nld' are not spans"),
        ("components.3.constrain=true", "components[3].constrain: got true, but the tags of 'ner'"),
        ("datasets.0.sample=0", "task 'ner' has no training sentence at all"),
    ],
)
def test_what_of_the_config_does_not_fit_the_data(check: Check, override: str, text: str) -> None:
    files = {split: f"{split} NOUN\nx VERB\n" for split in ("train", "dev", "test")}
    found = check("--set", override, **files | {"train": "train NOUN\nx VERB\ndev NOUN\n"})
    errors = [told for told in found.messages if told.kind == "error"]
    assert found.status == 2
    assert errors[0].place == "c.json"
    assert errors[0].text.startswith(text)


def test_epochs_of_a_target_that_is_never_trained(
    tiny_config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--set", "datasets.0.sample=0", "--set", "training.max_epoch=1"]
    assert status(main, tiny_config, *flags) == 2
    text = f"error: {tiny_config}: training.max_epoch: counts epochs of 'nld ner', which is never trained"
    assert text in capsys.readouterr().out


def test_a_name_that_is_too_long_for_a_file(check: Check) -> None:
    long = "x" * 300
    overrides = ("--set", f"datasets.0.files.dev={long}", "--set", f"components.0.file={long}")
    found = check(*overrides, vectors="Jan 1 2\n")
    assert found.status == 2
    expected = ("datasets[0].files.dev: no such file: xxx", "components[0].file: no such file: xxx")
    assert [told.text.startswith(text) for told, text in zip(found.messages, expected, strict=True)] == [
        True
    ] * 2


def test_a_wrong_config_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(main, tmp_path / "none.json") == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'none.json'}: cannot be read")


def test_nothing_of_jax_is_loaded() -> None:
    path = str(CONFIGS / "quickstart.json")
    code = (
        f"import sys\nfrom mlmt_jax.check.__main__ import main\nmain([{path!r}])\n"
        "assert not {'jax', 'flax', 'optax', 'orbax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
