"""Hospitals: those on a list, by country and by what this instance's operators add, and words that begin or end the name of
one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib import resources

from core.text import folded
from core.words import N_
from posts.linter.findings import Family, Finding
from posts.linter.lexicon import vocabulary, words
from posts.linter.source import Source

_TOKEN = re.compile(r"[^\W_]{1,60}")
_LONGEST = 6
_W = r"[A-ZÄÖÜÀ-ÖØ-Þ][\w'ß-]{1,30}"
_PATTERNS = (
    re.compile(
        rf"(?<!\w)(?:Universitäts|Uni-?|Kreis|Stadt|Städtischen? |Städtisches |Landes|Bezirks|Bundeswehr|Zentral"
        rf"|Unfall|Kantons|Bundeswehrzentral|Militär|Fach|Landes-?Frauen-)[Kk](?:linikum|linik|rankenhaus"
        rf"|liniken)(?:s|es)? (?:der Stadt |in |im |am |an der |am Standort )?(?:St\. "
        rf"|Sankt )?(?P<w>{_W})(?:[ /-](?:am |im |an der )?{_W})?"
        rf"|(?<!\w)(?:Kantonsspital|Inselspital|Universitätsspital|Bürgerspital|Regionalspital|Spital|LKH|AKH|UKE"
        rf"|UKSH|BKH|LKH-Univ\.|Landesspital|Ordensklinikum|Klinikum|Klinik|Krankenhaus|Hospital zum"
        rf"|Diakonissenkrankenhaus|Diakonie-?[Kk]linikum) (?:der Stadt |in |im |am |an der |rechts der |zum "
        rf"|zu )?(?:St\. |Sankt |Hl\. |Heiligen? )?(?P<w2>{_W})(?:[ /-](?:am |im |an der |der )?{_W})?"
        rf"|(?<!\w)(?:St\.|Sankt|Marien|Elisabeth|Josefs?|Joseph|Vinzenz|Evangelische[sn]?|Katholische[sn]?"
        rf"|Diakonie|Diakonissen|Barmherzige(?:n)? Brüder|Rotkreuz|Johanniter"
        rf"|Malteser)[ -]?(?:{_W}[- ]?){{0,2}}(?:[Kk]rankenhaus|[Kk]linikum|-?[Kk]linik|[Hh]ospital|[Ss]pital)(?:s"
        rf"|es)?(?: {_W})?"
        rf"|(?<!\w){_W}(?:er|-)[ ]?(?:Universitätsklinikum|Klinikum|Krankenhaus|Universitätsspital|Kantonsspital)(?!\w)"),
    re.compile(
        rf"(?<!\w)(?:CHU|CHRU|CHR|CHI|CH|GHU|GHT|CHUV|HUG|CLCC|CHIC|GH|[Cc]entre [Hh]ospitalier(?: [Uu]niversitaire"
        rf"| [Rr]égional| [Ii]ntercommunal| [Gg]énéral){{0,2}}|[Ii]nstitut (?:Gustave|Curie|Paoli|Bergonié|Pasteur)"
        rf"|[Cc]linique|[Hh]ôpita(?:l|ux)(?: [Uu]niversitaires?| [Pp]rivé| [Cc]antonal| [Mm]ilitaire| [Cc]ivils?)?"
        rf"|[Pp]olyclinique|[Mm]aternité)"
        rf" (?:(?:de la|de l'|des|du|de|d'|la|le|les|Saint[- ]|Sainte[- ]) ?){{0,2}}(?P<w>{_W})(?:[ -](?:(?:de la"
        rf"|de|du|des|en|sur|et) )?{_W}){{0,2}}"),
    re.compile(
        rf"(?<!\w)(?:[Pp]oliclinico|[Oo]spedale(?: [Cc]ivile| [Uu]niversitario| [Mm]aggiore| [Pp]ediatrico"
        rf"| [Ii]nfermi)?|[Oo]spedali [Rr]iuniti|A\.?O\.?U\.?|A\.?O\.?|ASST|ASL|AUSL|IRCCS"
        rf"|[Aa]zienda [Oo]spedaliera?(?: [Uu]niversitaria)?|[Cc]asa di [Cc]ura|[Cc]linica"
        rf"|[Ii]stituto [Nn]azionale (?:dei )?[Tt]umori)"
        rf" (?:(?:della|delle|dei|degli|dell'|del|di|San|Santa|Sant'|S\.|IRCCS) ?){{0,2}}(?P<w>{_W})(?: (?:(?:di"
        rf"|del|della) )?{_W}){{0,2}}"),
    re.compile(
        rf"(?<!\w)(?:[Hh]ospital(?: [Uu]niversitari[oa]?| [Gg]eneral| [Cc]línico(?: [Uu]niversitario)?| [Ii]nfantil"
        rf"| [Cc]omarcal| [Pp]rovincial| [Rr]egional){{0,3}}|[Cc]línica|H\.U\.|HU|HGU|HCU"
        rf"|[Cc]omplejo [Hh]ospitalario(?: [Uu]niversitario)?|[Cc]iutat [Ss]anitària|[Cc]entro de [Ss]alud|CAP)"
        rf" (?:(?:de la|de los|de las|del|de|la|el|San|Santa|Sant"
        rf"|Nuestra Señora) ){{0,3}}(?P<w>{_W})(?: (?:(?:de la|de|del|i) )?{_W}){{0,3}}"),
    re.compile(
        rf"(?<!\w)(?:(?:{_W}|St\.?|of|and|&) ){{1,4}}(?:Hospitals?|Infirmary|Hospice|Medical Cent(?:re|er)"
        rf"|NHS (?:Foundation )?Trust|Clinic|Health Board)(?: (?:NHS (?:Foundation )?Trust|{_W}))?(?!\w)"
        rf"|(?<!\w)Hospital of {_W}(?: {_W})?|(?<!\w)(?:Royal|Queen|King's"
        rf"|Great Ormond) {_W}(?: {_W}){{0,2}} (?:Hospital|Infirmary)"),
)


class Hospitals:
    """Finds the names of a list in one pass over the words of a text, whatever their number."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._names = {**_listed(), **_by_words(more)}
        self._first = frozenset(key[0] for key in self._names)

    def findings(self, source: Source, language: str) -> list[Finding]:
        """What of it names a hospital."""
        found = [*self._of_the_list(source.words), *_by_pattern(source.words)]
        return [Finding(*source.at(start, end), Family.HOSPITAL, N_(
            "A hospital and a rare case together are one patient. What kind of hospital it is says enough."),
            words(language).hospital) for start, end in found]

    def _of_the_list(self, text: str) -> list[tuple[int, int]]:
        tokens = [(match.start(), match.end(), _folded(match[0])) for match in _TOKEN.finditer(text)]
        found, place = [], 0
        while place < len(tokens):
            length = self._longest(tokens, place, text) if tokens[place][2] in self._first else 0
            if length:
                found.append((tokens[place][0], tokens[place + length - 1][1]))
            place += length or 1
        return found

    def _longest(self, tokens: list[tuple[int, int, str]], place: int, text: str) -> int:
        """How many words from here are a name of the list, written with a capital."""
        if not text[tokens[place][0]].isupper() and not text[tokens[place][0]].isdigit():
            return 0
        for length in range(min(_LONGEST, len(tokens) - place), 0, -1):
            name = self._names.get(tuple(token for _, _, token in tokens[place: place + length]))
            if name is None or (name.isupper() and not text[tokens[place][0]: tokens[place + length - 1][1]].isupper()):
                continue
            if not name.endswith("?") or (place > 0 and tokens[place - 1][2] in vocabulary("leads_to_a_place")):
                return length
        return 0


def _by_pattern(text: str) -> list[tuple[int, int]]:
    found = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            named = match.groupdict()
            word = next((word for key in ("w", "w2") if (word := named.get(key))), None)
            if word is not None and folded(word).split()[:1] and folded(word).split()[0] in vocabulary("no_hospital"):
                continue
            if pattern is _PATTERNS[-1] and all(token in vocabulary("any_hospital") for token in folded(match[0]).split()[:-1]):
                continue
            found.append(match.span())
    return found


@lru_cache(maxsize=8192)
def _folded(word: str) -> str:
    return folded(word)


@cache
def _listed() -> Mapping[tuple[str, ...], str]:
    """The names of the list by their folded words."""
    text = resources.files(__package__).joinpath("hospitals.toml").read_text("utf-8")
    return _by_words(name for names in tomllib.loads(text).values() for name in names)


def _by_words(names: Iterable[str]) -> dict[tuple[str, ...], str]:
    return {key: name for name in names if (key := tuple(folded(name).split()))}
