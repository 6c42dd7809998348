"""Text files and sentences: encodings, column files, tag schemes, tokenizer, findings."""
