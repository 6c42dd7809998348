"""Many sentences through the programs of a task model and back, in order; long ones window by window."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from mlmt_jax.batches.inference_batches import Piece, padded_words, sorted_batches, word_blocks
from mlmt_jax.batches.packing import Contents
from mlmt_jax.types import Sentences, Words

__all__ = ["LONGEST", "Programs", "Window", "cut", "run_programs"]

#: Words of the longest sentence that is encoded at once: a batch takes memory for all its sentences at the
#: length of the longest, and each power of two of words is one more program.
LONGEST = 512

#: Words that a window has on either side of those whose emissions are kept, where the sentence has them. An
#: LSTM forgets: the emissions of the bundled run change by 0.09 nats at most with 16 words, 6e-5 with 64.
CONTEXT = 64

# Windows in a batch, so that the memory they take is bounded as well.
_WINDOWS = 16

# Batches under way at a time: one leaves cores idle between its larger operations, and while it is read.
_UNDER_WAY = 2


class Programs(NamedTuple):
    """Run on a device; ``whole`` and ``read`` return tuples of arrays that begin with the batch axis."""

    features: Callable[[Words], Any]  # of distinct words: (U, d)
    whole: Callable[[np.ndarray, Sentences], Any]  # of features of packed words (P, d), and whole sentences
    emissions: Callable[[np.ndarray, Sentences], Any]  # of features of packed words, and windows: (B, n, t)
    read: Callable[[Any, Any, Any], Any]  # of emissions (1, n, t), lengths (1,) and gold tags (1, n)


class Window(NamedTuple):
    """A part of a long sentence."""

    start: int  # its first word
    end: int  # behind its last word
    skip: int  # how many of its words come before those that are kept
    keep: int


def cut(n: int) -> list[Window]:
    """The windows of a sentence of n words; what they keep is the whole sentence, in order."""
    stride = LONGEST - 2 * CONTEXT
    windows = []
    for first in range(0, n, stride):
        start = max(0, first - CONTEXT)
        end = min(n, first + stride + CONTEXT)
        windows.append(Window(start, end, first - start, min(stride, n - first)))
    return windows


def run_programs(contents: Contents, batch_size: int, programs: Programs) -> list[tuple[np.ndarray, ...]]:
    """What the programs return of every sentence, in the order given: its rows, padded.

    Of a sentence of more than ``LONGEST`` words the emissions come from overlapping windows, and are read as
    one sequence: time and memory are linear in its length, and what is read is exact for those emissions.
    """
    if not len(contents.lengths):
        return []
    features = _features(contents, programs)
    pieces = [Piece(contents.tokens[start:end], contents.tags[start:end]) for start, end in contents.bounds]
    results: list[tuple[np.ndarray, ...]] = [()] * len(pieces)
    whole = [i for i, piece in enumerate(pieces) if len(piece.tokens) <= LONGEST]
    batches = sorted_batches([pieces[i] for i in whole], batch_size)
    # Features are put in place when a batch's turn comes: those of all batches would be many.
    program = lambda tokens, batch: programs.whole(features[tokens], batch)
    for chosen, arrays in _results(program, batches):
        for row, i in enumerate(chosen):
            results[whole[i]] = tuple(array[row] for array in arrays)
    long = [i for i, piece in enumerate(pieces) if len(piece.tokens) > LONGEST]
    for group in _groups({i: cut(len(pieces[i].tokens)) for i in long}):
        for i, scores in _emissions(pieces, features, group, programs):
            results[i] = tuple(np.asarray(array)[0] for array in _read(pieces[i], scores, programs))
    return results


def _features(contents: Contents, programs: Programs) -> np.ndarray:
    """What is computed of every distinct word, (U, d): once, whatever batches it is in."""
    program = lambda words: (programs.features(words),)
    blocks = _results(program, word_blocks(contents))
    found = np.concatenate([features[:count] for count, [features] in blocks])
    return found if len(found) else np.zeros((1, found.shape[1]), found.dtype)  # what fills up needs one


def _results(
    program: Callable[..., Any], batches: Iterator[tuple[Any, ...]]
) -> Iterator[tuple[Any, list[np.ndarray]]]:
    """The first entry of each batch, and what a program gives of the others; in the order of the batches."""
    one_at_a_time = Lock()  # two threads would both compile what is new to both

    def run(batch: tuple[Any, ...]) -> tuple[Any, list[np.ndarray]]:
        name, *given = batch
        with one_at_a_time:
            arrays = program(*given)
        return name, [np.asarray(array) for array in arrays]

    first = list(islice(batches, 2))
    if len(first) < 2:
        yield from map(run, first)
        return
    with ThreadPoolExecutor(_UNDER_WAY) as pool:
        yield from pool.map(run, chain(first, batches))


def _groups(windows: dict[int, list[Window]]) -> Iterator[dict[int, list[Window]]]:
    """Sentences that together fill a batch of windows."""
    group: dict[int, list[Window]] = {}
    for i, own in windows.items():
        group[i] = own
        if sum(map(len, group.values())) >= _WINDOWS:
            yield group
            group = {}
    if group:
        yield group


def _emissions(
    sentences: Sequence[Piece], features: np.ndarray, group: dict[int, list[Window]], programs: Programs
) -> Iterator[tuple[int, np.ndarray]]:
    """The emissions (n, t) of each sentence."""
    windows = [(sentences[i], window) for i, own in group.items() for window in own]
    pieces = [Piece(*(values[own.start : own.end] for values in sentence)) for sentence, own in windows]
    kept: list[Any] = [None] * len(windows)
    # Nearly all windows are of one length.
    batches = sorted_batches(pieces, _WINDOWS, share=1.0, full=LONGEST)
    program = lambda tokens, batch: (programs.emissions(features[tokens], batch),)
    for chosen, [scores] in _results(program, batches):
        for row, i in enumerate(chosen):
            _, own = windows[i]
            kept[i] = scores[row, own.skip : own.skip + own.keep].copy()
    first = 0
    for i, own in group.items():
        yield i, np.concatenate(kept[first : first + len(own)])
        first += len(own)


def _read(sentence: Piece, scores: np.ndarray, programs: Programs) -> Any:
    n = len(sentence.tokens)
    behind = (0, padded_words(n) - n)
    scores, gold = np.pad(scores, (behind, (0, 0))), np.pad(sentence.tags, behind)
    return programs.read(scores[None], np.array([n], np.int32), gold[None])
