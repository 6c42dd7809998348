"""The command that writes config files."""

import errno
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_lines import status

from mlmt_jax.config import load_config
from mlmt_jax.config.recipes import RECIPES
from mlmt_jax.configure import main
from mlmt_jax.errors import ConfigError, DataError

NER = "Piet B-PER\nwoont O\nin O\nGent B-LOC\n. O\n\nJan B-PER\nJansen I-PER\nloopt O\n. O\n\n"
BIOES = NER.replace("B-LOC", "S-LOC").replace("Piet B-PER", "Piet S-PER").replace("I-PER", "E-PER")
WORDS = [("Piet", "PROPN"), ("woont", "VERB"), ("in", "ADP"), ("Gent", "PROPN"), (".", "PUNCT")]
CONLLU = "# sent_id = 1\n" + "".join(
    f"{i}\t{word}\t_\t{tag}\tx\t_\t0\t_\t_\t_\n" for i, (word, tag) in enumerate(WORDS, 1)
)
POS = "".join(f"{word}\t{tag}\n" for word, tag in WORDS * 3)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a corpus of each kind and vectors of two formats in ``data``."""
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "dev", "test"):
        (data / f"tgt.{split}").write_text(NER, encoding="utf-8")
        (data / f"cl.{split}").write_text(BIOES.replace(" ", "\t"), encoding="utf-8")
        (data / f"ct.{split}").write_text(CONLLU, encoding="utf-8")
        (data / f"clct.{split}").write_text(POS, encoding="utf-8")
    (data / "one.vec").write_text("2 3\nPiet 1 2 3\nin 4 5 6\n", encoding="utf-8")
    with gzip.open(data / "two.vec.gz", "wt", encoding="utf-8") as stream:
        stream.write("Jan 1 2 3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(*endings: str, test: bool = True) -> list[str]:
    splits = ("train", "dev", "test") if test else ("train", "dev")
    return [
        word
        for ending in endings
        for split in splits
        for word in (f"--{split}_{ending}", f"data/{ending}.{split}")
    ]


SINGLE = ["single", "--train", "data/tgt.train", "--dev", "data/tgt.dev"]


def read(path: str) -> dict[str, Any]:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def test_multi_configures_four_tasks_that_share_components(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = ["--word_embed_1", "data/one.vec", "--word_embed_2", "data/two.vec.gz"]
    main(["multi", *files("tgt", "cl", "ct", "clct"), *vectors, "--languages", "nld,afr"])
    config = load_config("multi.json")
    assert [task.name for task in config.tasks] == ["nld ner", "afr ner", "nld pos", "afr pos"]
    assert config.target == config.tasks[0]
    parsers = [config.dataset(task.dataset).parser for task in config.tasks]
    assert [(p.token_col, p.label_col, p.separator, p.scheme) for p in parsers] == [
        (0, 1, None, "iob2"),
        (0, 1, "\t", "bioes"),
        (1, 3, "\t", "auto"),
        (0, 1, "\t", "auto"),
    ]
    uses = [task.model.component_names() for task in config.tasks]
    assert uses[3] == {
        "word_embed": "afr_word_embed",
        "char_embed": "char_embed",
        "char_highway": "char_highway",
        "lstm": "lstm",
        "univ_layer": "pos_univ_linear",
        "spec_layer": "pos_afr_linear",
        "crf": "pos_crf",
    }
    # As in the paper: a language shares word vectors, a task shares the CRF, no two share a specific layer.
    assert [use["word_embed"] for use in uses] == ["nld_word_embed", "afr_word_embed"] * 2
    assert [use["crf"] for use in uses] == ["ner_crf", "ner_crf", "pos_crf", "pos_crf"]
    assert len({use["spec_layer"] for use in uses}) == 4
    output = capsys.readouterr().out
    assert "nld ner: 2 training sentences, token in column 0, tag in column 1" in output
    assert output.endswith("python -m mlmt_jax.train multi.json\n")


def test_without_flags_the_recipe_decides(folder: Path) -> None:
    main([*SINGLE, "--word_embed", "data/one.vec"])
    data = read("single.json")
    assert data["recipe"] == "lowres-1"
    assert data["training"] == {"eval_freq": 200, "max_step": 2000}
    chosen = {choice.key for choice in RECIPES["lowres-1"]} - {"dimension"}
    blocks = [data["training"], *data["components"], *(task["model"] for task in data["tasks"])]
    assert not any(chosen & block.keys() for block in blocks)
    config = load_config("single.json")
    assert config.training.average_steps == 400
    assert config.target.model.char_highway is not None
    assert "learning_rate" not in data["tasks"][0]


def test_more_sentences_get_more_steps(folder: Path) -> None:
    (folder / "data" / "tgt.train").write_text(NER * 301, encoding="utf-8")
    main(SINGLE)
    assert load_config("single.json").training.max_step == 2600
    main([*SINGLE, "--max_epoch", "7", "--force"])
    training = load_config("single.json").training
    assert (training.max_step, training.max_epoch) == (None, 7)


def test_defaults_of_lin2018_are_those_of_the_original_scripts(folder: Path) -> None:
    main([*SINGLE, "--word_embed", "data/one.vec", "--recipe", "lin2018"])
    data = read("single.json")
    (task,) = data["tasks"]
    components = {component["name"]: component for component in data["components"]}
    # Except the epochs: the two sentences are one batch, and a run has at least 1000 steps.
    assert data["training"] == {"max_epoch": 1000, "eval_freq": 50}
    assert data["datasets"][0]["batch_size"] == 10
    assert "test" not in data["datasets"][0]["files"]
    assert (task["learning_rate"], task["momentum"], task["gradient_clipping"]) == (0.005, 0.9, 5.0)
    assert (task["decay_rate"], task["decay_step"]) == (0.9, 10000)
    assert (task["model"]["embed_dropout"], task["model"]["lstm_dropout"]) == (0.5, 0.5)
    assert "spec_layer" not in task["model"]
    assert "char_highway" not in task["model"]
    assert components["lang1_word_embed"]["dimension"] == 3
    flags = ["--word_embed_1", "data/one.vec", "--output", "half.json", "--recipe", "lin2018"]
    main(["cross-lingual", *files("tgt", "cl"), *flags])
    components = {component["name"]: component for component in read("half.json")["components"]}
    assert [components[f"lang{i}_word_embed"]["dimension"] for i in (1, 2)] == [3, 3]
    assert components["char_embed"]["dimension"] == 50
    assert components["char_embed"]["filters"] == [[2, 25], [3, 25], [4, 25]]
    assert (components["lstm"]["hidden_size"], components["lstm"]["forget_bias"]) == (100, 0.0)


def test_flags_set_the_values_of_the_config(folder: Path) -> None:
    flags = "--use_highway --charhw_layer 2 --charhw_func selu --charcnn_filters 2,20;3,30 --gpu"
    flags += " --word_embed_dim 7 --word_ignore_case --max_epoch 9 --lr 0.02 --feat_dropout 0"
    flags += " --lstm_hidden_size 171 --lstm_forget_bias 1 --output other.json"
    main([*SINGLE, *flags.split()])
    config = load_config("other.json")
    assert config.training.gpu
    assert config.training.max_epoch == 9
    assert config.target.learning_rate == 0.02
    assert config.target.model.embed_dropout == 0
    components = {component["name"]: component for component in read("other.json")["components"]}
    assert components["char_highway"]["num_layers"] == 2
    assert components["char_highway"]["activation"] == "selu"
    assert components["char_embed"]["filters"] == [[2, 20], [3, 30]]
    assert components["lang1_word_embed"]["dimension"] == 7
    assert components["lang1_word_embed"]["ignore_case"]
    assert "file" not in components["lang1_word_embed"]
    assert (components["lstm"]["hidden_size"], components["lstm"]["forget_bias"]) == (171, 1.0)


def test_cross_lingual_and_cross_task_configure_two_tasks(folder: Path) -> None:
    main(["cross-lingual", *files("tgt", "cl", test=False)])
    lingual = load_config("cross-lingual.json")
    assert [(task.language, task.task) for task in lingual.tasks] == [("lang1", "ner"), ("lang2", "ner")]
    main(["cross-task", *files("tgt", "ct"), "--word_embed_1", "data/one.vec", "--tasks", "names,upos"])
    tasks = load_config("cross-task.json")
    assert [(task.language, task.task) for task in tasks.tasks] == [("lang1", "names"), ("lang1", "upos")]
    assert all(task.model.spec_layer is None for task in tasks.tasks)


def test_a_target_with_tags_of_single_words_is_named_pos(folder: Path) -> None:
    target = ["--train_tgt", "data/ct.train", "--dev_tgt", "data/ct.dev"]
    main(["cross-task", *target, "--train_ct", "data/tgt.train", "--dev_ct", "data/tgt.dev"])
    config = load_config("cross-task.json")
    assert [task.task for task in config.tasks] == ["pos", "ner"]


def test_paths_are_relative_to_the_config_file(folder: Path) -> None:
    (folder / "real" / "deep").mkdir(parents=True)
    (folder / "link").symlink_to(folder / "real" / "deep")
    main([*SINGLE, "--output", "link/c.json", "--word_embed", str(folder / "data" / "one.vec")])
    config = load_config("link/c.json")
    assert config.datasets[0].files.train == "../../data/tgt.train"
    assert config.path("../../data/one.vec").samefile("data/one.vec")


def test_the_evaluation_frequency_is_one_epoch(folder: Path) -> None:
    (folder / "data" / "tgt.train").write_text(NER * 301, encoding="utf-8")
    main([*SINGLE, "--recipe", "lin2018"])
    training = load_config("single.json").training
    assert (training.eval_freq, training.max_epoch) == (61, 100)


def test_an_existing_config_is_kept_without_force(folder: Path) -> None:
    (folder / "single.json").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^single.json: exists already \(expected --force or "):
        main(SINGLE)
    assert (folder / "single.json").read_text(encoding="utf-8") == "mine"
    main([*SINGLE, "--force"])
    load_config("single.json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            [*SINGLE, "--lr", "-1"],
            "single.json: tasks[0].learning_rate: invalid value (got -1.0, expected a number > 0)",
        ),
        (
            [*SINGLE, "--batch_size", "0"],
            "single.json: datasets[0].batch_size: invalid value (got 0, expected a number >= 1)",
        ),
        ([*SINGLE, "--output", "no/c.json"], "no/c.json: cannot be written: No such file or directory"),
        (
            ["cross-lingual", *files("tgt", "cl"), "--languages", "nld"],
            "--languages nld: too few names (got 1, expected 2)",
        ),
        (
            ["cross-lingual", *files("tgt"), "--train_cl", "data/ct.train", "--dev_cl", "data/ct.dev"],
            "--train_cl data/ct.train: not the kind of tags of this task in the target's language "
            "(got tags of single words, expected spans)",
        ),
        (
            ["cross-task", *files("tgt"), "--train_ct", "data/cl.train", "--dev_ct", "data/cl.dev"],
            "both tasks look like ner (expected two names, such as --tasks ner,chunk)",
        ),
    ],
)
def test_unusable_files_and_flags_are_refused(folder: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        main(arguments)
    assert str(caught.value) == message
    assert not list(folder.glob("*.json"))


def test_a_file_of_another_format_than_the_training_file_is_refused(folder: Path) -> None:
    (folder / "data" / "tgt.dev").write_text("Piet\n\nJan\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"^data/tgt.dev:1:5: "):
        main(SINGLE)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--test", "data/tgt.tst"], "argument --test: no such file: data/tgt.tst"),
        (["--charcnn_filters", "2;3"], "expected width,number pairs such as 2,25;3,25"),
        (["--languages", "nld,nld"], "expected different names separated by commas"),
        (["--languages", "nld/be,afr"], "got 'nld/be,afr', expected different names"),
        (["--charhw_func", "rely"], "argument --charhw_func: invalid choice: 'rely'"),
        (["--train_tgt", "data/tgt.train"], "unrecognized arguments: --train_tgt"),
    ],
)
def test_invalid_flags_are_refused_by_the_parser(
    folder: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*SINGLE, *flags])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_errors_end_with_status_2_and_no_traceback(folder: Path) -> None:
    (folder / "single.json").touch()
    process = subprocess.run(
        [sys.executable, "-m", "mlmt_jax.configure", *SINGLE], capture_output=True, text=True, check=False
    )
    assert process.returncode == 2
    assert process.stderr == "error: single.json: exists already (expected --force or another --output)\n"


def test_absolute_paths_stay_absolute(folder: Path) -> None:
    (folder / "configs").mkdir()
    train = str(folder / "data" / "tgt.train")
    main(["single", "--train", train, "--dev", "data/tgt.dev", "--output", "configs/a.json"])
    assert read("configs/a.json")["datasets"][0]["files"] == {"train": train, "dev": "../data/tgt.dev"}


def test_a_failed_write_keeps_the_previous_config(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def raise_disk_full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    main(SINGLE)
    before = read("single.json")
    monkeypatch.setattr(os, "fsync", raise_disk_full)
    assert status(main, *SINGLE, "--force", "--batch_size", "3") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert read("single.json") == before
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("output", [".", "", "data/tgt.dev"])
def test_a_config_never_replaces_a_folder_or_a_data_file(folder: Path, output: str) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match="--output"):
        main([*SINGLE, "--output", output, "--force"])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
