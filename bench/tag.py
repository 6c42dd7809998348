"""Benchmark of tagging: how fast is it, beside the same tagger in PyTorch (bench/peers/tagger.py)?

Measured:

    warm       sentences per second at each batch size
    cold       sentences per second in the first pass over all sentences, which compiles
    latency    milliseconds of one sentence after the other, through ``Tagger.tag``
    training   sentences of the target per second in training, for comparison
    memory     peak memory of a process: of the command ``predict`` for each number of sentences, and of the
               peer (JAX and the data of the config included) for the first of these numbers

How: both sides have the same weights and go from tokens to tags: they look up words, sort the sentences by
length into batches, decode them, and write the tags in the scheme of the file. The weights are untrained,
which does not change the times. The batch sizes of both sides take turns within one process. If the data of
the config is missing, synthetic data of the same sizes is used (bench/synthetic.py).

    python bench/tag.py --data_root ../shared/data
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
from report import argument_parser, environment, write_results
from step_block import StepBlock
from synthetic import load_with_data
from timing import interleaved

from mlmt_jax.batches.encode import encode_sentences
from mlmt_jax.batches.encoded_sentences import from_spellings
from mlmt_jax.batches.packing import assemble, batch_needs
from mlmt_jax.cli.environment import keep_freed_memory
from mlmt_jax.config import Config
from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.same_run import data_records
from mlmt_jax.tagger import Tagger
from mlmt_jax.text.decoded import TagWriter
from mlmt_jax.training.plan import PlannedStep
from mlmt_jax.training.setup import Setup, fresh_state, prepare
from mlmt_jax.training.tables import table
from mlmt_jax.types import Params

Sentences = Sequence[Sequence[str]]
TRAINING_STEPS = 40


def jax_tagger(setup: Setup, params: Params, batch_size: int) -> Tagger:
    """Return the tagger of the target with another batch size."""
    training = setup.config.training.model_copy(update={"eval_batch_size": batch_size})
    config: Config = setup.config.model_copy(update={"training": training})
    datasets = setup.corpus.datasets.values()
    schemes = {dataset.name: {"scheme": dataset.scheme, "bare": dataset.bare} for dataset in datasets}
    return Tagger(config, setup.corpus.vocabulary, schemes, params)


def torch_tagger(setup: Setup, params: Params) -> Callable[[Sentences, int], list[list[str]]]:
    """Return the peer of the target as a function of sentences and batch size that returns tags."""
    # Imported here, so that our first pass and memory are measured without PyTorch.
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
            for i, indices in zip(chosen, trainer.decode(batch), strict=True):
                tags[i] = writer.tags(np.array(indices, int))
        return tags

    return tag


def latency(tag: Callable[[Sentences], Any], sentences: Sentences) -> dict[str, float]:
    """Measure the milliseconds of single sentences; each is tagged once before, which does not count."""
    times = []
    for tokens in sentences:
        tag([tokens])
    for tokens in sentences:
        started = time.perf_counter()
        tag([tokens])
        times.append(1e3 * (time.perf_counter() - started))
    return {"median": float(np.median(times)), "p95": float(np.quantile(times, 0.95)), "max": max(times)}


def _first_pass(tag: Callable[[Sentences], Any], sentences: Sentences) -> tuple[Any, float]:
    """Return the tags of all sentences, and the sentences per second."""
    started = time.perf_counter()
    tags = tag(sentences)
    return tags, len(sentences) / (time.perf_counter() - started)


def measure(setup: Setup, sentences: Sentences, sizes: Sequence[int], repeats: int) -> dict[str, Any]:
    """Measure cold and warm throughput by side and batch size, and latency.

    Args:
        setup: setup of the run.
        sentences: tokens of each sentence.
        sizes: batch sizes.
        repeats: repeats of each side and size.
    """
    # The peer is built from the same arrays; ours stay on the device, as in a loaded tagger.
    params = fresh_state(setup).params
    taggers = {size: jax_tagger(setup, params, size) for size in sizes}
    default_size = setup.config.training.eval_batch_size
    tags, rate = _first_pass(jax_tagger(setup, params, default_size).tag, sentences)
    peer = torch_tagger(setup, jax.device_get(params))
    peer_tags, peer_rate = _first_pass(lambda sentences: peer(sentences, default_size), sentences)
    equal = [a == b for pair in zip(tags, peer_tags, strict=True) for a, b in zip(*pair, strict=True)]
    programs: dict[str, Callable[[], Any]] = {}
    for size in sizes:
        programs[f"ours {size}"] = lambda tagger=taggers[size]: tagger.tag(sentences)
        programs[f"PyTorch {size}"] = lambda size=size: peer(sentences, size)
    target = setup.config.target.name
    training = StepBlock([setup], [PlannedStep(step, target, step) for step in range(TRAINING_STEPS)])
    for run in (*programs.values(), training):
        run()
    timings = interleaved({**programs, "training": training}, repeats, budget=60.0)
    training.close()
    trained = sum(len(setup.batches[target].indices(step)) for step in range(TRAINING_STEPS))
    training_rate = trained / timings.pop("training").median
    warm: dict[str, dict[int, dict[str, float]]] = {"ours": {}, "PyTorch": {}}
    for name, timing in timings.items():
        side, size = name.split()
        rates = {"median": len(sentences) / timing.median, "best": len(sentences) / timing.minimum}
        warm[side][int(size)] = rates
    best = {side: max(rates.values(), key=lambda rate: rate["median"]) for side, rates in warm.items()}
    return {
        "sentences": len(sentences),
        "words": sum(map(len, sentences)),
        "equal tags": float(np.mean(equal)),
        "cold sentences/s": {"ours": rate, "PyTorch": peer_rate},
        "warm sentences/s": warm,
        "times peer": best["ours"]["median"] / best["PyTorch"]["median"],
        "times peer, of best": best["ours"]["best"] / best["PyTorch"]["best"],
        "training sentences/s": training_rate,
        "times training": best["ours"]["median"] / training_rate,
        "latency ms": {
            "ours": latency(taggers[sizes[0]].tag, sentences[:500]),
            "PyTorch": latency(lambda sentence: peer(sentence, 1), sentences[:500]),
        },
    }


def predict_memory(
    setup: Setup, sentences: Sentences, counts: Sequence[int], folder: Path
) -> dict[int, dict[str, float]]:
    """Measure peak MiB and seconds of ``predict``, by number of sentences.

    Args:
        setup: setup of the run.
        sentences: repeated until a file has enough of them.
        counts: numbers of sentences.
        folder: where the run folder and the text files are written.
    """
    run = RunFolder(folder / "run")
    run.create(setup.config, [(setup.config, data_records(setup.config, setup.corpus))])
    checkpoints = Checkpoints(run.checkpoints, run.id)
    checkpoints.save_best(1, fresh_state(setup).params)
    checkpoints.close()
    figures = {}
    for count in counts:
        path = folder / f"{count}.txt"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(" ".join(tokens) + "\n" for tokens in islice(cycle(sentences), count))
        command = [sys.executable, "-m", "mlmt_jax.predict", str(run.path), str(path), "--input", "text"]
        figures[count] = _measure_process([*command, "--pre-tokenized"])
    return figures


def _measure_process(command: Sequence[str]) -> dict[str, float]:
    """Run a command and return its peak MiB and seconds.

    Raises:
        CalledProcessError: if the command fails.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {"peak MiB": usage.ru_maxrss / 1024, "seconds": time.perf_counter() - started}


def show(results: Mapping[str, Any]) -> None:
    """Print the tables."""
    warm = results["warm sentences/s"]
    rows = [
        (size, *(f"{warm[side][size][key]:.0f}" for side in warm for key in ("median", "best")))
        for size in warm["ours"]
    ]
    print(table(("batch size", "ours", "ours, best", "PyTorch", "PyTorch, best"), rows))
    keys = (
        *("sentences", "words", "equal tags", "cold sentences/s", "times peer"),
        *("times peer, of best", "training sentences/s", "times training", "latency ms"),
        *("predict", "peer's peak MiB"),
    )
    for key in filter(results.__contains__, keys):
        print(f"{key}: {results[key]}")


def main() -> None:
    """Measure, print the tables and write the results."""
    parser = argument_parser(__doc__, "tag.json")
    parser.add_argument("--sentences", type=int, default=1000, help="number of sentences to tag")
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--files", type=int, nargs="*", default=[10_000, 1_000_000], help="sentences of each file of predict"
    )
    parser.add_argument(
        "--peer", type=int, help=argparse.SUPPRESS
    )  # only tag so many sentences with the peer
    args = parser.parse_args()
    keep_freed_memory()  # as the command line does; the peer gains from it as well
    with tempfile.TemporaryDirectory() as folder:
        config, is_real = load_with_data(args.config, args.data_root, Path(folder))
        setup = prepare(config)
        held_out = setup.corpus.datasets[config.target.dataset].splits["test"]
        repeated = cycle(sentence.tokens for sentence in held_out)
        sentences = list(islice(repeated, args.peer or args.sentences))
        if args.peer:
            torch_tagger(setup, jax.device_get(fresh_state(setup).params))(sentences, 64)
            return
        results: dict[str, Any] = {"predict": predict_memory(setup, sentences, args.files, Path(folder))}
        if args.files:
            command = [sys.executable, __file__, "--config", str(args.config), "--peer", str(args.files[0])]
            peer_figures = _measure_process([*command, "--data_root", str(args.data_root)])
            results["peer's peak MiB"] = {args.files[0]: peer_figures["peak MiB"]}
        results |= measure(setup, sentences, args.batch_sizes, args.repeats)
    results["data"] = "real" if is_real else "made up"
    results |= environment(("mlmt-jax", "jax", "jaxlib", "flax", "numpy", "torch", "pytorch-crf"))
    show(results)
    write_results(args.output, results)


if __name__ == "__main__":
    main()
