"""How exactly matrix products are computed."""

__all__ = ["PRECISION"]

#: Float32. A GPU's default is TF32, of which three digits are right.
PRECISION = "highest"
