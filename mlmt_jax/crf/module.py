"""A Flax module that owns the parameters of a chain."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

from mlmt_jax.crf.chain import Chain, constraints


class CRF(nn.Module):
    """Trainable scores of a chain over tags; ``module.apply(variables)`` returns the ``Chain``.

    With a scheme, ill-formed transitions are ``-inf``, in the likelihood as in decoding. Variables are
    ``{"params": {"transitions": (t, t), "start": (t,), "end": (t,)}}``.
    """

    tag_names: tuple[str, ...]  # by index
    scheme: str | None = None  # "bioes", "iob2", "iob1" or "io"; None forbids nothing
    initializer: Callable[..., Array] = nn.initializers.normal(0.1)

    def __call__(self) -> Chain:
        """Return the chain: the parameters, plus 0 or ``-inf`` from ``constraints`` if a scheme is set.

        Returns:
            transitions (t, t), [from, to], start (t,), end (t,), nats. Parameters of forbidden entries have
            no effect and no gradient.

        Raises:
            ValueError: if the scheme is unknown or does not have a tag.
        """
        if self.scheme is None:
            return self.weights()
        return Chain(*map(jnp.add, self.weights(), self.constraints()))

    def constraints(self) -> Chain:
        """Return the chain of 0 and ``-inf`` that the scheme allows, as NumPy arrays; 0 without a scheme."""
        if self.scheme is not None:
            return constraints(self.tag_names, self.scheme)
        t = len(self.tag_names)
        return Chain(*(np.zeros(shape, np.float32) for shape in ((t, t), (t,), (t,))))

    @nn.compact
    def weights(self) -> Chain:
        """Return the parameters alone, as a ``Chain`` that forbids no transition, whatever the scheme."""
        t = len(self.tag_names)
        shapes = {"transitions": (t, t), "start": (t,), "end": (t,)}
        return Chain(**{name: self.param(name, self.initializer, shape) for name, shape in shapes.items()})
