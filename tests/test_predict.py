"""`predict` writes every line or object of its input in order, with tags for the tokens."""

import io
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_corpus
from command_lines import is_one_message, process, status
from tag_oracles import conlleval_spans, render

from mlmt_jax import Tagger, predict
from mlmt_jax.runs.folder import RunFolder

SENTENCES = [["Piet", "Smit", "woont", "in", "Gent", "."], ["Breda", "en", "Delft", "."], ["Anna"]]


class Predictions:
    """The command line with one run."""

    def __init__(self, run: Path, capsys: pytest.CaptureFixture[str]):
        self.run, self.capsys = run, capsys

    def __call__(self, *argv: str | Path) -> str:
        """Run the command and return its output."""
        assert status(predict.main, self.run, *argv) == 0
        return self.capsys.readouterr().out

    def refused(self, *argv: str | Path, output: str = "") -> str:
        """Run the command, which refuses its input after some output, and return its message."""
        assert status(predict.main, self.run, *argv) == 2
        out, err = self.capsys.readouterr()
        assert out == output
        assert is_one_message(err), err
        return err


@pytest.fixture
def predictions(tiny_run: Any, capsys: pytest.CaptureFixture[str]) -> Predictions:
    return Predictions(tiny_run.folder, capsys)


@pytest.fixture(scope="module")
def tagger(tiny_run: Any) -> Tagger:
    return Tagger.load(tiny_run.folder)


def write_input(folder: Path, text: str) -> Path:
    """Write the input of the command and return its path."""
    path = folder / "input"
    path.write_bytes(text.encode())
    return path


def tagged(lines: list[str], tags: list[list[str]], separator: str) -> str:
    """Append the next tag to each line that starts with a letter, or is a full stop."""
    flat = iter([tag for sentence in tags for tag in sentence])
    out = [f"{line}{separator}{next(flat)}" if line[:1].isalpha() or line == "." else line for line in lines]
    assert next(flat, None) is None
    return "\n".join(out) + "\n"


def test_a_file_with_one_column_gets_a_second(
    predictions: Predictions, tagger: Tagger, tmp_path: Path
) -> None:
    lines = ["", "# a comment", "Piet", "woont", "", "", "#", "", "Gent", "en", "Anna"]
    path = write_input(tmp_path, "\n".join(lines))  # the last line has no newline
    tags = tagger.tag([["Piet", "woont"], ["Gent", "en", "Anna"]])
    assert predictions(path) == tagged(lines, tags, "\t")


def test_windows_line_endings_are_kept_and_a_byte_order_mark_is_dropped(
    predictions: Predictions, tagger: Tagger, tmp_path: Path
) -> None:
    lines = ["Piet x O", "woont x O", "", "Gent x O"]
    path = write_input(tmp_path, "\ufeff" + "\r\n".join(lines))
    expected = tagged(lines, tagger.tag([["Piet", "woont"], ["Gent"]]), " ")
    # The last line of the input has no line ending.
    assert predictions(path) == "\r\n".join(expected.split("\n")[:-1]) + "\n"


def test_labels_are_kept_and_do_not_affect_the_tags(
    predictions: Predictions, tiny_run: Any, tmp_path: Path
) -> None:
    source = tiny_run.config.parent / "nld.ner.test"
    lines = source.read_text(encoding="utf-8").splitlines()
    out = predictions(source).splitlines()
    assert [line.rpartition(" ")[0] if line else "" for line in out] == lines
    other = write_input(tmp_path, "\n".join(line.split(" ")[0] + " X" if line else "" for line in lines))
    last = [line.rpartition(" ")[2] for line in out]
    assert [line.rpartition(" ")[2] for line in predictions(other).splitlines()] == last
    assert len(set(last)) > 3


def test_a_conllu_file_gets_a_column_for_its_words(
    predictions: Predictions, tagger: Tagger, tmp_path: Path
) -> None:
    rest = "\t_\t_\t_\t_\t0\t_\t_\t_"
    rows = ["# text = Piet woont", "1-2\tPietwoont" + rest, "1\tPiet" + rest, "2\twoont" + rest]
    rows += ["2.1\tniet" + rest, "", "# sent_id = 2", "1\tGent en" + rest, ""]
    out = predictions(write_input(tmp_path, "\n".join(rows) + "\n"), "--task", "nld pos").splitlines()
    pos = tagger.for_task("nld pos")
    tags = [tag for sentence in pos.tag([["Piet", "woont"], ["Gent en"]]) for tag in sentence]
    expected = list(rows)
    for row, tag in zip((2, 3, 7), tags, strict=True):
        expected[row] += f"\t{tag}"
    assert out == expected


def test_one_column_is_read_although_the_training_file_has_ten(
    predictions: Predictions, tagger: Tagger, tmp_path: Path
) -> None:
    path = write_input(tmp_path, "Piet\n\nGent\nen\n")
    tags = tagger.for_task("afr pos").tag([["Piet"], ["Gent", "en"]])
    assert predictions(path, "--task", "afr pos") == tagged(["Piet", "", "Gent", "en"], tags, "\t")


def test_the_separator_is_that_of_the_training_file(
    tiny_run: Any, tagger: Tagger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(tiny_run.folder, tmp_path / "run"))
    config = RunFolder(run).read("config.json")
    config["datasets"][0]["parser"] |= {"token_col": 1, "label_col": 2, "separator": ","}
    RunFolder(run).write("config.json", config)
    tags = tagger.tag([["Piet", "woont"]])
    out = Predictions(run, capsys)(write_input(tmp_path, "a,Piet\nb,woont\n"))
    assert out == tagged(["a,Piet", "b,woont"], tags, ",")
    out = Predictions(run, capsys)(write_input(tmp_path, "Piet\nwoont\n"))
    assert out == tagged(["Piet", "woont"], tags, ",")


@pytest.mark.parametrize("source", ["file", "stdin", "-"])
def test_plain_text_is_tokenized(
    predictions: Predictions, tagger: Tagger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    text = "\ufeffPiet  woont in Gent.\n\nAnna"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    file = {"file": [write_input(tmp_path, text)], "stdin": [], "-": ["-"]}[source]
    [first, last] = tagger.tag([["Piet", "woont", "in", "Gent", "."], ["Anna"]])
    lines = ["Piet", "woont", "in", "Gent", ".", "", "", "Anna", ""]
    assert predictions(*file, "--input", "text") == tagged(lines, [first, last], "\t")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    records = [
        json.loads(line) for line in predictions("--input", "text", *file, "--output", "jsonl").splitlines()
    ]
    assert records[0] == {
        "text": "Piet  woont in Gent.",
        "offsets": [[0, 4], [6, 11], [12, 14], [15, 19], [19, 20]],
        "tokens": ["Piet", "woont", "in", "Gent", "."],
        "tags": first,
    }
    assert records[1:] == [
        {"text": "", "offsets": [], "tokens": [], "tags": []},
        {"text": "Anna", "offsets": [[0, 4]], "tokens": ["Anna"], "tags": last},
    ]


def test_pre_tokenized_text_is_split_at_spaces(
    predictions: Predictions, tagger: Tagger, tmp_path: Path
) -> None:
    path = write_input(tmp_path, "Piet, woont\u00a0in Gent.\r\n")
    out = json.loads(predictions(path, "--input", "text", "--pre-tokenized", "--output", "jsonl"))
    tokens = ["Piet,", "woont", "in", "Gent."]
    assert out == {
        "text": "Piet, woont\u00a0in Gent.",
        "offsets": [[0, 5], [6, 11], [12, 14], [15, 20]],
        "tokens": tokens,
        "tags": tagger.tag([tokens])[0],
    }
    assert "expected --input text" in predictions.refused(path, "--pre-tokenized")


def test_json_objects_keep_their_fields(predictions: Predictions, tagger: Tagger, tmp_path: Path) -> None:
    records = [{"id": i, "tokens": tokens, "é": None} for i, tokens in enumerate([*SENTENCES, []])]
    text = "\ufeff" + "\n\n".join(
        json.dumps(record, ensure_ascii=i % 2 == 0) for i, record in enumerate(records)
    )
    path = write_input(tmp_path, text)
    tags = tagger.tag([*SENTENCES, []])
    out = predictions(path, "--input", "jsonl")
    assert "é" in out
    expected = [{**record, "tags": sentence} for record, sentence in zip(records, tags, strict=True)]
    assert [json.loads(line) for line in out.splitlines()] == expected
    lines = [line for tokens in [*SENTENCES, []] for line in (*tokens, "")]
    assert predictions(path, "--input", "jsonl", "--output", "conll") == tagged(lines, tags, "\t")


def test_half_a_surrogate_pair_is_kept_in_json(predictions: Predictions, tmp_path: Path) -> None:
    path = write_input(tmp_path, '{"tokens": ["\\ud800", "Gent"]}\n')
    record = json.loads(predictions(path, "--input", "jsonl"))
    assert record["tokens"] == ["\ud800", "Gent"]


def test_column_files_are_written_as_json(predictions: Predictions, tagger: Tagger, tmp_path: Path) -> None:
    path = write_input(tmp_path, "# a comment\nPiet O\nwoont O\n\n\nGent O\n")
    [first, last] = tagger.tag([["Piet", "woont"], ["Gent"]])
    assert [json.loads(line) for line in predictions(path, "--output", "jsonl").splitlines()] == [
        {"tokens": ["Piet", "woont"], "tags": first},
        {"tokens": ["Gent"], "tags": last},
    ]


@pytest.mark.parametrize("task", ["nld ner", "afr ner"])
def test_tags_are_in_the_scheme_of_the_training_file(
    predictions: Predictions, tiny_run: Any, task: str
) -> None:
    language = task.split()[0]
    source = tiny_run.config.parent / f"{language}.ner.train"
    out = predictions(source, "--task", task).rstrip("\n").split("\n\n")
    tags_of_blocks = [
        [line.split()[-1] for line in block.splitlines() if not line.startswith("#")] for block in out
    ]
    assert len(tags_of_blocks) == tiny_corpus.SENTENCES
    for tags in tags_of_blocks:
        assert list(render(conlleval_spans(tags), len(tags), tiny_corpus.SCHEMES[language])) == tags
    first = {tags[0][0] for tags in tags_of_blocks}
    assert first == ({"B"} if language == "nld" else {"I"})


def test_many_chunks_keep_the_order(
    predictions: Predictions, tagger: Tagger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "_CHUNK", 2)
    sentences = [tokens[: 1 + i % len(tokens)] for i in range(7) for tokens in SENTENCES]
    path = write_input(tmp_path, "\n".join(" ".join(tokens) for tokens in sentences))
    lines = [line for tokens in sentences for line in (*tokens, "")]
    assert predictions(path, "--input", "text") == tagged(lines, tagger.tag(sentences), "\t")


def test_input_without_tokens_is_copied(predictions: Predictions, tmp_path: Path) -> None:
    assert predictions(write_input(tmp_path, "")) == ""
    assert predictions(write_input(tmp_path, "\n# only a comment\n")) == "\n# only a comment\n"
    assert predictions(write_input(tmp_path, ""), "--input", "jsonl") == ""


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        ("Piet\n", ["--task", "nld nerr"], "'nld ner', 'afr ner', 'nld pos', 'afr pos'"),
        ("1\tPiet\nwoont\n", ["--task", "nld pos"], "input:2:6: 1 column(s), but token_col is 1"),
        ("Piet\nw\0\n", [], "input:2:2: a NUL character"),
        ('\n{"tokens": "a b"}\n', ["--input", "jsonl"], "input:2: got"),
        ('{"tokens": ["a", 1]}\n', ["--input", "jsonl"], 'a list of strings "tokens"'),
        ('["tokens"]\n', ["--input", "jsonl"], "input:1: got"),
        ("Piet woont\n", ["--input", "jsonl"], "input:1: got 'Piet woont"),
        (
            '{"tokens": ["a", "b\\nc"]}\n',
            ["--input", "jsonl", "--output", "conll"],
            "input:1: the token 'b\\nc' has a tab or a line break",
        ),
    ],
)
def test_refused_input(
    predictions: Predictions, tmp_path: Path, text: str, flags: list[str], message: str
) -> None:
    assert message in predictions.refused(write_input(tmp_path, text), *flags)


def test_undecodable_bytes_and_other_folders_are_refused(
    predictions: Predictions, tagger: Tagger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "missing: cannot be read" in predictions.refused(tmp_path / "missing")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"Piet\nG\xe9n\n")))
    message = predictions.refused("--input", "text", output=f"Piet\t{tagger.tag([['Piet']])[0][0]}\n\n")
    assert "<stdin>:2:2: a byte that is not utf-8: 0xe9" in message
    assert 'give the encoding "cp1252" (parser.encoding of a config, --encoding of a command)' in message
    predictions.run = tmp_path
    assert "config.json is missing" in predictions.refused("-")


def test_input_in_another_encoding_is_read(predictions: Predictions, tagger: Tagger, tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes("woont in Gënt\n".encode("cp1252"))
    [tags] = tagger.tag([["woont", "in", "Gënt"]])
    output = predictions(path, "--input", "text", "--encoding", "cp1252")
    assert output == tagged(["woont", "in", "Gënt", ""], [tags], "\t")


def test_comments_that_look_like_tokens_cause_a_warning(
    tiny_run: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write_input(tmp_path, "#Gent\nis\n\n# a comment\nis\n\n")
    assert status(predict.main, tiny_run.folder, path) == 0
    out, err = capsys.readouterr()
    assert out.startswith("#Gent\nis\t")
    assert err.startswith(f"warning: {path}:1: a line skipped as a comment that looks like a token's")
    assert len(err.splitlines()) == 2
    assert "--no-comments" in err
    path = write_input(tmp_path, "#Gent\nis\n\n")
    assert status(predict.main, tiny_run.folder, path, "--no-comments") == 0
    out, err = capsys.readouterr()
    assert [len(line.split("\t")) for line in out.splitlines() if line] == [2, 2]
    assert err == ""
    path = write_input(tmp_path, "#Gent\n\n#B\n\n")  # all lines are tokens in a single column
    assert status(predict.main, tiny_run.folder, path, "--no-comments", "--task", "nld pos") == 0
    assert [len(line.split("\t")) for line in capsys.readouterr().out.splitlines() if line] == [2, 2]


@pytest.mark.parametrize("source", ["conll", "text"])
def test_many_unknown_letters_cause_a_warning(
    tiny_run: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str
) -> None:
    text = "мама мыла раму Piet"
    for words, is_warned in ((text, True), (text.replace("мыла раму", "Gent woont"), False)):
        path = write_input(tmp_path, (words.replace(" ", "\n\n" if source == "conll" else " ") + "\n") * 2)
        assert status(predict.main, tiny_run.folder, path, "--input", source) == 0
        err = capsys.readouterr().err
        assert ("75% of the letters are not in the training data: 'м', 'а'" in err) == is_warned, err
        assert is_warned or not err


def test_fields_of_an_earlier_output_are_replaced(predictions: Predictions, tmp_path: Path) -> None:
    before = predictions(
        write_input(tmp_path, "Piet woont\n"), "--input", "text", "--output", "jsonl", "--probabilities"
    )
    now = predictions(write_input(tmp_path, before), "--input", "jsonl", "--task", "nld pos")
    assert {"probabilities", "spans", "log_probability"} < set(json.loads(before))
    assert set(json.loads(now)) == {"text", "offsets", "tokens", "tags"}


def test_a_pipe_is_tagged(tiny_run: Any, tagger: Tagger) -> None:
    done = process("mlmt_jax.predict", tiny_run.folder, "--input", "text", stdin="Piet woont in Gënt .\n")
    assert (done.returncode, done.stderr) == (0, "")
    [tags] = tagger.tag([["Piet", "woont", "in", "Gënt", "."]])
    assert done.stdout == tagged(["Piet", "woont", "in", "Gënt", ".", ""], [tags], "\t")


def test_a_doubled_carriage_return_is_kept(predictions: Predictions, tmp_path: Path) -> None:
    path = tmp_path / "twice"
    path.write_bytes(b"Piet\r\r\nwoont\r\n\r\n")
    output = predictions(path)
    assert [line.count("\r") for line in output.split("\n")[:3]] == [2, 1, 1]
