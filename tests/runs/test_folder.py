"""The run folder: what it holds, and which folders are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_corpus

from mlmt_jax.config import Config, load_config
from mlmt_jax.corpus.corpora import Corpus, load_corpus
from mlmt_jax.errors import ConfigError, RunError
from mlmt_jax.runs import atomic_files
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.replica_choice import best_score
from mlmt_jax.runs.resume_plan import check_start
from mlmt_jax.runs.run_json import FORMAT
from mlmt_jax.runs.same_run import check_same_run, data_records
from mlmt_jax.runs.survey import folder_contents


@pytest.fixture(scope="module")
def config(tiny_config: Path) -> Config:
    return load_config(tiny_config, ["datasets.1.sample=5"])


@pytest.fixture(scope="module")
def corpus(config: Config) -> Corpus:
    return load_corpus(config)


@pytest.fixture
def folder(tmp_path: Path, config: Config, corpus: Corpus) -> RunFolder:
    made = RunFolder(tmp_path / "deep" / "run")
    made.create(config, [(config, data_records(config, corpus))])
    return made


def test_what_is_known_before_the_first_step(folder: RunFolder, config: Config, corpus: Corpus) -> None:
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


def test_the_chosen_sentences(folder: RunFolder, config: Config) -> None:
    sample = folder.read("samples.json")["afr_ner"]
    assert (sample["file"], sample["available"]) == ("afr.ner.train", tiny_corpus.SENTENCES)
    assert len(set(sample["sentences"])) == len(sample["lines"]) == 5
    lines = (config.data_root / "afr.ner.train").read_text(encoding="utf-8").splitlines()
    first_words = [one[0][0] for one in tiny_corpus.sentences("afr", 0)]
    for number, line in zip(sample["sentences"], sample["lines"], strict=True):
        assert lines[line - 1].split("\t")[0] == first_words[number]


def test_the_best_score_of_a_task_whose_name_breaks_lines(tmp_path: Path) -> None:
    line = json.dumps(
        {"step": 1, "best_score": 0.5, "losses": {"a\u2028b\u2029\x85": 1.0}}, ensure_ascii=False
    )
    (tmp_path / "metrics.jsonl").write_text(f"{line}\n", encoding="utf-8")
    assert best_score(RunFolder(tmp_path)) == 0.5


def test_a_folder_that_holds_a_run(folder: RunFolder) -> None:
    with pytest.raises(RunError) as refused:
        check_start(folder_contents(folder), resume=False)
    message = str(refused.value)
    assert str(folder.path) in message
    assert "--resume" in message
    assert "--output" in message
    check_start(folder_contents(folder), resume=True)


@pytest.mark.parametrize("name", ["checkpoints", "metrics.jsonl"])
def test_what_is_left_of_a_run_is_not_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(RunError, match="already holds a run"):
        check_start(folder_contents(RunFolder(tmp_path)), resume=False)


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    for folder in (tmp_path, tmp_path / "none", tmp_path / "notes.txt"):
        check_start(folder_contents(RunFolder(folder)), resume=False)
        with pytest.raises(RunError, match="there is no run to resume; start it without --resume"):
            check_start(folder_contents(RunFolder(folder)), resume=True)


@pytest.mark.parametrize(
    "free",
    ["max_step=999", "max_epoch=3", "patience=2", "gpu=false", "eval_batch_size=3", "output=elsewhere"],
)
def test_how_long_a_run_goes_on_may_change(folder: RunFolder, tiny_config: Path, corpus: Corpus, free: str):
    changed = load_config(tiny_config, ["datasets.1.sample=5", f"training.{free}"])
    check_same_run(folder, changed, [(changed, corpus)])


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("training.seed=9", "training.seed: [0-9]+, now 9"),
        ("training.replicas=4", "training.replicas: 1, now 4"),
        ("datasets.1.sample=6", r"datasets\[1\].sample: 5, now 6"),
        ("tasks.0.learning_rate=0.9", r"tasks\[0\].learning_rate: [0-9.]+, now 0.9"),
        ("components.4.hidden_size=9", r"components\[4\].hidden_size: [0-9]+, now 9"),
        ("tasks.0.model.lstm_dropout=0", r"tasks\[0\].model.lstm_dropout: [0-9.]+, now 0.0"),
    ],
)
def test_what_a_run_trains_may_not(
    folder: RunFolder, tiny_config: Path, corpus: Corpus, change: str, where: str
) -> None:
    changed = load_config(tiny_config, ["datasets.1.sample=5", change])
    with pytest.raises(RunError, match=rf"another config \(different: {where}\);\n.*--resume.*--output"):
        check_same_run(folder, changed, [(changed, corpus)])


def test_a_run_may_lack_the_words_of_its_training_data(folder: RunFolder) -> None:
    data = folder.read("vocab.json")
    del data["seen"]
    folder.write("vocab.json", data)
    assert folder.vocabulary()[0].training_words == {}


def test_the_data_may_move(folder: RunFolder, config: Config, tmp_path: Path) -> None:
    moved = config.model_copy(update={"data_root": tmp_path / "moved"})
    tiny_corpus.write_corpus(moved.data_root)
    check_same_run(folder, moved, [(moved, load_corpus(moved))])


@pytest.mark.parametrize(
    ("file", "named"), [("nld.ner.train", "vocab.json"), ("afr.pos.train", "samples.json")]
)
def test_the_data_may_not_change(
    folder: RunFolder, config: Config, tmp_path: Path, file: str, named: str
) -> None:
    moved = config.model_copy(update={"data_root": tmp_path / "moved"})
    tiny_corpus.write_corpus(moved.data_root)
    path = moved.data_root / file
    text = path.read_text(encoding="utf-8")
    path.write_text(f"Nieuw O\n\n{text}" if named == "vocab.json" else f"# longer\n{text}", encoding="utf-8")
    with pytest.raises(RunError, match=f"{named} would differ"):
        check_same_run(folder, moved, [(moved, load_corpus(moved))])


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_no_tag_may_change(folder: RunFolder, config: Config, tmp_path: Path, split: str) -> None:
    moved = config.model_copy(update={"data_root": tmp_path / "moved"})
    tiny_corpus.write_corpus(moved.data_root)
    path = moved.data_root / f"nld.ner.{split}"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("B-LOC", "B-PER", 1), encoding="utf-8")  # of the same vocabulary
    with pytest.raises(RunError, match=rf"words or tags of 'nld_ner' have changed \({split}\);\n.*--resume"):
        check_same_run(folder, moved, [(moved, load_corpus(moved))])


def write_json(folder: RunFolder, name: str, data: Any) -> None:
    (folder.path / name).write_text(json.dumps(data), encoding="utf-8")


def test_folders_of_other_versions(folder: RunFolder) -> None:
    own = folder.read("run.json")
    # A newer one may have keys in its config that this version does not know.
    write_json(folder, "config.json", {"new": 1})
    write_json(folder, "run.json", {**own, "format": FORMAT + 1, "new": 1})
    message = rf"has format {FORMAT + 1}, but this version reads format {FORMAT};\ninstall a newer mlmt_jax"
    for ask in (folder.config, folder.vocabulary, lambda: folder.id):
        with pytest.raises(RunError, match=message):
            ask()
    write_json(folder, "run.json", {**own, "format": FORMAT - 1})
    with pytest.raises(RunError, match=rf"has format {FORMAT - 1}, .*;\nuse the mlmt_jax that wrote it"):
        folder.config()
    no_sums, no_format = {"format": FORMAT, "id": own["id"]}, {**own, "format": True}
    for wrong in ({"format": "2"}, {"format": FORMAT}, [], no_sums, no_format, {**own, "sha256": {"a": "b"}}):
        write_json(folder, "run.json", wrong)
        with pytest.raises(RunError, match=r"run\.json: not what a run writes there"):
            folder.config()


@pytest.mark.parametrize("left", ["config.json", "checkpoints"])
def test_a_run_without_its_identity(folder: RunFolder, left: str) -> None:
    folder.checkpoints.mkdir()
    for path in list(folder.path.iterdir()):
        if path.name != left:
            path.rename(folder.path.parent / path.name)
    for ask in (folder.config, lambda: folder.id):
        with pytest.raises(RunError, match=r"run: run\.json is missing; put it back"):
            ask()


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "samples.json"])
def test_a_file_that_is_not_what_the_run_wrote(folder: RunFolder, name: str) -> None:
    path = folder.path / name
    good = path.read_bytes()
    for place in range(0, len(good), max(1, len(good) // 50)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(RunError, match=rf"{name}: not what the run wrote: .*\n.*--output") as refused:
            folder.read(name)
    assert ("--resume --set training.max_step" in str(refused.value)) == (name == "config.json")
    path.write_bytes(good)
    folder.read(name)


def test_how_long_a_run_goes_on_is_noted(
    folder: RunFolder, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, before = folder.read("run.json"), folder.read("config.json")
    folder.update_configs(config, [config])
    assert folder.read("run.json") == own
    longer = config.model_copy(update={"training": config.training.model_copy(update={"max_step": 999})})
    written: list[Path] = []
    replace = atomic_files.replace_text

    def end(path: Path, text: str) -> None:
        if len(written) == most:
            raise KeyboardInterrupt
        replace(path, text)
        written.append(path)

    monkeypatch.setattr("mlmt_jax.runs.folder.replace_text", end)
    monkeypatch.setattr("mlmt_jax.runs.run_json.replace_text", end)
    for most in range(3):  # it is ended between any two writes
        written.clear()
        with pytest.raises(KeyboardInterrupt):
            folder.update_configs(longer, [longer])
        assert folder.read("config.json") == (before if most < 2 else longer.resolved())
    most = 9
    folder.update_configs(config, [config])
    folder.update_configs(longer, [longer])
    assert folder.config() == longer
    assert [len(sums) for sums in folder.read("run.json")["sha256"].values()] == [1, 1, 1]


@pytest.mark.parametrize(
    "names", [[], [".lock"], ["run.json", "vocab.json", ".samples.json.part", "replicas"]]
)
def test_a_run_that_was_ended_as_it_began(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    check_start(folder_contents(RunFolder(tmp_path)), resume=True)
    assert not RunFolder(tmp_path).holds_run


def test_samples_without_digests(folder: RunFolder, config: Config, corpus: Corpus) -> None:
    samples = folder.read("samples.json")
    samples["nld_ner"]["digests"] = None
    folder.write("samples.json", samples)
    with pytest.raises(RunError, match=r"'nld_ner' have changed \(train, dev, test\)"):
        check_same_run(folder, config, [(config, corpus)])


def test_two_runs_can_be_told_apart(
    folder: RunFolder, tmp_path: Path, config: Config, corpus: Corpus
) -> None:
    other = RunFolder(tmp_path / "other")
    other.create(config, [(config, data_records(config, corpus))])
    assert folder.id == RunFolder(folder.path).id != other.id


def test_a_place_that_cannot_be_written(tmp_path: Path, config: Config, corpus: Corpus) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match="cannot be written: "):
            RunFolder(place).create(config, [(config, data_records(config, corpus))])


def test_files_are_whole_or_not_there(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write("summary.json", {"a": 1})
    with pytest.raises(TypeError):
        folder.write("summary.json", {"a": object()})
    assert folder.read("summary.json") == {"a": 1}


def test_missing_and_broken_files(folder: RunFolder) -> None:
    with pytest.raises(RunError, match=r"summary\.json is missing; expected the folder of a run"):
        folder.read("summary.json")
    (folder.path / "summary.json").write_text('{"a": ', encoding="utf-8")
    with pytest.raises(RunError, match=r"summary\.json: cannot be read"):
        folder.read("summary.json")
    folder.write("config.json", {"max_stop": 3})
    with pytest.raises(ConfigError, match=r"config\.json"):
        folder.config()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tags": None}, r"vocab\.json: not a vocabulary of a run"),
        ({"words": {"nld_words": {}}}, r"vocab\.json: not a vocabulary of a run"),
    ],
)
def test_a_vocabulary_that_is_none(folder: RunFolder, change: dict, message: str) -> None:
    folder.write("vocab.json", {**folder.read("vocab.json"), **change})
    with pytest.raises(RunError, match=message):
        folder.vocabulary()
    folder.write("vocab.json", [])
    with pytest.raises(RunError, match=r"vocab\.json: not a vocabulary of a run"):
        folder.vocabulary()


@pytest.mark.parametrize("name", ["samples.json", "vocab.json", "summary.json", "diverged.json"])
def test_files_of_others_stay(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match=f"{name}: is not of a run"):
        check_start(folder_contents(RunFolder(tmp_path)), resume=False)
