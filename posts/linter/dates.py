"""Exact dates: a month and a year are a band, a day tells who it was. What is proposed are days counted from the first one.

Dates of literature, guidelines and web pages are passed over: what stands before them says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from core.words import N_
from posts.linter.findings import Family, Finding
from posts.linter.lexicon import MONTHS, SHORT_MONTHS, words
from posts.linter.source import Source

_MONTH = "|".join(sorted(MONTHS, key=lambda word: (-len(word), word)))
_YEAR = r"(?:19|20)\d\d"
_NUMERIC = re.compile(
    rf"(?<![\w.,/])(?:(?P<y>{_YEAR})(?P<s>[-./])(?P<m>\d\d)(?P=s)(?P<d>\d\d)(?=T\d\d:|(?![\w/]|[.,-]\d))"
    rf"|(?:\d{{1,2}}\. ?(?:-|bis|und|u\.) ?)?(?P<a>\d{{1,2}})(?P<t>\. ?|[/-])(?P<b>\d{{1,2}})(?P=t)(?P<z>{_YEAR}"
    rf"|\d\d)(?![\w/]|[.,-]\d))")
_WORDED = re.compile(
    r"(?<![\w.,/])(?:(?:\d{1,2}(?:\.|er|[º°]|st|nd|rd|th)? ?(?:-|bis|und|et|au|al|y|e|to|and|/) ?)?"
    r"(?P<d>3[01]|[12]\d|0?[1-9])(?:\.|er|[º°]|\.[ºª]|st|nd|rd|th)? {0,2}(?:(?:de|di|of|d') ?)?(?:the )?"
    rf"(?P<m>{_MONTH})(?P<dot>\.?),? {{0,2}}(?:(?:de |del |dell'|d')?(?P<y>{_YEAR}|'?\d\d(?![\w.,/%:-]))(?!\d))?(?![^\W\d_]))",
    re.IGNORECASE)
_AMERICAN = re.compile(
    rf"(?<![\w.])(?P<m>{_MONTH})\.? (?P<d>3[01]|[12]\d|0?[1-9])(?P<nth>st|nd|rd|th)?(?:,? (?P<y>{_YEAR}))?(?![\w/%]|[.,]\d)",
    re.IGNORECASE)
_COMPACT = re.compile(r"(?<![\w.,/-])(?P<y>19[3-9]\d|20[0-4]\d)(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])(?![\w/-]|[.,]\d)")
_WEEKDAY = (r"(?:mo(?:ntag)?|di(?:enstag)?|mi(?:ttwoch)?|do(?:nnerstag)?|fr(?:eitag)?|sa(?:mstag)?|so(?:nntag)?"
    r"|lundi|mardi|mercredi|jeudi"
            r"|vendredi|samedi|dimanche|luned[ìi]|marted[ìi]|mercoled[ìi]|gioved[ìi]|venerd[ìi]|sabato|domenica|lunes|martes"
            r"|mi[ée]rcoles|jueves|viernes|s[áa]bado|domingo|monday|tuesday|wednesday|thursday|friday|saturday|sunday)")
_SHORT = re.compile(
    rf"(?<!\w)(?:(?:am|vom|zum|den|dem|seit dem|ab dem|bis zum|,) |{_WEEKDAY}[.,]? (?:den |dem )?)(?P<d>3[01]"
    rf"|[12]\d|0?[1-9])\. ?(?P<m>1[0-2]|0?[1-9])\.(?!\d)"
    rf"|(?<!\w)(?:(?:bis|seit|ab|und) )(?P<d2>3[01]|[12]\d|0[1-9])\.(?P<m2>1[0-2]|0[1-9])\.(?!\d)"
    rf"|(?<!\w)(?:(?:le|du|au|depuis le|d[èe]s le|jusqu'au|il|dal|del|al|el|el d[íi]a|desde el|hasta el|on|since"
    rf"|until|from)|{_WEEKDAY},?) "
    r"(?P<d3>3[01]|[12]\d|0[1-9])/(?P<m3>1[0-2]|0[1-9])(?![\w/%]|[.,]\d)", re.IGNORECASE)
_NOT_OF_A_PATIENT = re.compile(
    r"(?<!\w)(?:stand|version|fassung|abgerufen|zugriff|aufgerufen|leitlinie|g[üu]ltig|ver[öo]ffentlicht"
    r"|publiziert|erschienen|online seit|accessed|retrieved|epub"
    r"|published|issued|updated|revised|guideline|approved|dated|consult[ée]e?|publi[ée]e?|parue?"
    r"|mis(?:e)? [àa] jour|recommandations?|arr[êe]t[ée]|d[ée]cret|loi n|pubblicat[oae]|aggiornat[oae]"
    r"|consultat[oae]"
    r"|linee guida|decreto|legge|publicad[oa]s?|actualizad[oa]s?|consultad[oa]s?|gu[íi]a|real decreto|ley|circular"
    r"|verordnung|gesetz|rote-hand-brief|fda|ema|bfarm|ansm|aifa|aemps|mhra|webinar|kongress|congr[èe]s|congresso"
    r"|congreso|congress|fortbildung|journ[ée]es?)(?!\w)"
    r"[^\n.;!?]{0,24}$", re.IGNORECASE)
_BORN = re.compile(
    r"(?:geb(?:oren|\.)?|\*|geburts(?:datum|tag)|jg\.?|jahrgang|né(?:\(?e\)?)?|n[ée]e?|date de naissance|ddn"
    r"|nat[oa]|data di nascita|d\.?d\.?n\.?|nacid[oa]"
    r"|fecha de nacimiento|f\. ?nac\.?|born|dob|d\.o\.b\.?|date of birth)[:, ]{0,3}(?:am|im|in|en|nel|on|the|le|il"
    r"|el|den)? {0,2}$", re.IGNORECASE)
_BORN_YEAR = re.compile(
    rf"(?<!\w)(?:geb(?:oren|\.)?|jg\.?|jahrgang|née?|nat[oa]|classe|nacid[oa]|born"
    rf"|year of birth)[: ]{{1,2}}(?:im jahr |im |in |en |nel |el )?(?P<y>{_YEAR})(?![\w./-])",
    re.IGNORECASE)
_LATEST = 2100


class Dated(NamedTuple):
    """A date in a text: where it stands there, and its day; the year is 0 where none is written."""

    start: int
    end: int
    year: int
    month: int
    day: int

    def on(self, year: int) -> date | None:
        """The day, in this year where none is written; None where there is no such day."""
        try:
            return date(self.year or year, self.month, self.day)
        except ValueError:
            return None


def dates(source: Source) -> list[Dated]:
    """All exact dates, in no order."""
    text = source.words
    if not source.digits:
        return []
    return [one for one in _candidates(source) if _exists(one) and not _passed_over(text, one)]


def anchor(found: Iterable[Dated], today: date) -> date | None:
    """The first of some dates that is nobody's day of birth, taken as one of the last years': days are counted from there."""
    days = [day for one in found if (day := one.on(today.year)) is not None]
    recent = [day for day in days if today.year - day.year <= 3]
    return min(recent or days, default=None)


def first_of(source: Source, today: date) -> date | None:
    """The day that days are counted from in a text: its `anchor`, days of birth apart."""
    return anchor([one for one in dates(source) if not _is_birth(source, one)], today)


def findings(source: Source, language: str, today: date, first: date | None = None) -> list[Finding]:
    """What of it is exact dates. Days count from `first`, or from the first one here."""
    found, said = dates(source), words(language)
    first = first or anchor([one for one in found if not _is_birth(source, one)], today)
    made = []
    for one in found:
        start, end = source.at(one.start, one.end)
        if _is_birth(source, one):
            made.append(Finding(start, end, Family.DATE, N_("A day of birth leads to one person; an age band says what colleagues"
                                                            " need to know."), _band(one, said.band, today)))
        else:
            made.append(Finding(start, end, Family.DATE, N_("With a place and a disease, an exact day is enough to find somebody."
                                                            " Days counted from the first one tell the course as well."),
                                _offset(one, first, said.day, said.years_later, today)))
    for match in _BORN_YEAR.finditer(source.words):
        if today.year - int(match["y"]) > 90:
            start, end = source.at(*match.span("y"))
            made.append(Finding(start, end, Family.AGE, N_("So few people are as old as that year says that it tells who it is."),
                                said.band.format(band="90+")))
    return made


def _is_birth(source: Source, one: Dated) -> bool:
    return _BORN.search(source.words[max(0, one.start - 24): one.start]) is not None


def _candidates(source: Source) -> Iterator[Dated]:
    text = source.words
    for match in source.from_digits(_NUMERIC):
        if match["y"]:
            yield Dated(*match.span(), int(match["y"]), int(match["m"]), int(match["d"]))
            continue
        day, month, year = int(match["a"]), int(match["b"]), match["z"]
        if month > 12 and match["t"] == "/":
            day, month = month, day
        if len(year) == 2 and (match["t"] == "-" or len(match["a"]) == len(match["b"]) == 1) and not _led_to(text, match.start()):
            continue
        yield Dated(*match.span(), _full(year), month, day)
    for match in source.from_digits(_WORDED):
        name, year = match["m"].lower(), match["y"]
        if year is None and (name in SHORT_MONTHS and not match["dot"]) and not (name == "may" and match["m"] == "May"):
            continue
        end = match.end("y") if year else match.end("m")
        yield Dated(match.start(), end, _full(year.lstrip("'")) if year else 0, MONTHS[name], int(match["d"]))
    for match in _AMERICAN.finditer(text):
        if match["y"] or match["nth"] or re.search(r"\b(?:on|since|until|by) $", text[max(0, match.start() - 8): match.start()]):
            if text[match.end(): match.end() + 1] == ";" or not match["m"][0].isupper():
                continue
            yield Dated(*match.span(), int(match["y"] or 0), MONTHS[match["m"].lower()], int(match["d"]))
    for match in source.from_digits(_COMPACT):
        yield Dated(*match.span(), int(match["y"]), int(match["m"]), int(match["d"]))
    for match in _SHORT.finditer(text):
        kind = next(kind for kind in ("", "2", "3") if match[f"d{kind}"])
        if kind == "3" and match["d3"] == match["m3"]:
            continue
        yield Dated(match.start(f"d{kind}"), match.end(), 0, int(match[f"m{kind}"]), int(match[f"d{kind}"]))


def _led_to(text: str, start: int) -> bool:
    """Whether a word that leads to a day stands before it."""
    return re.search(r"(?:^|\W)(?:am|vom|seit|bis|zum|ab|den|dem|le|du|au|il|dal|al|el|del|on|since|from|until) $",
                     text[max(0, start - 8): start], re.IGNORECASE) is not None


def _full(year: str) -> int:
    return int(year) if len(year) == 4 else 2000 + int(year) if int(year) < 40 else 1900 + int(year)


def _exists(one: Dated) -> bool:
    return one.year < _LATEST and one.on(2024) is not None


def _passed_over(text: str, one: Dated) -> bool:
    if text[one.end: one.end + 1] == ";" and text[one.end + 1: one.end + 2].isdigit():  # volume and pages of a journal follow
        return True
    return _NOT_OF_A_PATIENT.search(text[max(0, one.start - 48): one.start]) is not None


def _band(one: Dated, said: str, today: date) -> str:
    """The age band somebody born that day is in."""
    age = today.year - (one.year or today.year)
    for lower, upper in ((0, 1), (2, 9), *((low, low + 9) for low in range(10, 90, 10))):
        if age <= upper:
            return said.format(band=f"{lower}-{upper}")
    return said.format(band="90+")


def _offset(one: Dated, first: date | None, day: str, years_later: str, today: date) -> str | None:
    then = one.on((first or today).year)
    if first is None or then is None:
        return None
    if not one.year and then < first:
        then = one.on(first.year + 1) or then
    between = (then - first).days
    return years_later.format(n=round(between / 365.25)) if between > 730 else day.format(n=between)
