"""The files of a run on disk: its folder, checkpoints, lock, metrics, identity, and the plans for them."""
