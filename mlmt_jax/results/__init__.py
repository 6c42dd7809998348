"""The results of a run: all scores as JSON, the end of a training, packed runs."""
