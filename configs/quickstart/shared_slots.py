"""Rules that both languages share: persons, places, numbers, and the clauses of all subjects."""

from collections.abc import Iterable, Mapping

#: Rules by slot; a language adds its own.
SLOTS: dict[str, tuple[str, ...]] = {
    "S": ("{CLAUSE}", "{SCENE}", "{SCENE}"),
    "PER": (
        *["{FIRST} {LAST}"] * 5,
        *["{FIRST}"] * 2,
        "{LAST^}",
        "{INITIAL} {LAST}",
        "{FIRST} {INITIAL} {LAST}",
    ),
    "SURNAME": ("{LAST^}",),
    "LAST_PER": ("{LAST^}",),
    "INITIAL": tuple(f"{letter}./PROPN" for letter in "ABCDEGHJKLMPSTW"),
    "LOC": (*["{TOWN}"] * 7, "{REGION}", "{REGION}"),
    "ORG": (*["{FIRMANAAM}"] * 5, "{SCHOOL}"),
    "CLUB": ("{TEAM}", "{TOWN}", "{TOWN}", "FC/PROPN {TOWN}"),
    "PAPER_ORG": ("{PAPER}",),
    "GETAL": tuple(str(number) for number in range(14, 40)),
    "JAAR": tuple(str(year) for year in range(1987, 2024, 3)),
    "DATUM": ("{DAGTAL} {MAAND}",),
    "DAGTAL": tuple(str(day) for day in range(2, 31)),
}

#: Results of matches.
RESULTS = ("2-1", "3-0", "1-0", "4-2", "24-17", "31-28", "12-9")

#: Type of the name that a slot makes, of Afrikaans or Dutch.
ENTITIES = {
    **dict.fromkeys(("PER", "SURNAME", "LAST_PER"), "PER"),
    **dict.fromkeys(("LOC", "DORP", "STAD"), "LOC"),
    **dict.fromkeys(("ORG", "FIRMANAAM", "INST", "UNIVERSITEIT", "CLUB", "PAPER_ORG"), "ORG"),
}


def clause_rules(clauses: Mapping[str, Iterable[Mapping[str, list[str]]]]) -> dict[str, list[str]]:
    """Return the rules of all clauses by slot: kind of clause and subject (`MAIN_FIRM`, `ANY_MAIN`).

    Args:
        clauses: for persons (""), firms ("_FIRM") and clubs ("_CLUB"), the clauses of each verb by kind.
    """
    table: dict[str, list[str]] = {}
    for subject, verbs in clauses.items():
        for verb in verbs:
            for kind, variants in verb.items():
                table.setdefault(kind + subject, []).extend(variants)
    for kind in [kind for kind in table if kind + "_FIRM" in table]:
        table[f"ANY_{kind}"] = [f"{{{kind}}}", f"{{{kind}}}", f"{{{kind}_FIRM}}", f"{{{kind}_CLUB}}"]
    return table
