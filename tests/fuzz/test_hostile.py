"""Hostile files: reading them needs little memory, and files that a run names are not opened."""

import ast
import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlmt_jax.config import parse_config
from mlmt_jax.errors import ConfigError
from mlmt_jax.runs.folder import RunFolder

HEADERS = (b"999999999 999999999", b"999999999 4", b"4 999999999", b"999999999999999999 4", b"999999999 1")
ROW = struct.pack("<4f", 0.1, -0.2, 0.3, 0.4)

# Read vector files, given as DIMENSION PATH pairs, with a limit on further memory and CPU time.
READER = """
import resource, sys
from mlmt_jax.corpus.vectors import read_vectors
from mlmt_jax.errors import InputError
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (128 << 20),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
for dimension, path in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        vectors, _ = read_vectors(path, int(dimension), max_words=10**9)
        print(len(vectors.words))
    except InputError as error:
        print(error)
"""


def read_with_little_memory(*files: tuple[int, Path]) -> list[str]:
    """Read vector files with 128 MiB; return the number of words or the error message of each."""
    arguments = [str(part) for file in files for part in file]
    command = [sys.executable, "-c", READER, *arguments]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_header_with_huge_counts(tmp_path: Path) -> None:
    files = []
    for i, header in enumerate(HEADERS):
        text = header + b"\nPiet 0.1 -0.2 0.3 0.4\n"
        contents = {"txt": text, "gz": gzip.compress(text), "bin": header + b"\nPiet " + ROW + b"\n"}
        for kind, data in contents.items():
            path = tmp_path / f"{i}.{kind}"
            path.write_bytes(data)
            files += [(dimension, path) for dimension in (1, 4, 1_000_000, 999_999_999)]
    results = read_with_little_memory(*files)
    assert len(results) == len(files)
    for (dimension, path), line in zip(files, results, strict=True):
        fits = dimension == 4 and HEADERS[int(path.stem)].endswith(b" 4") and path.suffix != ".bin"
        assert line == "1" if fits else line.startswith(str(path)), line


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.parametrize("first", [b"", b"1 4\n", b"Piet 0.1 -0.2 0.3 0.4\n"])
def test_small_gzip_file_with_endless_line(tmp_path: Path, first: bytes) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(first)
        for _ in range(256):
            file.write(b"x" * (1 << 20))
    (message,) = read_with_little_memory((4, path))
    assert "line has no end in 1 MiB (expected word vectors)" in message


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_small_gzip_files_with_huge_content(tmp_path: Path) -> None:
    long_words = (b"%d" % i + b"x" * 900_000 + b" 1 2 3 4\n" for i in range(80))
    contents = {
        ":10001: 10001 empty lines in a row": b"\n" * 20_000_000,
        ": the gzip file unpacks to more than 100 times its size": b"".join(long_words),
        ": the gzip file unpacks to more": b"9999999 4\n" + (b"a " + b"\0" * 16) * 500_000,
        ":1: 900007 bytes of numbers": b"a 1 2 3 " + b"0" * 900_000 + b"4\n",
    }
    files = []
    for i, content in enumerate(contents.values()):
        files.append((4, tmp_path / f"{i}.gz"))
        files[-1][1].write_bytes(gzip.compress(content, compresslevel=1))
    for expected, message in zip(contents, read_with_little_memory(*files), strict=True):
        assert expected in message


# Print the paths that are opened and the other audited events while a run loads.
AUDIT = """
import os, sys
from mlmt_jax import Tagger
warm, run = sys.argv[1:]
Tagger.load(warm).tag([["Piet"]])
opened, others = [], []
watched = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "pickle.find_class")
def audit(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes, os.PathLike)):
        opened.append(os.path.abspath(os.fsdecode(arguments[0])))
    elif event in watched:
        others.append(event)
sys.addaudithook(audit)
try:
    Tagger.load(run).tag([["Piet"]])
    end = "loaded"
except Exception as error:
    end = f"{type(error).__name__}: {error}"
print(repr((end, opened, others)))
"""


def audited_load(good: Path, run: Path) -> tuple[str, list[str], list[str]]:
    """Load a run in a new process under an audit hook.

    Returns:
        "loaded" or the error; paths opened outside the run folder, the package, Python, the system's folders
        and the cache of compiled programs; other audited events.
    """
    command = [sys.executable, "-c", AUDIT, str(good), str(run)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    end, opened, others = ast.literal_eval(process.stdout.splitlines()[-1])
    assert [path for path in opened if path.startswith(str(run))], "the hook saw nothing"
    allowed = (
        run,
        sys.prefix,
        sys.base_prefix,
        os.environ["JAX_COMPILATION_CACHE_DIR"],
        "/proc",
        "/dev",
        "/sys",
    )
    outside = [path for path in opened if not path.startswith(tuple(map(str, allowed)))]
    package = str(Path(__file__).parents[2] / "mlmt_jax")
    return end, [path for path in outside if not path.startswith(package)], others


def test_loading_opens_no_files_outside_the_run_folder(tiny_run: Any, tmp_path: Path) -> None:
    run = Path(shutil.copytree(tiny_run.folder, tmp_path / "copy"))
    config = RunFolder(run).read("config.json")
    secret = tmp_path / "secret"
    secret.write_text("Piet 1 2 3 4\n", encoding="utf-8")
    config["data_root"] = str(tmp_path)
    config["training"]["output"] = "../.."
    for dataset in config["datasets"]:
        dataset["files"] = {split: str(secret) for split in dataset["files"]}
    for component in config["components"]:
        if "file" in component:
            component["file"] = "../../secret"
    vocabulary = (run / "vocab.json").read_text(encoding="utf-8").replace('"Piet"', '"../../secret"')
    RunFolder(run).write("vocab.json", json.loads(vocabulary))
    RunFolder(run).write("config.json", config)
    assert audited_load(tiny_run.folder, run) == ("loaded", [], [])


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b"])
def test_names_must_not_be_paths(tiny_run: Any, name: str) -> None:
    for block in ("datasets", "tasks", "components"):
        config = json.loads((tiny_run.folder / "config.json").read_text(encoding="utf-8"))
        config[block][0]["name"] = name
        with pytest.raises(ConfigError, match='expected a name that is not empty and has no "/"'):
            parse_config(config)


def test_seal_must_not_name_files_elsewhere(tiny_run: Any, tmp_path: Path) -> None:
    run = Path(shutil.copytree(tiny_run.folder, tmp_path / "copy"))
    path = max((run / "checkpoints" / "best").glob("*/checksums.json"), key=lambda p: int(p.parent.name))
    seal = json.loads(path.read_text(encoding="utf-8"))
    seal["sha256"]["../../../../secret"] = "0" * 64
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    path.write_text(json.dumps(seal), encoding="utf-8")
    end, outside, others = audited_load(tiny_run.folder, run)
    assert end.startswith("RunError: ")
    assert "../../../../secret is missing" in end
    assert (outside, others) == ([], [])
