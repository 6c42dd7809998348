"""Multi-lingual multi-task sequence tagging for low-resource languages, in JAX."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlmt_jax.fitting import fit
    from mlmt_jax.tagger import Ensemble, Tagger

__all__ = ["Ensemble", "Tagger", "fit"]


def __getattr__(name: str) -> object:
    # Lazy, because loading a tagger loads JAX: `from mlmt_jax import crf` and `--help` do without it.
    if name == "fit":
        from mlmt_jax.fitting import fit

        return fit
    if name in __all__:
        from mlmt_jax import tagger

        return getattr(tagger, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
