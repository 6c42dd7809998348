"""The model's formulas, slow and written out in NumPy float64. Imports nothing of the code under test."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

Array = np.ndarray


def path_scores(
    emissions: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> tuple[Array, Array]:
    """Every tag sequence of a sentence of n >= 1 words, (t ** n, n), and its score, (t ** n,)."""
    n, t = emissions.shape
    paths = np.indices((t,) * n).reshape(n, -1).T  # in the order of itertools.product
    exact = lambda scores: np.asarray(scores, np.float64)
    scores = exact(start)[paths[:, 0]] + exact(end)[paths[:, -1]]
    scores += exact(emissions)[np.arange(n), paths].sum(1)
    scores += exact(transitions)[paths[:, :-1], paths[:, 1:]].sum(1)
    return paths, scores


def log_sum_exp(scores: Array) -> float:
    peak = np.max(scores)
    return float(peak + np.log(np.sum(np.exp(scores - peak)))) if np.isfinite(peak) else float(peak)


def crf_log_partition(emissions: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike) -> float:
    """Log Z by the sum over all paths; 0 for no words, -inf where every path is forbidden."""
    return log_sum_exp(path_scores(emissions, transitions, start, end)[1]) if len(emissions) else 0.0


def crf_marginals(emissions: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike) -> Array:
    """(n, t): the share of the paths through each tag at each word; 0 where every path is forbidden."""
    found = np.zeros(emissions.shape)
    if len(emissions):
        paths, scores = path_scores(emissions, transitions, start, end)
        total = log_sum_exp(scores)
        if np.isfinite(total):
            for i in range(len(emissions)):
                np.add.at(found[i], paths[:, i], np.exp(scores - total))
    return found


def crf_expected_moves(emissions: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike) -> Array:
    """(t, t): how often each tag follows each in the mean path; 0 where every path is forbidden."""
    found = np.zeros(np.shape(transitions))
    if len(emissions):
        paths, scores = path_scores(emissions, transitions, start, end)
        total = log_sum_exp(scores)
        if np.isfinite(total):
            for i in range(1, len(emissions)):
                np.add.at(found, (paths[:, i - 1], paths[:, i]), np.exp(scores - total))
    return found


def crf_score(
    emissions: Array, tags: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> float:
    """The score of one path, found in the list of all."""
    if not len(emissions):
        return 0.0
    paths, scores = path_scores(emissions, transitions, start, end)
    return float(scores[np.all(paths == tags, 1)].item())


def crf_enumeration(
    emissions: Array,
    tags: Array,
    allowed: Array,
    transitions: ArrayLike,
    start: ArrayLike,
    end: ArrayLike,
    k: int,
) -> dict[str, Array]:
    """What every function says of one sentence, read off the list of all its paths."""
    n, t = emissions.shape
    paths, scores = np.zeros((1, 0), int), np.zeros(1)
    if n:
        paths, scores = path_scores(emissions, transitions, start, end)
    log_z = log_sum_exp(scores)
    shares = np.exp(scores - log_z) if np.isfinite(log_z) else np.zeros(len(scores))
    gold = np.all(paths == tags, 1)
    of = lambda which: log_sum_exp(scores[which]) if np.any(which) else -np.inf
    within = of(allowed[np.arange(n), paths].all(1))
    marginals, pairs = np.zeros((n, t)), np.zeros((max(n - 1, 0), t, t))
    for i in range(n):
        np.add.at(marginals[i], paths[:, i], shares)
    for i in range(n - 1):
        np.add.at(pairs[i], (paths[:, i], paths[:, i + 1]), shares)
    begun = [of(np.all(paths[:, :i] == tags[:i], 1)) for i in range(n + 1)]  # of the paths that begin alike
    best = np.sort(scores)[::-1][:k]
    less = lambda part, whole: part - whole if np.isfinite(part) else -np.inf
    found = {
        "log_partition": log_z,
        "score": scores[gold][0],
        "log_likelihood": less(scores[gold][0], log_z),
        "marginals": marginals,
        "pair_marginals": pairs,
        "viterbi": np.max(scores),
        "k_best": np.concatenate([best, np.full(k - len(best), -np.inf)]),
        "entropy": -np.sum(shares * np.log(np.where(shares > 0, shares, 1.0))),
        "span_log_probability": less(within, log_z),
        "path_log_probabilities": [less(begun[i + 1], begun[i]) for i in range(n)],
    }
    return {name: np.asarray(value) for name, value in found.items()}


def crf_marginals_slope(
    emissions: Array, weights: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> Array:
    """(n, t): the gradient of sum(weights * marginals) by the emissions, a covariance of the paths."""
    paths, scores = path_scores(emissions, transitions, start, end)
    shares = np.exp(scores - log_sum_exp(scores))
    through = paths[..., None] == np.arange(emissions.shape[1])  # (paths, n, t)
    value = np.sum(through * weights, (1, 2))
    return np.einsum("p,pnt->nt", shares * (value - shares @ value), through)


def crf_forward_backward(
    emissions: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> tuple[float, Array, Array]:
    """Log Z, marginals (n, t), and expected moves (t, t), by sums in log space: for long sentences."""
    emissions, transitions = np.asarray(emissions, np.float64), np.asarray(transitions, np.float64)
    alpha, beta = np.empty(emissions.shape), np.empty(emissions.shape)
    alpha[0], beta[-1] = start + emissions[0], end
    for i in range(1, len(emissions)):
        alpha[i] = np.logaddexp.reduce(alpha[i - 1][:, None] + transitions, 0) + emissions[i]
    for i in range(len(emissions) - 1, 0, -1):
        beta[i - 1] = np.logaddexp.reduce(transitions + emissions[i] + beta[i], 1)
    log_z = float(np.logaddexp.reduce(alpha[-1] + beta[-1]))
    ahead = (emissions + beta)[1:, None]
    moves = np.exp(alpha[:-1, :, None] + transitions + ahead - log_z)
    return log_z, np.exp(alpha + beta - log_z), moves.sum(0)


def crf_best(emissions: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike) -> float:
    """The highest score of a path, by maxima: for long sentences."""
    best = np.asarray(start, np.float64) + emissions[0]
    for now in emissions[1:]:
        best = np.max(best[:, None] + transitions, 0) + now
    return float(np.max(best + end))


def crf_path_score(
    emissions: Array, tags: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> float:
    """The score of one path, added up: for long sentences."""
    exact = lambda scores: np.asarray(scores, np.float64)
    words = exact(emissions)[np.arange(len(tags)), tags].sum()
    moves = exact(transitions)[tags[:-1], tags[1:]].sum()
    return float(words + moves + exact(start)[tags[0]] + exact(end)[tags[-1]])


def finite_differences(function: Callable[[], float], arrays: Sequence[Array]) -> list[Array]:
    """The slope of a function of float64 arrays, which are moved in place, at each of their entries."""
    step, slopes = 1e-5, []
    for array in arrays:
        slope = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            before = array[place]
            array[place] = before + step
            above = function()
            array[place] = before - step
            below = function()
            array[place] = before
            slope[place] = (above - below) / (2 * step)
        slopes.append(slope)
    return slopes


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def selu(x: Array) -> Array:
    """Klambauer et al. 2017, with their constants."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))


def lstm(x: Array, kernel: Array, recurrent: Array, bias: Array) -> Array:
    """One direction over (n, d): (n, size). Gates stand in the order input, forget, cell, output."""
    size = len(recurrent)
    h, c, outputs = np.zeros(size), np.zeros(size), []
    for word in np.asarray(x, np.float64):
        gates = [
            [
                bias[k]
                + sum(word[m] * kernel[m, k] for m in range(len(word)))
                + sum(h[m] * recurrent[m, k] for m in range(size))
                for k in range(gate * size, (gate + 1) * size)
            ]
            for gate in range(4)
        ]
        i, f, g, o = (np.array(gate) for gate in gates)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs).reshape(-1, size)


def bilstm(x: Array, forward: Sequence[Array], backward: Sequence[Array]) -> Array:
    """Both directions side by side; each is given as kernel, recurrent, bias."""
    return np.concatenate([lstm(x, *forward), lstm(x[::-1], *backward)[::-1]], 1)


def char_cnn(word: Sequence[int], table: Array, filters: Sequence[tuple[Array, Array]]) -> Array:
    """Features of one word, given by rows of a table; each filter is (width, dimension, count) and (count,).

    A word that is shorter than a filter has one window, filled up with zeros.
    """
    features = []
    for kernel, bias in filters:
        width, dimension, count = kernel.shape
        letters = [table[row] for row in word]
        letters += [np.zeros(dimension)] * (width - len(letters))
        for k in range(count):
            windows = [
                bias[k] + sum(letters[start + j] @ kernel[j, :, k] for j in range(width))
                for start in range(len(letters) - width + 1)
            ]
            features.append(max(0.0, *windows))
    return np.array(features)


def linear(x: Array, kernel: Array, bias: Array) -> Array:
    return x @ kernel + bias


def highway(
    x: Array,
    layers: Sequence[tuple[tuple[Array, Array], tuple[Array, Array]]],
    activation: Callable[[Array], Array],
) -> Array:
    """Each layer is its gate's and its transform's (kernel, bias)."""
    for gate, transform in layers:
        share = sigmoid(linear(x, *gate))
        x = share * activation(linear(x, *transform)) + (1 - share) * x
    return x
