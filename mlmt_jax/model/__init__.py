"""The shared model: components as Flax modules, and the task models that are built from them."""
