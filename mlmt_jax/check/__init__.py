"""The data doctor: everything that is wrong or suspicious in the files of a config."""

from mlmt_jax.check.examination import Examination, examine

__all__ = ["Examination", "examine"]
