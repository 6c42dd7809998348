"""What a benchmark says about where it ran, and its records as a table shows them."""

import datetime
import importlib.metadata
import importlib.util
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

__all__ = ["COLUMNS", "environment", "rows"]

COLUMNS = (
    *("B x n x t", "task", "implementation", "median ms", "min ms", "IQR ms", "tokens/s", "times ours"),
    *("(min)", "compile s", "memory", "program", "limit", "note"),
)
_NUMBERS = (  # key of the record, digits behind the point, factor
    *(("median_ms", 3, 1.0), ("minimum_ms", 3, 1.0), ("iqr_ms", 3, 1.0), ("tokens_a_second", 0, 1.0)),
    *(("times_ours", 2, 1.0), ("times_ours_of_minima", 2, 1.0), ("compile_seconds", 2, 1.0)),
    *(("memory_bytes", 1, 1e-6), ("program_bytes", 1, 1e-6)),
)
_NOTES = ("left_out", "failed", "disagrees")


def environment(libraries: Iterable[str]) -> dict[str, Any]:
    """Device, processor, day, PyTorch's threads, and versions of libraries; None for those not installed."""
    device = jax.devices()[0]
    found: dict[str, Any] = {
        "device": f"{device.platform} ({device.device_kind})",
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "day": datetime.date.today().isoformat(),
    }
    if importlib.util.find_spec("torch"):
        import torch  # pyright: ignore[reportMissingImports]

        found["torch_threads"] = torch.get_num_threads()
    return found | {"versions": {name: _version(name) for name in libraries}}


def _processor() -> str:
    """The processor's name and the widest vectors that it has."""
    try:
        about = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"model name\s*: (.*)", about)
    vectors = next((wide for wide in ("avx512f", "avx2", "asimd") if wide in about), "")
    return " ".join(filter(None, (name[1] if name else platform.machine(), vectors)))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def rows(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The records under ``COLUMNS``; what a record does not have is "-"."""

    def number(value: float | None, digits: int, factor: float) -> str:
        return "-" if value is None else f"{factor * value:.{digits}f}"

    return [
        (
            "x".join(map(str, record["shape"])),
            record["task"],
            record["implementation"],
            *(number(record.get(key), digits, factor) for key, digits, factor in _NUMBERS),
            f"{100 * record['share_of_limit']:.1f}%" if "share_of_limit" in record else "-",
            "; ".join(f"{key}: {record[key]}" for key in _NOTES if key in record),
        )
        for record in records
    ]
