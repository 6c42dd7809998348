"""Random streams: numbers that end a seed sequence, so that draws for different purposes are independent.

A generator is `np.random.default_rng((seed, ..., stream))`, perhaps with a step or an epoch after it.
"""

SAMPLE = 1  # which training sentences belong to the sample
ORDER = 2  # the order of the sentences of an epoch
UNKNOWN = 3  # which rare words and characters are replaced by the unknown one
TURN = 4  # the order of the batches of an epoch
