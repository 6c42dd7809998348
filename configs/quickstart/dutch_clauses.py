"""Dutch verbs with their complements, and the rules of their clauses."""

from typing import NamedTuple


class Frame(NamedTuple):
    """A verb with its complements; a separable verb has a particle ("neemt ... over")."""

    subject: str  # slot
    forms: str  # present singular, infinitive, past singular, past plural, participle
    object: str = ""
    adjunct: str = ""
    particle: str = ""
    auxiliary: tuple[str, str] = ("heeft", "hebben")
    negatable: bool = True  # false with an indefinite object, which is negated by "geen"


_ZIJN = ("is", "zijn")
_VERKOPEN = "verkoopt verkopen verkocht verkochten verkocht"
_HELPEN = "helpt helpen hielp hielpen geholpen"
_KOPEN = "koopt kopen kocht kochten gekocht"
_SPELEN = "speelt spelen speelde speelden gespeeld"
_WERKEN = "werkt werken werkte werkten gewerkt"
_PERSON_FRAMES = (
    Frame("MENS", "overnacht overnachten overnachtte overnachtten overnacht", adjunct="in {LOC}"),
    Frame("MENS", _WERKEN, adjunct="bij {FIRMA}"),
    Frame("MENS", _WERKEN, adjunct="in {LOC}"),
    Frame("MENS", _VERKOPEN, "{EIGENDOM}", "aan (de {GROEP}|{PER}|{FIRMA})"),
    Frame("MENS", _KOPEN, "een {DING}", "(bij {FIRMA}|in {LOC})", negatable=False),
    Frame("MENS", "rijdt rijden reed reden gereden", adjunct="naar {LOC}", auxiliary=_ZIJN),
    Frame("MENS", "reist reizen reisde reisden gereisd", adjunct="van {LOC} naar {LOC}", auxiliary=_ZIJN),
    Frame(
        "MENS",
        "ontmoet ontmoeten ontmoette ontmoetten ontmoet",
        "{PER}",
        "(in {LOC}|bij {HET_GEBOUW} in {LOC})",
    ),
    Frame("MENS", "belt bellen belde belden gebeld", "({PER}|{TITEL} {LAST_PER}|de {ROL} van {FIRMA})"),
    Frame(
        "MENS",
        "schrijft schrijven schreef schreven geschreven",
        "een {TEKST}",
        "(aan {PER}|over {ELKE})",
        negatable=False,
    ),
    Frame(
        "MENS",
        "studeert studeren studeerde studeerden gestudeerd",
        adjunct="(aan de {UNIVERSITEIT}|in {LOC})",
    ),
    Frame("MENS", "leest lezen las lazen gelezen", "{DE_TEKST} van {PER}"),
    Frame(
        "MENS", "bezoekt bezoeken bezocht bezochten bezocht", "({HET_GEBOUW} in {LOC}|{LOC}|{PER}|{FIRMA})"
    ),
    Frame("MENS", _HELPEN, "{PER}", "met {HET_WERK}"),
    Frame("MENS", "stelt stellen stelde stelden gesteld", "{PER}", "aan de {GROEP}", "voor"),
    Frame("MENS", _SPELEN, adjunct="voor {CLUB}"),
    Frame("MENS", "verlaat verlaten verliet verlieten verlaten", "(de {GROEP}|{LOC}|{FIRMA})"),
    Frame("MENS", "bakt bakken bakte bakten gebakken", "het brood", "voor (de {GROEP}|{PER})"),
    Frame("MENS", "praat praten praatte praatten gepraat", adjunct="(met {PER} over {ELKE}|over {ELKE})"),
    Frame(
        "MENS",
        "verhuist verhuizen verhuisde verhuisden verhuisd",
        adjunct="van {LOC} naar {LOC}",
        auxiliary=_ZIJN,
    ),
    Frame(
        "MENS", "wacht wachten wachtte wachtten gewacht", adjunct="(bij {HET_GEBOUW} op|in {LOC} op|op) {PER}"
    ),
    Frame(
        "MENS", "zoekt zoeken zocht zochten gezocht", "(de {BEROEP} van {LOC}|{PER}|{DE_TEKST} over {LOC})"
    ),
)
_FIRM_FRAMES = (
    Frame(
        "BEDRIJF", "opent openen opende openden geopend", "een {NIEUW_GEBOUW}", "in {LOC}", negatable=False
    ),
    Frame("BEDRIJF", "sluit sluiten sloot sloten gesloten", "{HET_GEBOUW} in {LOC}"),
    Frame("BEDRIJF", _VERKOPEN, "{EIGENDOM}", "aan {FIRMA}"),
    Frame("BEDRIJF", "neemt nemen nam namen genomen", "{FIRMANAAM}", particle="over"),
    Frame("BEDRIJF", "steunt steunen steunde steunden gesteund", "{EVENEMENT} in {LOC}"),
    Frame("BEDRIJF", "benoemt benoemen benoemde benoemden benoemd", "{PER}", "tot {ROL}"),
    Frame("BEDRIJF", "betaalt betalen betaalde betaalden betaald", "de {WERKERS} in {LOC}"),
    Frame(
        "BEDRIJF",
        "onderhandelt onderhandelen onderhandelde onderhandelden onderhandeld",
        adjunct="met {FIRMA} over {EIGENDOM}",
    ),
    Frame(
        "BEDRIJF",
        "bouwt bouwen bouwde bouwden gebouwd",
        "een {GEBOUW}",
        "(in|bij|buiten) {STAD}",
        negatable=False,
    ),
    Frame(
        "BEDRIJF", "bedankt bedanken bedankte bedankten bedankt", "(de {WERKERS}|{PER})", "voor {HET_WERK}"
    ),
    Frame("BEDRIJF", _HELPEN, "(de inwoners van {STAD}|{PER})", "met {HET_WERK}"),
)
_CLUB_FRAMES = (
    Frame("CLUB", "wint winnen won wonnen gewonnen", "{WEDSTRIJD}", "tegen {CLUB}"),
    Frame("CLUB", "verdedigt verdedigen verdedigde verdedigden verdedigd", "de titel", "tegen {CLUB}"),
    Frame("CLUB", _KOPEN, "{PER}", "van {CLUB}"),
    Frame("CLUB", _SPELEN, adjunct="in {LOC} tegen {CLUB}"),
)


def _clauses(frame: Frame, *, plural: bool) -> dict[str, list[str]]:
    """Return the rules of every kind of clause: verb second, verb first, verb last."""
    present, infinitive, past, pasts, participle = frame.forms.split()
    finite, preterite = (infinitive, pasts) if plural else (present, past)
    subject = f"{{{frame.subject}{'EN' if plural else ''}}}"
    modal, auxiliary = "{MODALEN}" if plural else "{MODAAL}", f"{frame.auxiliary[plural]}/AUX"
    particle = f"{frame.particle}/ADP" if frame.particle else ""
    joined = [f"{frame.particle}{form}/VERB" for form in (finite, infinitive, participle)]
    final, whole, perfect = joined
    rest, negated = f"{frame.object} {frame.adjunct}", f"niet {frame.adjunct}"
    clauses = {
        "MAIN": [
            f"{subject} {finite}/VERB {{NU}}? {rest} {particle}",
            f"{subject} {preterite}/VERB {{TOEN}} {rest} {particle}",
            f"{subject} {auxiliary} {{TOEN}}? {rest} {perfect}",
            f"{subject} {modal} {{DAN}}? {rest} {whole}",
        ],
        "INVERTED": [
            f"{{NU}} {finite}/VERB {subject} {rest} {particle}",
            f"{{TOEN}} {auxiliary} {subject} {rest} {perfect}",
            f"{{TOEN}} {preterite}/VERB {subject} {rest} {particle}",
            f"{{DAN}} {modal} {subject} {rest} {whole}",
        ],
        "ACCORDING": [f"volgens {{BRON}} {auxiliary} {subject} {{TOEN}}? {rest} {perfect}"],
        "SUB": [
            f"{subject} {{NU}}? {rest} {final}",
            f"{subject} {{TOEN}}? {rest} {auxiliary} {perfect}",
            f"{subject} {{TOEN}}? {rest} {perfect} {auxiliary}",
            f"{subject} {{DAN}}? {rest} {modal} {whole}",
        ],
        "QUESTION": [
            f"{auxiliary} {subject} {{TOEN}}? {rest} {perfect}",
            f"{modal} {subject} {{DAN}}? {rest} {whole}",
            f"(waarom|wanneer) {auxiliary} {subject} {rest} {perfect}",
        ],
        "ALS": [f"{subject} {{NU}}? {rest} {final}"],
        "OM": [f"om {rest} {particle} te {infinitive}/VERB"],
    }
    if frame.negatable:
        clauses["MAIN"] += [
            f"{subject} {auxiliary} {frame.object} {{TOEN}}? {negated} {perfect}",
            f"{subject} {modal} {frame.object} {negated} {whole}",
        ]
        clauses["SUB"].append(f"{subject} {frame.object} {{TOEN}}? {negated} {auxiliary} {perfect}")
    return clauses


#: The clauses of each verb by kind, for persons, firms and clubs. Only persons have a plural.
CLAUSES = {
    "": [_clauses(frame, plural=plural) for frame in _PERSON_FRAMES for plural in (False, True)],
    "_FIRM": [_clauses(frame, plural=False) for frame in _FIRM_FRAMES],
    "_CLUB": [_clauses(frame, plural=False) for frame in _CLUB_FRAMES],
}
