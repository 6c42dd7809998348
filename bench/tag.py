"""How fast is tagging, beside the same tagger in PyTorch (bench/peers/tagger.py) with the same weights?

Both go from tokens to tags: words are looked up, sentences sorted by length and put into batches, decoded,
and the tags brought to the scheme of the file. Throughput is that of each side's best batch size, in turns
of one process; latency is that of one sentence after the other, through ``Tagger.tag``. Cold is the first
pass over all sentences, which compiles. The parameters are those before training: they decide no time. Beside
it stands how many sentences of the target a training step takes. Where the config's data is absent, data of
the same sizes is made up (bench/synthetic.py).

Memory is the peak of a process of its own: of the command line ``predict`` for each number of sentences, and
of the peer, JAX and the config's data included, for the first of these.

    python bench/tag.py --data_root ../shared/data
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
from report import environment
from synthetic import load_with_data
from timing import interleaved

from mlmt_jax.batches.encode import encode_sentences
from mlmt_jax.batches.encoded_sentences import from_spellings
from mlmt_jax.batches.packing import assemble, batch_needs
from mlmt_jax.batches.prefetch import PrefetchedBatches, default_workers
from mlmt_jax.cli.environment import keep_freed_memory
from mlmt_jax.config import Config
from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.same_run import data_records
from mlmt_jax.tagger import Tagger
from mlmt_jax.text.decoded import TagWriter
from mlmt_jax.training.plan import PlannedStep
from mlmt_jax.training.replica_group import ReplicaGroup
from mlmt_jax.training.setup import Setup, fresh_state, prepare
from mlmt_jax.training.tables import table

ROOT = Path(__file__).resolve().parents[1]
Sentences = Sequence[Sequence[str]]


def our_tagger(setup: Setup, params: Any, batch_size: int) -> Tagger:
    """The tagger of the target, with another batch size."""
    training = setup.config.training.model_copy(update={"eval_batch_size": batch_size})
    config: Config = setup.config.model_copy(update={"training": training})
    datasets = setup.corpus.datasets.values()
    schemes = {dataset.name: {"scheme": dataset.scheme, "bare": dataset.bare} for dataset in datasets}
    return Tagger(config, setup.corpus.vocabulary, schemes, params)


def peer_tagger(setup: Setup, params: Any) -> Callable[[Sentences, int], list[list[str]]]:
    """The peer's tags of sentences, in batches of a size."""
    # Loaded here, not above, so that our first pass and memory are measured without it.
    from peers.tagger_weights import build_trainers

    target, vocabulary = setup.config.target, setup.corpus.vocabulary
    trainer = build_trainers(setup.config, setup.model, params)[target.name]
    dataset = setup.corpus.datasets[target.dataset]
    writer = TagWriter(vocabulary.tags[target.task], dataset.scheme, bare=dataset.bare)

    def tag(sentences: Sentences, batch_size: int) -> list[list[str]]:
        encoded = encode_sentences(vocabulary, target.model.word_embed, sentences)
        bounds = encoded.bounds
        tags: list[list[str]] = [[] for _ in sentences]
        order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
        for first in range(0, len(order), batch_size):
            chosen = order[first : first + batch_size]
            selected = encoded.select([bounds[i] for i in chosen])
            selected = from_spellings(selected.spellings(), selected.lengths, selected.tags)
            batch = assemble(selected, len(chosen), batch_needs(selected, len(chosen)).shape())
            for i, own in zip(chosen, trainer.decode(batch), strict=True):
                tags[i] = writer.tags(np.array(own, int))
        return tags

    return tag


def latency(tag: Callable[[Sentences], Any], sentences: Sentences) -> dict[str, float]:
    """Milliseconds of single sentences, each of them once before it counts."""
    times = []
    for tokens in sentences:
        tag([tokens])
    for tokens in sentences:
        started = time.perf_counter()
        tag([tokens])
        times.append(1e3 * (time.perf_counter() - started))
    return {"median": float(np.median(times)), "p95": float(np.quantile(times, 0.95)), "max": max(times)}


class Training:
    """The target's first training steps, taken again and again."""

    def __init__(self, setup: Setup, steps: int = 40):
        self._name, self._group = setup.config.target.name, ReplicaGroup([setup])
        self._state = self._group.stack([fresh_state(setup)])
        self._steps = steps
        own = setup.batches[self._name]
        self.sentences = sum(len(own.indices(step)) for step in range(steps))
        plan = cycle(PlannedStep(step, self._name, step) for step in range(steps))
        self._batches = PrefetchedBatches(
            [setup.batches], plan, workers=default_workers(jax.default_backend())
        )

    def __call__(self) -> None:
        """Takes the steps, to their end."""
        for _ in range(self._steps):
            _, [batch] = next(self._batches)
            self._state, _ = self._group.step(self._state, self._name, batch)
        jax.block_until_ready(self._state)

    def close(self) -> None:
        """Ends what assembles ahead."""
        self._batches.close()


def measure(setup: Setup, sentences: Sentences, sizes: Sequence[int], repeats: int) -> dict[str, Any]:
    """Throughput by side and batch size, cold and warm, and latency."""
    # The peer is built from the same arrays; ours are where a loaded tagger has them.
    params = fresh_state(setup).params
    ours = {size: our_tagger(setup, params, size) for size in sizes}
    default = setup.config.training.eval_batch_size
    started = time.perf_counter()
    tags = our_tagger(setup, params, default).tag(sentences)
    cold = {"ours": len(sentences) / (time.perf_counter() - started)}
    peer = peer_tagger(setup, jax.device_get(params))
    started = time.perf_counter()
    theirs = peer(sentences, default)
    cold["PyTorch"] = len(sentences) / (time.perf_counter() - started)
    same = [a == b for own, other in zip(tags, theirs, strict=True) for a, b in zip(own, other, strict=True)]
    programs: dict[str, Callable[[], Any]] = {}
    for size in sizes:
        programs[f"ours {size}"] = lambda tagger=ours[size]: tagger.tag(sentences)
        programs[f"PyTorch {size}"] = lambda size=size: peer(sentences, size)
    training = Training(setup)
    for run in (*programs.values(), training):
        run()
    timings = interleaved({**programs, "training": training}, repeats, budget=60.0)
    training.close()
    trained = training.sentences / timings.pop("training").median
    warm: dict[str, dict[int, dict[str, float]]] = {"ours": {}, "PyTorch": {}}
    for name, timing in timings.items():
        side, size = name.split()
        rates = {"median": len(sentences) / timing.median, "best": len(sentences) / timing.minimum}
        warm[side][int(size)] = rates
    best = {side: max(rates.values(), key=lambda rate: rate["median"]) for side, rates in warm.items()}
    single = sentences[:500]
    return {
        "sentences": len(sentences),
        "words": sum(map(len, sentences)),
        "equal tags": float(np.mean(same)),
        "cold sentences/s": cold,
        "warm sentences/s": warm,
        "times peer": best["ours"]["median"] / best["PyTorch"]["median"],
        "times peer, of best": best["ours"]["best"] / best["PyTorch"]["best"],
        "training sentences/s": trained,
        "times training": best["ours"]["median"] / trained,
        "latency ms": {
            "ours": latency(ours[sizes[0]].tag, single),
            "PyTorch": latency(lambda one: peer(one, 1), single),
        },
    }


def memory(setup: Setup, sentences: Sentences, counts: Sequence[int], folder: Path) -> dict[int, Any]:
    """Peak MiB and seconds of ``predict`` by sentences of its file."""
    run = RunFolder(folder / "run")
    run.create(setup.config, [(setup.config, data_records(setup.config, setup.corpus))])
    checkpoints = Checkpoints(run.checkpoints, run.id)
    checkpoints.save_best(1, fresh_state(setup).params)
    checkpoints.close()
    found = {}
    for count in counts:
        path = folder / f"{count}.txt"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(" ".join(tokens) + "\n" for tokens in islice(cycle(sentences), count))
        command = [sys.executable, "-m", "mlmt_jax.predict", str(run.path), str(path), "--input", "text"]
        found[count] = _measured([*command, "--pre-tokenized"])
    return found


def _measured(command: Sequence[str]) -> dict[str, float]:
    """Peak MiB and seconds of a process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {"peak MiB": usage.ru_maxrss / 1024, "seconds": time.perf_counter() - started}


def show(results: dict[str, Any]) -> None:
    """Prints the tables."""
    warm = results["warm sentences/s"]
    rows = [
        (size, *(f"{warm[side][size][key]:.0f}" for side in warm for key in ("median", "best")))
        for size in warm["ours"]
    ]
    print(table(("batch", "ours", "ours, best", "PyTorch", "PyTorch, best"), rows))
    keys = (
        *("sentences", "words", "equal tags", "cold sentences/s", "times peer"),
        *("times peer, of best", "training sentences/s", "times training", "latency ms"),
        *("predict", "peer's peak MiB"),
    )
    for key in filter(results.__contains__, keys):
        print(f"{key}: {results[key]}")


def main() -> None:
    """Measures, prints the tables and writes them."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "masakhane_xho.json")
    parser.add_argument("--data_root", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--files", type=int, nargs="*", default=[10_000, 1_000_000], help="sentences a file")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "tag.json")
    parser.add_argument("--peer", type=int, help=argparse.SUPPRESS)  # tag so many with the peer, and end
    args = parser.parse_args()
    keep_freed_memory()  # as the command line does; the peer gains from it as well
    with tempfile.TemporaryDirectory() as folder:
        config, real = load_with_data(args.config, args.data_root, Path(folder))
        setup = prepare(config)
        held_out = setup.corpus.datasets[config.target.dataset].splits["test"]
        every = cycle(example.tokens for example in held_out)
        sentences = list(islice(every, args.peer or args.sentences))
        if args.peer:
            peer_tagger(setup, jax.device_get(fresh_state(setup).params))(sentences, 64)
            return
        results: dict[str, Any] = {"predict": memory(setup, sentences, args.files, Path(folder))}
        if args.files:
            command = [sys.executable, __file__, "--config", str(args.config), "--peer", str(args.files[0])]
            own = _measured([*command, "--data_root", str(args.data_root)])
            results["peer's peak MiB"] = {args.files[0]: own["peak MiB"]}
        results |= measure(setup, sentences, args.batch_sizes, args.repeats)
    results["data"] = "real" if real else "made up"
    results |= environment(("mlmt-jax", "jax", "jaxlib", "flax", "numpy", "torch", "pytorch-crf"))
    show(results)
    args.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
