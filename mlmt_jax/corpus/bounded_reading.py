"""Vector files opened and read within bounds: a small file must not take hours or all memory."""

import codecs
import gzip
import io
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from mlmt_jax.errors import DataError

__all__ = ["LINE_BYTES", "UNPACKS", "lines_of", "most_bytes", "opened"]

_GZIP_MAGIC = b"\x1f\x8b"
LINE_BYTES = 1 << 20  # a line longer than this is no line of a vector file
_MOST_EMPTY = 10_000  # empty lines together
# What a small gzip file may unpack to, in bytes, and a large one, as a multiple of its size.
_UNPACKED_BYTES, _UNPACKED_TIMES = 4 << 20, 100
UNPACKS = (
    f"the gzip file unpacks to more than {_UNPACKED_TIMES} times its size; expected word vectors "
    "(if they are, unpack them)"
)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[io.BufferedIOBase]:
    """The content of a file, unzipped; DataError where it cannot be read or unzipped."""
    name = os.fspath(path)
    try:
        with open(path, "rb") as stream:
            is_gzip = stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        with gzip.open(path, "rb") if is_gzip else open(path, "rb") as stream:
            if stream.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise DataError(
                    f"{name}:1: looks like UTF-16; expected word vectors in UTF-8: save it as that"
                )
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{name}: damaged or cut short: {error}; expected a whole gzip file") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror or error}") from None


def lines_of(stream: io.BufferedIOBase, path: str, first: int) -> Iterator[tuple[int, bytes]]:
    """Yield line numbers from `first` and lines: never more than one line in memory, nor one without end."""
    size, most, empty = 0, most_bytes(stream, path), 0
    for number, line in enumerate(iter(partial(stream.readline, LINE_BYTES), b""), first):
        if len(line) == LINE_BYTES and not line.endswith(b"\n"):
            raise DataError(f"{path}:{number}: the line has no end; expected word vectors")
        empty = empty + 1 if line.isspace() else 0
        if empty > _MOST_EMPTY:
            raise DataError(f"{path}:{number}: {empty} empty lines together; expected word vectors")
        size += len(line)
        if size > most:
            raise DataError(f"{path}:{number}: {UNPACKS}")
        yield number, line


def most_bytes(stream: io.BufferedIOBase, path: str) -> float:
    """Return how much of a file is read at most: all of it, but of gzip no more than vectors shrink to."""
    is_gzip = isinstance(stream, gzip.GzipFile)
    return max(_UNPACKED_BYTES, _UNPACKED_TIMES * os.path.getsize(path)) if is_gzip else math.inf
