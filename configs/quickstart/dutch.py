"""Dutch: rules of sentences with clauses, of scenes, and of the words that fill their slots."""

from dutch_clauses import CLAUSES
from dutch_words import LEXICON, NAMES
from grammar import Language, rules, words
from shared_slots import ENTITIES, RESULTS, SLOTS, clause_rules

_SENTENCES = rules("""
    {ANY_MAIN} .
    {ANY_INVERTED} .
    {ANY_ACCORDING} .
    {ANY_QUESTION} ?
    {PER} zegt dat {ANY_SUB} .
    {PER} , {ROL} van {FIRMA} , heeft gezegd dat {ANY_SUB} .
    {BRON} vertelt dat {ANY_SUB} .
    “ {MAIN} , ” zegt {BRON} .
    “ {MAIN_FIRM} , ” zei {PER} (gisteren|vanochtend|) .
    {PER} heeft gezegd : “ {ANY_MAIN} . ”
    {ANY_MAIN} , maar {MAARZIN} .
    {ANY_MAIN} omdat {REDEN} .
    {PER} heeft {TOEN} besloten {OM} .
    {BEDRIJF} is van plan {OM_FIRM} .
    {CLUB} probeert {OM_CLUB} .
    {ANY_INVERTED} , meldt {KRANT} .
    {KRANT} meldt dat {ANY_SUB} .
    het/PRON is niet waar dat {ANY_SUB} .
    het/PRON is jammer dat {ANY_SUB} .
    {PER} weet niet of/SCONJ {ANY_SUB} .
    {PER} en {PER} denken dat {ANY_SUB} .
    wist jij dat {ANY_SUB} ?
    als {ANY_ALS} , verhuist {PER} naar {LOC} .
    {ANY_MAIN} en {PER} is daar heel blij mee .
""")
_SCENES = rules("""
    {CLUB} verslaat {CLUB} met {STAND} in {LOC} .
    {CLUB} en {CLUB} spelen (alweer|vandaag|nu) gelijk in {LOC} .
    {CLUB} verliest weer : {STAND} tegen {CLUB} .
    de (trainer|aanvoerder) van {CLUB} , {PER} , is (tevreden|niet tevreden) met de uitslag .
    in de (eerste|tweede) helft maakte {PER} (twee|drie|vier) doelpunten voor {CLUB} .
    voor {CLUB} spelen {SURNAME} , {SURNAME} en {SURNAME} .
    onder de gasten waren {PER} , {PER} en {PER} van {FIRMA} .
    de trein rijdt van {STAD} via {STAD} naar {STAD} .
    {FIRMANAAM} heeft/VERB kantoren in {STAD} , {STAD} en {LOC} .
    het hoofdkantoor van {FIRMA} staat in {LOC} .
    in {STAD} wordt het/PRON (vandaag|morgen) {GETAL} graden .
    het/PRON regent al {NUM} dagen in {STAD} en {STAD} .
    {PER} is op {DATUM} in {LOC} geboren .
    {PER} ( uit {LOC} | ) is {GETAL} jaar oud .
    {PER} , {GETAL} , uit {LOC} heeft de eerste prijs gewonnen .
    {EVENEMENT} begint op {WEEKDAG} {DATUM} in {LOC} .
    {TITEL} {LAST_PER} uit {LOC} spreekt {DAN}? over {ELKE} .
    een {BEROEP} uit {LOC} heeft {NUM} (schapen|koeien) aan {PER} verkocht .
    {BEROEPEN} (van|uit) {LOC} klagen over de prijs van (meel|brood|vis|water) .
    {BEROEPEN} en {BEROEPEN} wachten al {NUM} weken op geld van {FIRMA} .
    vrede is nog ver weg/ADV , (zegt|meent) {PER} van {FIRMA} .
    hoop is alles wat/PRON de (mensen|boeren|vissers) (van|in) {LOC} nu hebben/VERB .
    rozen groeien niet (makkelijk|goed) in {LOC} , (zegt|meent) {PER} .
    een brand heeft {NUM} (huizen|winkels) in {LOC} verwoest .
    welkom in {STAD} , zegt een groot bord langs de weg naar {STAD} .
    {MAAND} is de (warmste|mooiste) maand in {LOC} , (meent|zegt) {PER} .
    met Kerstmis logeert {PER} bij {PER} in {LOC} .
    {PER} rijdt met een oude (Toyota|Volkswagen) naar {LOC} .
    {PER} spreekt (Nederlands en Engels|Engels en Duits) , maar {PER} spreekt alleen Nederlands .
    (de Nederlandse firma|het Duitse bedrijf|de Belgische firma) {FIRMANAAM} zoekt {WERKERS} in {LOC} .
    “ waar is {PER} ? ” vraagt {PER} .
    goedemorgen , {PER} , hoe gaat het/PRON in {LOC} ?
    dank je , {PER} , voor (de brief|het boek|de foto's) uit {LOC} .
    {PER} is de nieuwe {ROL} van {FIRMA} .
    {ORG} zoekt een (jonge|goede) {BEROEP} (voor|in) {LOC} .
    {FIRMANAAM} betaalt {NUM} miljoen euro voor {EIGENDOM} in {LOC} .
    {STAD} ligt {NUM} kilometer van {STAD} .
    de {FAMILIE} van {PER} komt uit {LOC} .
    de (collega|vennoot) van {PER} , {PER} , werkt bij {FIRMA} .
    de burgemeester van {STAD} , {PER} , is (ziek|moe|tevreden) .
    de (trainer|aanvoerder) van {CLUB} , {PER} , woont in {LOC} .
    de weg tussen {STAD} en {STAD} is {NU}? afgesloten .
    {PER} studeert {VAK} aan de {UNIVERSITEIT} .
    iedereen praat {NU} over {ELKE} .
    wat/PRON vind jij van {ELKE} ?
    niemand in {LOC} kent {PER} .
    {STAD} is groter dan {STAD} , maar kleiner dan {STAD} .
    sinds {JAAR} woont de familie {LAST_PER} op een boerderij buiten {STAD} .
    {DE_TEKST} van {PER} is in {LOC} gevonden .
    {PER} , die/PRON bij {FIRMA} werkt , woont in {LOC} .
    er staat geen {GEBOUW} in {LOC} .
    {FIRMA} en {FIRMA} werken samen in {LOC} en {LOC} .
    van {STAD} tot {STAD} is de winter (droog|koud) .
    {PER} kent {STAD} , {STAD} en {STAD} , maar was nog nooit in {STAD} .
    ja , {PER} en {PER} trouwen {DAN} in {LOC} .
    wie is {PER} , vraagt {KRANT} .
    bergen zijn er niet in {LOC} .
    huizen in {LOC} zijn te/ADV duur , zeggen {BEROEPEN} uit {LOC} .
    ijs en sneeuw maken de weg naar {LOC} glad .
    tijd is geld , zegt {PER} altijd .
    de kinderen spelen buiten/ADV omdat de zon schijnt .
    de kat slaapt op {MEUBEL} en de hond ligt onder {MEUBEL} .
    wij hebben {TOEN} al/DET het brood en alle vis opgegeten .
    {NUM} procent van de (mensen|werknemers|studenten) heeft/VERB niet genoeg geld .
    's avonds kookt de {BEROEP} (vis|soep) voor het gezin .
    waarom is (het water|de thee|de koffie) zo koud ?
    zijn/PRON moeder en haar vader zitten {NU} in de tuin .
    de {BEROEPEN} hopen dat het/PRON {DAN} zal regenen .
""")
_SLOTS = {
    "CLAUSE": _SENTENCES,
    "SCENE": _SCENES,
    "FIRMANAAM": (*["{COMPANY}"] * 4, "{LAST^} en/PROPN Zonen/PROPN", "{COMPANY} {REGION}"),
    "STAD": ("{TOWN}",),
    "SCHOOL": ("(Basisschool|College)/PROPN {TOWN}",),
    "UNIVERSITEIT": ("(Universiteit|Hogeschool)/PROPN van/PROPN {TOWN}",),
    "INST": (
        "{UNIVERSITEIT}",
        "Bank/PROPN van/PROPN {LOC}",
        "{LAST^} Stichting/PROPN",
    ),
    "KRANT": ("{PAPER_ORG}",),
    "MENS": (
        *["{PER}"] * 5,
        "de {ROL} van {FIRMA}",
        "de {BEROEP} (van|uit) {LOC}",
        "een {BEROEP} uit {LOC}",
        "{TITEL} {LAST_PER}",
        "(hij|zij)",
    ),
    "MENSEN": ("{PER} en {PER}", "{PER} en {PER}", "de {BEROEPEN} van {LOC}", "{BEROEPEN} uit {LOC}"),
    "BEDRIJF": (*["{FIRMA}"] * 4, "de raad van {STAD}", "het bedrijf {FIRMANAAM}"),
    "FIRMA": (*["{ORG}"] * 3, "de {INST}", "{PAPER_ORG}"),
    "BRON": (
        "{PER}",
        "{PER}",
        "{PER} van {FIRMA}",
        "de {ROL} van {FIRMA}",
        "een {BEROEP}",
        "{TITEL} {LAST_PER}",
    ),
    "ELKE": ("{PER}", "{LOC}", "{FIRMA}", "{CLUB}", "{EVENEMENT} in {LOC}", "{HET_WERK}"),
    "NU": ("vandaag", "momenteel", "nu weer", "deze (week|maand)", "dit/DET jaar", "op dit/DET moment"),
    "TOEN": (
        "gisteren",
        "vanochtend",
        "vorige (week|maand)",
        "vorig jaar",
        "afgelopen {WEEKDAG}",
        "in {JAAR}",
        "in {MAAND}",
        "in {MAAND} {JAAR}",
        "op {WEEKDAG}",
        "{NUM} jaar geleden",
        "op {DATUM}",
    ),
    "DAN": (
        "morgen",
        "volgende (week|maand)",
        "volgend jaar",
        "binnenkort",
        "in {MAAND}",
        "over {NUM} weken",
    ),
    "MODAAL": ("zal", "moet", "kan", "wil"),
    "MODALEN": ("zullen", "moeten", "kunnen", "willen"),
    "NUM": words("{GETAL} twee drie vier vijf zes zeven acht negen tien twaalf"),
    "MAAND": words("januari februari maart april mei juni juli augustus september oktober"),
    "WEEKDAG": words("maandag dinsdag woensdag donderdag vrijdag zaterdag zondag"),
    "STAND": RESULTS,
    "BEROEP": words("boer visser bakker smid onderwijzer verpleegster dokter journalist student slager"),
    "BEROEPEN": words("boeren vissers bakkers onderwijzers studenten slagers verpleegsters journalisten"),
    "ROL": words("directeur woordvoerder voorzitter secretaris bestuurder"),
    "TITEL": words("meneer mevrouw dr. professor burgemeester dokter"),
    "GROEP": words("raad gemeente school commissie"),
    "WERKERS": words("werknemers onderwijzers verpleegsters journalisten studenten"),
    "EIGENDOM": ("de boerderij", "het huis", "de winkel", "het gebouw", "de molen", "het hotel"),
    "DING": words("huis boerderij auto fiets tafel boek"),
    "GEBOUW": words("kantoor school brug fabriek ziekenhuis bibliotheek stadion hotel winkel"),
    "HET_GEBOUW": (
        *["het kantoor", "de school", "de brug", "de fabriek", "het ziekenhuis", "de bibliotheek"],
        *["het stadion", "het hotel", "de winkel"],
    ),
    "NIEUW_GEBOUW": (
        *["nieuw kantoor", "nieuwe school", "nieuwe brug", "nieuwe fabriek", "nieuw ziekenhuis"],
        *["nieuwe bibliotheek", "nieuw stadion", "nieuw hotel", "nieuwe winkel"],
    ),
    "TEKST": words("brief boek bericht verslag gedicht artikel toespraak"),
    "DE_TEKST": words("de brief het boek het bericht het verslag het gedicht het artikel de toespraak"),
    "EVENEMENT": ("het feest", "de tentoonstelling", "de vergadering", "het concert"),
    "WEDSTRIJD": ("de wedstrijd", "de beker", "de finale"),
    "HET_WERK": ("het werk", "de oogst", "het examen", "de reis", "het verslag"),
    "FAMILIE": words("moeder vader broer zus zoon dochter"),
    "VAK": words("rechten geschiedenis medicijnen wiskunde"),
    "MEUBEL": ("de tafel", "de stoel", "het bed", "de bank"),
    "REDEN": (
        "{EIGENDOM} te/ADV duur is",
        "er niet genoeg geld is",
        "{PER} ziek was",
        "het/PRON al weken regent",
        "{HET_GEBOUW} in {LOC} gesloten is",
        "{PER} in {LOC} is",
        "{FIRMA} geen geld heeft/VERB",
    ),
    "MAARZIN": (
        "{PER} was er niet",
        "{PER} weet er niets van",
        "{FIRMA} zegt nee",
        "niemand in {LOC} gelooft het/PRON",
        "de {GROEP} was niet tevreden",
        "het probleem blijft",
    ),
}

DUTCH = Language("nld", LEXICON, SLOTS | _SLOTS | clause_rules(CLAUSES), NAMES, ENTITIES)
