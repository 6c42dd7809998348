"""Reference implementations of the model's formulas in NumPy float64; they import nothing of mlmt_jax."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

Array = np.ndarray


def path_scores(
    emissions: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> tuple[Array, Array]:
    """List every tag sequence of a sentence of n >= 1 words, (t ** n, n), and its score, (t ** n,)."""
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
    """Compute log Z by summing over all paths; 0 for no words, -inf if every path is forbidden."""
    return log_sum_exp(path_scores(emissions, transitions, start, end)[1]) if len(emissions) else 0.0


def crf_marginals(emissions: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike) -> Array:
    """Compute P(tag at each word), (n, t), from all paths; 0 if every path is forbidden."""
    marginals = np.zeros(emissions.shape)
    if len(emissions):
        paths, scores = path_scores(emissions, transitions, start, end)
        total = log_sum_exp(scores)
        if np.isfinite(total):
            for i in range(len(emissions)):
                np.add.at(marginals[i], paths[:, i], np.exp(scores - total))
    return marginals


def crf_expected_transitions(
    emissions: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> Array:
    """Compute the expected number of transitions [from, to], (t, t); 0 if every path is forbidden."""
    counts = np.zeros(np.shape(transitions))
    if len(emissions):
        paths, scores = path_scores(emissions, transitions, start, end)
        total = log_sum_exp(scores)
        if np.isfinite(total):
            for i in range(1, len(emissions)):
                np.add.at(counts, (paths[:, i - 1], paths[:, i]), np.exp(scores - total))
    return counts


def crf_score(
    emissions: Array, tags: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> float:
    """Look up the score of one path in the list of all paths; 0 for no words."""
    if not len(emissions):
        return 0.0
    paths, scores = path_scores(emissions, transitions, start, end)
    return float(scores[np.all(paths == tags, 1)].item())


def crf_enumeration(
    emissions: Array, tags: Array, allowed: Array, chain: Sequence[ArrayLike], k: int
) -> dict[str, Array]:
    """Compute the result of every CRF function for one sentence from the list of all its paths.

    Args:
        emissions: (n, t), nats.
        tags: (n,) int.
        allowed: (n, t) bool.
        chain: transitions (t, t), start (t,) and end (t,), nats.
        k: number of best paths.

    Returns:
        Results by function name; ``k_best`` and ``viterbi`` are scores without paths.
    """
    n, t = emissions.shape
    paths, scores = np.zeros((1, 0), int), np.zeros(1)
    if n:
        paths, scores = path_scores(emissions, *chain)
    log_z = log_sum_exp(scores)
    shares = np.exp(scores - log_z) if np.isfinite(log_z) else np.zeros(len(scores))
    gold = np.all(paths == tags, 1)
    log_sum = lambda selected: log_sum_exp(scores[selected]) if np.any(selected) else -np.inf
    within = log_sum(allowed[np.arange(n), paths].all(1))
    marginals, pairs = np.zeros((n, t)), np.zeros((max(n - 1, 0), t, t))
    for i in range(n):
        np.add.at(marginals[i], paths[:, i], shares)
    for i in range(n - 1):
        np.add.at(pairs[i], (paths[:, i], paths[:, i + 1]), shares)
    # The sum over the paths that begin with the first i tags, for each i.
    prefixes = [log_sum(np.all(paths[:, :i] == tags[:i], 1)) for i in range(n + 1)]
    best = np.sort(scores)[::-1][:k]
    log_ratio = lambda part, whole: part - whole if np.isfinite(part) else -np.inf
    results = {
        "log_partition": log_z,
        "score": scores[gold][0],
        "log_likelihood": log_ratio(scores[gold][0], log_z),
        "marginals": marginals,
        "pair_marginals": pairs,
        "viterbi": np.max(scores),
        "k_best": np.concatenate([best, np.full(k - len(best), -np.inf)]),
        "entropy": -np.sum(shares * np.log(np.where(shares > 0, shares, 1.0))),
        "span_log_probability": log_ratio(within, log_z),
        "path_log_probabilities": [log_ratio(prefixes[i + 1], prefixes[i]) for i in range(n)],
    }
    return {name: np.asarray(value) for name, value in results.items()}


def crf_marginals_slope(
    emissions: Array, weights: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> Array:
    """Compute the gradient of sum(weights * marginals) with respect to the emissions, (n, t)."""
    paths, scores = path_scores(emissions, transitions, start, end)
    shares = np.exp(scores - log_sum_exp(scores))
    through = paths[..., None] == np.arange(emissions.shape[1])  # (paths, n, t)
    value = np.sum(through * weights, (1, 2))
    return np.einsum("p,pnt->nt", shares * (value - shares @ value), through)


def crf_forward_backward(
    emissions: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> tuple[float, Array, Array]:
    """Compute log Z, marginals (n, t) and expected transitions (t, t) in log space, for long sentences."""
    emissions, transitions = np.asarray(emissions, np.float64), np.asarray(transitions, np.float64)
    alpha, beta = np.empty(emissions.shape), np.empty(emissions.shape)
    alpha[0], beta[-1] = start + emissions[0], end
    for i in range(1, len(emissions)):
        alpha[i] = np.logaddexp.reduce(alpha[i - 1][:, None] + transitions, 0) + emissions[i]
    for i in range(len(emissions) - 1, 0, -1):
        beta[i - 1] = np.logaddexp.reduce(transitions + emissions[i] + beta[i], 1)
    log_z = float(np.logaddexp.reduce(alpha[-1] + beta[-1]))
    right = (emissions + beta)[1:, None]
    pairs = np.exp(alpha[:-1, :, None] + transitions + right - log_z)
    return log_z, np.exp(alpha + beta - log_z), pairs.sum(0)


def crf_best(emissions: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike) -> float:
    """Compute the highest score of a path word by word, for long sentences."""
    best = np.asarray(start, np.float64) + emissions[0]
    for word in emissions[1:]:
        best = np.max(best[:, None] + transitions, 0) + word
    return float(np.max(best + end))


def crf_path_score(
    emissions: Array, tags: Array, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> float:
    """Compute the score of one path word by word, for long sentences."""
    exact = lambda scores: np.asarray(scores, np.float64)
    words = exact(emissions)[np.arange(len(tags)), tags].sum()
    moves = exact(transitions)[tags[:-1], tags[1:]].sum()
    return float(words + moves + exact(start)[tags[0]] + exact(end)[tags[-1]])


def finite_differences(function: Callable[[], float], arrays: Sequence[Array]) -> list[Array]:
    """Compute the derivative of a function with respect to each entry of arrays, changed in place.

    Args:
        function: reads the arrays and returns a number.
        arrays: float64; they are restored at the end.
    """
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
    """Compute the scaled exponential linear unit (Klambauer et al. 2017)."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))


def lstm(x: Array, kernel: Array, recurrent: Array, bias: Array) -> Array:
    """Run one LSTM direction, (n, d) -> (n, size); the gates are in the order input, forget, cell, output."""
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
    """Run both LSTM directions and concatenate them; each direction is (kernel, recurrent, bias)."""
    return np.concatenate([lstm(x, *forward), lstm(x[::-1], *backward)[::-1]], 1)


def char_cnn(word: Sequence[int], table: Array, filters: Sequence[tuple[Array, Array]]) -> Array:
    """Compute the features of one word: max over time of relu(convolution), for each filter.

    Args:
        word: rows of the table, one a character. A word shorter than a filter is padded with zeros.
        table: (characters, dimension).
        filters: kernel (width, dimension, count) and bias (count,) of each.
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
    """Apply highway layers to x (..., d); a layer is (kernel, bias) of its gate and of its transform."""
    for gate, transform in layers:
        share = sigmoid(linear(x, *gate))
        x = share * activation(linear(x, *transform)) + (1 - share) * x
    return x
