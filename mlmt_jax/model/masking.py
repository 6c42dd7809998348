"""Dropout that does not depend on padding."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mlmt_jax.types import Array


def random_bytes(key: jax.Array, dropout_ids: Array, sizes: Sequence[int]) -> list[jax.Array]:
    """Draw 8 random bits for each unit of packed words: (P, size) uint8 for each of ``sizes``.

    The bits of a word depend only on the key, its id (``PackedSentences.dropout_ids``) and the sizes, not on
    padding and packing. All are drawn at once, since each draw takes time to compile.
    """
    words = [-(-size // 4) for size in sizes]  # of 32 bits, which cost as much as 8 would
    keys = jax.vmap(partial(jax.random.fold_in, key))(dropout_ids)
    bits = jax.vmap(lambda word_key: jax.random.bits(word_key, (sum(words),), "uint32"))(keys)
    parts = jnp.split(bits, np.cumsum(words)[:-1], -1)
    to_bytes = partial(jax.lax.bitcast_convert_type, new_dtype=jnp.uint8)
    units = [to_bytes(part).reshape(dropout_ids.shape[0], -1) for part in parts]
    return [part[:, :size] for part, size in zip(units, sizes, strict=True)]


def dropout(x: jax.Array, rate: Array | float, bits: jax.Array | None) -> jax.Array:
    """Apply inverted dropout (Srivastava et al. 2014) to (P, d); without bits, return x.

    Args:
        x: features of packed words.
        rate: () float, probability to drop a unit; rounded to 1/256, and scaled by the rounded value.
        bits: (P, d) uint8 from ``random_bytes``; None or (P, 0) drops nothing.
    """
    if bits is None or not bits.shape[-1]:
        return x
    kept = jnp.clip(jnp.round((1.0 - rate) * 256.0), 1.0, 256.0)
    return jnp.where(bits <= (kept - 1.0).astype(jnp.uint8), x * (256.0 / kept), 0.0)
