"""How sure a tagger is: from Python, and from ``predict`` and ``evaluate``."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_lines import status

from mlmt_jax import Tagger, evaluate, predict
from mlmt_jax.text.decoded import TaggedSentence

SENTENCES = [["Piet", "Smit", "woont", "in", "Gent", "."], ["Breda", "en", "Delft", "."], [], ["Anna"]]


@pytest.fixture(scope="module")
def tagger(tiny_run: Any) -> Tagger:
    return Tagger.load(tiny_run.folder)


@pytest.fixture(scope="module")
def tagged(tagger: Tagger) -> list[TaggedSentence]:
    return tagger.tag_with_probabilities(SENTENCES)


def test_tags_and_spans(tagger: Tagger, tagged: list[TaggedSentence]) -> None:
    assert [one.tags for one in tagged] == tagger.tag(SENTENCES)
    for one, tokens in zip(tagged, SENTENCES, strict=True):
        assert len(one.probabilities) == len(tokens)
        assert all(0 < p <= 1 for p in one.probabilities)
        starts = [i for i, tag in enumerate(one.tags) if tag.startswith("B-")]
        assert [span.start for span in one.spans] == starts
        for span in one.spans:
            inside = one.tags[span.start : span.end]
            assert inside == [f"B-{span.type}", *[f"I-{span.type}"] * (len(inside) - 1)]
            # All of it is there only where each of its tokens is.
            assert np.exp(one.log_probability) - 1e-6 <= span.probability
            assert span.probability <= min(one.probabilities[span.start : span.end]) + 1e-6
    assert max(len(one.spans) for one in tagged) > 1
    assert tagged[2] == ([], [], [], 0.0)


def test_n_best(tagger: Tagger, tagged: list[TaggedSentence]) -> None:
    found = tagger.n_best(SENTENCES, 4)
    assert [len(own) for own in found] == [4, 4, 1, 3]  # of one word: O, S-LOC, S-PER
    for own, one in zip(found, tagged, strict=True):
        assert own[0].tags == one.tags
        assert own[0].log_probability == pytest.approx(one.log_probability, abs=1e-5)
        assert len({tuple(ranked.tags) for ranked in own}) == len(own)
        logs = [ranked.log_probability for ranked in own]
        assert logs == sorted(logs, reverse=True)
    assert sum(np.exp(ranked.log_probability) for ranked in found[3]) == pytest.approx(1)
    # Of one word all is known: the tags' own probabilities.
    assert tagged[3].probabilities == [pytest.approx(np.exp(found[3][0].log_probability), abs=1e-5)]
    with pytest.raises(ValueError, match="k is 0"):
        tagger.n_best(SENTENCES, 0)
    with pytest.raises(TypeError, match="expected a list of its tokens"):
        tagger.n_best(["Piet"], 2)


def test_parts_of_speech_have_no_spans(tagger: Tagger) -> None:
    pos = tagger.for_task("nld pos")
    found = pos.tag_with_probabilities(SENTENCES)
    assert [one.tags for one in found] == pos.tag(SENTENCES)
    assert all(one.spans == [] and len(one.probabilities) == len(one.tags) for one in found)


def test_every_token_of_a_long_sentence_is_tagged(tagger: Tagger) -> None:
    long = [token for i in range(500) for token in (SENTENCES[0] if i % 3 else SENTENCES[1])][:2500]
    (one,) = tagger.tag_with_probabilities([long])
    assert (len(one.tags), len(one.probabilities)) == (2500, 2500)
    assert one.tags == tagger.tag([long, *SENTENCES])[0]
    assert {tag for before, tag in zip(one.tags, one.tags[1:], strict=False) if before == "O"} <= {
        "O",
        "B-PER",
        "B-LOC",
    }
    assert sum(span.end - span.start for span in one.spans) == sum(tag != "O" for tag in one.tags)


def test_threads(tagger: Tagger, tiny_run: Any, tagged: list[TaggedSentence]) -> None:
    fresh = Tagger.load(tiny_run.folder)
    inputs = [SENTENCES[i % 4 :] + SENTENCES[: i % 4] for i in range(16)]
    with ThreadPoolExecutor(8) as pool:
        tags = list(pool.map(fresh.tag, inputs))
        both = list(pool.map(fresh.tag_with_probabilities, inputs))
    assert tags == [tagger.tag(own) for own in inputs]
    for i, own in enumerate(both):
        assert own == tagged[i % 4 :] + tagged[: i % 4]


def written(folder: Path, text: str) -> Path:
    path = folder / "input"
    path.write_text(text, encoding="utf-8")
    return path


def predicted(run: Path, capsys: pytest.CaptureFixture[str], *argv: str | Path) -> list[str]:
    assert status(predict.main, run, *argv) == 0
    return capsys.readouterr().out.splitlines()


def test_columns(
    tiny_run: Any, tagger: Tagger, tagged: list[TaggedSentence], tmp_path: Path, capsys: Any
) -> None:
    first, last = SENTENCES[0], SENTENCES[3]
    path = written(
        tmp_path, "\n# a comment\n" + "\n".join(f"{token} x" for token in first) + f"\n\n{last[0]} x\n"
    )
    out = predicted(tiny_run.folder, capsys, path, "--probabilities", "--n-best", "4")
    ranked = tagger.n_best([first, last], 4)
    logs = [f"# log_probability = {' '.join(f'{one.log_probability:.6f}' for one in own)}" for own in ranked]
    lines = ["", logs[0], "# a comment"]
    for own, sentence, ranks in ((tagged[0], first, ranked[0]), (tagged[3], last, ranked[1])):
        chances = {i: span.probability for span in own.spans for i in range(span.start, span.end)}
        for i, token in enumerate(sentence):
            span = f"{chances[i]:.6f}" if i in chances else "_"
            others = [ranks[k].tags[i] if k < len(ranks) else "_" for k in (1, 2, 3)]
            lines.append(" ".join([token, "x", own.tags[i], f"{own.probabilities[i]:.6f}", span, *others]))
        lines += ["", logs[1]] if sentence is first else []
    assert out == lines
    # What was written can be read again, and the comments are no tokens.
    again = predicted(tiny_run.folder, capsys, written(tmp_path, "\n".join(out) + "\n"))
    for before, after in zip(out, again, strict=True):
        is_token = before and not before.startswith("#")
        assert after == (f"{before} {before.split()[2]}" if is_token else before)


def test_no_comments_where_the_files_have_none(
    tiny_run: Any, tagger: Tagger, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    form = replace(tagger.column_format, skip_comment=False)
    monkeypatch.setattr(Tagger, "column_format", property(lambda self: form))
    out = predicted(tiny_run.folder, capsys, written(tmp_path, "Anna O\n"), "--n-best", "2")
    ranked = tagger.n_best([["Anna"]], 2)[0]
    assert out == [f"Anna O {ranked[0].tags[0]} {ranked[1].tags[0]}"]


def test_comments_end_as_the_lines_below_them(tiny_run: Any, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"# a comment\r\nAnna x\r\n\nGent x\n")
    assert status(predict.main, tiny_run.folder, path, "--probabilities") == 0
    lines = capsys.readouterr().out.split("\n")
    assert [line.startswith("# log_probability = ") for line in lines].count(True) == 2
    assert [line.endswith("\r") for line in lines] == [True, True, True, False, False, False, False]


def test_json(
    tiny_run: Any, tagger: Tagger, tagged: list[TaggedSentence], tmp_path: Path, capsys: Any
) -> None:
    path = written(
        tmp_path, "".join(json.dumps({"id": i, "tokens": s}) + "\n" for i, s in enumerate(SENTENCES))
    )
    jsonl = ("--input", "jsonl")
    with_both = [json.loads(s) for s in predicted(tiny_run.folder, capsys, path, *jsonl, "--probabilities")]
    for i, (record, one) in enumerate(zip(with_both, tagged, strict=True)):
        assert list(record) == ["id", "tokens", "tags", "probabilities", "spans", "log_probability"]
        assert (record["id"], record["tokens"], record["tags"]) == (i, SENTENCES[i], one.tags)
        assert record["probabilities"] == pytest.approx(one.probabilities, abs=1e-6)
        assert record["log_probability"] == pytest.approx(one.log_probability, abs=1e-6)
        spans = [(s["type"], s["start"], s["end"], s["probability"]) for s in record["spans"]]
        assert spans == [(*span[:3], pytest.approx(span.probability, abs=1e-6)) for span in one.spans]
    records = [json.loads(s) for s in predicted(tiny_run.folder, capsys, path, *jsonl, "--n-best", "2")]
    for record, own in zip(records, tagger.n_best(SENTENCES, 2), strict=True):
        assert list(record) == ["id", "tokens", "tags", "n_best"]
        assert record["tags"] == own[0].tags
        assert [entry["tags"] for entry in record["n_best"]] == [ranked.tags for ranked in own]
        logs = [ranked.log_probability for ranked in own]
        assert [entry["log_probability"] for entry in record["n_best"]] == pytest.approx(logs, abs=1e-6)


@pytest.mark.parametrize("count", ["0", "-1", "two", "1.5", "\u0663", "1001", "9" * 5000])
def test_a_wrong_number_of_sequences(tiny_run: Any, capsys: pytest.CaptureFixture[str], count: str) -> None:
    assert status(predict.main, tiny_run.folder, "--n-best", count) == 2
    assert "expected a whole number from 1 to 1000" in capsys.readouterr().err


@pytest.mark.parametrize(("task", "what"), [("nld ner", "spans"), ("nld pos", "tokens")])
def test_calibration(tiny_run: Any, capsys: pytest.CaptureFixture[str], task: str, what: str) -> None:
    file = tiny_run.config.parent / f"{task.replace(' ', '.')}.dev"
    assert status(evaluate.main, tiny_run.folder, file, "--task", task) == 0
    plain = capsys.readouterr().out
    assert status(evaluate.main, tiny_run.folder, file, "--task", task, "--calibration") == 0
    out = capsys.readouterr().out
    assert out.startswith(plain)
    title, header, *rows = out.removeprefix(plain).strip().splitlines()
    assert title.startswith(f"expected calibration error of {what}: ")
    assert header.split() == ["probability", "confidence", "accuracy", "count"]
    cells = [row.split() for row in rows]
    predictions = sum(int(line.split()[-1]) for line in plain.split("\n\n")[1].splitlines()[1:])
    counts = np.array([int(own[3]) for own in cells])
    assert counts.sum() == predictions
    confidence, accuracy = np.array([[float(cell) for cell in own[1:3]] for own in cells]).T
    error = float(title.split()[-1])
    assert error == pytest.approx(np.sum(counts * np.abs(confidence - accuracy)) / counts.sum(), abs=0.02)
    for own in cells:
        low, high = map(float, own[0].split("-"))
        assert low <= float(own[1]) / 100 <= high
