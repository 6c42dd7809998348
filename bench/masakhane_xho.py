"""What do auxiliary tasks bring to isiXhosa names with 200 labelled sentences?

Trains configs/masakhane_xho.json (four tasks) and configs/masakhane_xho_single.json (the target alone) with
several seeds, each run by the command line that users type, and prints test F1, its spread and the speed.
The seed decides the sample of 200 sentences too. Every finished run is kept and reused.

    python bench/masakhane_xho.py --data_root ../shared/data --seeds 1 2 3
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from mlmt_jax.training.journal import table

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = {"four tasks": "masakhane_xho", "target alone": "masakhane_xho_single"}


def train(config: str, seed: int, data_root: Path, runs: Path) -> dict[str, Any]:
    """The summary of one run, trained where it is not there yet; ``resume``s what was broken off."""
    output = runs / f"{config}_seed{seed}"
    summary = output / "summary.json"
    if not summary.exists():
        resume = ["--resume"] if (output / "config.json").exists() else []
        settings = [f"training.seed={seed}", f"data_root={data_root}"]
        command = [sys.executable, "-m", "mlmt_jax.train", str(ROOT / "configs" / f"{config}.json")]
        command += [part for setting in settings for part in ("--set", setting)]
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
        "steps/s": summary["steps"] / summary["seconds"],
    }


def main() -> None:
    """Runs what is missing, prints the table and writes it to bench/results/."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--data_root", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "bench")
    args = parser.parse_args()
    results: dict[str, Any] = {}
    rows = []
    for seed in args.seeds:
        for name, config in CONFIGS.items():
            summary = train(config, seed, args.data_root.resolve(), args.runs)
            results.setdefault(name, {})[seed] = figures(summary)
            results |= {"device": summary["device"], "versions": summary["versions"]}
    for name in CONFIGS:
        runs = list(results[name].values())
        rows += [(name, seed, *(f"{x:.2f}" for x in run.values())) for seed, run in results[name].items()]
        for label, statistic in (("mean", statistics.mean), ("std", statistics.stdev)):
            if len(runs) > 1:
                over_seeds = {key: statistic([run[key] for run in runs]) for key in runs[0]}
                results.setdefault(label, {})[name] = over_seeds
                rows.append((name, label, *(f"{x:.2f}" for x in over_seeds.values())))
    print(table(("run", "seed", *next(iter(results["four tasks"].values()))), rows))
    path = ROOT / "bench" / "results" / "masakhane_xho.json"
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
