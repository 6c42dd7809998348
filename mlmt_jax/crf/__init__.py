"""A linear-chain CRF for JAX: pure functions over emissions, a chain and lengths.

Use it alone: ``from mlmt_jax import crf``. The package imports nothing else of mlmt_jax.
"""

from mlmt_jax.crf.chain import Chain, constraints
from mlmt_jax.crf.decoding import viterbi
from mlmt_jax.crf.inference import log_likelihood, log_partition, marginals, score
from mlmt_jax.crf.module import CRF

__all__ = [
    "CRF",
    "Chain",
    "constraints",
    "log_likelihood",
    "log_partition",
    "marginals",
    "score",
    "viterbi",
]
