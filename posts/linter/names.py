"""Names: after a title, after a word that says so, and as initials beside an age.

An eponym names a disease and passes. A doctor's name is marked like a patient's: whoever treats a rare case narrows it to one
hospital, and colleagues of the network are named by `@name@domain`. Greetings and thanks between colleagues pass.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from core.text import folded
from core.words import N_, Phrase
from posts.linter.findings import Family, Finding
from posts.linter.lexicon import vocabulary, words
from posts.linter.source import Source


class _Title(NamedTuple):
    """A title as it is written; of whom: h(e), s(he), t(hey), d(octor); `only` in which languages, where it is something else
    too."""

    form: str
    of: str
    only: str = ""


_TITLES = (
    _Title(r"Herr(?:n|e)?|Hr\.|Hrn\.", "h"),
    _Title(r"Frau|Fräulein|Frl\.", "s"),
    _Title(r"Fr\.", "s", "de"),
    _Title(r"Familie|Fam\.|Eheleute|Ehepaar", "t", "de"),
    _Title(r"Monsieur|Mr\.?|Mister|MM\.", "h"),
    _Title(r"M\.", "h", "fr"),
    _Title(r"Madame|Mme\.?|Mlle\.?|Mademoiselle|Mmes", "s"),
    _Title(r"[Ss]ig\.ra|[Ss]ig\.na|[Ss]ig\.?a|[Ss]ignora|[Ss]ignorina", "s"),
    _Title(r"[Ss]ig\.r?|[Ss]ignor|[Ss]ig\.ri|[Ss]ignori", "h"),
    _Title(r"[Ss]ra\.|[Ss]rta\.|[Dd]ña\.|[Dd]oña|[Ss]eñora|[Ss]eñorita", "s"),
    _Title(r"[Ss]eñor", "h"),
    _Title(r"[Dd]on", "h", "es it"),
    _Title(r"Sr\.|D\.", "h", "es"),
    _Title(r"Mrs\.?|Ms\.?", "s"),
    _Title(r"Miss", "s", "en"),
    _Title(r"Master", "h", "en"),
    _Title(r"Mx\.?", "t", "en"),
    _Title(r"(?:PD |Priv\.-Doz\. |Univ\.-)?Prof\.?(?: ?Dr\.?)?(?: ?med\.?)?|(?:PD )?Dr\.?(?: ?med\.?)?(?: ?univ\.?)?"
           r"|(?:Ober|Chef|Assistenz)(?:arzt|ärztin)(?: Dr\.?)?|O[AÄ] Dr\.?", "d"),
    _Title(r"[Dd]ott\.ssa|[Dd]ott\.|[Dd]ottor(?:essa)?|[Pp]rof\.ssa|prof\.|[Pp]rofessor(?:essa|e)?|[Pp]rofesseure?"
           r"|[Dd]octeure?|Pr\.?(?= [A-Z])|[Dd]ra\.|[Dd]octora?", "d"),
)
_PARTICLE = (
    r"(?:(?:von der|von dem|von|van der|van den|van|vom|zu|zur|de la|de las|de los|de|del|della|dello|di"
    r"|da|du|des|dos|la|le|el|al|bin|ben|O'|D'|d'|Mac|San|Dr\.|Dr|Prof\.|med\.) ?)")
_NAME = r"[^\W\d_a-zß-öø-ÿ](?:[^\W\d_]|['-](?=[^\W\d_])){1,30}"
_INITIAL = r"[^\W\d_]\.(?:[ -]?[^\W\d_]\.)?(?![^\W\d_]{2}\.)"
_WHOLE = rf"{_PARTICLE}{{0,2}}(?:{_NAME}|{_INITIAL}|[A-Z](?![\w.]))(?: (?:{_PARTICLE}{{0,2}}{_NAME}|[A-Z]\.(?!\w))){{0,2}}"
_TITLED = re.compile(
    r"(?<![\w.-])(?:" + "|".join(f"(?P<t{place}>{title.form})" for place, title in enumerate(_TITLES))
    + rf") {{1,2}}(?P<name>{_WHOLE})")
_SAID = re.compile(
    r"(?<!\w)(?P<word>(?i:namens|mit namen|heißt|heisst|(?:nach|vor|familien|patienten)name(?: der patientin"
    r"| des patienten)?|name(?: der patientin| des patienten| of (?:the )?patient)?|nommée?|nom(?: (?:de famille"
    r"|du patient|de la patiente))?|prénom|s'appelle|prénommée?"
    r"|di nome|nome(?: e cognome)?|cognome|si chiama|llamad[oa]|nombre(?: del paciente| de la paciente)?"
    r"|apellidos?|se llama|de nombre|named|called|surname|first name|patient name))"
    rf"(?P<colon> ?[:=] ?| )(?P<name>{_NAME}(?:,? {_NAME}){{0,2}})")
_COLON_WORDS = frozenset((
    "name", "nom", "nome", "nombre", "heisst", "called", "llamado", "llamada", "prenom", "nachname", "vorname", "familienname",
    "patientenname", "cognome", "surname", "apellido", "apellidos"))
_CALLS = frozenset(("heisst", "called", "llamado", "llamada"))
_INITIALS = re.compile(
    r"(?<![\w.])(?P<name>[A-ZÄÖÜÉ]\. ?-?[A-ZÄÖÜÉ]\.)(?=,? ?\(?(?:\*|m,|w,|f,|M,|F,|H,|V,)? ?\d{1,3}[ -]?(?:J\b|J\."
    r"|j\b|[jJ]ahre|[jJ]ährig|y\b|yo\b|y/o|year|yrs?|a\b|ans\b|anni\b|años))"
    r"|(?<!\w)(?i:pat(?:\.|ient(?:en|in|e|s)?)?|paziente|paciente|herr|frau|kind|bambin[oa]|niñ[oa]|enfant|child"
    r"|boy|girl)(?: mit den initialen| aux initiales| con iniziali| con iniciales| with initials)?:? "
    r"(?P<other>[A-ZÄÖÜÉ]\. ?-?[A-ZÄÖÜÉ]\.(?: ?[A-ZÄÖÜÉ]\.)?)")
_GREETING = re.compile(
    r"(?:^|[\n.!,;] {0,2})(?:(?:sehr )?(?:liebe[rs]?|geehrte[rs]?|werte[rs]?)|hallo|hi|danke|dank an|vielen dank"
    r"|besten dank|herzlichen dank|merci|merci (?:beaucoup|à|bien)|cher|chère|bonjour|bonsoir|cari|car[oa]"
    r"|gentil(?:e|issim[oa])"
    r"|egregi[oa]|grazie|grazie (?:mille|a)|buongiorno|estimad[oa]|querid[oa]|hola|gracias|gracias a"
    r"|muchas gracias|buenos días|dear|hello|thanks?|thank you|many thanks|thanks to|good point|agree with|wie|as"
    r"|comme|come|como),? {0,2}$", re.IGNORECASE)
_LETTERED = re.compile(
    r"(?:vit(?:amina)?|hepatitis|grupo|tipo|factor|virus|clase|estadio|opción|apartado|delta)\.? $", re.IGNORECASE)
_DATIVE = re.compile(r"(?:^|\W)(?:bei|mit|von|zu|nach|aus|seit|gegenüber|von der|bei der) $", re.IGNORECASE)
_SENTENCE = re.compile(r"(?:^|[.!?:\n] {0,2}|[-*] )$")


def findings(source: Source, language: str) -> list[Finding]:
    """What of it is somebody's name or initials."""
    text, said, made = source.words, words(language), []
    for match in _TITLED.finditer(text):
        title = next(_TITLES[place] for place in range(len(_TITLES)) if match[f"t{place}"])
        if title.only and language[:2] not in title.only.split():
            continue
        before = text[max(0, match.start() - 30): match.start()]
        if match[0].startswith("D.") and _LETTERED.search(before) is not None:
            continue
        end = _end_of_name(match["name"])
        if end == 0 or not _is_name(match["name"][:end], match[0]):
            continue
        doctor = title.of == "d" or re.match(r"(?:Dr|Prof|med)\b", match["name"]) is not None
        if _GREETING.search(before.replace("Herr ", "").replace("Frau ", "")) is not None and (
                doctor or text[match.start("name") + end:][:1] in (",", "!")):
            continue
        if doctor:
            why = N_("Who treats somebody says where that is. Colleagues of the network are named by @name@domain.")
            proposal = said.colleague
        else:
            why = N_("A name with a title is somebody's name, initials among them. Colleagues need none.")
            bent = match[0].startswith(("Herrn", "Hrn")) or _DATIVE.search(before) is not None
            proposal = {"h": said.he_bent if bent else said.he, "s": said.she_bent if bent else said.she}.get(title.of, said.they)
        made.append(_made(source, match.start(), match.start("name") + end, why, proposal))
    for match in _SAID.finditer(text):
        said_by, end = folded(match["word"]).split(), _end_of_name(match["name"])
        if match["colon"].strip():
            if not _COLON_WORDS.intersection(said_by):
                continue
        elif _COLON_WORDS.intersection(said_by) and (said_by[0] not in _CALLS or " " not in match["name"][:end]):
            continue
        replaced = text[match.start("name"):][:len(said.they)].casefold() == said.they.casefold()
        if end and not replaced and _is_name(match["name"][:end], match["name"]):
            made.append(_made(source, match.start("name"), match.start("name") + end,
                              N_("The words before it say that this is a name. Colleagues need none."), said.they))
    for match in _INITIALS.finditer(text):
        start, end = match.span("name" if match["name"] else "other")
        made.append(_made(source, start, end, N_("Initials narrow down who it is, and help nobody who answers."), said.they))
    return made


def _end_of_name(name: str) -> int:
    """How much of it is a name: up to the last word that begins with a capital, before one that does not; 0 for none."""
    end = 0
    for match in re.finditer(r"\S+", name):
        word = match[0].lstrip("'")
        if word[0].isupper() and folded(word.rstrip(".,")) not in vocabulary("no_name"):
            end = match.end() - (1 if word[-1] == "," else 0)
        elif word[0].isupper() or folded(word.replace("'", " ")) not in vocabulary("within_names"):
            break
    return end


def _is_name(name: str, whole: str) -> bool:
    """Whether that is somebody's, and no courtesy and no disease."""
    no_name, eponyms = vocabulary("no_name"), vocabulary("eponyms")
    last, first = folded(name.split()[-1]).split()[-1], folded(name.split()[0]).split()[0]
    if last in no_name or first in no_name or not any(part[:1].isupper() for part in name.split()):
        return False
    return not (whole.startswith(("M.", "D.", "Sr.")) and (first in eponyms or last in eponyms))


def _made(source: Source, start: int, end: int, why: Phrase, proposal: str) -> Finding:
    if _SENTENCE.search(source.words[max(0, start - 4): start]) is not None:
        proposal = proposal[0].upper() + proposal[1:]
    start, end = source.at(start, end)
    return Finding(start, end, Family.NAME, why, proposal)
