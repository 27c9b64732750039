"""Ages over 89: so few people are that old that one more fact finds them. Below, an age is no more than a band."""

from __future__ import annotations

import re
from collections.abc import Callable

from core.words import N_
from posts.linter.findings import Family, Finding
from posts.linter.lexicon import words
from posts.linter.source import Source

_OLD = r"(?:9\d|1[01]\d)"
_DE_TENS = "(?:(?:ein|zwei|drei|vier|f[üu]nf|sechs|sieben|acht|neun)und)?neunzig|(?:ein)?hundert(?:(?:und)?(?:eins?|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn))?"
_FR_TENS = r"quatre-vingt-(?:dix(?:-(?:sept|huit|neuf))?|onze|douze|treize|quatorze|quinze|seize)|nonante(?:-(?:et-)?\w{2,6})?|cent(?: (?:un|deux|trois|quatre|cinq|six|sept|huit))?"
_IT_TENS = r"novant(?:a(?:due|tr[ée]|quattro|cinque|sei|sette|nove)?|uno?|otto)|cento(?:uno?|due|tr[ée]|quattro|cinque)?"
_ES_TENS = r"noventa(?: y (?:un|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve))?|cien(?:to (?:uno?|dos|tres|cuatro|cinco))?"
_EN_TENS = r"ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|(?:one|a) hundred(?: and (?:one|two|three|four|five))?"
_SPAN = (r"(?<!vor )(?<!seit )(?<!nach )(?<!über )(?<!binnen )(?<!depuis )(?<!a )(?<!après )(?<!pendant )(?<!da )(?<!per )(?<!dopo )(?<!hace )"
         r"(?<!durante )(?<!tras )(?<!for )(?<!after )(?<!within )(?<!over )(?<!past )(?<!last )")
_YEARS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str] | None], ...] = (
    # an adjective keeps its ending
    (re.compile(rf"(?<![\w.,/-])(?:{_OLD}|{_DE_TENS})[- ]?(?=j(?:ä|ae)hrig)(?P<end>j\w{{5,8}})", re.IGNORECASE),
     lambda found: f"mindestens 90-{found['end'].lower()}"),
    (re.compile(r"(?<!\w)(?:9\d|1[01]\d|novant(?:a(?:due|tr[ée]|quattro|cinque|sei|sette|nove)?|un|otto)?|cent(?:o\w{2,7})?)[- ]?enn(?P<end>[ei])(?!\w)", re.IGNORECASE),
     lambda found: f"ultranovantenn{found['end']}"),
    (re.compile(rf"(?<![\w.,/-])(?:{_OLD}|{_EN_TENS})[- ]year[- ]old(?P<end>s?)(?!\w)", re.IGNORECASE),
     lambda found: f"over-89-year-old{found['end']}"),
    (re.compile(rf"(?<![\w.,/-])(?:{_OLD})[ -]?(?:y/?o|yr[ -]old|yrs[ -]old)(?!\w)", re.IGNORECASE), lambda found: "over-89-year-old"),
    # a number of years
    (re.compile(rf"{_SPAN}(?<![\w.,/-])(?:{_OLD}|{_DE_TENS}) ?(?:jahre?n?(?: alt)?|j\.|J(?=[,;) ]|$))(?!\w)(?! lang)(?! sp)(?! zuvor)(?! nach)", re.IGNORECASE), None),
    (re.compile(rf"{_SPAN}(?<![\w.,/-])(?:{_OLD}|{_FR_TENS}) ?ans(?!\w)(?! apr)(?! plus t)(?! plus tard)(?! de (?:suivi|recul|survie))", re.IGNORECASE), None),
    (re.compile(rf"{_SPAN}(?<![\w.,/-])(?:{_OLD}|{_IT_TENS}) ?anni(?!\w)(?! fa)(?! dopo)", re.IGNORECASE), None),
    (re.compile(rf"{_SPAN}(?<![\w.,/-])(?:{_OLD}|{_ES_TENS}) ?años(?!\w)(?! después)(?! de seguimiento)", re.IGNORECASE), None),
    (re.compile(rf"{_SPAN}(?<![\w.,/-])(?:{_OLD}|{_EN_TENS}) ?(?:years?(?: old| of age)?|yrs?)(?!\w)(?! ago)(?! later)(?! after)", re.IGNORECASE), None),
    # a word before it says that it is one
    (re.compile(rf"(?<!\w)(?:alter|lebensalter|alters?|âgée? d['e]e?|age|aged|âge|età|edad|ag[ée])(?: von| de| of)?[:= ]{{1,3}}(?P<age>{_OLD})(?![\w%]|[.,]\d)", re.IGNORECASE), None),
    (re.compile(rf"(?:^|[\n.(;,] ?)(?P<age>{_OLD}) ?[aJjy](?=[,;. )]|$)"), None),
    (re.compile(rf"(?:^|\n|[.(] )(?P<age>{_OLD}) ?[MFWmfw♀♂](?=[,;. )]|$)"), None),
)
_CENTENARIAN = re.compile(
    r"(?<!\w)(?:(?:über)?hundertjährig\w{0,2}|centenaires?|centenari[oae]?|ultracentenari[oae]|centenarians?)(?!\w)", re.IGNORECASE)


def findings(source: Source, language: str) -> list[Finding]:
    """What of it says that somebody is 90 or older."""
    said, made = words(language), []
    for pattern, proposed in _YEARS:
        for match in pattern.finditer(source.words):
            place = match.span("age") if "age" in pattern.groupindex else match.span()
            start, end = source.at(*place)
            proposal = proposed(match) if proposed is not None else "90+" if "age" in pattern.groupindex else said.old
            made.append(_finding(start, end, proposal))
    for match in _CENTENARIAN.finditer(source.words):
        start, end = source.at(*match.span())
        made.append(_finding(start, end, said.old))
    return made


def _finding(start: int, end: int, proposal: str) -> Finding:
    return Finding(start, end, Family.AGE, N_("Few people are that old, and an age over 89 finds them. 90 or over says enough."), proposal)
