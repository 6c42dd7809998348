"""Bounded reading of vector files: a small file must not take hours or all memory."""

import codecs
import gzip
import io
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from mlmt_jax.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_LINE_BYTES = 1 << 20
_MAX_EMPTY_LINES = 10_000  # in a row
EXPANSION_PROBLEM = (
    "the gzip file unpacks to more than 100 times its size (if it holds word vectors, unpack it)"
)


@contextmanager
def open_vectors(path: str | Path) -> Iterator[io.BufferedIOBase]:
    """Open a vector file for reading bytes, through gzip if its content is gzip.

    Raises:
        DataError: if the file cannot be opened, read or unpacked, here or while the context is active; if
            it is in UTF-16.
    """
    try:
        with open(path, "rb") as stream:
            is_gzip = stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        with gzip.open(path, "rb") if is_gzip else open(path, "rb") as stream:
            if stream.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise DataError(f"{path}:1: looks like UTF-16 (expected UTF-8);\nsave it as UTF-8")
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged or cut short: {error} (expected a complete gzip file)") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def read_lines(stream: io.BufferedIOBase, path: str, first: int) -> Iterator[tuple[int, bytes]]:
    r"""Yield the lines of a stream with their `\n`, each with its number; one line at a time is in memory.

    Args:
        stream: a stream that `open_vectors` opened, at the start of a line.
        path: the file, for messages and for its size.
        first: the 1-based number of that line.

    Raises:
        DataError: on a line that is too long, too many empty lines in a row, or gzip that expands too far.
    """
    size, limit, empty = 0, max_bytes(stream, path), 0
    for number, line in enumerate(iter(partial(stream.readline, _MAX_LINE_BYTES), b""), first):
        if len(line) == _MAX_LINE_BYTES and not line.endswith(b"\n"):
            raise DataError(f"{path}:{number}: the line has no end in 1 MiB (expected word vectors)")
        empty = empty + 1 if line.isspace() else 0
        if empty > _MAX_EMPTY_LINES:
            raise DataError(f"{path}:{number}: {empty} empty lines in a row (expected word vectors)")
        size += len(line)
        if size > limit:
            raise DataError(f"{path}:{number}: {EXPANSION_PROBLEM}")
        yield number, line


def max_bytes(stream: io.BufferedIOBase, path: str) -> float:
    """Return how many bytes may be read: 4 MiB of gzip, or 100 times its size if more; else infinity."""
    return max(4 << 20, 100 * os.path.getsize(path)) if isinstance(stream, gzip.GzipFile) else math.inf
