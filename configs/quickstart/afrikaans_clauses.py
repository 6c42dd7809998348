"""Afrikaans verbs with their complements, and the rules of their clauses."""

from typing import NamedTuple


class Frame(NamedTuple):
    """A verb with its complements; an Afrikaans verb has one form for all persons."""

    subject: str  # slot
    verb: str
    participle: str
    object: str = ""
    adjunct: str = ""
    particle: str = ""  # separable: "stel ... voor", "voorgestel"
    negatable: bool = True  # false with an indefinite object, which is negated by "geen"


_PERSON_FRAMES = (
    Frame("MENS", "oornag", "oornag", adjunct="in {LOC}"),
    Frame("MENS", "werk", "gewerk", adjunct="by {FIRMA}"),
    Frame("MENS", "werk", "gewerk", adjunct="in {LOC}"),
    Frame("MENS", "verkoop", "verkoop", "die {EIENDOM}", "aan (die {GROEP}|{PER}|{FIRMA})"),
    Frame("MENS", "koop", "gekoop", "'n {DING}", "(by {FIRMA}|in {LOC})", negatable=False),
    Frame("MENS", "ry", "gery", adjunct="na {LOC}"),
    Frame("MENS", "reis", "gereis", adjunct="van {LOC} na {LOC}"),
    Frame("MENS", "ontmoet", "ontmoet", "{PER}", "(in {LOC}|by die {GEBOU} in {LOC})"),
    Frame("MENS", "bel", "gebel", "({PER}|{TITEL} {LAST_PER}|die {ROL} van {FIRMA})"),
    Frame("MENS", "skryf", "geskryf", "'n {TEKS}", "(aan {PER}|oor {ENIGE})", negatable=False),
    Frame("MENS", "studeer", "gestudeer", adjunct="(aan die {UNIVERSITEIT}|in {LOC})"),
    Frame("MENS", "lees", "gelees", "die {TEKS} van {PER}"),
    Frame("MENS", "besoek", "besoek", "(die {GEBOU} in {LOC}|{LOC}|{PER}|{FIRMA})"),
    Frame("MENS", "help", "gehelp", "{PER}", "met die {WERK}"),
    Frame("MENS", "stel", "voorgestel", "{PER}", "aan die {GROEP}", particle="voor"),
    Frame("MENS", "speel", "gespeel", adjunct="vir {CLUB}"),
    Frame("MENS", "verlaat", "verlaat", "(die {GROEP}|{LOC}|{FIRMA})"),
    Frame("MENS", "bak", "gebak", "die brood", "vir (die {GROEP}|{PER})"),
    Frame("MENS", "praat", "gepraat", adjunct="(met {PER} oor {ENIGE}|oor {ENIGE})"),
    Frame("MENS", "trek", "getrek", adjunct="van {LOC} na {LOC}"),
    Frame("MENS", "wag", "gewag", adjunct="(by die {GEBOU} op|in {LOC} vir|vir) {PER}"),
    Frame("MENS", "soek", "gesoek", "(die {BEROEP} van {LOC}|{PER}|die {TEKS} oor {LOC})"),
)
_FIRM_FRAMES = (
    Frame("BEDRYF", "open", "geopen", "'n nuwe {GEBOU}", "in {LOC}", negatable=False),
    Frame("BEDRYF", "sluit", "gesluit", "die {GEBOU} in {LOC}"),
    Frame("BEDRYF", "verkoop", "verkoop", "die {EIENDOM}", "aan {FIRMA}"),
    Frame("BEDRYF", "neem", "oorgeneem", "{FIRMANAAM}", particle="oor"),
    Frame("BEDRYF", "ondersteun", "ondersteun", "die {GELEENTHEID} in {LOC}"),
    Frame("BEDRYF", "stel", "aangestel", "{PER}", "as/ADP {ROL}", particle="aan"),
    Frame("BEDRYF", "betaal", "betaal", "die {WERKERS} in {LOC}"),
    Frame("BEDRYF", "onderhandel", "onderhandel", adjunct="met {FIRMA} oor die {EIENDOM}"),
    Frame("BEDRYF", "bou", "gebou", "'n {GEBOU}", "(in|naby|buite) {DORP}", negatable=False),
    Frame("BEDRYF", "bedank", "bedank", "(die {WERKERS}|{PER})", "vir die {WERK}"),
    Frame("BEDRYF", "help", "gehelp", "(die inwoners van {DORP}|{PER})", "met die {WERK}"),
)
_CLUB_FRAMES = (
    Frame("CLUB", "wen", "gewen", "die {WEDSTRYD}", "teen {CLUB}"),
    Frame("CLUB", "verdedig", "verdedig", "die titel", "teen {CLUB}"),
    Frame("CLUB", "koop", "gekoop", "{PER}", "by {CLUB}"),
    Frame("CLUB", "speel", "gespeel", adjunct="in {LOC} teen {CLUB}"),
)


def _clauses(frame: Frame) -> dict[str, list[str]]:
    """Return the rules of every kind of clause: verb second, verb first, verb last, and with "om te"."""
    subject, particle = f"{{{frame.subject}}}", f"{frame.particle}/ADP" if frame.particle else ""
    verb, participle = f"{frame.verb}/VERB", f"{frame.participle}/VERB"
    rest = f"{frame.object} {frame.adjunct}"
    whole_verb = f"{frame.particle}{verb}"
    negated = f"nie {frame.adjunct}"
    clauses = {
        "MAIN": [
            f"{subject} {verb} {{NOU}}? {rest} {particle}",
            f"{subject} het {{TOE}}? {rest} {participle}",
            f"{subject} het {{TOE}} {rest} {participle}",
            f"{subject} {{MODAAL}} {{DAN}}? {rest} {whole_verb}",
        ],
        "INVERTED": [
            f"{{NOU}} {verb} {subject} {rest} {particle}",
            f"{{TOE}} het {subject} {rest} {participle}",
            f"{{DAN}} {{MODAAL}} {subject} {rest} {whole_verb}",
        ],
        "ACCORDING": [f"volgens {{BRON}} het {subject} {{TOE}}? {rest} {participle}"],
        "SUB": [
            f"{subject} {{NOU}}? {rest} {whole_verb}",
            f"{subject} {{TOE}}? {rest} {participle} het",
            f"{subject} {{DAN}}? {rest} {{MODAAL}} {whole_verb}",
        ],
        "QUESTION": [
            f"het {subject} {{TOE}}? {rest} {participle}",
            f"{{MODAAL}} {subject} {{DAN}}? {rest} {whole_verb}",
            f"(hoekom|wanneer) het {subject} {rest} {participle}",
        ],
        "AS": [f"{subject} {{NOU}}? {rest} {whole_verb}"],
        "OM": [f"om/SCONJ {rest} {particle} te {verb}"],
    }
    if frame.negatable:
        clauses["MAIN"] += [
            f"{subject} het {frame.object} {{TOE}}? {negated} {participle} nie",
            f"{subject} {{MODAAL}} {frame.object} {negated} {whole_verb} nie",
        ]
        clauses["SUB"].append(f"{subject} {frame.object} {{TOE}}? {negated} {participle} het nie")
    return clauses


#: The clauses of each verb by kind, for persons, firms and clubs.
CLAUSES = {
    "": [_clauses(frame) for frame in _PERSON_FRAMES],
    "_FIRM": [_clauses(frame) for frame in _FIRM_FRAMES],
    "_CLUB": [_clauses(frame) for frame in _CLUB_FRAMES],
}
