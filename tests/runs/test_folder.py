"""The files of a run folder, and refusals of damaged ones."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_corpus

from mlmt_jax.config import Config
from mlmt_jax.corpus.corpora import Corpus
from mlmt_jax.errors import ConfigError, RunError
from mlmt_jax.runs import atomic_files
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.run_json import FORMAT
from mlmt_jax.runs.same_run import data_records


def test_new_folder_holds_config_and_vocabulary(folder: RunFolder, config: Config, corpus: Corpus) -> None:
    assert {path.name for path in folder.path.iterdir()} == {
        "config.json",
        "run.json",
        "samples.json",
        "vocab.json",
    }
    assert folder.config() == config
    vocabulary, schemes = folder.vocabulary()
    assert vocabulary == corpus.vocabulary
    assert schemes["afr_ner"] == {"scheme": "iob1", "bare": False}
    assert {name: scheme["scheme"] for name, scheme in schemes.items()} == {
        "nld_ner": "iob2",
        "afr_ner": "iob1",
        "nld_pos": "none",
        "afr_pos": "none",
    }


def test_samples_list_the_lines_of_sentences(folder: RunFolder, config: Config) -> None:
    sample = folder.read("samples.json")["afr_ner"]
    assert (sample["file"], sample["available"]) == ("afr.ner.train", tiny_corpus.SENTENCES)
    assert len(set(sample["sentences"])) == len(sample["lines"]) == 5
    lines = (config.data_root / "afr.ner.train").read_text(encoding="utf-8").splitlines()
    first_words = [sentence[0][0] for sentence in tiny_corpus.sentences("afr", 0)]
    for number, line in zip(sample["sentences"], sample["lines"], strict=True):
        assert lines[line - 1].split("\t")[0] == first_words[number]


def test_vocabulary_without_seen_words_is_read(folder: RunFolder) -> None:
    data = folder.read("vocab.json")
    del data["seen"]
    folder.write("vocab.json", data)
    assert folder.vocabulary()[0].training_words == {}


def write_json(folder: RunFolder, name: str, data: Any) -> None:
    """Write a JSON file without its checksum."""
    (folder.path / name).write_text(json.dumps(data), encoding="utf-8")


def test_folders_of_other_formats_are_refused(folder: RunFolder) -> None:
    identity = folder.read("run.json")
    # The config of a newer format may have keys that this version does not know.
    write_json(folder, "config.json", {"new": 1})
    write_json(folder, "run.json", {**identity, "format": FORMAT + 1, "new": 1})
    message = rf"has format {FORMAT + 1}, but this version reads format {FORMAT};\ninstall a newer mlmt_jax"
    for read in (folder.config, folder.vocabulary, lambda: folder.id):
        with pytest.raises(RunError, match=message):
            read()
    write_json(folder, "run.json", {**identity, "format": FORMAT - 1})
    with pytest.raises(RunError, match=rf"has format {FORMAT - 1}, .*;\nuse the mlmt_jax that wrote it"):
        folder.config()


@pytest.mark.parametrize(
    "content",
    [
        {"format": "2"},
        {"format": FORMAT},
        [],
        {"format": FORMAT, "id": "x"},
        {"format": True, "id": "x", "sha256": {}},
        {"format": FORMAT, "id": "x", "sha256": {"a": "b"}},
    ],
)
def test_damaged_run_json_is_refused(folder: RunFolder, content: Any) -> None:
    write_json(folder, "run.json", content)
    with pytest.raises(RunError, match=r"run\.json: not what a run writes there"):
        folder.config()


@pytest.mark.parametrize("remaining", ["config.json", "checkpoints"])
def test_run_without_run_json_is_refused(folder: RunFolder, remaining: str) -> None:
    folder.checkpoints.mkdir()
    for path in list(folder.path.iterdir()):
        if path.name != remaining:
            path.rename(folder.path.parent / path.name)
    for read in (folder.config, lambda: folder.id):
        with pytest.raises(RunError, match=r"run: run\.json is missing; put it back"):
            read()


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "samples.json"])
def test_changed_file_is_refused(folder: RunFolder, name: str) -> None:
    path = folder.path / name
    content = path.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 50)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(RunError, match=rf"{name}: not what the run wrote: .*\n.*--output") as error:
            folder.read(name)
    assert ("--resume --set training.max_step" in str(error.value)) == (name == "config.json")
    path.write_bytes(content)
    folder.read(name)


def test_config_is_updated_whole_or_not_at_all(
    folder: RunFolder, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity, before = folder.read("run.json"), folder.read("config.json")
    folder.update_configs(config, [config])
    assert folder.read("run.json") == identity
    longer = config.model_copy(update={"training": config.training.model_copy(update={"max_step": 999})})
    written: list[Path] = []
    replace = atomic_files.replace_text

    def write_or_crash(path: Path, text: str) -> None:
        if len(written) == writes:
            raise KeyboardInterrupt
        replace(path, text)
        written.append(path)

    monkeypatch.setattr("mlmt_jax.runs.folder.replace_text", write_or_crash)
    monkeypatch.setattr("mlmt_jax.runs.run_json.replace_text", write_or_crash)
    for writes in range(3):  # a crash between any two writes
        written.clear()
        with pytest.raises(KeyboardInterrupt):
            folder.update_configs(longer, [longer])
        assert folder.read("config.json") == (before if writes < 2 else longer.resolved())
    writes = 9
    folder.update_configs(config, [config])
    folder.update_configs(longer, [longer])
    assert folder.config() == longer
    assert [len(checksums) for checksums in folder.read("run.json")["sha256"].values()] == [1, 1, 1]


def test_runs_have_different_ids(folder: RunFolder, tmp_path: Path, config: Config, corpus: Corpus) -> None:
    other = RunFolder(tmp_path / "other")
    other.create(config, [(config, data_records(config, corpus))])
    assert folder.id == RunFolder(folder.path).id != other.id


def test_unwritable_folder_is_refused(tmp_path: Path, config: Config, corpus: Corpus) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match="cannot be written: "):
            RunFolder(path).create(config, [(config, data_records(config, corpus))])


def test_failed_write_leaves_the_file(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write("summary.json", {"a": 1})
    with pytest.raises(TypeError):
        folder.write("summary.json", {"a": object()})
    assert folder.read("summary.json") == {"a": 1}


def test_missing_and_damaged_files_are_refused(folder: RunFolder) -> None:
    with pytest.raises(RunError, match=r"summary\.json is missing; expected the folder of a run"):
        folder.read("summary.json")
    (folder.path / "summary.json").write_text('{"a": ', encoding="utf-8")
    with pytest.raises(RunError, match=r"summary\.json: cannot be read"):
        folder.read("summary.json")
    folder.write("config.json", {"max_stop": 3})
    with pytest.raises(ConfigError, match=r"config\.json"):
        folder.config()


@pytest.mark.parametrize("change", [{"tags": None}, {"words": {"nld_words": {}}}])
def test_damaged_vocabulary_is_refused(folder: RunFolder, change: dict[str, Any]) -> None:
    folder.write("vocab.json", {**folder.read("vocab.json"), **change})
    with pytest.raises(RunError, match=r"vocab\.json: not a vocabulary of a run"):
        folder.vocabulary()
    folder.write("vocab.json", [])
    with pytest.raises(RunError, match=r"vocab\.json: not a vocabulary of a run"):
        folder.vocabulary()
