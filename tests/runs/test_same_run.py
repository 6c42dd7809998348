"""The comparison of a resumed run's config and data with those of its folder."""

from pathlib import Path

import pytest
import tiny_corpus

from mlmt_jax.config import Config, load_config
from mlmt_jax.corpus.corpora import Corpus, load_corpus
from mlmt_jax.errors import RunError
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.same_run import check_same_run


@pytest.fixture
def moved(config: Config, tmp_path: Path) -> Config:
    """Return the config for a copy of the data elsewhere."""
    copy = config.model_copy(update={"data_root": tmp_path / "moved"})
    tiny_corpus.write_corpus(copy.data_root)
    return copy


@pytest.mark.parametrize(
    "change",
    ["max_step=999", "max_epoch=3", "patience=2", "gpu=false", "eval_batch_size=3", "output=elsewhere"],
)
def test_length_and_place_of_a_run_may_change(
    folder: RunFolder, tiny_config: Path, corpus: Corpus, change: str
) -> None:
    changed = load_config(tiny_config, ["datasets.1.sample=5", f"training.{change}"])
    check_same_run(folder, changed, [(changed, corpus)])


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("training.seed=9", "training.seed: [0-9]+, now 9"),
        ("training.replicas=4", "training.replicas: 1, now 4"),
        ("datasets.1.sample=6", r"datasets\[1\].sample: 5, now 6"),
        ("tasks.0.learning_rate=0.9", r"tasks\[0\].learning_rate: [0-9.]+, now 0.9"),
        ("components.4.hidden_size=9", r"components\[4\].hidden_size: [0-9]+, now 9"),
        ("tasks.0.model.lstm_dropout=0", r"tasks\[0\].model.lstm_dropout: [0-9.]+, now 0.0"),
    ],
)
def test_other_changes_of_the_config_are_refused(
    folder: RunFolder, tiny_config: Path, corpus: Corpus, change: str, difference: str
) -> None:
    changed = load_config(tiny_config, ["datasets.1.sample=5", change])
    message = rf"another config \(different: {difference}\);\n.*--resume.*--output"
    with pytest.raises(RunError, match=message):
        check_same_run(folder, changed, [(changed, corpus)])


def test_data_may_move(folder: RunFolder, moved: Config) -> None:
    check_same_run(folder, moved, [(moved, load_corpus(moved))])


@pytest.mark.parametrize(
    ("file", "added", "record"),
    [("nld.ner.train", "Nieuw O\n\n", "vocab.json"), ("afr.pos.train", "# longer\n", "samples.json")],
)
def test_changed_data_is_refused(
    folder: RunFolder, moved: Config, file: str, added: str, record: str
) -> None:
    path = moved.data_root / file
    path.write_text(added + path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(RunError, match=f"{record} would differ"):
        check_same_run(folder, moved, [(moved, load_corpus(moved))])


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_changed_tag_is_refused(folder: RunFolder, moved: Config, split: str) -> None:
    path = moved.data_root / f"nld.ner.{split}"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("B-LOC", "B-PER", 1), encoding="utf-8")  # of the same vocabulary
    message = rf"words or tags of 'nld_ner' have changed \({split}\);\n.*--resume"
    with pytest.raises(RunError, match=message):
        check_same_run(folder, moved, [(moved, load_corpus(moved))])


def test_samples_without_digests_are_refused(folder: RunFolder, config: Config, corpus: Corpus) -> None:
    samples = folder.read("samples.json")
    samples["nld_ner"]["digests"] = None
    folder.write("samples.json", samples)
    with pytest.raises(RunError, match=r"'nld_ner' have changed \(train, dev, test\)"):
        check_same_run(folder, config, [(config, corpus)])
