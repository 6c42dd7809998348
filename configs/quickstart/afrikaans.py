"""Afrikaans: rules of sentences with clauses, of scenes, and of the words that fill their slots."""

from afrikaans_clauses import CLAUSES
from afrikaans_words import LEXICON, NAMES
from grammar import Language, rules, words
from shared_slots import ENTITIES, RESULTS, SLOTS, clause_rules

_SENTENCES = rules("""
    {ANY_MAIN} .
    {ANY_INVERTED} .
    {ANY_ACCORDING} .
    {ANY_QUESTION} ?
    {PER} sê dat {ANY_SUB} .
    {PER} , {ROL} van {FIRMA} , het gesê dat {ANY_SUB} .
    {BRON} vertel dat {ANY_SUB} .
    “ {MAIN} , ” sê {BRON} .
    “ {MAIN_FIRM} , ” het {PER} (gister|vanoggend|) gesê .
    {PER} het gesê : “ {ANY_MAIN} . ”
    {ANY_MAIN} , maar {MAARSIN} .
    {ANY_MAIN} omdat {REDE} .
    {PER} het {TOE} besluit {OM} .
    {BEDRYF} beplan {OM_FIRM} .
    {CLUB} hoop/VERB {OM_CLUB} .
    {ANY_INVERTED} , berig {KOERANT} .
    {KOERANT} berig dat {ANY_SUB} .
    dit is nie waar/ADJ dat {ANY_SUB} nie .
    dis=dit+is jammer dat {ANY_SUB} .
    {PER} weet nie of {ANY_SUB} nie .
    {PER} en {PER} dink dat {ANY_SUB} .
    het jy geweet dat {ANY_SUB} ?
    as {ANY_AS} , sal {PER} na {LOC} trek .
    {ANY_MAIN} en {PER} is baie bly/ADJ daaroor/ADV .
""")
_SCENES = rules("""
    {CLUB} klop {CLUB} met {TELLING} in {LOC} .
    {CLUB} en {CLUB} speel (al weer|vandag|nou) gelykop in {LOC} .
    {CLUB} verloor weer : {TELLING} teen {CLUB} .
    die (afrigter|kaptein) van {CLUB} , {PER} , is (tevrede met die uitslag|nie tevrede met die uitslag nie) .
    in die (eerste|tweede) helfte het {PER} (twee|drie|vier) doele vir {CLUB} gedruk/VERB .
    vir {CLUB} speel {SURNAME} , {SURNAME} en {SURNAME} .
    onder die gaste was {PER} , {PER} en {PER} van {FIRMA} .
    die trein ry van {DORP} oor {DORP} na {DORP} .
    {FIRMANAAM} het/VERB kantore in {DORP} , {DORP} en {LOC} .
    die hoofkantoor van {FIRMA} is in {LOC} .
    in {DORP} word dit (vandag|môre) {GETAL} grade .
    dit reën al {NUM} dae in {DORP} en {DORP} .
    {PER} is op {DATUM} in {LOC} gebore .
    {PER} ( van {LOC} | ) is {GETAL} jaar oud/ADJ .
    {PER} , {GETAL} , van {LOC} het die eerste prys gewen .
    die {GELEENTHEID} begin op {WEEKDAG} {DATUM} in {LOC} .
    {TITEL} {LAST_PER} van {LOC} praat {DAN}? oor {ENIGE} .
    'n {BEROEP} uit {LOC} het {NUM} (skape|beeste) aan {PER} verkoop .
    {BEROEPE} (van|uit) {LOC} kla oor die prys van (meel|brood|vis|water) .
    {BEROEPE} en {BEROEPE} wag al {NUM} weke vir geld van {FIRMA} .
    vrede is nog ver , (sê|meen) {PER} van {FIRMA} .
    hoop is al wat die (mense|boere|vissers) (van|in) {LOC} nou het/VERB .
    rose groei nie (maklik|goed) in {LOC} nie , (sê|meen) {PER} .
    'n brand het {NUM} (huise|winkels) in {LOC} vernietig .
    welkom in {DORP} , sê 'n groot bord langs die pad na {DORP} .
    {MAAND} is die (warmste|mooiste) maand in {LOC} , (meen|sê) {PER} .
    met Kersfees kuier {PER} by {PER} in {LOC} .
    {PER} ry met 'n ou (Toyota|Volkswagen) na {LOC} .
    {PER} praat (Afrikaans en Engels|Engels en Xhosa) , maar {PER} praat net Afrikaans .
    die (Nederlandse|Suid-Afrikaanse|Duitse) (maatskappy|firma) {FIRMANAAM} soek {WERKERS} in {LOC} .
    “ waar is {PER} ? ” vra {PER} .
    goeiemôre , {PER} , hoe gaan dit in {LOC} ?
    dankie , {PER} , vir die (brief|boek|foto's) uit {LOC} .
    {PER} is die nuwe {ROL} van {FIRMA} .
    {ORG} soek 'n (jong|goeie) {BEROEP} (vir|in) {LOC} .
    {FIRMANAAM} betaal {NUM} miljoen rand vir die {EIENDOM} in {LOC} .
    {DORP} lê {NUM} kilometer van {DORP} .
    {PER} se {FAMILIE} kom uit {LOC} .
    {PER} se (kollega|vennoot) , {PER} , werk/VERB by {FIRMA} .
    {DORP} se burgemeester , {PER} , is (siek|moeg|tevrede) .
    {CLUB} se (afrigter|kaptein) , {PER} , bly in {LOC} .
    die pad tussen {DORP} en {DORP} is {NOU}? gesluit .
    {PER} studeer {VAK} aan die {UNIVERSITEIT} .
    almal praat {NOU} oor {ENIGE} .
    wat dink jy van {ENIGE} ?
    niemand in {LOC} ken {PER} nie .
    {DORP} is groter as/ADP {DORP} , maar kleiner as/ADP {DORP} .
    sedert {JAAR} woon die familie {LAST_PER} op 'n plaas buite {DORP} .
    die {TEKS} wat/PRON {PER} gelees het , kom uit {LOC} .
    {PER} , wat by {FIRMA} werk/VERB , woon in {LOC} .
    daar is geen {GEBOU} in {LOC} nie .
    {FIRMA} en {FIRMA} werk/VERB saam in {LOC} en {LOC} .
    van {DORP} tot {DORP} is die winter (droog|koud) .
    {PER} ken {DORP} , {DORP} en {DORP} , maar was nog nooit/ADV in {DORP} nie .
    ja , {PER} en {PER} trou {DAN} in {LOC} .
    wie is {PER} , vra {KOERANT} .
    die kinders speel buite/ADV omdat die son skyn .
    die kat slaap op die {MEUBEL} en die hond sit onder die {MEUBEL} .
    ons het {TOE} al/DET die (koffie|brood|vis|druiwe) geëet/VERB .
    {NUM} persent van die (mense|werkers|studente) het/VERB nie genoeg/DET geld nie .
    die {BEROEP} kook elke aand (vis|sop) vir die familie .
    hoekom is die (water|tee|koffie) so/ADV koud ?
    sy ma en haar/DET pa sit {NOU} in die tuin .
    die {BEROEPE} hoop/VERB dat dit {DAN} sal reën .
""")
_SLOTS = {
    "CLAUSE": _SENTENCES,
    "SCENE": _SCENES,
    "FIRMANAAM": (*["{COMPANY}"] * 4, "{LAST^} en/PROPN Seuns/PROPN", "{COMPANY} {REGION}"),
    "DORP": ("{TOWN}",),
    "SCHOOL": ("(Hoërskool|Laerskool)/PROPN {TOWN}",),
    "UNIVERSITEIT": ("Universiteit/PROPN van/PROPN {TOWN}",),
    "INST": (
        "{UNIVERSITEIT}",
        "Bank/PROPN van/PROPN {LOC}",
        "{LAST^} Stigting/PROPN",
    ),
    "KOERANT": ("{PAPER_ORG}",),
    "MENS": (
        *["{PER}"] * 5,
        "die {ROL} van {FIRMA}",
        "die {BEROEP} (van|uit) {LOC}",
        "'n {BEROEP} uit {LOC}",
        "{TITEL} {LAST_PER}",
        "{PER} en {PER}",
        "die {BEROEPE} van {LOC}",
        "(hy|sy)",
    ),
    "BEDRYF": (*["{FIRMA}"] * 4, "die raad van {DORP}", "die maatskappy {FIRMANAAM}"),
    "FIRMA": (*["{ORG}"] * 3, "die {INST}", "{PAPER_ORG}"),
    "BRON": (
        "{PER}",
        "{PER}",
        "{PER} van {FIRMA}",
        "die {ROL} van {FIRMA}",
        "'n {BEROEP}",
        "{TITEL} {LAST_PER}",
    ),
    "ENIGE": ("{PER}", "{LOC}", "{FIRMA}", "{CLUB}", "die {GELEENTHEID} in {LOC}", "die {WERK}"),
    "NOU": ("vandag", "tans", "nou weer", "hierdie (week|maand|jaar)", "op die oomblik"),
    "TOE": (
        "gister",
        "vanoggend",
        "verlede (week|maand|jaar)",
        "verlede {WEEKDAG}",
        "in {JAAR}",
        "in {MAAND}",
        "in {MAAND} {JAAR}",
        "op {WEEKDAG}",
        "{NUM} jaar gelede",
        "op {DATUM}",
    ),
    "DAN": (
        "môre",
        "volgende (week|maand|jaar)",
        "binnekort",
        "in {MAAND}",
        "oor {NUM} weke",
        "volgende {WEEKDAG}",
    ),
    "MODAAL": ("sal", "moet", "kan", "wil"),
    "NUM": words("{GETAL} twee drie vier vyf ses sewe agt nege tien twaalf"),
    "MAAND": words("Januarie Februarie Maart April Mei Junie Julie Augustus September Oktober"),
    "WEEKDAG": words("Maandag Dinsdag Woensdag Donderdag Vrydag Saterdag Sondag"),
    "TELLING": RESULTS,
    "BEROEP": words("boer visser bakker smid onderwyser verpleegster dokter joernalis student slagter"),
    "BEROEPE": words("boere vissers bakkers onderwysers studente slagters verpleegsters joernaliste"),
    "ROL": words("direkteur woordvoerder voorsitter sekretaris bestuurder"),
    "TITEL": words("mnr. mev. dr. professor burgemeester dokter"),
    "GROEP": words("raad gemeente koor komitee"),
    "WERKERS": words("werkers onderwysers verpleegsters joernaliste studente"),
    "EIENDOM": words("plaas huis winkel gebou meul hotel"),
    "DING": words("huis plaas motor fiets tafel boek"),
    "GEBOU": words("kantoor skool brug fabriek hospitaal biblioteek stadion hotel winkel"),
    "TEKS": words("brief boek berig verslag gedig artikel toespraak"),
    "GELEENTHEID": words("fees uitstalling vergadering konsert"),
    "WEDSTRYD": words("wedstryd beker reeks"),
    "WERK": words("werk oes eksamen reis verslag"),
    "FAMILIE": words("ma pa broer suster seun dogter"),
    "VAK": words("regte geskiedenis medisyne wiskunde"),
    "MEUBEL": words("tafel stoel bed bank"),
    "REDE": (
        "die {EIENDOM} te/ADV duur is",
        "daar nie genoeg/DET geld is nie",
        "{PER} siek was",
        "dit al weke reën",
        "die {GEBOU} in {LOC} gesluit is",
        "{PER} in {LOC} is",
        "{FIRMA} geen geld het/VERB nie",
    ),
    "MAARSIN": (
        "{PER} was nie daar nie",
        "{PER} weet niks/PRON daarvan/ADV nie",
        "{FIRMA} sê nee",
        "niemand in {LOC} glo dit nie",
        "die {GROEP} was nie tevrede nie",
        "die probleem bly",
    ),
}

AFRIKAANS = Language("afr", LEXICON, SLOTS | _SLOTS | clause_rules(CLAUSES), NAMES, ENTITIES)
