"""The input and output of `python -m mlmt_jax.predict`."""
