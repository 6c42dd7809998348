"""A linear-chain CRF for JAX: pure functions over emissions, a chain and lengths.

Use it alone: ``from mlmt_jax import crf``. The package imports nothing else of mlmt_jax.
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
