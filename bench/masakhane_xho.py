"""What do auxiliary tasks bring to isiXhosa names with 200 labelled sentences?

Trains configs/masakhane_xho.json (four tasks) and configs/masakhane_xho_single.json (the target alone), each
as several replicas in one program, by the command line that users type, and prints test F1 and its spread.
Each replica has its own seed, 1 and on, which decides the sample of 200 sentences too. What is finished is
kept and reused; what was broken off is resumed.

A third of the target's test sentences are training sentences of isiXhosa POS, where their words are learnt
but not their names; F1 on the others tells whether that is what helps.

    python bench/masakhane_xho.py --data_root ../shared/data --replicas 3
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from mlmt_jax import Tagger
from mlmt_jax.config import load_config
from mlmt_jax.corpus.dataset import column_format, label
from mlmt_jax.text.columns import Sentence, read_conll
from mlmt_jax.training.tables import table

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = {"four tasks": "masakhane_xho", "target alone": "masakhane_xho_single"}


def train(config: str, replicas: int, data_root: Path, output: Path) -> dict[str, Any]:
    """The summary of the replicas of a config, trained where it is not there yet."""
    summary = output / "summary.json"
    if not summary.exists():
        resume = ["--resume"] if (output / "config.json").exists() else []
        command = [sys.executable, "-m", "mlmt_jax.train", str(ROOT / "configs" / f"{config}.json")]
        command += ["--set", f"data_root={data_root}", "--replicas", str(replicas)]
        subprocess.run([*command, "--output", str(output), *resume], check=True)
    return json.loads(summary.read_text(encoding="utf-8"))


def others_of_test(data_root: Path) -> tuple[Path, list[Sentence]]:
    """The target's test sentences on which no other task of its language trains, and their file."""
    config = load_config(ROOT / "configs" / "masakhane_xho.json", [f"data_root={data_root}"])
    own = config.dataset(config.target.dataset)
    path = config.path(own.files.by_split["test"])
    sentences, _ = read_conll(path, column_format(own))
    trained = {
        sentence.tokens
        for spec in config.datasets
        if spec.language == own.language and spec.task != own.task
        for sentence in read_conll(config.path(spec.files.train), column_format(spec))[0]
    }
    return path, [sentence for sentence in sentences if sentence.tokens not in trained]


def figures(summary: dict[str, Any], run: Path, path: Path, others: list[Sentence]) -> dict[str, float]:
    """What the table shows of a replica; ``path`` and ``others``: of ``others_of_test``."""
    scores = summary["scores"][summary["target"]]
    tagger = Tagger.load(run)
    of_others = tagger.evaluate(label(others, tagger.scheme, path, [])).score.f1
    assert of_others is not None
    return {
        "dev F1": 100 * scores["dev"]["f1"],
        "test F1": 100 * scores["test"]["f1"],
        "F1 of others": 100 * of_others,
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
    path, others = others_of_test(args.data_root.resolve())
    for name, config in CONFIGS.items():
        output = args.runs / f"{config}_{args.replicas}_replicas"
        summary = train(config, args.replicas, args.data_root.resolve(), output)
        seeds = {
            1 + number: figures(own, output / "replicas" / str(number), path, others)
            for number, own in enumerate(summary["replicas"])
        }
        of_others = sum(own["F1 of others"] for own in seeds.values()) / len(seeds)
        results[name] = {
            "seeds": seeds,
            "test F1": summary["statistics"][summary["target"]]["test"],
            "mean F1 of others": of_others,
            "others": len(others),
            "seconds": summary["seconds"],
            "steps/s of all": summary["steps"] / summary["seconds"],
        }
        results |= {"device": summary["device"], "versions": summary["versions"]}
        rows += [(name, seed, *(f"{x:.2f}" for x in own.values())) for seed, own in seeds.items()]
        for figure, value in results[name]["test F1"].items():
            rows.append((name, figure, "", f"{100 * value:.2f}", *[""] * 3))
        rows.append((name, "mean", "", "", f"{of_others:.2f}", "", ""))
    print(table(("run", "seed", *next(iter(results["four tasks"]["seeds"].values()))), rows))
    path = ROOT / "bench" / "results" / "masakhane_xho.json"
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
