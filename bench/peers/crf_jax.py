"""CRFs in JAX: ``mlmt_jax.crf``, a short one written for comparison (the sketch), and SynJax."""

import importlib.util
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from crf_tasks import K_BEST, LOSS, MARGINALS, TASKS, VITERBI, Case, Implementation, K, Program

from mlmt_jax import crf

#: By task, a function of (emissions, tags, chain, lengths).
Functions = dict[str, Callable[..., Any]]


def _prepare(functions: Functions, case: Case, task: str) -> Program:
    """Compile the function of a task for a case."""
    arrays = jax.tree.map(jnp.asarray, tuple(case))
    start = time.perf_counter()
    program = jax.jit(functions[task]).lower(*arrays).compile()
    seconds = time.perf_counter() - start
    memory: Any = program.memory_analysis()
    size = None if memory is None else memory.temp_size_in_bytes + memory.output_size_in_bytes
    return Program(lambda: jax.block_until_ready(program(*arrays)), _arrays, seconds, size)


def _arrays(out: Any) -> Any:
    """Convert the arrays of a result to NumPy arrays."""
    return jax.tree.map(np.asarray, out)


def _loss_and_gradient(log_likelihood: Callable[..., jax.Array]) -> Callable[..., Any]:
    """Return the function of the task ``LOSS`` for a log-likelihood (B,)."""

    def run(emissions, tags, chain, lengths):
        loss = lambda emissions, chain: -jnp.mean(log_likelihood(emissions, tags, chain, lengths))
        value, (by_emissions, by_chain) = jax.value_and_grad(loss, (0, 1))(emissions, chain)
        return value, by_emissions, *by_chain

    return run


_MLMT_JAX: Functions = {
    LOSS: _loss_and_gradient(crf.log_likelihood),
    VITERBI: lambda emissions, tags, chain, lengths: crf.viterbi(emissions, chain, lengths)[0],
    MARGINALS: lambda emissions, tags, chain, lengths: crf.marginals(emissions, chain, lengths),
    K_BEST: lambda emissions, tags, chain, lengths: crf.k_best(emissions, chain, lengths, K)[0],
}


MLMT_JAX = Implementation(TASKS, partial(_prepare, _MLMT_JAX))


# The sketch: a CRF that is written in an hour. Probabilities stay in range by dividing by their maximum at
# each word; gradients come from automatic differentiation. It handles neither -inf nor underflow.


def _words_first(emissions: jax.Array, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return emissions (n, B, t) and the mask (n, B, 1) of the words within the lengths."""
    inside = jnp.arange(emissions.shape[1])[:, None] < lengths
    return jnp.swapaxes(emissions, 0, 1), inside[..., None]


def _log_partition(emissions: jax.Array, chain: crf.Chain, lengths: jax.Array) -> jax.Array:
    """Compute log Z of each sentence: (B, n, t), chain, (B,) -> (B,) nats."""
    words, inside = _words_first(emissions, lengths)
    peaks = jax.lax.stop_gradient(jnp.max(words, -1, keepdims=True))
    x = jnp.exp(words - peaks)
    peak = jax.lax.stop_gradient(jnp.max(chain.transitions))
    E = jnp.exp(chain.transitions - peak)

    def step(alpha, word):
        x, live = word
        reached = jnp.matmul(alpha, E, precision="highest") * x
        scale = jax.lax.stop_gradient(jnp.max(reached, -1, keepdims=True))
        log_scale = jnp.where(live, jnp.log(scale), 0.0)[:, 0]
        return jnp.where(live, reached / scale, alpha), log_scale

    alpha, log_scales = jax.lax.scan(step, jnp.exp(chain.start) * x[0], (x[1:], inside[1:]))
    offset = jnp.sum(jnp.where(inside, peaks, 0.0), (0, 2)) + peak * (lengths - 1)
    return jnp.log(alpha @ jnp.exp(chain.end)) + jnp.sum(log_scales, 0) + offset


def _log_likelihood(emissions: jax.Array, tags: jax.Array, chain: crf.Chain, lengths: jax.Array) -> jax.Array:
    """Compute log P(tags) of each sentence, (B,) nats."""
    inside = jnp.arange(tags.shape[1]) < lengths[:, None]
    local = jnp.take_along_axis(emissions, tags[..., None], 2)[..., 0]
    moves = chain.transitions[tags[:, :-1], tags[:, 1:]]
    gold = jnp.sum(jnp.where(inside, local, 0.0), 1) + jnp.sum(jnp.where(inside[:, 1:], moves, 0.0), 1)
    last = jnp.take_along_axis(tags, lengths[:, None] - 1, 1)[:, 0]
    gold += chain.start[tags[:, 0]] + chain.end[last]
    return gold - _log_partition(emissions, chain, lengths)


def _viterbi(emissions: jax.Array, tags: jax.Array, chain: crf.Chain, lengths: jax.Array) -> jax.Array:
    """Find the best tags (B, n) int32; ``tags`` is not used."""
    words, inside = _words_first(emissions, lengths)

    def forward(best, word):
        emission, live = word
        reached = jnp.max(best[:, :, None] + chain.transitions, 1) + emission
        best = jnp.where(live, reached, best)
        return best, best

    first = chain.start + words[0]
    final, rest = jax.lax.scan(forward, first, (words[1:], inside[1:]))
    best = jnp.concatenate([first[None], rest])
    last = jnp.argmax(final + chain.end, -1)

    def backward(following, word):
        scores, live = word
        tag = jnp.argmax(scores + chain.transitions.T[following], -1)
        tag = jnp.where(live[:, 0], tag, following)
        return tag, tag

    _, others = jax.lax.scan(backward, last, (best[:-1], inside[1:]), reverse=True)
    return jnp.where(inside[..., 0], jnp.concatenate([others, last[None]]), 0).T


def _marginals(emissions: jax.Array, tags: jax.Array, chain: crf.Chain, lengths: jax.Array) -> jax.Array:
    """Compute P(tag at each word), (B, n, t); ``tags`` is not used."""
    return jax.grad(lambda emissions: jnp.sum(_log_partition(emissions, chain, lengths)))(emissions)


_SKETCH: Functions = {
    LOSS: _loss_and_gradient(_log_likelihood),
    VITERBI: _viterbi,
    MARGINALS: _marginals,
}


SKETCH = Implementation(tuple(_SKETCH), partial(_prepare, _SKETCH))


def _edges(emissions: jax.Array, chain: crf.Chain, lengths: jax.Array) -> Any:
    """Build the distribution of SynJax from edges (B, n, t, t) [from, to] into each word.

    The first word is reached from tag 0.
    """
    from synjax import LinearChainCRF  # pyright: ignore[reportMissingImports]

    n = emissions.shape[1]
    edges = emissions[:, :, None, :] + chain.transitions
    edges = edges.at[:, 0].set((emissions[:, 0] + chain.start)[:, None, :])
    ends = jnp.arange(n) == lengths[:, None] - 1
    return LinearChainCRF(edges + jnp.where(ends[..., None, None], chain.end, 0.0), lengths=lengths)


def _events(tags: jax.Array, t: int, lengths: jax.Array) -> jax.Array:
    """Return tags (B, n) as the edges (B, n, t, t) of 0 and 1 that SynJax expects."""
    into = jax.nn.one_hot(tags, t)
    out_of = jnp.concatenate([jax.nn.one_hot(jnp.zeros_like(tags[:, :1]), t), into[:, :-1]], 1)
    inside = jnp.arange(tags.shape[1]) < lengths[:, None]
    return jnp.where(inside[..., None, None], out_of[..., None] * into[:, :, None], 0.0)


def _synjax_log_likelihood(emissions, tags, chain, lengths):
    """Compute log P(tags) of each sentence with SynJax, (B,) nats."""
    return _edges(emissions, chain, lengths).log_prob(_events(tags, emissions.shape[2], lengths))


def _tags(edges: jax.Array) -> jax.Array:
    """Return the tags (..., n) of a path that is given as edges (..., n, t, t) of 0 and 1."""
    return jnp.argmax(jnp.sum(edges, -2), -1)


_SYNJAX: Functions = {
    LOSS: _loss_and_gradient(_synjax_log_likelihood),
    VITERBI: lambda emissions, tags, chain, lengths: _tags(_edges(emissions, chain, lengths).argmax()),
    MARGINALS: lambda emissions, tags, chain, lengths: jnp.sum(
        _edges(emissions, chain, lengths).marginals(), -2
    ),
    K_BEST: lambda emissions, tags, chain, lengths: jnp.swapaxes(
        _tags(_edges(emissions, chain, lengths).top_k(K)[0]), 0, 1
    ),
}


def synjax() -> Implementation | None:
    """Return SynJax, or None if it cannot be imported: its last release needs an old JAX."""
    if importlib.util.find_spec("synjax") is None:
        return None
    try:
        importlib.import_module("synjax")
    except (ImportError, AttributeError):
        return None
    return Implementation(tuple(_SYNJAX), partial(_prepare, _SYNJAX))
