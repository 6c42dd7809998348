"""From the bytes of a text file to sentences, and back: column files, tag schemes, tokenizer, findings."""
