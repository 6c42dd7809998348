"""The Flax module that owns a chain's parameters."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from mlmt_jax.crf.chain import Chain, constraints

__all__ = ["CRF"]


class CRF(nn.Module):
    """Trainable scores of a chain over tags; ``crf.apply(variables)`` gives the ``Chain``.

    With a scheme, ill-formed transitions are ``-inf`` in the likelihood and in decoding alike.
    """

    tag_names: tuple[str, ...]  # in the order of their indices
    scheme: str | None = None  # "bioes", "iob2", "iob1" or "io"; None forbids nothing
    initializer: Callable[..., jax.Array] = nn.initializers.normal(0.1)

    def __call__(self) -> Chain:
        """The chain: transitions (t, t), start (t,), end (t,), nats."""
        if self.scheme is None:
            return self.weights()
        return Chain(*map(jnp.add, self.weights(), constraints(self.tag_names, self.scheme)))

    @nn.compact
    def weights(self) -> Chain:
        """The parameters, by which no transition is forbidden."""
        t = len(self.tag_names)
        return Chain(
            self.param("transitions", self.initializer, (t, t)),
            self.param("start", self.initializer, (t,)),
            self.param("end", self.initializer, (t,)),
        )
