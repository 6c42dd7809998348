"""How exactly matrix products are computed."""

__all__ = ["PRECISION"]

#: Float32. The default of a GPU is TF32 from the Ampere generation on, of which three digits are right.
PRECISION = "highest"
