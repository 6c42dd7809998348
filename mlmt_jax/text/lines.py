"""Bytes of text files into lines, strictly decoded."""

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from mlmt_jax.text.charsets import WHERE_TO_SET, decoded_line, likely_readings
from mlmt_jax.text.findings import Findings

# Some decoders, such as that of UTF-7, let them pass; no file of a run can hold them.
_SURROGATE = re.compile("[\ud800-\udfff]")


def open_text(findings: Findings, encoding: str = "utf-8") -> Iterator[str]:
    """Open the file at `findings.path` and yield its lines as `decode_lines` does.

    Args:
        findings: of the file; errors are raised or collected as it says.
        encoding: Python's name of a text encoding.

    Raises:
        DataError: the file cannot be opened, or its lines are refused by `decode_lines`.
    """
    try:
        with open(findings.path, "rb") as stream:
            yield from decode_lines(stream, encoding, findings)
    except OSError as error:
        findings.refuse(f"cannot be read: {error.strerror or error}")


def decode_lines(stream: BinaryIO, encoding: str, findings: Findings) -> Iterator[str]:
    r"""Yield the lines of a binary stream with their endings, strictly decoded.

    Only "\n" ends a line: a token may hold U+2028 or "\x85".

    Args:
        stream: the bytes.
        encoding: Python's name of a text encoding.
        findings: of the file, whose path errors name. If it collects errors, lines are yielded as long as
            a likely encoding of them is known; NUL and halves of characters are dropped.

    Raises:
        DataError: with path, line and column, for bytes that do not decode, a NUL or half a character, an
            encoding that does not exist, and carriage returns as the only line endings.
    """
    try:
        b" ".decode(encoding, "replace")  # refuses the codecs that are no text encodings
        decoder = codecs.getincrementaldecoder(encoding)()
    except (LookupError, UnicodeError):
        findings.refuse(f"there is no text encoding {encoding!r}")
        return
    number, width = 1, 0
    pending: list[str] = []  # of the line so far, `width` characters; looked at again only when it ends
    # The incremental decoder is for UTF-16, where the byte "\n" can be half a character.
    for raw in stream:
        try:
            text = _decoded(decoder, raw)
        except UnicodeDecodeError as error:
            likely = _refuse_bytes(error, width, raw, encoding, number, findings)
            if likely is None:
                return
            text = error.object.decode(likely)
            decoder.reset()
        *ends, rest = _usable(text, raw, width, encoding, number, findings).split("\n")
        for end in ends:
            yield "".join((*pending, end, "\n"))
            number, width = number + 1, 0
            pending.clear()
        pending.append(rest)
        width += len(rest)
    try:
        pending.append(decoder.decode(b"", final=True))
    except UnicodeDecodeError as error:
        # Of the line all is looked at, as above.
        raw = "".join(pending).encode(encoding, "replace") + error.object
        likely = _refuse_bytes(error, width, raw, encoding, number, findings)
        if likely is None:
            return
        pending.append(error.object.decode(likely))
    line = "".join(pending)
    if number == 1 and "\r" in line.strip("\r"):
        findings.refuse("its only line endings are carriage returns; expected newlines")
        return
    if line:
        yield line


def _usable(text: str, raw: bytes, before: int, encoding: str, number: int, findings: Findings) -> str:
    """Refuse NUL and halves of characters in `raw`'s text, which follows a line's first `before` characters.

    Returns: the text without them.
    """
    if "\0" in text:
        found = _unmarked_utf16(raw) if (number, before) == (1, 0) else None
        advice = "expected text, and this looks like a binary file"
        if found:
            advice = _advice("the file looks like UTF-16", found, encoding)
        findings.refuse("a NUL character", number, column=before + text.index("\0") + 1, advice=advice)
        text = text.replace("\0", "")
    half = None if text.isascii() else _SURROGATE.search(text)
    if half:
        what, advice = f"half a character (U+{ord(half[0]):04X})", f"expected whole characters in {encoding}"
        findings.refuse(what, number, column=before + half.start() + 1, advice=advice)
        text = _SURROGATE.sub("", text)
    return text


def _decoded(decoder: codecs.IncrementalDecoder, raw: bytes) -> str:
    try:
        return decoder.decode(raw)
    except UnicodeDecodeError:
        raise
    except UnicodeError as error:  # before Python 3.13: UTF-16 without a byte-order mark
        pending, _ = decoder.getstate()
        raise UnicodeDecodeError("utf-16", pending + raw, 0, 1, str(error)) from None


def _refuse_bytes(
    error: UnicodeDecodeError,
    before: int,
    raw: bytes,
    encoding: str,
    number: int,
    findings: Findings,
) -> str | None:
    """Refuse a line that does not decode after its first `before` characters.

    Returns: the encoding in which it does, if known.
    """
    found, advice = None, "is it a text file?"
    has_mark = raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    utf16 = "utf-16" if has_mark else _unmarked_utf16(raw)
    if number == 1 and raw.startswith(b"\x1f\x8b"):
        advice = "the file is gzip: unpack it (gunzip)"
    elif (number, before) == (1, 0) and utf16:
        advice = _advice("the file looks like UTF-16", utf16, encoding)
    else:
        found, advice = _likely_encoding(raw, encoding) or (None, advice)
    byte = error.object[error.start]
    column = before + len(error.object[: error.start].decode(encoding, "replace")) + 1
    text = f"a byte that is not {encoding}"
    findings.refuse(text, number, column=column, example=f"0x{byte:02x}", advice=advice)
    return found


def _advice(looks: str, found: str, encoding: str) -> str:
    return f'{looks}: give the encoding "{found}" {WHERE_TO_SET}, or save the file as {encoding}'


def _unmarked_utf16(raw: bytes) -> str | None:
    """Return the UTF-16 in which a file's first bytes are mostly ASCII: every second one is NUL."""
    for likely, high, low in (("utf-16-le", raw[1::2], raw[::2]), ("utf-16-be", raw[::2], raw[1::2])):
        if 2 * high.count(0) > len(high) and not low.count(0):
            return likely
    return None


def _likely_encoding(raw: bytes, encoding: str) -> tuple[str, str] | None:
    """Return the encoding in which a line most likely is, and what to do; None where nothing is likely."""
    if decoded_line(raw, "utf-8") is not None:
        return "utf-8", _advice("the line looks like UTF-8", "utf-8", encoding)
    readings = likely_readings(raw)
    if not readings:
        return None
    found, *others = readings
    if not others:
        looks = "latin-1 or cp1252" if found == "cp1252" else found
        return found, _advice(f"the line looks like {looks}", found, encoding)
    read = ", ".join(f"{word!r} in {name}" for name, word in readings.items())
    return found, (
        f"it may read {read}: give the encoding in which the words are right {WHERE_TO_SET}, "
        f"or save the file as {encoding}"
    )
