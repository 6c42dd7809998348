"""An oracle of word look-ups, and random words and word tables for it."""

from collections.abc import Sequence

from hypothesis import strategies as st

# Few letters, so that random words often differ in accents' writing, case or digits alone; ٣ is a digit too.
WORDS = st.text("aAåB17٣\u030a", min_size=1, max_size=3)
TABLES = st.lists(WORDS, unique=True, max_size=12)


def composed(word: str) -> str:
    return word.replace("a\u030a", "å").replace("A\u030a", "Å")


def lowered(word: str) -> str:
    return composed(word).lower()


def zeroed(word: str) -> str:
    return "".join("0" if char.isdecimal() else char for char in lowered(word))


def search(table: Sequence[str], word: str) -> int:
    """Return the row of a word by a walk through the table for each form; 0 if no word matches.

    A word that equals the form comes before words that have the same form.
    """
    for form_of in (str, composed, lowered, zeroed):
        form = form_of(word)
        for match in [form, *(known for known in table if form_of(known) == form)]:
            if match in table:
                return table.index(match) + 1
    return 0
