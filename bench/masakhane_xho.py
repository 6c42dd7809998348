"""What do auxiliary tasks bring to isiXhosa names with 200 labelled sentences?

Trains configs/masakhane_xho.json (four tasks) and configs/masakhane_xho_single.json (the target alone), each
as several replicas in one program, by the command line that users type, and prints test F1 and its spread.
Each replica has its own seed, 1 and on, which decides the sample of 200 sentences too. What is finished is
kept and reused; what was broken off is resumed.

    python bench/masakhane_xho.py --data_root ../shared/data --replicas 3
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from mlmt_jax.training.journal import table

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = {"four tasks": "masakhane_xho", "target alone": "masakhane_xho_single"}


def train(config: str, replicas: int, data_root: Path, runs: Path) -> dict[str, Any]:
    """The summary of the replicas of a config, trained where it is not there yet."""
    output = runs / f"{config}_{replicas}_replicas"
    summary = output / "summary.json"
    if not summary.exists():
        resume = ["--resume"] if (output / "config.json").exists() else []
        command = [sys.executable, "-m", "mlmt_jax.train", str(ROOT / "configs" / f"{config}.json")]
        command += ["--set", f"data_root={data_root}", "--replicas", str(replicas)]
        subprocess.run([*command, "--output", str(output), *resume], check=True)
    return json.loads(summary.read_text(encoding="utf-8"))


def figures(summary: dict[str, Any]) -> dict[str, float]:
    """What the table shows of a run."""
    scores = summary["scores"][summary["target"]]
    return {
        "dev F1": 100 * scores["dev"]["f1"],
        "test F1": 100 * scores["test"]["f1"],
        "lenient F1": 100 * scores["test"]["lenient_f1"],
        "best step": summary["best_step"],
    }


def main() -> None:
    """Runs what is missing, prints the table and writes it to bench/results/."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--data_root", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--replicas", type=int, default=3, help="2 or more")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "bench")
    args = parser.parse_args()
    results: dict[str, Any] = {}
    rows = []
    for name, config in CONFIGS.items():
        summary = train(config, args.replicas, args.data_root.resolve(), args.runs)
        seeds = {1 + number: figures(own) for number, own in enumerate(summary["replicas"])}
        results[name] = {
            "seeds": seeds,
            "test F1": summary["statistics"][summary["target"]]["test"],
            "seconds": summary["seconds"],
            "steps/s of all": summary["steps"] / summary["seconds"],
        }
        results |= {"device": summary["device"], "versions": summary["versions"]}
        rows += [(name, seed, *(f"{x:.2f}" for x in own.values())) for seed, own in seeds.items()]
        for label, value in results[name]["test F1"].items():
            rows.append((name, label, "", f"{100 * value:.2f}", "", ""))
    print(table(("run", "seed", *next(iter(results["four tasks"]["seeds"].values()))), rows))
    path = ROOT / "bench" / "results" / "masakhane_xho.json"
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
