"""The strictly decoded lines of text files."""

import codecs
import re
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, NamedTuple

from mlmt_jax.text.charsets import encoding_advice, likely_encoding, unmarked_utf16
from mlmt_jax.text.findings import Findings

# Some decoders, such as that of UTF-7, let surrogates pass; the files of a run cannot hold them.
_SURROGATE = re.compile("[\ud800-\udfff]")


def open_text(findings: Findings, encoding: str = "utf-8") -> Iterator[str]:
    """Open the file `findings.path` and yield its lines as `decode_lines` does.

    Args:
        findings: of the file to read.
        encoding: name of a text encoding of Python.

    Raises:
        DataError: the file cannot be opened, or `decode_lines` refuses it; unless `findings` collects errors.
    """
    try:
        with open(findings.path, "rb") as stream:
            yield from decode_lines(stream, encoding, findings)
    except OSError as error:
        findings.refuse(f"cannot be read: {error.strerror or error}")


class _Chunk(NamedTuple):
    """Bytes up to a newline byte, and the place where they start."""

    raw: bytes
    line: int  # 1-based
    offset: int  # characters of the line before them

    @property
    def starts_file(self) -> bool:
        """True for the first bytes of a file."""
        return (self.line, self.offset) == (1, 0)


def decode_lines(stream: BinaryIO, encoding: str, findings: Findings) -> Iterator[str]:
    r"""Decode a binary stream and yield its lines with their endings.

    Only "\n" ends a line: a token may contain U+2028 or "\x85". If `findings` collects errors, unusable
    characters are dropped, and lines that do not decode are yielded in their likely encoding. If no encoding
    is likely, the lines end.

    Args:
        stream: bytes of the file.
        encoding: name of a text encoding of Python.
        findings: of the file; its path stands in messages.

    Raises:
        DataError: with path, line and column, for bytes that do not decode, NUL, half a character, an unknown
            encoding, or carriage returns as the only line endings; unless `findings` collects errors.
    """
    try:
        b" ".decode(encoding, "replace")  # fails for codecs that are no text encodings
        decoder = codecs.getincrementaldecoder(encoding)()
    except (LookupError, UnicodeError):
        findings.refuse(f"there is no text encoding {encoding!r}")
        return
    number, width = 1, 0
    lines = iter(stream)
    if codecs.lookup(encoding).name == "utf-8":
        # Nearly all lines: here the byte "\n" is never a part of a character.
        for raw in lines:
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                text = ""
            if not text.endswith("\n") or "\0" in text:
                lines = chain((raw,), lines)
                break
            yield text
            number += 1
    pending: list[str] = []  # parts of the current line, `width` characters; joined once, when the line ends
    # The decoder is incremental since in UTF-16 the byte "\n" can be half a character.
    for raw in chain(lines, (b"",)):
        try:
            text = _decode(decoder, raw)
        except UnicodeDecodeError as error:
            # At the end of the file, the encoding is judged from the whole last line.
            seen = raw or "".join(pending).encode(encoding, "replace") + error.object
            likely = _refuse_bytes(error, _Chunk(seen, number, width), encoding, findings)
            if likely is None:
                return
            text = error.object.decode(likely, "replace")
            decoder.reset()
        if "\0" in text or not text.isascii():
            text = _drop_unusable(text, _Chunk(raw, number, width), encoding, findings)
        *ends, rest = text.split("\n")
        for end in ends:
            yield "".join((*pending, end, "\n"))
            number, width = number + 1, 0
            pending.clear()
        pending.append(rest)
        width += len(rest)
    line = "".join(pending)
    if number == 1 and "\r" in line.strip("\r"):
        findings.refuse("its only line endings are carriage returns; expected newlines")
    elif line:
        yield line


def _decode(decoder: codecs.IncrementalDecoder, raw: bytes) -> str:
    """Decode the next bytes, or the last ones if `raw` is empty; every failure is a UnicodeDecodeError."""
    try:
        return decoder.decode(raw, final=not raw)
    except UnicodeDecodeError:
        raise
    except UnicodeError as error:  # before Python 3.13: UTF-16 without a byte-order mark
        pending, _ = decoder.getstate()
        raise UnicodeDecodeError("utf-16", pending + raw, 0, 1, str(error)) from None


def _drop_unusable(text: str, chunk: _Chunk, encoding: str, findings: Findings) -> str:
    """Refuse NUL and surrogates in a chunk's text, and return the text without them."""
    if "\0" in text:
        utf16 = unmarked_utf16(chunk.raw) if chunk.starts_file else None
        advice = "expected text, and this looks like a binary file"
        if utf16:
            advice = encoding_advice("the file looks like UTF-16", utf16, encoding)
        column = chunk.offset + text.index("\0") + 1
        findings.refuse("a NUL character", chunk.line, column=column, advice=advice)
        text = text.replace("\0", "")
    half = _SURROGATE.search(text)
    if half:
        problem = f"half a character (U+{ord(half[0]):04X})"
        column, advice = chunk.offset + half.start() + 1, f"expected whole characters in {encoding}"
        findings.refuse(problem, chunk.line, column=column, advice=advice)
        text = _SURROGATE.sub("", text)
    return text


def _refuse_bytes(error: UnicodeDecodeError, chunk: _Chunk, encoding: str, findings: Findings) -> str | None:
    """Refuse a chunk that does not decode, with advice; return the likely encoding of its text.

    None means that the text cannot be read on: no encoding is likely, or the file looks like gzip or UTF-16.
    """
    likely, advice = None, "is it a text file?"
    has_mark = chunk.raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    utf16 = "utf-16" if has_mark else unmarked_utf16(chunk.raw)
    if chunk.line == 1 and chunk.raw.startswith(b"\x1f\x8b"):
        advice = "the file is gzip: unpack it (gunzip)"
    elif chunk.starts_file and utf16:
        advice = encoding_advice("the file looks like UTF-16", utf16, encoding)
    else:
        likely, advice = likely_encoding(chunk.raw, encoding) or (None, advice)
    column = chunk.offset + len(error.object[: error.start].decode(encoding, "replace")) + 1
    text, example = f"a byte that is not {encoding}", f"0x{error.object[error.start]:02x}"
    findings.refuse(text, chunk.line, column=column, example=example, advice=advice)
    return likely
