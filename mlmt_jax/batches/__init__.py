"""From a corpus to arrays: encoded sentences, batches of few shapes, epochs and prefetching. NumPy alone."""
