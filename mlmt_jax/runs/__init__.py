"""What a run leaves on disk: its folder, checkpoints, lock, metrics and identity."""
