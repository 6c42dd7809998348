"""Files in each other's place are told by name, with the numbers that show it."""

import copy
import random
from pathlib import Path
from typing import Any

import pytest
from task_grid import task_grid

from mlmt_jax.check.examination import examine
from mlmt_jax.config import parse_config
from mlmt_jax.corpus.corpora import load_corpus

LETTERS = {"xho": "abcdefg", "zul": "defghij"}
NAMES, UPOS = ("PER", "LOC", "ORG"), ("NOUN", "VERB", "ADP")
SPLITS = {"train": 40, "dev": 30, "test": 30}


def words(language: str) -> list[str]:
    """Return 300 words of a language; two languages have some in common."""
    choose = random.Random(language)
    local = ["".join(choose.choices(LETTERS[language], k=5)) for _ in range(260)]
    return sorted({*local, *(f"common{i}" for i in range(40))})


def write_files(folder: Path, language: str, task: str, types: tuple[str, ...]) -> dict[str, str]:
    """Write the files of a data set, with sentences of eight words; return their names by split."""
    choose = random.Random(f"{language} {task}")
    names = {}
    for split, count in SPLITS.items():
        blocks = []
        for _ in range(count):
            tokens = choose.choices(words(language), k=8)
            tags = [choose.choice([f"B-{t}" for t in types] + ["O"] * 3) for _ in tokens]
            tags = tags if task == "ner" else choose.choices(types, k=8)
            blocks.append("\n".join(map("\t".join, zip(tokens, tags, strict=True))))
        names[split] = f"{language}.{task}.{split}"
        (folder / names[split]).write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return names


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    """Return the config of names in two languages and parts of speech in one, whose files are right."""
    parts = {
        "chars": {"model": "char_cnn", "dimension": 3, "filters": [[2, 5]]},
        "highway": {"model": "highway"},
        "lstm": {"model": "lstm", "hidden_size": 5},
    }
    for language in LETTERS:
        vectors = "".join(f"{word} 1 2\n" for word in words(language))
        (tmp_path / f"{language}.vec").write_text(vectors, encoding="utf-8")
        parts[f"{language}_words"] = {"model": "embedding", "dimension": 2, "file": f"{language}.vec"}
    pairs = [("xho", "ner"), ("zul", "ner"), ("xho", "pos")]
    config = task_grid(pairs, parts) | {"data_root": str(tmp_path), "training": {"max_step": 1}}
    for dataset in config["datasets"]:
        types = NAMES if dataset["task"] == "ner" else UPOS
        dataset["files"] = write_files(tmp_path, dataset["language"], dataset["task"], types)
    return config


def findings(data: dict[str, Any]) -> list[str]:
    """Return the findings about the files; training and the check agree on them."""
    config = parse_config(copy.deepcopy(data))
    checked = examine(config, "config.json").findings
    loaded = load_corpus(config).findings
    assert set(loaded) <= set(checked)
    return [str(finding).removeprefix(data["data_root"] + "/") for finding in loaded]


def test_right_files_have_no_findings(data: dict[str, Any]) -> None:
    assert findings(data) == []


@pytest.mark.parametrize(("second", "first"), [("dev", "train"), ("test", "dev"), ("test", "train")])
def test_one_split_in_the_place_of_another(data: dict[str, Any], second: str, first: str) -> None:
    files = data["datasets"][0]["files"]
    files[second] = files[first]
    [finding] = findings(data)
    count = SPLITS[first]
    assert f"the {second} file of 'xho_ner' seems to be its {first} file, or a part of it" in finding
    assert f"{count} of its {count} sentences stand in xho.ner.{first}" in finding
    data["datasets"][0]["sample"] = 15
    assert len(findings(data)) == 1


def test_one_task_in_the_place_of_another(data: dict[str, Any]) -> None:
    data["datasets"][2]["files"] = data["datasets"][0]["files"]
    [finding] = findings(data)
    assert finding.startswith('xho.ner.train: the tags are spans, but the task is called "pos"')


def test_two_languages_in_each_others_place(data: dict[str, Any]) -> None:
    first, second = data["datasets"][:2]
    first["files"], second["files"] = second["files"], first["files"]
    first_finding, second_finding = findings(data)
    assert first_finding.startswith(
        "zul.ner.train: its words are those of 'zul_words' rather than of 'xho_words'"
    )
    assert "100% of them have a vector there, " in first_finding
    assert second_finding.startswith("xho.ner.train: its words are those of 'xho_words'")


def test_tag_sets_that_differ_are_listed_and_the_advice_helps(data: dict[str, Any], tmp_path: Path) -> None:
    files = write_files(tmp_path, "zul", "ner", ("Person", "Location", "ORG"))
    [finding] = findings(data)
    assert finding.startswith("zul.ner.train: the tags of 'xho_ner' and 'zul_ner' differ, and share one CRF")
    assert "LOC, ORG, PER against Location, ORG, Person" in finding
    assert 'give datasets[1] and its task models another "task" than "ner"' in finding
    separate = copy.deepcopy(data)
    [task] = [task for task in separate["tasks"] if task["dataset"] == "zul_ner"]
    separate["datasets"][1]["task"] = task["task"] = "ner2"
    for role in ("univ_layer", "crf"):
        [component] = [c for c in separate["components"] if c["name"] == task["model"][role]]
        task["model"][role] = f"{component['name']}_2"
        separate["components"].append({**component, "name": task["model"][role]})
    assert findings(separate) == []
    for name in files.values():
        path = tmp_path / name
        text = path.read_text(encoding="utf-8").replace("Person", "PER").replace("Location", "LOC")
        path.write_text(text, encoding="utf-8")
    assert findings(data) == []


def test_rare_tags_of_one_language_are_no_difference(data: dict[str, Any], tmp_path: Path) -> None:
    for name in write_files(tmp_path, "zul", "ner", NAMES).values():
        path = tmp_path / name
        path.write_text(path.read_text(encoding="utf-8").replace("B-PER", "B-DATE", 1), encoding="utf-8")
    assert findings(data) == []
