"""A short notation for column files."""


def conllu(*rows: str) -> str:
    """Return CoNLL-U lines for rows of "id form upos"."""
    lines = []
    for row in rows:
        word_id, form, upos = row.split(" ")
        lines.append("\t".join([word_id, form, form.lower(), upos, *"______"]) + "\n")
    return "".join(lines)
