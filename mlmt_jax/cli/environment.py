"""The process environment: standard streams, settings of JAX, the compilation cache, memory."""

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

_MAX_CACHE_BYTES = 1 << 30
# Settings that a user may have made for other work. They would change the numbers of a run, or stop it.
_JAX_SETTINGS = ("JAX_ENABLE_X64", "JAX_NUMPY_DTYPE_PROMOTION", "JAX_NUMPY_RANK_PROMOTION")


def open_standard_streams() -> None:
    """Open closed standard streams on the null device, and make all three blocking.

    The next file that is opened would get the number of a closed stream, and what libraries write to that
    stream. If a stream does not block, Python takes "no data yet" for the end of input, and drops output that
    a slow reader has not taken.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
        with contextlib.suppress(OSError, AttributeError):  # Python before 3.12 lacks it on Windows
            os.set_blocking(number, True)


def drop_jax_settings() -> None:
    """Remove settings of JAX that would change the numbers of a run, listed above, from the environment.

    It has no effect on JAX if JAX is imported already.
    """
    for name in _JAX_SETTINGS:
        os.environ.pop(name, None)


def enable_compilation_cache() -> None:
    """Make JAX, which must not be imported yet, keep compiled programs for later processes.

    The folder is MLMT_JAX_CACHE, else `mlmt_jax` in the user's cache folder (XDG_CACHE_HOME or ~/.cache), and
    in it one for each kind of processor; MLMT_JAX_CACHE=off keeps none. If JAX_COMPILATION_CACHE_DIR is set,
    JAX's own settings apply. If the folder cannot be written, every process compiles anew, without an error.

    It sets environment variables, creates the folder, and deletes damaged programs and those beyond 1 GiB.
    """
    setting = os.environ.get("MLMT_JAX_CACHE", "")
    if setting.lower() == "off" or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(setting or Path(home, "mlmt_jax")) / _machine()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return
    if os.access(folder, os.W_OK):
        _delete_oldest(folder)  # first: they leave the list of whole programs, as they may be written again
        _delete_damaged(folder)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
        # JAX compiles a program that it cannot read.
        warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")


def _delete_damaged(folder: Path) -> None:
    """Delete cached programs that were written in part, which JAX would neither read nor replace.

    A process may have been killed, or the disk full. Each program is read once, by the first process that
    starts 5 s or more after it was written: until then another process may still write it. The names of whole
    programs are kept in `whole.txt` in the folder. Errors of the system end the search silently.
    """
    record = folder / "whole.txt"  # the names of programs found whole
    with contextlib.suppress(OSError, ValueError):  # another process may do the same
        whole = set(record.read_text("ascii").split()) if record.exists() else set()
        kept = []
        for file in folder.glob("*-cache"):
            is_fresh = 0 <= time.time() - file.stat().st_mtime < 5
            if file.name in whole or (not is_fresh and _is_whole(file.read_bytes())):
                kept.append(file.name)
            elif not is_fresh:
                file.unlink()
        record.write_text("\n".join(kept), "ascii")


def _is_whole(program: bytes) -> bool:
    """Return True if a cached program can be decompressed, or if no module for its format is installed."""
    is_zstd = program.startswith(b"\x28\xb5\x2f\xfd")
    for module in ("compression.zstd", "zstandard") if is_zstd else ("zlib",):
        try:
            importlib.import_module(module).decompress(program)
        except ImportError:
            continue
        except Exception:  # each module has its own error
            return False
        return True
    return True


def _delete_oldest(folder: Path) -> None:
    """Delete the least recently used files of a folder until at most `_MAX_CACHE_BYTES` (1 GiB) are left.

    Subfolders do not count. An error of the system ends it silently.
    """
    with contextlib.suppress(OSError):  # another process may do the same
        files = [(file.stat(), file) for file in folder.iterdir() if file.is_file()]
        size = sum(status.st_size for status, _ in files)
        for status, file in sorted(files, key=lambda entry: max(entry[0].st_atime, entry[0].st_mtime)):
            if size <= _MAX_CACHE_BYTES:
                return
            file.unlink()
            size -= status.st_size


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for the next allocation; elsewhere do nothing.

    A training step allocates and frees tens of MB. By default they return to the system, and getting them
    back page by page takes up to a third of a step. The price: the process never shrinks.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        trim_threshold, top_pad, mmap_max = -1, -2, -4
        library.mallopt(trim_threshold, 2**31 - 1)
        library.mallopt(mmap_max, 0)
        # A thread's empty heap (64 MiB) is returned unless it is within this many bytes of the last one.
        library.mallopt(top_pad, 2 * 64 << 20)


def _machine() -> str:
    """Return a name for this kind of processor, such as x86_64-0123456789ab.

    Programs use its instructions, and machines of several kinds may share a home folder.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        features = {line for line in lines if line.startswith(("flags", "Features", "model name"))}
        processor = "".join(sorted(features))
    except OSError:
        processor = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(processor.encode()).hexdigest()[:12]}"
