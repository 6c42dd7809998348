"""The training engine: optimizers, steps, task mixing, scoring, run folders and the loop over them."""
