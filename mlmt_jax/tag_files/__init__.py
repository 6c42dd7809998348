"""Input and output of ``python -m mlmt_jax.predict``: what is read, what is written, and when."""
