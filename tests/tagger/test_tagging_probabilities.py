"""Taggers return probabilities and n best sequences, and `predict` and `evaluate` write them."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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


def test_tags_and_spans_have_probabilities(tagger: Tagger, tagged: list[TaggedSentence]) -> None:
    assert [sentence.tags for sentence in tagged] == tagger.tag(SENTENCES)
    for sentence, tokens in zip(tagged, SENTENCES, strict=True):
        assert len(sentence.probabilities) == len(tokens)
        assert all(0 < p <= 1 for p in sentence.probabilities)
        starts = [i for i, tag in enumerate(sentence.tags) if tag.startswith("B-")]
        assert [span.start for span in sentence.spans] == starts
        for span in sentence.spans:
            span_tags = sentence.tags[span.start : span.end]
            assert span_tags == [f"B-{span.type}", *[f"I-{span.type}"] * (len(span_tags) - 1)]
            # P(all tags) <= P(span) <= P(each tag of the span).
            assert np.exp(sentence.log_probability) - 1e-6 <= span.probability
            assert span.probability <= min(sentence.probabilities[span.start : span.end]) + 1e-6
    assert max(len(sentence.spans) for sentence in tagged) > 1
    assert tagged[2] == ([], [], [], 0.0)


def test_n_best_sequences_are_distinct_and_descending(tagger: Tagger, tagged: list[TaggedSentence]) -> None:
    n_best = tagger.n_best(SENTENCES, 4)
    assert [len(ranked) for ranked in n_best] == [4, 4, 1, 3]  # one word has O, S-LOC, S-PER
    for ranked, sentence in zip(n_best, tagged, strict=True):
        assert ranked[0].tags == sentence.tags
        assert ranked[0].log_probability == pytest.approx(sentence.log_probability, abs=1e-5)
        assert len({tuple(sequence.tags) for sequence in ranked}) == len(ranked)
        logs = [sequence.log_probability for sequence in ranked]
        assert logs == sorted(logs, reverse=True)
    assert sum(np.exp(sequence.log_probability) for sequence in n_best[3]) == pytest.approx(1)
    # The probability of a one-word sequence is that of its tag.
    assert tagged[3].probabilities == [pytest.approx(np.exp(n_best[3][0].log_probability), abs=1e-5)]
    with pytest.raises(ValueError, match="k is 0"):
        tagger.n_best(SENTENCES, 0)
    with pytest.raises(TypeError, match="expected a list of its tokens"):
        tagger.n_best(["Piet"], 2)


def test_parts_of_speech_have_no_spans(tagger: Tagger) -> None:
    pos = tagger.for_task("nld pos")
    tagged = pos.tag_with_probabilities(SENTENCES)
    assert [sentence.tags for sentence in tagged] == pos.tag(SENTENCES)
    assert all(
        sentence.spans == [] and len(sentence.probabilities) == len(sentence.tags) for sentence in tagged
    )


def test_every_token_of_a_long_sentence_is_tagged(tagger: Tagger) -> None:
    long = [token for i in range(500) for token in (SENTENCES[0] if i % 3 else SENTENCES[1])][:2500]
    [sentence] = tagger.tag_with_probabilities([long])
    assert (len(sentence.tags), len(sentence.probabilities)) == (2500, 2500)
    assert sentence.tags == tagger.tag([long, *SENTENCES])[0]
    pairs = zip(sentence.tags, sentence.tags[1:], strict=False)
    assert {tag for before, tag in pairs if before == "O"} <= {"O", "B-PER", "B-LOC"}
    assert sum(span.end - span.start for span in sentence.spans) == sum(tag != "O" for tag in sentence.tags)


def test_several_threads_may_use_one_tagger(
    tagger: Tagger, tiny_run: Any, tagged: list[TaggedSentence]
) -> None:
    fresh = Tagger.load(tiny_run.folder)
    inputs = [SENTENCES[i % 4 :] + SENTENCES[: i % 4] for i in range(16)]
    with ThreadPoolExecutor(8) as pool:
        tags = list(pool.map(fresh.tag, inputs))
        results = list(pool.map(fresh.tag_with_probabilities, inputs))
    assert tags == [tagger.tag(sentences) for sentences in inputs]
    for i, result in enumerate(results):
        assert result == tagged[i % 4 :] + tagged[: i % 4]


def write_input(folder: Path, text: str) -> Path:
    """Write the input of a command and return its path."""
    path = folder / "input"
    path.write_text(text, encoding="utf-8")
    return path


def predicted(run: Path, capsys: pytest.CaptureFixture[str], *argv: str | Path) -> list[str]:
    """Run `predict` and return the lines of its output."""
    assert status(predict.main, run, *argv) == 0
    return capsys.readouterr().out.splitlines()


def test_predict_writes_probabilities_and_sequences_in_columns(
    tiny_run: Any, tagger: Tagger, tagged: list[TaggedSentence], tmp_path: Path, capsys: Any
) -> None:
    first, last = SENTENCES[0], SENTENCES[3]
    rows = "\n".join(f"{token} x" for token in first)
    path = write_input(tmp_path, f"\n# a comment\n{rows}\n\n{last[0]} x\n")
    out = predicted(tiny_run.folder, capsys, path, "--probabilities", "--n-best", "4")
    n_best = tagger.n_best([first, last], 4)
    logs = [" ".join(f"{sequence.log_probability:.6f}" for sequence in ranked) for ranked in n_best]
    comments = [f"# log_probability = {text}" for text in logs]
    lines = ["", comments[0], "# a comment"]
    for sentence, tokens, ranked in ((tagged[0], first, n_best[0]), (tagged[3], last, n_best[1])):
        by_token = {i: span.probability for span in sentence.spans for i in range(span.start, span.end)}
        for i, token in enumerate(tokens):
            span = f"{by_token[i]:.6f}" if i in by_token else "_"
            others = [ranked[k].tags[i] if k < len(ranked) else "_" for k in (1, 2, 3)]
            probability = f"{sentence.probabilities[i]:.6f}"
            lines.append(" ".join([token, "x", sentence.tags[i], probability, span, *others]))
        lines += ["", comments[1]] if tokens is first else []
    assert out == lines
    # The output is valid input, and its comments are no tokens.
    again = predicted(tiny_run.folder, capsys, write_input(tmp_path, "\n".join(out) + "\n"))
    for before, after in zip(out, again, strict=True):
        is_token = before and not before.startswith("#")
        assert after == (f"{before} {before.split()[2]}" if is_token else before)


def test_predict_writes_no_comment_if_comments_are_tokens(
    tiny_run: Any, tagger: Tagger, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fmt = replace(tagger.column_format, skip_comment=False)
    monkeypatch.setattr(Tagger, "column_format", property(lambda self: fmt))
    out = predicted(tiny_run.folder, capsys, write_input(tmp_path, "Anna O\n"), "--n-best", "2")
    ranked = tagger.n_best([["Anna"]], 2)[0]
    assert out == [f"Anna O {ranked[0].tags[0]} {ranked[1].tags[0]}"]


def test_a_written_comment_has_the_line_ending_below_it(tiny_run: Any, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"# a comment\r\nAnna x\r\n\nGent x\n")
    assert status(predict.main, tiny_run.folder, path, "--probabilities") == 0
    lines = capsys.readouterr().out.split("\n")
    assert [line.startswith("# log_probability = ") for line in lines].count(True) == 2
    assert [line.endswith("\r") for line in lines] == [True, True, True, False, False, False, False]


def test_predict_writes_probabilities_and_sequences_in_json(
    tiny_run: Any, tagger: Tagger, tagged: list[TaggedSentence], tmp_path: Path, capsys: Any
) -> None:
    objects = [json.dumps({"id": i, "tokens": tokens}) + "\n" for i, tokens in enumerate(SENTENCES)]
    path = write_input(tmp_path, "".join(objects))
    argv = (path, "--input", "jsonl")
    records = [json.loads(line) for line in predicted(tiny_run.folder, capsys, *argv, "--probabilities")]
    for i, (record, sentence) in enumerate(zip(records, tagged, strict=True)):
        assert list(record) == ["id", "tokens", "tags", "probabilities", "spans", "log_probability"]
        assert (record["id"], record["tokens"], record["tags"]) == (i, SENTENCES[i], sentence.tags)
        assert record["probabilities"] == pytest.approx(sentence.probabilities, abs=1e-6)
        assert record["log_probability"] == pytest.approx(sentence.log_probability, abs=1e-6)
        spans = [(s["type"], s["start"], s["end"], s["probability"]) for s in record["spans"]]
        assert spans == [(*span[:3], pytest.approx(span.probability, abs=1e-6)) for span in sentence.spans]
    records = [json.loads(line) for line in predicted(tiny_run.folder, capsys, *argv, "--n-best", "2")]
    for record, ranked in zip(records, tagger.n_best(SENTENCES, 2), strict=True):
        assert list(record) == ["id", "tokens", "tags", "n_best"]
        assert record["tags"] == ranked[0].tags
        assert [entry["tags"] for entry in record["n_best"]] == [sequence.tags for sequence in ranked]
        logs = [sequence.log_probability for sequence in ranked]
        assert [entry["log_probability"] for entry in record["n_best"]] == pytest.approx(logs, abs=1e-6)


@pytest.mark.parametrize("count", ["0", "-1", "two", "1.5", "\u0663", "1001", "9" * 5000])
def test_a_wrong_number_of_sequences_is_refused(
    tiny_run: Any, capsys: pytest.CaptureFixture[str], count: str
) -> None:
    assert status(predict.main, tiny_run.folder, "--n-best", count) == 2
    assert "expected a whole number from 1 to 1000" in capsys.readouterr().err


@pytest.mark.parametrize(("task", "unit"), [("nld ner", "spans"), ("nld pos", "tokens")])
def test_evaluate_prints_the_calibration(
    tiny_run: Any, capsys: pytest.CaptureFixture[str], task: str, unit: str
) -> None:
    file = tiny_run.config.parent / f"{task.replace(' ', '.')}.dev"
    assert status(evaluate.main, tiny_run.folder, file, "--task", task) == 0
    scores = capsys.readouterr().out
    assert status(evaluate.main, tiny_run.folder, file, "--task", task, "--calibration") == 0
    out = capsys.readouterr().out
    assert out.startswith(scores)
    title, header, *rows = out.removeprefix(scores).strip().splitlines()
    assert title.startswith(f"expected calibration error of {unit}: ")
    assert header.split() == ["probability", "confidence", "accuracy", "count"]
    cells = [row.split() for row in rows]
    predictions = sum(int(line.split()[-1]) for line in scores.split("\n\n")[1].splitlines()[1:])
    counts = np.array([int(row[3]) for row in cells])
    assert counts.sum() == predictions
    confidence, accuracy = np.array([[float(cell) for cell in row[1:3]] for row in cells]).T
    error = float(title.split()[-1])
    assert error == pytest.approx(np.sum(counts * np.abs(confidence - accuracy)) / counts.sum(), abs=0.02)
    for row in cells:
        low, high = map(float, row[0].split("-"))
        assert low <= float(row[1]) / 100 <= high
