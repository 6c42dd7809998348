"""Afrikaans names, and the words of the Afrikaans rules by universal part of speech."""

from grammar import lexicon, words

# Many names are also common words (Roos, Brand, Welkom), months (September), towns (George, Florence)
# or people (Hermanus, Piet Retief): only the context disambiguates them.
NAMES: dict[str, tuple[str, ...]] = {
    "FIRST": words("""
        Piet Jan Koos Sannie Annelie Hendrik Gerhard Marietjie Elize Riaan Pieter Willem Johan Karel
        Susan Petra Christo Deon Francois Gideon Hannes Ilse Jaco Karin Lukas Magda Nico Retha Stefan
        Thabo Sipho Nomsa Lerato Zanele Wikus Yolandi Bettie Dawid Esther Frikkie Anton Paris Florence
        George Douglas Charlotte Sydney Victoria Roos Kimberley Hermanus Ansie Barend Cornelia Danie
        Ettienne Fanie Gert Hester Kobus Linda Mpho Ben
    """),
    "LAST": words("""
        Botha Meyer Visser Smit Bakker Snyman Kruger Pretorius Nel Steyn Fourie Coetzee Swart Bester
        Joubert Marais Malan Viljoen Venter Swanepoel Oosthuizen Vermeulen Mokoena Dlamini Ndlovu
        Khumalo Adams Jacobs Petersen September Januarie Wellington Cronjé Brand Roos Kok Koning
        Steenkamp Robertson Sutherland Brits Louw Erasmus Boshoff Prins Hugo Theron Lombard Burger
        Snyders Williams Mabuza van_Wyk van_der_Merwe du_Plessis du_Toit de_Wet le_Roux de_Villiers
        de_Jager van_Zyl van_Niekerk van_Rensburg van_Staden van_Rooyen de_Beer van_der_Westhuizen
        Janse_van_Vuuren
    """),
    "TOWN": words("""
        Pretoria Kaapstad Stellenbosch Paarl Bloemfontein Durban Johannesburg Vrede George Douglas
        Wellington Worcester Robertson Malmesbury Kimberley Upington Springbok Calvinia Ceres Hermanus
        Potchefstroom Polokwane Welkom Brits Brandfort Kroonstad Mosselbaai Oudtshoorn Knysna Swellendam
        Beaufort-Wes Graaff-Reinet Colesberg Parys Heidelberg Bethlehem Standerton Ermelo Middelburg
        Rustenburg Vryburg Sutherland Clanwilliam Amsterdam Utrecht Windhoek Villiers Prieska Greytown
        Vredenburg Saldanha Riversdal Prins_Albert Piet_Retief Louis_Trichardt De_Aar De_Doorns
        Port_Nolloth
    """),
    "REGION": words("""
        Namibië Nederland Suid-Afrika Botswana Gauteng Limpopo België Lesotho Zambië Angola
        KwaZulu-Natal Namakwaland Eswatini Mosambiek Duitsland
    """),
    "COMPANY": words("""
        Philips Heineken Agrikor Suidwes Noordkus Kaapwyn Oranjevrug Saffraan Protea Karoolink Mediprakt
        Landkor Windmeul Horison Volkshulp Bergsig Kameeldoring Spoorlyn Morester Karoo_Vervoer
        Suider_Boukor Blou_Krans Nuwe_Horison
    """),
    "PAPER": words("""
        Beeld Rapport Die_Burger Die_Ster Volksblad Weekpos Die_Kusblad
    """),
    "TEAM": words("""
        Ajax Sparta Olimpia Fortuna Protea Excelsior Rooi_Draak Wit_Arend
    """),
}

LEXICON = lexicon(
    DET="'n die elke geen hierdie",
    ADP="aan buite by in langs met na naby onder oor op sedert teen tot tussen uit van vir volgens",
    CCONJ="en maar",
    SCONJ="as dat of omdat",
    PART="nie se te",
    PRON="almal dit hy jy niemand ons sy wat wie",
    AUX="het is kan moet sal was wil word",
    ADV="""
        al baie binnekort daar gelede gelykop gister goed hoe hoekom maklik môre net nog nou saam tans
        vandag vanoggend ver waar wanneer weer
    """,
    NUM="agt drie miljoen nege ses sewe tien twaalf twee vier vyf",
    INTJ="dankie goeiemôre ja nee welkom",
    PROPN="""
        Afrikaans April Augustus Engels Februarie Januarie Julie Junie Kersfees Maart Mei Oktober
        September Toyota Volkswagen Xhosa
    """,
    ADJ="""
        droog Duitse duur eerste gesluit goeie groot groter jammer jong kleiner koud moeg mooiste
        Nederlandse nuwe ou siek Suid-Afrikaanse tevrede tweede verlede volgende warmste
    """,
    VERB="""
        begin beplan berig besluit betaal bly dink gaan gebore gelees gesê geweet gewen glo groei ken
        kla klop kom kook kuier lê meen praat reën ry sit skyn slaap soek speel studeer sê trek trou
        verkoop verloor vernietig vertel vra wag weet woon
    """,
    NOUN="""
        aand afrigter artikel bakker bakkers bank bed beeste beker bestuurder biblioteek boek boer boere
        bord brand brief broer brood brug burgemeester dae Dinsdag direkteur doele dogter dokter
        Donderdag dr. druiwe eksamen fabriek familie fees fiets firma foto's gaste gebou gedig geld
        gemeente geskiedenis grade helfte hond hoofkantoor hoop hospitaal hotel huis huise inwoners jaar
        joernalis joernaliste kantoor kantore kaptein kat kilometer kinders koffie kollega komitee
        konsert koor ma maand Maandag maatskappy medisyne meel mense meul mev. mnr. motor oes onderwyser
        onderwysers oomblik pa pad persent plaas probleem professor prys raad rand reeks regte reis rose
        Saterdag sekretaris seun skape skool slagter slagters smid son Sondag sop stadion stoel student
        studente suster tafel tee titel toespraak trein tuin uitslag uitstalling vennoot vergadering
        verpleegster verpleegsters verslag vis visser vissers voorsitter vrede Vrydag water wedstryd
        week weke werk werkers winkel winkels winter wiskunde Woensdag woordvoerder
    """,
)
