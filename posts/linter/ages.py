"""Ages over 89: so few people are that old that one more fact finds them. Below, an age is no more than a band."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain
from typing import NamedTuple

from core.words import N_
from posts.linter.findings import Family, Finding
from posts.linter.lexicon import words
from posts.linter.source import Source

_OLD = r"(?:9\d|1[01]\d)"
_DE_TENS = (
    "(?:(?:ein|zwei|drei|vier|f[üu]nf|sechs|sieben|acht|neun)und)?neunzig"
    "|(?:ein)?hundert(?:(?:und)?(?:eins?|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn))?")
_FR_TENS = (
    r"quatre-vingt-(?:dix(?:-(?:sept|huit|neuf))?|onze|douze|treize|quatorze|quinze|seize)"
    r"|nonante(?:-(?:et-)?\w{2,6})?|cent(?: (?:un|deux|trois|quatre|cinq|six|sept|huit))?")
_IT_TENS = r"novant(?:a(?:due|tr[ée]|quattro|cinque|sei|sette|nove)?|uno?|otto)|cento(?:uno?|due|tr[ée]|quattro|cinque)?"
_ES_TENS = r"noventa(?: y (?:un|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve))?|cien(?:to (?:uno?|dos|tres|cuatro|cinco))?"
_EN_TENS = (
    r"ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|(?:one|a) hundred(?: and (?:one|two"
    r"|three|four|five))?")
_LATER = re.compile(
    r"(?:^|\W)(?:vor|seit|nach|über|binnen|innerhalb von|depuis|y a|après|pendant|sur|da|per|dopo|hace|durante"
    r"|tras|for|after|within|over|past|last) $",
    re.IGNORECASE)
_AFTERWARDS = re.compile(
    r" (?:lang|sp[äa]ter|zuvor|nach|apr[èe]s|plus t[ôo]t|plus tard|de (?:suivi|recul|survie|seguimiento)|fa|dopo"
    r"|después|ago|later|after)(?!\w)", re.IGNORECASE)
_AT_LEAST = re.compile(
    r"(?:^|\W)(?:mindestens|über|ab|au moins|plus de|almeno|oltre|più di|al menos|más de|at least|over|>|≥) ?$", re.IGNORECASE)
_OR_MORE = re.compile(
    r"(?: ?(?:jahre?n?|ans|anni|años|years?))?(?:\+| (?:(?:ou|et) plus|o più|o más|or (?:over|older|more)"
    r"|(?:und|oder) (?:älter|mehr|darüber))(?!\w))", re.IGNORECASE)
_BOUND = re.compile(
    r"90|neunzig|quatre-vingt-dix(?!-)|nonante(?!-)|novanta(?!\w)|noventa(?! y)|ninety(?![- ]\w{3,5}\W)", re.IGNORECASE)
_AN_AGE = re.compile("neunzig|hundert|vingt-|nonante|cent|novant|novent|cien|ninet|hundred", re.IGNORECASE)


class _Rule(NamedTuple):
    """An age by its digits, and by the words of a language; what is said instead, None: the same in words."""

    digits: re.Pattern[str]
    words: re.Pattern[str]
    proposed: Callable[[re.Match[str]], str] | None


def _rule(words: str, unit: str, proposed: Callable[[re.Match[str]], str] | None = None) -> _Rule:
    return _Rule(re.compile(rf"(?<![\w.,/-]){_OLD}{unit}", re.IGNORECASE),
                 re.compile(rf"(?<![\w.,/-])(?:{words}){unit}", re.IGNORECASE), proposed)


_RULES = (
    # an adjective keeps its ending
    _rule(_DE_TENS, r"[- ]?(?P<end>j(?:ä|ae)hrig\w{0,3})(?!\w)", lambda found: f"mindestens 90-{found['end'].lower()}"),
    _rule(r"novant(?:a(?:due|tr[ée]|quattro|cinque|sei|sette|nove)?|un|otto)?|cent(?:o\w{2,7})?", r"[- ]?enn(?P<end>[ei])(?!\w)",
          lambda found: f"ultranovantenn{found['end']}"),
    _rule(_EN_TENS, r"[- ]year[- ]old(?P<end>s?)(?!\w)", lambda found: f"90-plus-year-old{found['end']}"),
    _rule(_EN_TENS, r"[ -]?(?:y/?o|yr[ -]old|yrs[ -]old)(?!\w)", lambda found: "90-plus-year-old"),
    # a number of years
    _rule(_DE_TENS, r" ?(?:jahre?n?(?: alt)?|j\.|j(?=[,;) ]|$))(?!\w)"),
    _rule(_FR_TENS, r" ?ans(?!\w)"),
    _rule(_IT_TENS, r" ?anni(?!\w)"),
    _rule(_ES_TENS, r" ?años(?!\w)"),
    _rule(_EN_TENS, r" ?(?:years?(?: old| of age)?|yrs?)(?!\w)"),
)
_SAID = re.compile(
    rf"(?<!\w)(?:alter|lebensalter|alters|âgée? d['e]e?|age|aged|âge|età|edad|ag[ée])(?: von| de"
    rf"| of)?[:= ]{{1,3}}(?P<age>{_OLD})(?![\w%]|[.,]\d)",
    re.IGNORECASE)
_SHORT = re.compile(rf"(?:^|[\n.(;,] ?)(?P<age>{_OLD}) ?[aJjy](?=[,;. )]|$)")
_SEX = re.compile(rf"(?:^|\n|[.(] )(?P<age>{_OLD}) ?[MFWmfw♀♂](?=[,;. )]|$)")
_CENTENARIAN = re.compile(
    r"(?<!\w)(?:(?:über)?hundertjährig\w{0,2}|centenaires?|centenari[oae]?|ultracentenari[oae]"
    r"|centenarians?)(?!\w)", re.IGNORECASE)


def findings(source: Source, language: str) -> list[Finding]:
    """What of it says that somebody is 90 or older."""
    said, text = words(language), source.words
    made = []
    in_words = _AN_AGE.search(text) is not None
    for rule in _RULES:
        for match in chain(source.from_digits(rule.digits), rule.words.finditer(text) if in_words else ()):
            if _is_bound(text, *match.span()):
                continue
            if rule.proposed is None and (_LATER.search(text[max(0, match.start() - 15): match.start()])
                                          or _AFTERWARDS.match(text, match.end())):
                continue
            start, end = source.at(*match.span())
            made.append(_finding(start, end, rule.proposed(match) if rule.proposed is not None else said.old))
    for pattern in (_SAID, _SHORT, _SEX):
        for match in pattern.finditer(text):
            if not _is_bound(text, *match.span("age")):
                made.append(_finding(*source.at(*match.span("age")), "90+"))
    for match in _CENTENARIAN.finditer(source.words):
        start, end = source.at(*match.span())
        made.append(_finding(start, end, said.old))
    return made


def _is_bound(text: str, start: int, end: int) -> bool:
    """Whether it says 90 or more and no age: what is proposed here, in these or in other words."""
    return _BOUND.match(text, start, end) is not None and (
        _AT_LEAST.search(text[max(0, start - 12): start]) is not None or _OR_MORE.match(text, end) is not None)


def _finding(start: int, end: int, proposal: str) -> Finding:
    return Finding(start, end, Family.AGE, N_("Few people are that old, and an age over 89 finds them. 90 or "
        "over says enough."), proposal)
