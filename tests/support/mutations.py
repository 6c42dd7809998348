"""Seeded mutations that turn the bytes of a valid file into those of an invalid one."""

import gzip
import json
from collections.abc import Iterable
from random import Random
from typing import Any

_DEEP = 100_000
_TOKENS = (
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x1f\x8b",
    b"\xff",
    b"\x80\x9b",
    b"\x1b[31m",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\t",
    b" ",
    b"\xc2\xa0",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"#",
    b"-DOCSTART-",
    b"1-2\t",
    b"999999999 999999999",
    b"999999999 4\n",
    b"4 999999999\n",
    b"0 0\n",
    b"9" * 5000,
    b"-1",
    b"1e999",
    b"-1e-999",
    b"nan",
    b"NaN",
    b"Infinity",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b'"',
    b"\\",
    b'"\\u0000"',
    b'"\\u009b"',
    b'"\\ud800"',
    b'"../../x"',
    b'"/etc/passwd"',
    b"[" * 400,
    b"[" * _DEEP,
    b'{"a":' * _DEEP,
    b"[" * 900 + b"]" * 900,
    b"x" * 200_000,
)
_VALUES = (
    "null",
    "true",
    "false",
    "0",
    "1",
    "2",
    "-1",
    "0.5",
    "NaN",
    "1e999",
    "999999999",
    "9" * 30,
    '""',
    '"x"',
    '"O"',
    '"I-LOC"',
    '"../../x"',
    '"/etc/passwd"',
    '"\\u0000"',
    '"\\ud800"',
    '"\\u009b"',
    "[]",
    "[[]]",
    '["x"]',
    '["x", "x"]',
    "[1, null]",
    "{}",
    '{"x": 1}',
    '{"x": ["x"]}',
)


def mutated(data: bytes, random: Random) -> bytes:
    """Return bytes with one to four changes, mostly small ones; sometimes packed as gzip and cut short."""
    for _ in range(random.choice((1, 1, 2, 4))):
        data = _changed(data, random)
    if random.random() < 0.05:
        packed = gzip.compress(data, mtime=0)
        data = packed[: random.randint(0, len(packed))] if random.random() < 0.5 else packed
    return data


def _changed(data: bytes, random: Random) -> bytes:
    """Return bytes with one change at a random place."""
    start = random.randint(0, len(data))
    end = min(len(data), start + random.choice((1, 1, 4, 40)))
    match random.choice(
        ("flip", "set", "delete", "insert", "repeat", "token", "token", "digit", "move", "cut")
    ):
        case "flip" if start < len(data):
            return data[:start] + bytes([data[start] ^ 1 << random.randrange(8)]) + data[start + 1 :]
        case "set" if start < len(data):
            return data[:start] + random.randbytes(1) + data[start + 1 :]
        case "delete":
            return data[:start] + data[end:]
        case "insert":
            return data[:start] + random.randbytes(end - start) + data[start:]
        case "repeat":
            return data[:start] + data[start:end] * random.choice((2, 3, 500)) + data[end:]
        case "digit":
            # The first digit after the place becomes another number.
            digit = next((i for i in range(start, len(data)) if data[i : i + 1].isdigit()), None)
            if digit is not None:
                other = random.choice((b"0", b"7", b"-1", b"1.5", b"999999999", b"9" * 30, b"1e9", b"null"))
                return data[:digit] + other + data[digit + 1 :]
        case "move":
            target = random.randint(0, len(data))
            return data[:target] + data[start:end] + data[target:]
        case "cut":
            return data[:start]
    return data[:start] + random.choice(_TOKENS) + data[random.choice((start, end)) :]


def mutated_values(data: bytes, random: Random) -> bytes:
    """Return valid JSON in which one or two values are replaced or missing."""
    whole = json.loads(data)
    for _ in range(random.choice((1, 1, 2))):
        parent: Any = whole
        for _ in range(random.randint(0, 5)):
            child = parent[random.choice([*keys(parent)])]
            if not [*keys(child)]:
                break
            parent = child
        key = random.choice([*keys(parent)])
        if random.random() < 0.2:
            del parent[key]
        elif random.random() < 0.3:
            parent[key] = parent[random.choice([*keys(parent)])]
        else:
            parent[key] = json.loads(random.choice(_VALUES))
        if not [*keys(whole)]:
            break
    return json.dumps(whole).encode()


def keys(value: Any) -> Iterable[Any]:
    """Return the keys of a JSON object or the indices of a list; nothing for other values."""
    return value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
