"""Benchmark of scores: what do auxiliary tasks bring to isiXhosa names with 200 labelled sentences?

Measured: dev and test F1 of each replica, their mean and spread, with four tasks and with the target alone. A
third of the target's test sentences are training sentences of isiXhosa POS, where their words are learnt but
not their names. F1 on the other sentences shows if that is the reason for the gain.

How: the command line trains configs/masakhane_xho.json (four tasks) and configs/masakhane_xho_single.json
(the target alone) as several replicas in one program. Replicas have the seeds 1, 2, ..., which also draw the
200 sentences. Finished runs are reused, interrupted ones resumed.

    python bench/masakhane_xho.py --data_root ../shared/data --replicas 3
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from report import ROOT, argument_parser, write_results

from mlmt_jax import Tagger
from mlmt_jax.config import load_config
from mlmt_jax.corpus.dataset import bioes_sentences, column_format
from mlmt_jax.text.columns import Sentence, read_conll
from mlmt_jax.text.findings import Findings
from mlmt_jax.training.tables import table

CONFIGS = {"four tasks": "masakhane_xho", "target alone": "masakhane_xho_single"}


def train(config: str, replicas: int, data_root: Path, output: Path) -> dict[str, Any]:
    """Return the summary of a config's replicas; train them first if the run is not finished.

    Args:
        config: name of the config, without ending.
        replicas: number of replicas.
        data_root: folder of the data.
        output: run folder.
    """
    summary = output / "summary.json"
    if not summary.exists():
        resume = ["--resume"] if (output / "config.json").exists() else []
        command = [sys.executable, "-m", "mlmt_jax.train", str(ROOT / "configs" / f"{config}.json")]
        command += ["--set", f"data_root={data_root}", "--replicas", str(replicas)]
        subprocess.run([*command, "--output", str(output), *resume], check=True)
    return json.loads(summary.read_text(encoding="utf-8"))


def new_test_sentences(data_root: Path) -> tuple[Path, list[Sentence]]:
    """Return the target's test file, and its sentences on which no other task of the language trains."""
    config = load_config(ROOT / "configs" / "masakhane_xho.json", [f"data_root={data_root}"])
    target = config.dataset(config.target.dataset)
    path = config.path(target.files.by_split["test"])
    sentences, _ = read_conll(path, column_format(target))
    trained = {
        sentence.tokens
        for spec in config.datasets
        if spec.language == target.language and spec.task != target.task
        for sentence in read_conll(config.path(spec.files.train), column_format(spec))[0]
    }
    return path, [sentence for sentence in sentences if sentence.tokens not in trained]


def figures(
    summary: dict[str, Any], run: Path, path: Path, new_sentences: Sequence[Sentence]
) -> dict[str, float]:
    """Return the figures of one replica as the table shows them, F1 in percent.

    Args:
        summary: summary of the replica.
        run: folder of the replica.
        path: test file of the target.
        new_sentences: test sentences on which no other task trains.
    """
    scores = summary["scores"][summary["target"]]
    tagger = Tagger.load(run)
    new_f1 = tagger.evaluate(bioes_sentences(new_sentences, tagger.scheme, Findings(path))).score.f1
    assert new_f1 is not None
    return {
        "dev F1": 100 * scores["dev"]["f1"],
        "test F1": 100 * scores["test"]["f1"],
        "F1 of others": 100 * new_f1,
        "lenient F1": 100 * scores["test"]["lenient_f1"],
        "best step": summary["best_step"],
    }


def main() -> None:
    """Train the runs that are missing, print the table and write the results."""
    parser = argument_parser(__doc__, "masakhane_xho.json", reads_data=False)
    parser.add_argument("--data_root", type=Path, default=ROOT / "../shared/data", help="folder of the data")
    parser.add_argument("--replicas", type=int, default=3, help="2 or more")
    parser.add_argument(
        "--runs", type=Path, default=ROOT / "runs" / "bench", help="folder of the run folders"
    )
    args = parser.parse_args()
    results: dict[str, Any] = {}
    rows = []
    path, new_sentences = new_test_sentences(args.data_root.resolve())
    for name, config in CONFIGS.items():
        output = args.runs / f"{config}_{args.replicas}_replicas"
        summary = train(config, args.replicas, args.data_root.resolve(), output)
        seeds = {
            1 + number: figures(replica, output / "replicas" / str(number), path, new_sentences)
            for number, replica in enumerate(summary["replicas"])
        }
        new_f1 = sum(replica["F1 of others"] for replica in seeds.values()) / len(seeds)
        results[name] = {
            "seeds": seeds,
            "test F1": summary["statistics"][summary["target"]]["test"],
            "mean F1 of others": new_f1,
            "others": len(new_sentences),
            "seconds": summary["seconds"],
            "steps/s of all": summary["steps"] / summary["seconds"],
        }
        results |= {"device": summary["device"], "versions": summary["versions"]}
        rows += [(name, seed, *(f"{x:.2f}" for x in replica.values())) for seed, replica in seeds.items()]
        for figure, value in results[name]["test F1"].items():
            rows.append((name, figure, "", f"{100 * value:.2f}", *[""] * 3))
        rows.append((name, "mean", "", "", f"{new_f1:.2f}", "", ""))
    print(table(("run", "seed", *next(iter(results["four tasks"]["seeds"].values()))), rows))
    write_results(args.output, results)


if __name__ == "__main__":
    main()
