"""Random streams: draws from one seed and name that must not depend on each other."""

__all__ = ["ORDER", "SAMPLE", "TURN", "UNKNOWN"]

SAMPLE = 1  # which training sentences are kept
ORDER = 2  # of the sentences of an epoch
UNKNOWN = 3  # words and characters that stand for the unknown ones
TURN = 4  # of the batches of an epoch
