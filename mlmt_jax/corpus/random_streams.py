"""Random streams: numbers that keep draws from one seed independent of each other."""

import zlib

# Streams of NumPy generators, which are seeded with (seed, name, stream, ...).
SAMPLE = 1  # choice of training sentences
ORDER = 2  # order of the sentences of an epoch
UNKNOWN = 3  # words and characters that are replaced by the unknown ones
TURN = 4  # order of the batches of an epoch
MIXING = zlib.crc32(b"mixing")  # task model of each step, the same for all seeds

# Numbers that are folded into the JAX key of a run's seed.
INITIAL_KEY = 0  # initial parameters
STEP_KEY = 1  # dropout of each step
