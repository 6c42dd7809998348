"""Column files written down shortly."""


def conllu(*rows: str) -> str:
    """CoNLL-U lines from "id form upos" triples."""
    lines = []
    for row in rows:
        ident, form, upos = row.split(" ")
        lines.append("\t".join([ident, form, form.lower(), upos, *"______"]) + "\n")
    return "".join(lines)
