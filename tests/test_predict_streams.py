"""`predict` keeps every line of its input, answers as early as it can, and escapes control characters.

A fake tagger returns numbered tags.
"""

import contextlib
import io
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_lines import status
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax import predict
from mlmt_jax.tagger import Tagger
from mlmt_jax.text.columns import ColumnFormat


class NumberedTags:
    """A fake tagger with the tags T0, T1, ... over all sentences."""

    characters = frozenset(map(chr, range(0x11_0000)))

    def __init__(self, fmt: ColumnFormat = ColumnFormat()):  # noqa: B008
        self.column_format, self.calls, self._next = fmt, [], count()

    def tag(self, sentences: Any) -> list[list[str]]:
        sentences = list(sentences)
        self.calls.append(len(sentences))
        return [[f"T{next(self._next)}" for _ in tokens] for tokens in sentences]


@contextlib.contextmanager
def replaced_tagger(tagger: NumberedTags) -> Iterator[None]:
    """Make `Tagger.load` return the fake tagger."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tagger, "load", lambda *_, **__: tagger)
        yield


class Terminal(io.TextIOWrapper):
    """A text stream that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


def predicted(
    source: bytes,
    *flags: str,
    fmt: ColumnFormat = ColumnFormat(),  # noqa: B008
    stdout_type: type[io.TextIOWrapper] = io.TextIOWrapper,
) -> str:
    """Run the command with bytes on standard input, and return its output."""
    out = stdout_type(io.BytesIO())
    with replaced_tagger(NumberedTags(fmt)), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(source)))
        patch.setattr(sys, "stdout", out)
        assert status(predict.main, "run", *flags) == 0
        out.flush()
        return out.buffer.getvalue().decode()  # type: ignore[attr-defined]


ODD = st.text(st.characters(exclude_characters="\n\r\0\t ,", exclude_categories=["Cs"]), max_size=4)
CELLS = ODD.map("x{}".format)  # no cell is empty, and none begins a comment


@st.composite
def column_files(draw: st.DrawFn) -> tuple[ColumnFormat, list[tuple[str, bool]]]:
    """Draw a format, and lines with True for those that carry a token."""
    separator = draw(st.sampled_from([None, " ", ",", "\t"]))
    written = draw(st.sampled_from([" ", "  ", "\t"])) if separator is None else separator
    width = draw(st.integers(1, 4))
    lines: list[tuple[str, bool]] = []
    for _ in range(draw(st.integers(0, 4))):
        comments = draw(st.lists(ODD.map("# text = {} and so on".format), max_size=2))
        lines += [(comment, False) for comment in comments]
        for _ in range(draw(st.integers(1, 3))):
            row = [draw(CELLS) for _ in range(width + draw(st.sampled_from([0, 0, 0, 1])))]
            lines.append((written.join(row), True))
        lines += [(blank, False) for blank in draw(st.lists(st.sampled_from(["", " ", "\t \t"]), min_size=1))]
    return ColumnFormat(draw(st.integers(0, width - 1)), 0, separator), lines


@given(column_files(), st.data())
@settings(max_examples=150)
def test_every_line_of_a_column_file_is_kept(
    file: tuple[ColumnFormat, list[tuple[str, bool]]], data: st.DataObject
) -> None:
    fmt, lines = file
    endings = data.draw(st.lists(st.sampled_from(["", "\r"]), min_size=len(lines), max_size=len(lines)))
    source = "".join(f"{line}{ending}\n" for (line, _), ending in zip(lines, endings, strict=True))
    output = predicted(source.encode(), fmt=fmt).split("\n")
    assert output.pop() == ""
    numbers = count()
    for out, (line, has_token), ending in zip(output, lines, endings, strict=True):
        if not has_token:
            assert out == line + ending
            continue
        separator = fmt.separator or ("\t" if "\t" in line or " " not in line else " ")
        assert out == f"{line}{separator}T{next(numbers)}{ending}"


@given(st.lists(st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]), max_size=8)))
@settings(max_examples=150)
def test_no_line_of_any_text_is_lost(lines: list[str]) -> None:
    lines = [*lines, "", "x"]
    source = "\n".join(lines).encode()
    output = predicted(source).removesuffix("\n").split("\n")
    lines[0] = lines[0].removeprefix("\ufeff")
    assert len(output) == len(lines)
    numbers = count()
    for out, line in zip(output, lines, strict=True):
        body = line.removesuffix("\r")
        ending = line[len(body) :]
        if out != line:
            tag = f"T{next(numbers)}{ending}"
            assert out in (f"{body}\t{tag}", f"{body} {tag}")
    assert output[-1] == f"x\tT{next(numbers) - 1}"


def test_blank_tokens_and_extra_columns_are_kept() -> None:
    source = b"# c\n\tO\tx\n\t\t\nx\t\tO\n\n \n"
    assert predicted(source) == "# c\n\tO\tx\tT0\n\t\t\nx\t\tO\tT1\n\n \n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4)))
@settings(max_examples=100)
def test_any_tokens_are_kept_in_json(tokens: list[str]) -> None:
    out = predicted(json.dumps({"tokens": tokens, "id": 1}).encode(), "--input", "jsonl")
    assert json.loads(out) == {"tokens": tokens, "id": 1, "tags": [f"T{i}" for i in range(len(tokens))]}
    # The object is one line for every reader of lines, and has no control characters.
    assert len(out.splitlines()) == 1
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in out.removesuffix("\n"))


def test_control_characters_are_escaped_on_a_terminal() -> None:
    source = b"x\x1b[2Jy\x07\xc2\x9b1m\tO\r\n"
    assert predicted(source) == "x\x1b[2Jy\x07\x9b1m\tO\tT0\r\n"
    assert predicted(source, stdout_type=Terminal) == "x\\x1b[2Jy\\x07\\x9b1m\tO\tT0\r\n"
    assert predicted(source, "--input", "text", stdout_type=Terminal).startswith("x\tT0\n\\x1b\tT1\n[\tT2\n")


class Conversation:
    """A dialogue with `predict` over pipes, which runs in a thread of this process."""

    def __init__(self, *flags: str):
        (stdin, self._to_stdin), (self._from_stdout, stdout) = os.pipe(), os.pipe()
        self.tagger = NumberedTags()
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(Tagger, "load", lambda *_, **__: self.tagger)
        self._patch.setattr(sys, "stdin", SimpleNamespace(buffer=os.fdopen(stdin, "rb")))
        self._patch.setattr(sys, "stdout", os.fdopen(stdout, "w", encoding="utf-8"))
        self._thread = threading.Thread(target=predict.main, args=(["run", "-", *flags],))

    def __enter__(self) -> "Conversation":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._to_stdin)
        self._thread.join(30)
        assert not self._thread.is_alive()
        sys.stdin.buffer.close()
        sys.stdout.close()
        self._patch.undo()
        os.close(self._from_stdout)

    def send(self, text: str) -> None:
        os.write(self._to_stdin, text.encode())

    def receive(self) -> str:
        assert select.select([self._from_stdout], [], [], 30)[0], "no answer"
        return os.read(self._from_stdout, 1 << 16).decode()


def test_each_line_of_text_is_answered() -> None:
    with Conversation("--input", "text") as talk:
        for number in range(3):
            talk.send(f"w{number}\n")
            assert talk.receive() == f"w{number}\tT{number}\n\n"
    assert talk.tagger.calls == [1, 1, 1]


def test_a_complete_sentence_is_answered_before_the_next_is_complete() -> None:
    with Conversation() as talk:
        talk.send("# c\na\nb")
        talk.send("\n\nc")
        assert talk.receive() == "# c\na\tT0\nb\tT1\n\n"
        talk.send("\n\nd\n\ne\n")
        assert talk.receive() == "c\tT2\n\nd\tT3\n\n"
    assert talk.tagger.calls == [1, 2, 1]


def test_each_json_object_is_answered() -> None:
    with Conversation("--input", "jsonl") as talk:
        talk.send('{"tokens": ["a"]}\n{"tok')
        assert json.loads(talk.receive()) == {"tokens": ["a"], "tags": ["T0"]}
        talk.send('ens": []}\n')
        assert json.loads(talk.receive()) == {"tokens": [], "tags": []}


def test_available_sentences_are_tagged_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "many"
    path.write_text("a b\n" * 5000)
    for argument in ("-", str(path)):
        tagger = NumberedTags()
        out = io.TextIOWrapper(io.BytesIO())
        with replaced_tagger(tagger), path.open() as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            monkeypatch.setattr(sys, "stdout", out)
            predict.main(["run", argument, "--input", "text"])
            monkeypatch.undo()
        assert tagger.calls == [2048, 2048, 904]


def test_a_closed_output_ends_the_command(tiny_run: Any) -> None:
    command = [sys.executable, "-m", "mlmt_jax.predict", str(tiny_run.folder), "-", "--input", "text"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8") as running:
        assert running.stdin
        assert running.stdout
        assert running.stderr
        running.stdin.write("Piet woont in Gent.\n")
        running.stdin.flush()
        lines = [running.stdout.readline() for _ in range(6)]
        assert [line.split("\t")[0] for line in lines] == ["Piet", "woont", "in", "Gent", ".", "\n"]
        running.stdout.close()
        running.stdin.write("Anna.\n")
        running.stdin.flush()
        assert running.wait(60) == 141
        assert running.stderr.read() == ""
