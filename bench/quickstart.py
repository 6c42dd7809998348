"""Benchmark of scores: what do auxiliary tasks bring to Afrikaans names with 40 labelled sentences?

Measured: test F1 of each replica, with four tasks and with the target alone, on the bundled synthetic data.

How: the command line trains configs/quickstart.json and configs/quickstart_single.json as three replicas with
the seeds 1, 2 and 3. Finished runs are reused, interrupted ones resumed.

    python bench/quickstart.py
"""

from pathlib import Path
from typing import Any

from report import ROOT, argument_parser, environment, write_results
from scored_runs import train

REPLICAS = 3


def main() -> None:
    """Train the runs that are missing and write the results."""
    parser = argument_parser(__doc__, "quickstart.json", reads_data=False)
    parser.add_argument(
        "--runs", type=Path, default=ROOT / "runs" / "bench", help="folder of the run folders"
    )
    args = parser.parse_args()
    results: dict[str, Any] = {}
    for name, config, output in (
        ("four tasks", "quickstart", "runs/three"),
        ("target alone", "quickstart_single", "runs/three_alone"),
    ):
        folder = args.runs / f"{config}_{REPLICAS}_replicas"
        summary = train(ROOT / "configs" / f"{config}.json", folder, "--replicas", str(REPLICAS))
        scores = [replica["scores"][summary["target"]]["test"]["f1"] for replica in summary["replicas"]]
        flags = f"--replicas {REPLICAS} --output {output}"
        results[name] = {
            "command": f"mlmt train configs/{config}.json {flags}",
            "seeds": {1 + number: {"test F1": 100 * score} for number, score in enumerate(scores)},
        }
    write_results(args.output, results | environment(("jax", "jaxlib")))


if __name__ == "__main__":
    main()
