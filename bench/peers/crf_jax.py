"""CRFs in JAX: this project's, a short one written for the comparison, and SynJax."""

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from crf_tasks import K_BEST, LOSS, MARGINALS, TASKS, VITERBI, Case, Implementation, K, Program

from mlmt_jax import crf

__all__ = ["OURS", "SKETCH", "synjax"]

Functions = dict[str, Callable[..., Any]]  # by task, of (emissions, tags, chain, lengths)


def _prepare(functions: Functions, case: Case, task: str) -> Program:
    arrays = jax.tree.map(jnp.asarray, tuple(case))
    start = time.perf_counter()
    program = jax.jit(functions[task]).lower(*arrays).compile()
    seconds = time.perf_counter() - start
    memory: Any = program.memory_analysis()
    size = None if memory is None else memory.temp_size_in_bytes + memory.output_size_in_bytes
    return Program(lambda: jax.block_until_ready(program(*arrays)), _answer, seconds, size)


def _answer(out: Any) -> Any:
    return jax.tree.map(np.asarray, out)


def _loss_and_gradient(log_likelihood: Callable[..., jax.Array]) -> Callable[..., Any]:
    def run(emissions, tags, chain, lengths):
        loss = lambda emissions, chain: -jnp.mean(log_likelihood(emissions, tags, chain, lengths))
        value, (local, moves) = jax.value_and_grad(loss, (0, 1))(emissions, chain)
        return value, local, *moves

    return run


_OURS: Functions = {
    LOSS: _loss_and_gradient(crf.log_likelihood),
    VITERBI: lambda emissions, tags, chain, lengths: crf.viterbi(emissions, chain, lengths)[0],
    MARGINALS: lambda emissions, tags, chain, lengths: crf.marginals(emissions, chain, lengths),
    K_BEST: lambda emissions, tags, chain, lengths: crf.k_best(emissions, chain, lengths, K)[0],
}


def prepare_ours(case: Case, task: str) -> Program:
    """A program of ``mlmt_jax.crf``."""
    return _prepare(_OURS, case, task)


OURS = Implementation(TASKS, prepare_ours)


# The sketch: what one writes in an hour. Probabilities kept in range by a maximum taken out at each word, and
# the rest left to automatic differentiation. No -inf, no guard against underflow.


def _words_first(emissions: jax.Array, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    inside = jnp.arange(emissions.shape[1])[:, None] < lengths
    return jnp.swapaxes(emissions, 0, 1), inside[..., None]  # (n, B, t), (n, B, 1)


def _log_partition(emissions: jax.Array, chain: crf.Chain, lengths: jax.Array) -> jax.Array:
    words, inside = _words_first(emissions, lengths)
    peaks = jax.lax.stop_gradient(jnp.max(words, -1, keepdims=True))
    x = jnp.exp(words - peaks)
    peak = jax.lax.stop_gradient(jnp.max(chain.transitions))
    E = jnp.exp(chain.transitions - peak)

    def step(alpha, now):
        x, live = now
        reached = jnp.matmul(alpha, E, precision="highest") * x
        scale = jax.lax.stop_gradient(jnp.max(reached, -1, keepdims=True))
        log_scale = jnp.where(live, jnp.log(scale), 0.0)[:, 0]
        return jnp.where(live, reached / scale, alpha), log_scale

    alpha, log_scales = jax.lax.scan(step, jnp.exp(chain.start) * x[0], (x[1:], inside[1:]))
    offset = jnp.sum(jnp.where(inside, peaks, 0.0), (0, 2)) + peak * (lengths - 1)
    return jnp.log(alpha @ jnp.exp(chain.end)) + jnp.sum(log_scales, 0) + offset


def _log_likelihood(emissions: jax.Array, tags: jax.Array, chain: crf.Chain, lengths: jax.Array) -> jax.Array:
    inside = jnp.arange(tags.shape[1]) < lengths[:, None]
    local = jnp.take_along_axis(emissions, tags[..., None], 2)[..., 0]
    moves = chain.transitions[tags[:, :-1], tags[:, 1:]]
    gold = jnp.sum(jnp.where(inside, local, 0.0), 1) + jnp.sum(jnp.where(inside[:, 1:], moves, 0.0), 1)
    last = jnp.take_along_axis(tags, lengths[:, None] - 1, 1)[:, 0]
    gold += chain.start[tags[:, 0]] + chain.end[last]
    return gold - _log_partition(emissions, chain, lengths)


def _viterbi(emissions: jax.Array, tags: jax.Array, chain: crf.Chain, lengths: jax.Array) -> jax.Array:
    words, inside = _words_first(emissions, lengths)

    def forward(best, now):
        word, live = now
        reached = jnp.max(best[:, :, None] + chain.transitions, 1) + word
        best = jnp.where(live, reached, best)
        return best, best

    first = chain.start + words[0]
    final, rest = jax.lax.scan(forward, first, (words[1:], inside[1:]))
    best = jnp.concatenate([first[None], rest])
    last = jnp.argmax(final + chain.end, -1)

    def backward(following, now):
        scores, live = now
        tag = jnp.argmax(scores + chain.transitions.T[following], -1)
        tag = jnp.where(live[:, 0], tag, following)
        return tag, tag

    _, others = jax.lax.scan(backward, last, (best[:-1], inside[1:]), reverse=True)
    return jnp.where(inside[..., 0], jnp.concatenate([others, last[None]]), 0).T


def _marginals(emissions: jax.Array, tags: jax.Array, chain: crf.Chain, lengths: jax.Array) -> jax.Array:
    return jax.grad(lambda emissions: jnp.sum(_log_partition(emissions, chain, lengths)))(emissions)


_SKETCH: Functions = {
    LOSS: _loss_and_gradient(_log_likelihood),
    VITERBI: _viterbi,
    MARGINALS: _marginals,
}


def prepare_sketch(case: Case, task: str) -> Program:
    """A program of the sketch."""
    return _prepare(_SKETCH, case, task)


SKETCH = Implementation(tuple(_SKETCH), prepare_sketch)


def _edges(emissions: jax.Array, chain: crf.Chain, lengths: jax.Array) -> Any:
    """SynJax's distribution: edges (B, n, t, t) [from, to] into each word, of which the first leave tag 0."""
    from synjax import LinearChainCRF  # pyright: ignore[reportMissingImports]

    n = emissions.shape[1]
    edges = emissions[:, :, None, :] + chain.transitions
    edges = edges.at[:, 0].set((emissions[:, 0] + chain.start)[:, None, :])
    ends = jnp.arange(n) == lengths[:, None] - 1
    return LinearChainCRF(edges + jnp.where(ends[..., None, None], chain.end, 0.0), lengths=lengths)


def _events(tags: jax.Array, t: int, lengths: jax.Array) -> jax.Array:
    into = jax.nn.one_hot(tags, t)
    out_of = jnp.concatenate([jax.nn.one_hot(jnp.zeros_like(tags[:, :1]), t), into[:, :-1]], 1)
    inside = jnp.arange(tags.shape[1]) < lengths[:, None]
    return jnp.where(inside[..., None, None], out_of[..., None] * into[:, :, None], 0.0)


def _synjax_log_likelihood(emissions, tags, chain, lengths):
    return _edges(emissions, chain, lengths).log_prob(_events(tags, emissions.shape[2], lengths))


def _tags(edges: jax.Array) -> jax.Array:
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


def prepare_synjax(case: Case, task: str) -> Program:
    """A program of SynJax."""
    return _prepare(_SYNJAX, case, task)


def synjax() -> Implementation | None:
    """SynJax, where it is installed and works with this JAX: its last release asks for an old one."""
    if importlib.util.find_spec("synjax") is None:
        return None
    try:
        importlib.import_module("synjax")
    except (ImportError, AttributeError):
        return None
    return Implementation(tuple(_SYNJAX), prepare_synjax)
