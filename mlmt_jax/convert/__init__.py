"""The conversion of a checkpoint of the original PyTorch code to a run folder."""
