"""The command line and the result file of a benchmark, with the environment that it ran in."""

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"


def argument_parser(
    description: str | None, result: str, *, reads_data: bool = True
) -> argparse.ArgumentParser:
    """Return a parser with the flags that benches share.

    Args:
        description: the docstring of the script.
        result: name of the JSON file in ``bench/results``, the default of ``--output``.
        reads_data: add ``--config`` and ``--data_root``.
    """
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=form)
    if reads_data:
        config = ROOT / "configs" / "masakhane_xho.json"
        parser.add_argument("--config", type=Path, default=config, help="config of the run to measure")
        parser.add_argument(
            "--data_root", type=Path, default=ROOT / "../shared/data", help="folder of its data"
        )
    parser.add_argument("--output", type=Path, default=RESULTS / result, help="JSON file of the results")
    return parser


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write results as JSON; create the folder if it does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def environment(libraries: Iterable[str]) -> dict[str, Any]:
    """Return device, processor, day, PyTorch threads, and versions of libraries (None if not installed)."""
    device = jax.devices()[0]
    facts: dict[str, Any] = {
        "device": f"{device.platform} ({device.device_kind})",
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "day": datetime.date.today().isoformat(),
    }
    if importlib.util.find_spec("torch"):
        import torch  # pyright: ignore[reportMissingImports]

        facts["torch_threads"] = torch.get_num_threads()
    return facts | {"versions": {name: _version(name) for name in libraries}}


def _processor() -> str:
    """Return the name of the processor and its widest vector instructions."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"model name\s*: (.*)", cpuinfo)
    vectors = next((flag for flag in ("avx512f", "avx2", "asimd") if flag in cpuinfo), "")
    return " ".join(filter(None, (name[1] if name else platform.machine(), vectors)))


def _version(name: str) -> str | None:
    """Return the installed version of a package, None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
