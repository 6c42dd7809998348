"""The public taggers: one trained task model, or the mean of several replicas."""

from mlmt_jax.tagger.tagging import Ensemble, Tagger

__all__ = ["Ensemble", "Tagger"]
