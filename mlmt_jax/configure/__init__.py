"""The command that writes a config file from data files and a few flags."""

from mlmt_jax.configure.config_writer import main

__all__ = ["main"]
