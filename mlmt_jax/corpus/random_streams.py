"""Random streams: numbers that make draws for different purposes from one seed independent of each other."""

import zlib

# Of NumPy: `np.random.default_rng((seed, name, stream, ...))`, with a step or an epoch at the end.
SAMPLE = 1  # which training sentences belong to the sample
SENTENCE_ORDER = 2  # the order of the sentences of an epoch
UNKNOWN = 3  # which rare words and characters are replaced by the unknown one
BATCH_ORDER = 4  # the order of the batches of an epoch
MIXING = zlib.crc32(b"mixing")  # the task model of each step, the same for all seeds

# Of JAX: numbers that are folded into the key of a run's seed.
INITIAL_KEY = 0  # initial parameters
STEP_KEY = 1  # dropout of each step
