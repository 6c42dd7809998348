# pyright: reportMissingImports=false
"""Checkpoints of the original brought over: the same emissions and tags, and a run like any other."""

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
from mlmt_jax.convert import main
from mlmt_jax.convert.conversion import _ACTIVATIONS
from mlmt_jax.model import best_tags, build_model, emissions, init_params
from mlmt_jax.runs.checkpoints import load_best_params
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.text.tag_schemes import from_bioes

# Words of as many characters as the widest filter or more, so that no filter looks beyond them.
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
    state: dict[str, Any]  # what the file holds
    models: dict[str, LstmCrf]  # the original's, by task
    folder: Path


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Converted]:
    """Every case, brought over."""
    place, made = tmp_path_factory.mktemp("converted"), {}
    for i, (case, build) in enumerate(CASES.items()):
        state, models = build()
        save = original_model.save_from_gpu if case == "older multi" else original_model.save
        file = save(state, place / f"{i}.mdl")
        main([str(file), str(place / "runs" / str(i))])
        made[case] = Converted(state, models, place / "runs" / str(i))
    return made


def expected(run: Converted, task: str) -> tuple[list[np.ndarray], list[list[str]]]:
    """The original's scores and best labels of all sentences; padding labels are left out."""
    model, names = run.models[task], original_model.labels_of(run.state, task)
    scores = [model(*original_model.indices(run.state, task, words)) for words in SENTENCES]
    best = [[names[index] for index in model.best(own)] for own in scores]
    return [own[:, sorted(names)] for own in scores], best


@pytest.mark.parametrize(("case", "task"), TASKS)
def test_emissions_and_tags_are_the_originals(converted: dict[str, Converted], case: str, task: str) -> None:
    run = converted[case]
    folder = RunFolder(run.folder)
    config, (vocabulary, _) = folder.config(), folder.vocabulary()
    model = build_model(config, vocabulary.sizes)
    own = model.tasks[task]
    like = jax.eval_shape(lambda key: init_params(model, key), jax.random.key(0))
    params = load_best_params(folder.checkpoints, folder.id, like)
    encoded = dense_sentences(encode_sentences(vocabulary, config.task(task).model.word_embed, SENTENCES))
    batch = pack_dense(encoded, 5, 6)
    found = jax.jit(partial(emissions, own))(params, batch)
    lengths, gold = jnp.asarray(batch.sentences.lengths), jnp.asarray(batch.sentences.tags)
    [tags] = map(np.asarray, best_tags(found, own.crf(params), lengths, gold))

    scores, best = expected(run, task)
    names = vocabulary.tags[config.task(task).task]
    assert len({tag for one in best for tag in one}) > 1
    for i, (want, labels) in enumerate(zip(scores, best, strict=True)):
        np.testing.assert_allclose(found[i, : len(want)], want, rtol=0, atol=1e-5)
        assert [names[tag] for tag in tags[i, : len(want)]] == labels


def test_words_are_known_as_the_original_knows_them(converted: dict[str, Converted]) -> None:
    def known(case: str, table: str, words: list[str]) -> list[bool]:
        vocabulary, _ = RunFolder(converted[case].folder).vocabulary()
        return (vocabulary.words[table].rows(words) > 0).tolist()

    # Neither case nor digits are looked past, but for a model that reads all words in lower case.
    assert known("newer single", "word_embed_1", ["Sarel", "sarel", "SAREL", "woon9"]) == [1, 1, 0, 0]
    assert known("older multi", "word_embed_1", ["Sarel", "STEYN", "4 uur"]) == [1, 1, 0]
    assert known("older multi", "word_embed_2", ["Sarel", "STEYN", "4 uur", "5 uur"]) == [0, 1, 1, 0]


def test_all_files_of_a_run_are_there(converted: dict[str, Converted]) -> None:
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
    text = "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in one) for one in pairs)
    file.write_text(f"{text}\n", encoding="utf-8")
    assert status(evaluate.main, run.folder, file, "--task", "cl") == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["cl", "labelled.tsv"]
    tagger = Tagger.load(run.folder, "cl")
    assert tagger.tasks == ("tgt", "cl", "ct", "clct")
    assert tagger.tag(SENTENCES) == [from_bioes(one, "bioes") for one in best]
    done = process(
        "mlmt_jax.predict", run.folder, "--task", "ct", "--input", "text", stdin="Sarel Steyn woont\n"
    )
    _, pos = expected(run, "ct")
    assert done.returncode == 0
    assert done.stdout == "".join(f"{w}\t{t}\n" for w, t in zip(SENTENCES[0], pos[0], strict=True)) + "\n"


@pytest.mark.parametrize("name", list(_ACTIVATIONS))
def test_activations_are_the_same_function(name: str) -> None:
    x = np.linspace(-8.0, 8.0, 161, dtype=np.float32)
    want = getattr(functional, name)(original_model.torch.tensor(x)).numpy()
    np.testing.assert_allclose(getattr(jax.nn, _ACTIVATIONS[name])(x), want, rtol=1e-6, atol=1e-6)
