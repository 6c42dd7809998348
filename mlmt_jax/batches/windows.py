"""Inference on many sentences in their order: short ones in batches, long ones window by window."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences
from mlmt_jax.batches.inference_batches import (
    LONGEST,
    BatchShape,
    batch_shapes,
    sorted_batches,
    word_blocks,
)
from mlmt_jax.types import DistinctWords, PackedSentences

#: Words of context on either side of the words whose emissions a window keeps, if the sentence has them. An
#: LSTM forgets: the emissions of the bundled run change by 0.09 nats at most with 16 words, 6e-5 with 64.
CONTEXT = 64

# Windows of a batch bound the memory of one long sentence. Nearly all have one length: there is room for all
# their words.
_WINDOW_SHAPE = BatchShape(16, LONGEST, 16 * LONGEST)

# Concurrent batches: with one, cores are idle between its larger operations, and while its results are read.
_CONCURRENT_BATCHES = 2


class Programs(NamedTuple):
    """The compiled functions of a task model. Those that read return tuples of arrays, batch axis first."""

    # Distinct words -> features (U, d).
    features: Callable[[DistinctWords], Any]
    # Features of packed words (P, d), sentences -> arrays (B, ...).
    read_batch: Callable[[np.ndarray, PackedSentences], Any]
    # Features of packed words (P, d), sentences -> emissions (B, n, t).
    emissions: Callable[[np.ndarray, PackedSentences], Any]
    # Emissions (1, n, t), lengths (1,), gold tags (1, n) -> arrays (1, ...).
    read_emissions: Callable[[Any, Any, Any], Any]


class Window(NamedTuple):
    """A range of words of a long sentence, some of which are only context."""

    start: int  # first word
    end: int  # end (exclusive)
    skip: int  # words of context before the words that are kept
    keep: int  # words whose emissions are kept


def cut(n: int) -> list[Window]:
    """Cut a sentence of ``n`` words into overlapping windows, whose kept words are the sentence in order."""
    stride = LONGEST - 2 * CONTEXT
    windows = []
    for first in range(0, n, stride):
        start, end = max(0, first - CONTEXT), min(n, first + stride + CONTEXT)
        windows.append(Window(start, end, first - start, min(stride, n - first)))
    return windows


def run_programs(
    sentences: EncodedSentences, batch_size: int, programs: Programs
) -> list[tuple[np.ndarray, ...]]:
    """Run a task model on every sentence.

    The emissions of a sentence of more than ``LONGEST`` words are computed in overlapping windows and read as
    one sequence. Time and memory are linear in its length, and the reading is exact for these emissions.

    Returns:
        For each sentence, in the given order, its rows of the arrays of ``programs.read_batch``, padded.
    """
    if not len(sentences.lengths):
        return []
    features, bounds = _word_features(sentences.words, programs), sentences.bounds
    results: list[tuple[np.ndarray, ...]] = [()] * len(bounds)
    short = np.flatnonzero(sentences.lengths <= LONGEST)
    batches = sorted_batches(
        sentences.select([bounds[i] for i in short]), batch_shapes(len(short), batch_size)
    )
    # Features are gathered when a batch is run: those of all batches together would take much memory.
    program = lambda word_ids, batch: programs.read_batch(features[word_ids], batch)
    for indices, arrays in _run_batches(program, batches):
        for row, i in enumerate(short[indices]):
            results[i] = tuple(array[row] for array in arrays)
    for group in _window_groups(sentences.lengths):
        for i, emissions in _window_emissions(sentences, features, group, programs):
            start, end = bounds[i]
            padding = (0, (1 << (end - start - 1).bit_length()) - (end - start))  # few lengths: few programs
            emissions, gold = np.pad(emissions, (padding, (0, 0))), np.pad(sentences.tags[start:end], padding)
            arrays = programs.read_emissions(emissions[None], np.array([end - start], np.int32), gold[None])
            results[i] = tuple(np.asarray(array)[0] for array in arrays)
    return results


def _word_features(words: DistinctWords, programs: Programs) -> np.ndarray:
    """Compute the features of every distinct word once, (U, d); one row of zeros if there is no word."""
    blocks = _run_batches(lambda block: (programs.features(block),), word_blocks(words))
    features = np.concatenate([values[:count] for count, [values] in blocks])
    # Padding of ``word_ids`` reads row 0.
    return features if len(features) else np.zeros((1, features.shape[1]), features.dtype)


def _run_batches(
    program: Callable[..., Any], batches: Iterator[tuple[Any, ...]]
) -> Iterator[tuple[Any, list[np.ndarray]]]:
    """Call a program with all but the first entry of each batch; yield the first entry and its arrays."""
    lock = Lock()  # two threads would both compile what is new to both

    def run(batch: tuple[Any, ...]) -> tuple[Any, list[np.ndarray]]:
        name, *arguments = batch
        with lock:
            arrays = program(*arguments)
        return name, [np.asarray(array) for array in arrays]

    first_two = list(islice(batches, 2))
    if len(first_two) < 2:
        yield from map(run, first_two)
        return
    with ThreadPoolExecutor(_CONCURRENT_BATCHES) as pool:
        yield from pool.map(run, chain(first_two, batches))


def _window_groups(lengths: np.ndarray) -> Iterator[dict[int, list[Window]]]:
    """Yield the windows of long sentences by index, for as many sentences as fill a batch of windows."""
    group: dict[int, list[Window]] = {}
    for i in np.flatnonzero(lengths > LONGEST).tolist():
        group[i] = cut(int(lengths[i]))
        if sum(map(len, group.values())) >= _WINDOW_SHAPE.rows:
            yield group
            group = {}
    if group:
        yield group


def _window_emissions(
    sentences: EncodedSentences, features: np.ndarray, group: dict[int, list[Window]], programs: Programs
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield index and emissions (n, t) of each sentence of a group.

    Args:
        sentences: all sentences.
        features: features of the distinct words, (U, d).
        group: windows by index of the sentence.
        programs: the functions of the task model.
    """
    bounds = sentences.bounds
    windows = [(bounds[i][0], window) for i, several in group.items() for window in several]
    pieces = sentences.select([(start + window.start, start + window.end) for start, window in windows])
    kept: list[Any] = [None] * len(windows)
    batches = sorted_batches(pieces, [_WINDOW_SHAPE])
    program = lambda word_ids, batch: (programs.emissions(features[word_ids], batch),)
    for indices, [emissions] in _run_batches(program, batches):
        for row, i in enumerate(indices):
            _, window = windows[i]
            kept[i] = emissions[row, window.skip : window.skip + window.keep].copy()
    remaining = iter(kept)
    for i, several in group.items():
        yield i, np.concatenate(list(islice(remaining, len(several))))
