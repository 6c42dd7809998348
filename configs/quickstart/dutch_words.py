"""Dutch names, and the words of the Dutch rules by universal part of speech."""

from grammar import lexicon, words

# As in Afrikaans, many names are ambiguous (Roos, Best, Huizen, Trouw, Florence); the languages share names.
NAMES: dict[str, tuple[str, ...]] = {
    "FIRST": words("""
        Piet Jan Kees Sanne Annelies Hendrik Gerrit Marieke Els Daan Pieter Willem Johan Karel Suzanne
        Petra Bram Sjoerd Femke Gijs Hanneke Ilse Joost Karin Lucas Magda Nico Roos Floor Fleur Merel
        Sterre Storm Wim Yvonne Youssef Fatima Ahmed Linde Esther Dirk Anton Paris Florence Sydney
        Charlotte Victoria George Douglas Kimberley Stefan Thabo Barend Cornelia Gert Hester Linda Danny
        Koos Elize Gideon Retha Frans Ben Bas
    """),
    "LAST": words("""
        Bakker Visser Smit Meijer Mulder Jansen Dekker Brouwer Dijkstra Vermeulen Kok Jacobs Prins
        Koning Willems Bosch Hoekstra Postma Kuipers Peters Schouten Hermans Kramer Veenstra Wolters
        Blom Roos Timmermans Groen Yilmaz Zwart Brand Botha Petersen Kruger Pretorius Venter Malan Swart
        Adams Theron Louw Wellington Robertson Lombard de_Boer de_Vries van_Dijk van_den_Berg
        van_der_Meer de_Jong de_Wit de_Graaf van_der_Linden de_Haan van_Wijk van_der_Heijden van_Leeuwen
        van_Dam de_Bruin van_Gelder van_Utrecht El_Amrani van_der_Merwe van_Wyk de_Villiers de_Jager
    """),
    "TOWN": words("""
        Amsterdam Utrecht Rotterdam Gent Antwerpen Brugge Leuven Haarlem Leiden Delft Gouda Edam Zwolle
        Groningen Assen Emmen Breda Tilburg Eindhoven Nijmegen Arnhem Apeldoorn Deventer Hoorn Alkmaar
        Bergen Best Middelburg Heerenveen Sneek Almere Lisse Huizen Oss Venlo Weert Roermond Maastricht
        Hasselt Mechelen Zutphen Ermelo Schagen Parijs Kaapstad Pretoria Durban Stellenbosch Paarl
        Wellington Bloemfontein Windhoek Vrede Heidelberg George Worcester Den_Haag Den_Helder Den_Bosch
        De_Bilt De_Lier Bergen_op_Zoom Alphen_aan_den_Rijn
    """),
    "REGION": words("""
        Nederland België Duitsland Zuid-Afrika Namibië Friesland Limburg Zeeland Brabant Drenthe
        Botswana
    """),
    "COMPANY": words("""
        Philips Heineken Noordzon Waterlink Agrikoop Oranjefruit Saffier Protea Horizon Windmeer
        Mediplus Landbouwfonds Volkshulp Bergzicht Spoorlijn Morgenster Zilverduin Agrikor
        Zeeland_Transport Nieuwe_Horizon Blauwe_Ster Gouden_Eeuw
    """),
    "PAPER": words("""
        Trouw Het_Nieuws De_Tijd De_Ster De_Morgen Weekpost Het_Volksblad
    """),
    "TEAM": words("""
        Ajax Sparta Olympia Fortuna Protea Excelsior Rode_Draak Quick
    """),
}

LEXICON = lexicon(
    DET="'s alle de deze een geen genoeg het",
    ADP="""
        aan bij buiten in langs met naar om onder op over sinds te tegen tot tussen uit van via volgens
        voor
    """,
    CCONJ="en maar",
    SCONJ="als dan dat omdat",
    PRON="alles haar hij iedereen je jij niemand niets wie wij zij",
    AUX="hebben heeft is kan kunnen moet moeten waren was wil willen wordt zal zijn zullen",
    ADV="""
        al alleen altijd alweer binnenkort daar er geleden gelijk gisteren heel goed hoe makkelijk mee
        momenteel morgen niet nog nooit nu samen vandaag vanochtend ver waar waarom wanneer weer zo
    """,
    NUM="acht drie miljoen negen tien twaalf twee vier vijf zes zeven",
    INTJ="goedemorgen ja nee welkom",
    PROPN="""
        april augustus Duits Engels februari januari juli juni Kerstmis maart mei Nederlands oktober
        september Toyota Volkswagen
    """,
    ADJ="""
        afgelopen afgesloten Belgische blij droog Duitse duur eerste gesloten glad goede groot groter
        jammer jonge kleiner koud moe mooiste Nederlandse nieuw nieuwe oud oude tevreden tweede volgend
        volgende vorig vorige warmste ziek
    """,
    VERB="""
        begint besloten betaalt blijft dank denken gaat geboren gelooft gevonden gewonnen gezegd groeien
        hopen kent klagen komt kookt ligt logeert maakte maken meent meldt opgegeten praat probeert
        regenen regent rijdt schijnt slaapt spelen spreekt staat studeert trouwen verhuist verkocht
        verliest verslaat vertelt verwoest vind vraagt wachten weet werken werkt wist woont zeggen zegt
        zei zitten zoekt
    """,
    NOUN="""
        aanvoerder artikel auto avonds bakker bakkers bank bed bedrijf beker bergen bericht bestuurder
        bibliotheek boek boer boerderij boeren bord brand brief broer brood brug burgemeester collega
        commissie concert dagen dinsdag directeur dochter doelpunten dokter donderdag dr. euro examen
        fabriek familie feest fiets finale firma foto's gasten gebouw gedicht geld gemeente geschiedenis
        gezin graden helft hond hoofdkantoor hoop hotel huis huizen ijs inwoners jaar journalist
        journalisten kantoor kantoren kat kilometer kinderen koeien koffie maand maandag medicijnen meel
        meneer mensen mevrouw moeder molen moment onderwijzer onderwijzers oogst plan prijs probleem
        procent professor raad rechten reis rozen schapen school secretaris slager slagers smid sneeuw
        soep stadion stoel student studenten tafel tentoonstelling thee tijd titel toespraak trainer
        trein tuin uitslag vader vennoot vergadering verpleegster verpleegsters verslag vis visser
        vissers voorzitter vrede vrijdag water wedstrijd week weg weken werk werknemers winkel winkels
        winter wiskunde woensdag woordvoerder zaterdag ziekenhuis zon zondag zoon zus
    """,
)
