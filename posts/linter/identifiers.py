"""Numbers that stand for one person: those whose check digit is right, and those that a word beside them calls so.

Digits are taken in the groups they are written in: a row of lab values is not a number because its digits happen to add up.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from core.text import folded
from core.words import N_, Phrase, Sentence
from posts.linter.checkdigits import LETTERED, RULES, Rule, bare
from posts.linter.findings import TAKEN_OUT, Family, Finding
from posts.linter.source import Source

_RUN = re.compile(r"(?<![^\W_])(?<!\+)\d{1,15}(?:[ .\-/\n]{1,2}\d{1,15}){0,40}+")
_GROUP = re.compile(r"\d{1,15}")
_BEFORE, _AFTER = 45, 25
_PHONE_WORD = re.compile(
    r"(?:\btel|telefon|\bphone|handy|mobil|\bfax|portable|telephone|cellulare|\bcell|movil|whatsapp|\bcall\b|ruf)[^\n]{0,14}$")
_CALLED_RECORD = re.compile(
    r"(?<!\w)(?:pat(?:ienten)?\.?-?(?:nummer|nr\.?|id)|patient(?:'s)? ?(?:id|no|number)|fall-?(?:nummer|nr\.?"
    r"|zahl)|aufnahme-?n(?:umme)?r\.?"
    r"|akten-?(?:zeichen|n(?:umme)?r\.?)|kranken(?:haus)?-?akten?-?n(?:umme)?r\.?|versicherten-?n(?:umme)?r\.?"
    r"|versicherungs-?n(?:umme)?r\.?"
    r"|befund-?n(?:umme)?r\.?|proben-?n(?:umme)?r\.?|kv-?n(?:umme)?r\.?|sv-?n(?:umme)?r\.?|ahv-?n(?:umme)?r\.?"
    r"|ausweis-?n(?:umme)?r\.?|(?:reise)?pass-?n(?:umme)?r\.?"
    r"|ipp|nip|num(?:éro|ero)? (?:de |d')(?:dossier|patient|s[ée]jour|s[ée]cu(?:rit[ée] sociale)?|identit[ée])"
    r"|n° ?(?:de |d')?(?:dossier|patient|ipp|s[ée]jour|s[ée]cu)|dossier n°|nir"
    r"|(?:numero|n\.|n°) ?(?:di )?(?:cartella(?: clinica)?|nosologico|tessera(?: sanitaria)?|documento|pratica"
    r"|ricovero|sdo)|cartella(?: clinica)? (?:n\.|n°|numero)|nosologico|tessera sanitaria|carta d'identit[àa]"
    r"|passaporto"
    r"|(?:n[º°.]|n[úu]mero) ?(?:de )?(?:historia(?: cl[íi]nica)?|afiliaci[óo]n|paciente|tarjeta sanitaria"
    r"|seguridad social|episodio)|nhc|historia cl[íi]nica(?: n[º°.])?|tarjeta sanitaria|cip-?sns|cip|nuhsa"
    r"|pasaporte|nass"
    r"|mrn|medical record(?: (?:no|number))?|hospital (?:no|number)|case (?:no|number)|accession (?:no|number)"
    r"|record (?:no|number)|passport(?: (?:no|number))?|ni number|nino|national insurance(?: number)?"
    r"|identifiant patient|matricule)(?!\w)\.?[ ]{0,2}(?:nr\.?|no\.?|n[º°]"
    r"|num[ée]ro)?[ ]{0,2}[:#=]{0,2}[ ]{0,2}(?:ist |lautet |est |è |es |is )?",
    re.IGNORECASE)
_RECORD = re.compile(r"[A-Z]{0,6}[-/ ]?\d[\dA-Z]{0,14}(?:[-/. ]\d[\dA-Z]{0,14}){0,6}", re.IGNORECASE)
_NINO = re.compile(r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D](?!\w)")
_FEWEST = 4


def hard(source: Source) -> list[Finding]:
    """Those that block: the check digit is right, and that says enough, or the words beside them do."""
    found = []
    for kind in LETTERED:
        for match in kind.form.finditer(source.numbers):
            if kind.passes(bare(match[0])) and not _in_link(source, match.start()):
                found.append(_hard(source, match.start(), match.end(), kind.name))
    for run in _RUN.finditer(source.numbers):
        if run.end() - run.start() >= 9:
            found += _in_run(source, run.start(), [match.span() for match in _GROUP.finditer(run[0])])
    return found


def soft(source: Source) -> list[Finding]:
    """Those that only the words beside them give away."""
    found = []
    for called in _CALLED_RECORD.finditer(source.words):
        match = _RECORD.match(source.words, called.end())
        if match is not None and sum(map(str.isdigit, match[0])) >= _FEWEST:
            start, end = source.at(match.start(), match.end())
            found.append(Finding(start, end, Family.IDENTIFIER, N_("The words before it say that this number is one patient's."
                                                                   " Nobody needs it to understand the case."), TAKEN_OUT))
    for match in _NINO.finditer(source.words):
        start, end = source.at(match.start(), match.end())
        why = N_("It is written like a British National Insurance number.")
        found.append(Finding(start, end, Family.IDENTIFIER, why, TAKEN_OUT))
    return found


def _in_run(source: Source, base: int, groups: list[tuple[int, int]]) -> list[Finding]:
    """The numbers in a row of groups of digits; `base` is where the row begins."""
    found = []
    first = 0
    while first < len(groups):
        taken = _begins(source, base, groups, first)
        if taken is None:
            first += 1
        else:
            finding, first = taken
            found.append(finding)
    return found


def _begins(source: Source, base: int, groups: list[tuple[int, int]], first: int) -> tuple[Finding, int] | None:
    """A number that begins with this group, and the group after it. Where two kinds fit, the one that is called by name."""
    best: tuple[Rule, int] | None = None
    for rule in RULES:
        last = _fits(rule, groups, first)
        if last is None:
            continue
        start, end = base + groups[first][0], base + groups[last - 1][1]
        if source.numbers[end:end + 1].isalnum() or not rule.passes(bare(source.numbers[start:end])):
            continue
        if rule.called.search(_around(source, start, end)) is not None:
            return _hard(source, start, end, rule.name), last
        if best is None and _believed(source, rule, start, end):
            best = rule, last
    if best is None:
        return None
    return _hard(source, base + groups[first][0], base + groups[best[1] - 1][1], best[0].name), best[1]


def _fits(rule: Rule, groups: list[tuple[int, int]], first: int) -> int | None:
    """The group after the last one of a number of this kind that begins here, by how many digits each has."""
    lengths: list[int] = []
    total = 0
    for place in range(first, min(first + 7, len(groups))):
        lengths.append(groups[place][1] - groups[place][0])
        total += lengths[-1]
        if total >= rule.digits:
            return place + 1 if total == rule.digits and tuple(lengths) in rule.groups else None
    return None


def _believed(source: Source, rule: Rule, start: int, end: int) -> bool:
    """Whether a number that passes says enough without its name beside it."""
    if rule.alone is None or _in_link(source, start) or rule.alone.match(source.numbers[start:end]) is None:
        return False
    return rule.digits > 11 or _PHONE_WORD.search(folded(source.numbers[max(0, start - 20): start])) is None


def _around(source: Source, start: int, end: int) -> str:
    """The words near a number, folded."""
    return folded(source.text[max(0, start - _BEFORE): start]) + " | " + folded(source.text[end: end + _AFTER])


def _in_link(source: Source, place: int) -> bool:
    before = bisect_right(source.links, (place, len(source.text) + 1)) - 1
    return before >= 0 and source.links[before][0] <= place < source.links[before][1]


def _hard(source: Source, start: int, end: int, name: Phrase) -> Finding:
    start, end = source.at(start, end)
    return Finding(start, end, Family.IDENTIFIER, Sentence(
        N_("The check digit is right: this is %(kind)s. It stands for one person alone, so it cannot be published."),
        {"kind": name}), TAKEN_OUT, True, name)
