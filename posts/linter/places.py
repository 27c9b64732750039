"""Addresses: a postcode with its place, and a street with its number. A town alone is no address."""

from __future__ import annotations

import re

from core.text import folded
from core.words import N_
from posts.linter.findings import Family, Finding
from posts.linter.lexicon import vocabulary, words
from posts.linter.source import Source

_WORD = r"[^\W\d_](?:[^\W\d_]|['-](?=[^\W\d_])){1,30}"
_CODED = re.compile(
    rf"(?<![\w.,/+-])(?P<prefix>(?:D|F|I|E|A|CH|DE|FR|IT|ES"
    rf"|AT)[- ]{{1,2}})?(?P<code>\d{{4,5}}) {{1,2}}(?P<town>{_WORD}(?:[ -](?:am|im|an der|bei|sur|sous|di|de|del|la"
    rf"|le)[ -]{_WORD}| {_WORD})?)")
_LEADS = re.compile(
    r"(?:(?<!\w)(?:aus|in|nach|wohnt in|wohnhaft in|wohnhaft|wohnort|adresse|anschrift|plz|postleitzahl|lebt in"
    r"|habite(?: à)?|résidant à|domiciliée?(?: à| au)?|adresse|code postal|cp|à|vit à|abita a|residente a"
    r"|residente in|domiciliat[oa] (?:a|in)|indirizzo|cap|vive a|vive en|residente en"
    r"|domicilio(?: en)?|dirección|código postal|c\.p\.|lives in|resident in|address|from|living in)[: ,]{1,3}"
    r"|[,(] ?|\d[a-z]?,? {1,2})$", re.IGNORECASE)
_NOUN = re.compile(
    r"(?:zyten|kopien|einheiten|patient\w*|fälle\w*|personen|frauen|männer|kinder\w*|geburten|lebend\w*|euro"
    r"|schritte\w*|teilnehmer\w*|copies|copie|leuco\w*|leuko\w*|thrombo\w*|plaq\w*|piastrine|plaquetas"
    r"|eos\w*|neutro\w*|lympho\w*|linfo\w*|ery\w*|units?|unités|unidades|unità|ie|ui|iu|cells?|cas|casos|casi"
    r"|cases|participants?|probanden|einwohner\w*|hauzellen|zellen|gy|jahre|lancet|leitlinie|guidelines?|esc|aha"
    r"|eular|acr|kdigo|who|nejm|jama|bmj|update|consensus)$", re.IGNORECASE)
_BRITISH_AREAS = ("AB|AL|BA|BB|BD|BH|BL|BN|BR|BS|BT|B|CA|CB|CF|CH|CM|CO|CR|CT|CV|CW|DA|DD|DE|DG|DH|DL|DN|DT|DY|EC"
    "|EH|EN|EX|E|FK|FY|GL|GU|GY|G"
                  "|HA|HD|HG|HP|HR|HS|HU|HX|IG|IM|IP|IV|JE|KA|KT|KW|KY|LA|LD|LE|LL|LN|LS|LU|L|ME|MK|ML|M|NE|NG|NN"
                  "|NP|NR|NW|N|OL|OX|PA|PE|PH"
                  "|PL|PO|PR|RG|RH|RM|SA|SE|SG|SK|SL|SM|SN|SO|SP|SR|SS|ST|SW|SY|S|TA|TD|TF|TN|TQ|TR|TS|TW|UB|WA"
                  "|WC|WD|WF|WN|WR|WS|WV|W|YO|ZE")
_BRITISH = re.compile(rf"(?<![\w-])(?:{_BRITISH_AREAS})\d[\dA-HJKPR-Y]? \d[ABD-HJLNP-UW-Z]{{2}}(?![\w-])")
_STREETS = re.compile(
    rf"(?<!\w)(?:[A-ZÄÖÜ][\w-]{{1,30}}(?:straße|strasse|str\.|gasse|allee|platz)|[A-ZÄÖÜ][\w-]{{2,25}}(?:er"
    rf"|e) (?:Straße|Strasse|Str\.|Allee|Platz|Weg|Gasse)|(?:Am|Im|An der|Auf der) [A-ZÄÖÜ]\w{{2,20}}(?:weg|berg"
    rf"|bach|graben|markt|hof)) \d{{1,3}} ?[a-z]?(?!\w|[.,]\d)"
    rf"|(?<![\w.,])\d{{1,3}} ?(?:bis|ter|[A-D])?,? (?:[Rr]ue|[Aa]v(?:enue|\.)|[Bb]oulevard|[Bb](?:oule)?vd\.?"
    rf"|[Ii]mpasse|[Cc]hemin|[Aa]llées?|[Qq]uai|[Pp]lace|[Rr]oute|[Ss]quare) (?:(?:de la|des|du|de|d'|l'|la"
    rf"|le) ?){{0,2}}{_WORD}(?:[ -]{_WORD}){{0,2}}"
    rf"|(?<!\w)(?:[Vv]ia|[Vv]iale|[Cc]orso|[Pp]iazza(?:le)?|[Vv]icolo|[Ll]argo) (?:(?:della|delle|dei|degli|del|di"
    rf"|dell') ?)?[A-Z][\w'.]{{1,25}}(?: [A-Z][\w'.]{{1,25}}){{0,2}},? (?:n\. ?)?\d{{1,3}}(?!\w|[.,]\d)"
    rf"|(?<!\w)(?:[Cc]alle|C/|[Aa]vda\.?|[Aa]venida|[Pp]laza|[Pp]aseo|[Rr]onda) ?(?:(?:de la|de los|de las|del"
    rf"|de) )?[A-ZÁÉÍÓÚ]\w{{1,25}}(?: (?:de |del "
    rf"|la ){{0,2}}[A-ZÁÉÍÓÚ]\w{{1,25}}){{0,2}},? (?:n\.?º ?)?\d{{1,3}}(?!\w|[.,]\d)"
    rf"|(?<![\w.,])\d{{1,4}}[a-d]? (?:[A-Z][a-z']{{1,20}} ){{1,2}}(?:Street|Road|Avenue|Lane|Close|Drive|Crescent"
    rf"|Terrace|Gardens|Court|Grove|Mews|St|Rd|Ave)(?!\w)")


def findings(source: Source, language: str) -> list[Finding]:
    """What of it says where somebody lives, to the street or the postcode."""
    text, said, made = source.words, words(language), []
    for match in _CODED.finditer(text):
        place = _town(text, match)
        if place is not None:
            start, end = source.at(match.start(), place)
            made.append(_made(start, end, said.place))
    for pattern in (_BRITISH, _STREETS):
        for match in pattern.finditer(text):
            start, end = source.at(*match.span())
            made.append(_made(start, end, said.place))
    return made


def _made(start: int, end: int, proposal: str) -> Finding:
    return Finding(start, end, Family.PLACE, N_("A postcode or a street finds a household. The country is known "
        "from your badge."), proposal)


def _town(text: str, match: re.Match[str]) -> int | None:
    """Where the town after a postcode ends, if it is one: a place that is known, or a word with a capital where an address
    is expected. Four digits are a year more often than not: they need a place that is known."""
    first = re.split(r"[ -]", match["town"])[0]
    if not first[0].isupper() or _NOUN.match(first) is not None or (first.isupper() and len(first) < 4):
        return None
    end = match.start("town") + len(first)
    whole, towns = folded(match["town"]), vocabulary("towns")
    known = whole in towns or folded(first) in towns or " ".join(whole.split()[:2]) in towns
    if known or match["prefix"]:
        return match.end() if whole in towns else end
    if len(match["code"]) != 5 or match["code"] in ("10000", "15000", "20000", "25000", "30000", "40000", "50000", "60000"):
        return None
    return end if _LEADS.search(text[max(0, match.start() - 24): match.start()]) is not None else None
