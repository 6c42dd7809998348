"""Multi-lingual multi-task sequence tagging for low-resource languages, in JAX."""
