"""What a process needs before its work: its streams, compiled programs of earlier ones, and its memory."""

import contextlib
import ctypes
import hashlib
import importlib
import os
import platform
import sys
import time
import warnings
from pathlib import Path

__all__ = ["keep_memory", "keep_programs", "leave_settings", "mend_streams"]

_MOST_KEPT = 1 << 30  # bytes of compiled programs
# What a user may have set for other work, and what would change the numbers of a run or stop it.
_SETTINGS = ("JAX_ENABLE_X64", "JAX_NUMPY_DTYPE_PROMOTION", "JAX_NUMPY_RANK_PROMOTION")


def mend_streams() -> None:
    """Opens those of the three standard streams that are closed, on nothing, and has all of them wait.

    The next file that is opened would have the number of a closed one, and what a library writes to that
    stream in it. Where a stream does not wait, Python takes "nothing yet" for the end and drops what a slow
    reader has not taken.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
        with contextlib.suppress(OSError, AttributeError):  # Python before 3.12 has none on Windows
            os.set_blocking(number, True)


def leave_settings() -> None:
    """Drops settings of JAX that the user may have made for other work: a run has its own numbers."""
    for name in _SETTINGS:
        os.environ.pop(name, None)


def keep_programs() -> None:
    """Has JAX, which reads this when it is imported, keep compiled programs for later processes.

    The folder is MLMT_JAX_CACHE, else ``mlmt_jax`` in the user's cache folder; "off" keeps nothing. Where
    JAX_COMPILATION_CACHE_DIR is set, all is left to that and its companions.
    """
    chosen = os.environ.get("MLMT_JAX_CACHE", "")
    if chosen.lower() == "off" or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(chosen or Path(home, "mlmt_jax")) / _machine()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or one that cannot be written: compile anew
        return
    if os.access(folder, os.W_OK):
        _forget_oldest(folder)  # which are not whole for good: they may be written anew
        _forget_damaged(folder)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
        # Without the program, it is compiled.
        warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")


def _forget_damaged(folder: Path) -> None:
    """Deletes programs of which only a part was written: JAX would neither read nor replace them.

    A process may have been killed, or the disk full. Each program is looked at once, at the first start
    some seconds after it was written: until then another process may still be writing it.
    """
    list_ = folder / "whole.txt"  # those that were looked at
    with contextlib.suppress(OSError, ValueError):  # another process may do the same
        whole = set(list_.read_text("ascii").split()) if list_.exists() else set()
        kept = []
        for file in folder.glob("*-cache"):
            is_fresh = 0 <= time.time() - file.stat().st_mtime < 5
            if file.name in whole or (not is_fresh and _is_whole(file.read_bytes())):
                kept.append(file.name)
            elif not is_fresh:
                file.unlink()
        list_.write_text("\n".join(kept), "ascii")


def _is_whole(program: bytes) -> bool:
    """Whether all of a program is there, or nothing that can be imported reads its compression."""
    if program.startswith(b"\x28\xb5\x2f\xfd"):
        codecs, error = ("compression.zstd", "zstandard"), "ZstdError"
    else:
        codecs, error = ("zlib",), "error"
    for name in codecs:
        with contextlib.suppress(ImportError):
            codec = importlib.import_module(name)
            failure: type[Exception] = getattr(codec, error)
            try:
                codec.decompress(program)
            except failure:
                return False
            return True
    return True


def _forget_oldest(folder: Path) -> None:
    """Deletes the programs that were longest not used, where there are more than ``_MOST_KEPT`` bytes."""
    with contextlib.suppress(OSError):  # another process may do the same
        files = [(file.stat(), file) for file in folder.iterdir() if file.is_file()]
        size = sum(about.st_size for about, _ in files)
        for about, file in sorted(files, key=lambda entry: max(entry[0].st_atime, entry[0].st_mtime)):
            if size <= _MOST_KEPT:
                return
            file.unlink()
            size -= about.st_size


def keep_memory() -> None:
    """Has the C library keep freed memory for the next allocation, where it is glibc.

    A training step takes tens of MB and gives them back. By default they go back to the system, and getting
    them anew, page by page, takes up to a third of a step. The price: the process stays as large as it was.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        trim_threshold, top_pad, mmap_max = -1, -2, -4
        library.mallopt(trim_threshold, 2**31 - 1)
        library.mallopt(mmap_max, 0)
        # An empty heap of a thread (64 MiB) goes back unless it is within this many bytes of the last one.
        library.mallopt(top_pad, 2 * 64 << 20)


def _machine() -> str:
    # A program uses whatever instructions the processor has; a home folder may be mounted on several.
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        about = "".join(
            sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
        )
    except OSError:
        about = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(about.encode()).hexdigest()[:12]}"
