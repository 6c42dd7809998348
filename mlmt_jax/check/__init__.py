"""The examination of a config's files: errors that training refuses, and warnings of what looks wrong."""

from mlmt_jax.check.examination import Examination, examine

__all__ = ["Examination", "examine"]
