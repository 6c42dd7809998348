# pyright: reportMissingImports=false
"""Converted checkpoints of the original: the same emissions and tags, and a complete run folder."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command_lines import process, status
from dense import dense_sentences, pack_dense

pytest.importorskip("torch")

import original_model
from original_model import LstmCrf
from torch.nn import functional

from mlmt_jax import Tagger, evaluate
from mlmt_jax.batches.encode import encode_sentences
from mlmt_jax.convert.__main__ import main
from mlmt_jax.convert.conversion import ACTIVATIONS
from mlmt_jax.model.build import build_model, init_params
from mlmt_jax.model.readers import best_tags
from mlmt_jax.model.task_model import emissions
from mlmt_jax.runs.checkpoints import load_best_params
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.text.tag_schemes import from_bioes

# Words are as long as the widest filter or longer, so that no filter covers padding.
SENTENCES = [
    ["Sarel", "Steyn", "woont"],
    ["SAREL"],
    ["STEYN", "woon9", "sarel", "4 uur"],
    ["xyzzy", "oont.", "Sarel"],
]
CASES: dict[str, Callable[[], tuple[dict[str, Any], dict[str, LstmCrf]]]] = {
    "newer single": original_model.newer,
    "newer multi": partial(original_model.newer, multi=True),
    "hidden layer": partial(original_model.newer, hidden=True),
    "older multi": original_model.older_multi,
}
TASKS = [
    (case, task) for case in CASES for task in (("tgt", "cl", "ct", "clct") if case[0] == "o" else ("tgt",))
]


class Converted(NamedTuple):
    """A converted checkpoint."""

    state: dict[str, Any]  # content of the file
    models: dict[str, LstmCrf]  # the original's, by task
    folder: Path


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Converted]:
    """Convert every case."""
    folder, runs = tmp_path_factory.mktemp("converted"), {}
    for i, (case, build) in enumerate(CASES.items()):
        state, models = build()
        save = original_model.save_from_gpu if case == "older multi" else original_model.save
        file = save(state, folder / f"{i}.mdl")
        main([str(file), str(folder / "runs" / str(i))])
        runs[case] = Converted(state, models, folder / "runs" / str(i))
    return runs


def expected(run: Converted, task: str) -> tuple[list[np.ndarray], list[list[str]]]:
    """Return the original's scores and best labels of all sentences, without padding labels."""
    model, names = run.models[task], original_model.labels_of(run.state, task)
    scores = [model(*original_model.indices(run.state, task, words)) for words in SENTENCES]
    best = [[names[index] for index in model.best(emissions)] for emissions in scores]
    return [emissions[:, sorted(names)] for emissions in scores], best


@pytest.mark.parametrize(("case", "task"), TASKS)
def test_emissions_and_tags_are_the_originals(converted: dict[str, Converted], case: str, task: str) -> None:
    run = converted[case]
    folder = RunFolder(run.folder)
    config, (vocabulary, _) = folder.config(), folder.vocabulary()
    model = build_model(config, vocabulary.sizes)
    task_model = model.tasks[task]
    shapes = jax.eval_shape(lambda key: init_params(model, key), jax.random.key(0))
    params = load_best_params(folder.checkpoints, folder.id, shapes)
    encoded = dense_sentences(encode_sentences(vocabulary, config.task(task).model.word_embed, SENTENCES))
    batch = pack_dense(encoded, 5, 6)
    converted_scores = jax.jit(partial(emissions, task_model))(params, batch)
    lengths, gold = jnp.asarray(batch.sentences.lengths), jnp.asarray(batch.sentences.tags)
    [tags] = map(np.asarray, best_tags(converted_scores, task_model.crf(params), lengths, gold))

    scores, best = expected(run, task)
    names = vocabulary.tags[config.task(task).task]
    assert len({tag for labels in best for tag in labels}) > 1
    for i, (sentence_scores, labels) in enumerate(zip(scores, best, strict=True)):
        length = len(labels)
        np.testing.assert_allclose(converted_scores[i, :length], sentence_scores, rtol=0, atol=1e-5)
        assert [names[tag] for tag in tags[i, :length]] == labels


def test_the_known_words_are_those_of_the_original(converted: dict[str, Converted]) -> None:
    def known(case: str, table: str, words: list[str]) -> list[bool]:
        vocabulary, _ = RunFolder(converted[case].folder).vocabulary()
        return (vocabulary.words[table].rows(words) > 0).tolist()

    # Case and digits matter, except the case for a model that lower-cases all words.
    assert known("newer single", "word_embed_1", ["Sarel", "sarel", "SAREL", "woon9"]) == [1, 1, 0, 0]
    assert known("older multi", "word_embed_1", ["Sarel", "STEYN", "4 uur"]) == [1, 1, 0]
    assert known("older multi", "word_embed_2", ["Sarel", "STEYN", "4 uur", "5 uur"]) == [0, 1, 1, 0]


def test_a_converted_run_has_all_files_and_settings(converted: dict[str, Converted]) -> None:
    run = converted["newer multi"]
    files = {"run.json", "config.json", "vocab.json", "samples.json", "summary.json", "checkpoints"}
    assert {path.name for path in run.folder.iterdir()} == files
    assert {path.name for path in run.folder.parent.iterdir()} == set("0123")
    config = RunFolder(run.folder).config()
    assert config.training.max_epoch == 50
    assert config.datasets[0].files.by_split == {"train": "a/train.bio", "dev": "a/dev.bio"}
    assert (config.target.model.embed_dropout, config.target.model.lstm_dropout) == (0.5, 0.6)
    summary = json.loads((run.folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["converted"]["args"] == run.state["args"]
    older = RunFolder(converted["older multi"].folder).config()
    assert [(dataset.files.train, dataset.parser.label_col) for dataset in older.datasets] == [
        ("unknown", 1),
        ("unknown", 1),
        ("unknown", 3),
        ("b/pos.conllu", 3),
    ]
    assert [dataset.language[-1] for dataset in older.datasets] == ["1", "2", "1", "2"]


def test_a_converted_run_predicts_and_evaluates(
    converted: dict[str, Converted], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = converted["older multi"]
    _, best = expected(run, "cl")
    file = tmp_path / "labelled.tsv"
    pairs = [zip(words, tags, strict=True) for words, tags in zip(SENTENCES, best, strict=True)]
    text = "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in sentence) for sentence in pairs)
    file.write_text(f"{text}\n", encoding="utf-8")
    assert status(evaluate.main, run.folder, file, "--task", "cl") == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["cl", "labelled.tsv"]
    tagger = Tagger.load(run.folder, "cl")
    assert tagger.tasks == ("tgt", "cl", "ct", "clct")
    assert tagger.tag(SENTENCES) == [from_bioes(tags, "bioes") for tags in best]
    predict = process(
        "mlmt_jax.predict", run.folder, "--task", "ct", "--input", "text", stdin="Sarel Steyn woont\n"
    )
    _, pos = expected(run, "ct")
    assert predict.returncode == 0
    assert predict.stdout == "".join(f"{w}\t{t}\n" for w, t in zip(SENTENCES[0], pos[0], strict=True)) + "\n"


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_the_same_functions_as_in_pytorch(name: str) -> None:
    x = np.linspace(-8.0, 8.0, 161, dtype=np.float32)
    torch_values = getattr(functional, name)(original_model.torch.tensor(x)).numpy()
    np.testing.assert_allclose(getattr(jax.nn, ACTIVATIONS[name])(x), torch_values, rtol=1e-6, atol=1e-6)
