"""Loading of config files: defaults, paths, overrides, unreadable files."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from mlmt_jax.config import EmbeddingConfig, LSTMConfig, load_config, parse_config
from mlmt_jax.errors import ConfigError


@pytest.fixture
def file(four_tasks: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the config and its data files to a folder `configs`; work in its sibling `work`."""
    folder = tmp_path / "configs"
    folder.mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for dataset in four_tasks["datasets"]:
        for name in dataset["files"].values():
            (folder / name).touch()
    (folder / "xho.vec").touch()
    path = folder / "four.json"
    path.write_text(json.dumps(four_tasks), encoding="utf-8")
    return path


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    return str(caught.value)


def test_missing_keys_have_the_documented_defaults(file: Path) -> None:
    config = load_config(file)
    training, target, dataset = config.training, config.target, config.datasets[0]
    assert (training.eval_freq, training.max_step, training.max_epoch) == (1000, 100, None)
    assert (training.seed, training.gpu, training.patience) == (1, None, None)
    assert (training.mixing, training.aux_task_weight, training.aux_language_weight) == ("sqrt", 0.1, 0.1)
    assert (training.eval_batch_size, training.unknown_rate) == (128, 0.1)
    assert (dataset.type, dataset.batch_size, dataset.sample, dataset.max_len) == (
        "sequence",
        19,
        "all",
        10_000,
    )
    assert (dataset.parser.separator, dataset.parser.scheme, dataset.parser.encoding) == (
        None,
        "auto",
        "utf-8",
    )
    assert (target.learning_rate, target.decay_rate, target.decay_step) == (0.02, 0.9, 10_000)
    assert (target.momentum, target.gradient_clipping, target.prob) == (0.9, 5.0, 1.0)
    assert (target.metric, target.require_eval) == ("auto", True)
    assert (target.model.embed_dropout, target.model.lstm_dropout, target.model.linear_dropout) == (0, 0, 0)


def test_blocks_are_found_by_name(file: Path) -> None:
    config = load_config(file)
    assert config.target.name == "xho ner"
    assert config.dataset("zul_pos").language == "zul"
    words, encoder = config.component("xho_words"), config.component("lstm")
    assert isinstance(words, EmbeddingConfig)
    assert isinstance(encoder, LSTMConfig)
    assert (words.max_words, words.vocabulary, encoder.output_size) == (400_000, "file", 342)
    assert config.datasets[0].files.by_split == {
        "train": "xho.ner.train",
        "dev": "xho.ner.dev",
        "test": "xho.ner.test",
    }
    assert config.tasks[3].model.component_names() == {
        "word_embed": "zul_words",
        "char_embed": "chars",
        "char_highway": "highway",
        "lstm": "lstm",
        "univ_layer": "pos_univ",
        "spec_layer": "pos_zul",
        "crf": "pos_crf",
    }


def test_data_is_relative_to_the_file_and_output_to_the_working_directory(file: Path) -> None:
    config = load_config(Path("../configs/four.json"))
    assert config.data_root == file.parent
    assert config.path("a/b.txt") == file.parent / "a" / "b.txt"
    assert config.path("/a/b.txt") == Path("/a/b.txt")
    assert config.training.output == Path("runs/four")


def test_a_data_root_in_the_file_is_relative_to_the_file(file: Path, four_tasks: dict[str, Any]) -> None:
    file.write_text(json.dumps({"data_root": "../work", **four_tasks}), encoding="utf-8")
    assert load_config(file, check_files=False).data_root == Path.cwd()


def test_a_data_root_by_override_is_relative_to_the_working_directory(file: Path) -> None:
    assert load_config(file, ["data_root=../configs"]).data_root == file.parent
    assert load_config(file, [f"data_root={file.parent}"]).data_root == file.parent


def test_a_resolved_config_parses_to_an_equal_config(file: Path) -> None:
    config = load_config(file, ["tasks.0.gpu=true", "datasets.0.sample=0.5", "training.patience=3"])
    text = json.dumps(config.resolved(), allow_nan=False)
    assert parse_config(json.loads(text)) == config


def test_overrides_set_values_and_later_ones_win(file: Path) -> None:
    config = load_config(
        file,
        [
            "training.max_step=200",
            "training.max_step=300",
            "tasks.1.learning_rate=0.5",
            "tasks[2].learning_rate=1",
            "datasets.0.sample=all",
            "datasets.1.sample=20",
            "datasets.2.sample=0.25",
            "training.output=runs/a=b",
            "components.2.filters=[[5, 6]]",
            "tasks.3.model.lstm_dropout=0.5",
            "training.patience=null",
            'datasets.0.parser={"scheme": "io"}',
        ],
    )
    assert config.training.max_step == 300
    assert [task.learning_rate for task in config.tasks] == [0.02, 0.5, 1.0, 0.02]
    assert [dataset.sample for dataset in config.datasets] == ["all", 20, 0.25, "all"]
    assert config.training.output == Path("runs/a=b")
    assert getattr(config.component("chars"), "filters") == ((5, 6),)  # noqa: B009
    assert config.tasks[3].model.lstm_dropout == 0.5
    assert config.datasets[0].parser.scheme == "io"


def test_an_override_adds_a_missing_block(file: Path, four_tasks: dict[str, Any]) -> None:
    del four_tasks["training"], four_tasks["datasets"][0]["parser"]
    file.write_text(json.dumps(four_tasks), encoding="utf-8")
    config = load_config(file, ["training.max_epoch=4", "datasets.0.parser.scheme=bioes"])
    assert (config.training.max_epoch, config.datasets[0].parser.scheme) == (4, "bioes")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.max_stp=1", 'training.max_stp: unknown key; did you mean "max_step"?'),
        ("trainig.max_step=1", 'trainig: unknown key; did you mean "training"?'),
        (
            "tasks.0.model.lstm=lstn",
            'tasks[0].model.lstm: component "lstn" is not defined; did you mean "lstm"?',
        ),
        ("training.max_step=many", 'training.max_step: invalid value (got "many", expected an integer)'),
        ("training.max_step=-1", "training.max_step: invalid value (got -1, expected a number >= 1)"),
        ("tasks.0.momentum=NaN", "tasks[0].momentum: invalid value (got NaN, expected a finite number)"),
        ("tasks.4.prob=1", "tasks has no entry 4; known: 0 to 3"),
        ("tasks.-1.prob=1", 'tasks has no entry "-1"; known: 0 to 3'),
        ("tasks.first.prob=1", 'tasks has no entry "first"; known: 0 to 3'),
        ("training.max_step.x=1", 'training.max_step is 100, which has no entry "x"'),
        ("training.max_step", "expected PATH=VALUE, such as training.max_step=200"),
        ("=3", "expected PATH=VALUE, such as training.max_step=200"),
    ],
)
def test_an_invalid_override_is_refused_by_its_text(file: Path, override: str, message: str) -> None:
    assert refusal(file, "training.seed=2", override) == f"--set {override}: {message}"


def test_a_problem_of_the_file_is_not_attributed_to_an_override(
    file: Path, four_tasks: dict[str, Any]
) -> None:
    four_tasks["training"]["seed"] = "x"
    file.write_text(json.dumps(four_tasks), encoding="utf-8")
    assert refusal(file, "training.max_step=2") == (
        f'{file}: training.seed: invalid value (got "x", expected an integer)'
    )


def test_a_missing_file_is_named_with_the_nearest_file(file: Path) -> None:
    path = file.parent / "zul.pos.dev"
    path.rename(file.parent / "zul.pos.devel")
    assert refusal(file) == (
        f'{file}: datasets[3].files.dev: no such file: {path}; did you mean "zul.pos.devel"?'
    )
    assert load_config(file, check_files=False).datasets[3].files.dev == "zul.pos.dev"


def test_missing_vector_files_and_folders_are_named(file: Path) -> None:
    override = "components.0.file=vectors/xho.vec"
    folder = file.parent / "vectors"
    assert refusal(file, override) == (
        f"--set {override}: components[0].file: no such file: {folder}/xho.vec (no such folder: {folder})"
    )
    assert refusal(file, "components.0.file=.").endswith(f"components[0].file: no such file: {file.parent}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"training": {"max_step": 1,}}', r"line 1, column 2[89]: not JSON: .*comma.*"),
        ('{\n "tasks": [1 2]\n}', r"line 2, column 14: not JSON: .*"),
        ("", r"line 1, column 1: not JSON: .*"),
        ('{"training": {"seed": 1, "seed": 2}}', r"training\.seed: duplicate key"),
        ('{"tasks": [{}, {"a": 1, "b": 1, "a": 1}]}', r"tasks\[1\]\.a: duplicate key"),
        ("[" * 100_000, r"unusable JSON: .*"),
        ("[1]", r"invalid value \(got \[1\], expected an object\)"),
    ],
)
def test_a_file_without_a_json_object_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"c\.json: {message}$"):
        load_config(path)


def test_a_missing_or_undecodable_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "c.json") == f"{tmp_path}/c.json: cannot be read: No such file or directory"
    (tmp_path / "c.json").write_bytes(b'{"a": "\xff"}')
    assert refusal(tmp_path / "c.json") == f"{tmp_path}/c.json: byte 7 is not UTF-8 (expected a JSON file)"


def test_a_byte_order_mark_is_accepted(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load_config(file) == parse_config(load_config(file).resolved())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
@pytest.mark.parametrize("name", ["dn\udcff/four.json", "rn\udcff.json"])
def test_a_config_path_that_is_not_unicode_is_refused(file: Path, name: str) -> None:
    path = file.parent / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(file.read_bytes())
    message = refusal(path)
    assert message.isascii()
    key = "data_root" if "/" in name else "training.output"
    assert f"{key}: invalid value (got " in message
    assert "udcff" in message


def test_an_index_of_many_digits_is_refused(file: Path) -> None:
    message = refusal(file, f"tasks.{'9' * 5000}.x=1")
    assert message.endswith(f'tasks has no entry "{"9" * 56}...; known: 0 to 3')
