"""A Flax module that owns the parameters of a chain."""

from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from mlmt_jax.crf.chain import Chain, constraints


class CRF(nn.Module):
    """Trainable scores of a chain over tags; ``module.apply(variables)`` returns the ``Chain``.

    With a scheme, ill-formed transitions are ``-inf``, in the likelihood as in decoding.
    """

    tag_names: tuple[str, ...]  # by index
    scheme: str | None = None  # "bioes", "iob2", "iob1" or "io"; None forbids nothing
    initializer: Callable[..., Array] = nn.initializers.normal(0.1)

    def __call__(self) -> Chain:
        """Return the chain with the scheme's constraints: transitions (t, t), start (t,), end (t,), nats.

        Raises:
            ValueError: if the scheme is unknown or does not have a tag.
        """
        if self.scheme is None:
            return self.weights()
        return Chain(*map(jnp.add, self.weights(), constraints(self.tag_names, self.scheme)))

    @nn.compact
    def weights(self) -> Chain:
        """Return the parameters alone, which forbid no transition."""
        t = len(self.tag_names)
        shapes = {"transitions": (t, t), "start": (t,), "end": (t,)}
        return Chain(**{name: self.param(name, self.initializer, shape) for name, shape in shapes.items()})
