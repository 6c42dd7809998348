"""A linear-chain conditional random field (CRF) for JAX, as pure functions.

The score of a tag sequence y of a sentence of n words, with emissions e (n, t) and a ``Chain``:

    score(y) = start[y_1] + sum_i e_i[y_i] + sum_i transitions[y_i, y_i+1] + end[y_n]
    P(y) = exp(score(y)) / Z        Z = sum over all y of exp(score(y))

Which function to use:

    train               ``log_likelihood``; parameters from ``CRF`` (Flax) or a ``Chain`` of your own
    decode              ``viterbi`` (best tag sequence), ``k_best``, ``sample``
    confidence          ``marginals`` (a word), ``span_log_probability`` (a span),
                        ``path_log_probabilities`` (each step of one sequence), ``entropy`` (a sentence)
    forbid sequences    ``constraints`` (a tag scheme), or ``-inf`` in the chain or the emissions
    build on the sums   ``log_partition``, ``score``, ``pair_marginals``

All functions take emissions (..., n, t) with any leading axes, one chain, and lengths (...). They work under
``jit``, ``vmap`` and ``grad``. Padding beyond a length never affects a result. If the chain forbids every tag
sequence of a sentence, log Z is ``-inf`` and its gradient is 0. Scores are in nats. Results are float32, or
float64 if an argument is. The package imports nothing else of mlmt_jax and can be copied out.

Files, in reading order: ``chain`` (the scores), ``axes`` (checks and layouts of the arguments), ``inference``
(sums over all sequences), ``logspace`` (recursions by log-sum-exp: exact), ``scaled`` (recursions by matrix
products: fast), ``posterior`` (chooses between the two), ``expectations`` (their result type), ``viterbi``,
``sampling``, ``paths``, ``module`` (Flax parameters), ``markov`` (NumPy, distributions of one sentence).
"""

from mlmt_jax.crf.chain import Chain, constraints
from mlmt_jax.crf.inference import (
    entropy,
    log_likelihood,
    log_partition,
    marginals,
    pair_marginals,
    score,
    span_log_probability,
)
from mlmt_jax.crf.module import CRF
from mlmt_jax.crf.paths import path_log_probabilities
from mlmt_jax.crf.sampling import sample
from mlmt_jax.crf.viterbi import k_best, viterbi

__all__ = [
    "CRF",
    "Chain",
    "constraints",
    "entropy",
    "k_best",
    "log_likelihood",
    "log_partition",
    "marginals",
    "pair_marginals",
    "path_log_probabilities",
    "sample",
    "score",
    "span_log_probability",
    "viterbi",
]
