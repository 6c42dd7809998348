"""Tags read as spans, precision, recall and F1 of spans and tokens, and the calibration of probabilities."""
