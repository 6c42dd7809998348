"""What a process keeps: compiled programs for later ones, and the memory that it has freed."""

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

__all__ = ["keep_memory", "keep_programs"]

_MOST_KEPT = 1 << 30  # bytes of compiled programs


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
        _forget_damaged(folder)
        _forget_oldest(folder)
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
    looked = folder / "looked_at"
    until = time.time_ns() - 5 * 10**9
    with contextlib.suppress(OSError):  # another process may do the same
        since = looked.stat().st_mtime_ns if looked.exists() else 0
        for file in folder.glob("*-cache"):
            if since <= file.stat().st_mtime_ns < until and not _is_whole(file.read_bytes()):
                file.unlink()
        looked.touch()
        os.utime(looked, ns=(until, until))


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
