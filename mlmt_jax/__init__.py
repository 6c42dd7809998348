"""Multi-lingual multi-task sequence tagging for low-resource languages, in JAX."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlmt_jax.ensemble import Ensemble
    from mlmt_jax.tagger import Tagger

__all__ = ["Ensemble", "Tagger"]


def __getattr__(name: str) -> object:
    # Lazy: `from mlmt_jax import crf` and the config's command line need none of what a tagger loads.
    if name == "Tagger":
        from mlmt_jax.tagger import Tagger

        return Tagger
    if name == "Ensemble":
        from mlmt_jax.ensemble import Ensemble

        return Ensemble
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
