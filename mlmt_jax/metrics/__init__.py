"""Tag schemes read as spans, the scores of spans and of tokens, and what their probabilities are worth."""
