"""A post as HTML that is complete in itself: for software that knows nothing of our facts, for the history and for an archive.

It is what stands in `content` on the wire, so a server that is older or another one shows everything: the question, what is
coded, the text, each part under its heading in the language of the post. Our own pages are made of the parts themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from html import escape
from pathlib import Path

from core.conditions import condition, label
from core.countries import specialties, specialty_title
from core.i18n import Translations, Translator, format_day, format_number
from core.words import N_, Phrase
from posts.models import AGE_BANDS, AIMS_OF, NO_FACTS, CaseFacts, Kind, State
from posts.parts import NO_PARTS, ROW_LENGTH, SECTION_LENGTH, TEXTS, Congress, Effect, Heading, Parts, Study

_CATALOGUES = Path(__file__).parent.parent / "templates" / "locale"

AIM_WORDS: Mapping[str, Phrase] = {
    "diagnostic": N_("Diagnostic"), "therapeutic": N_("Therapeutic"), "observation": N_("Observation"),
    "literature": N_("Literature"), "administrative": N_("Administrative"), "opinion": N_("Opinion"), "study": N_("Study"),
    "news": N_("News"), "congress": N_("Congress")}
SEX_WORDS: Mapping[str, Phrase] = {"f": N_("Woman"), "m": N_("Man"), "x": N_("Other sex")}
STATE_WORDS: Mapping[str, Phrase] = {"open": N_("Open"), "answered": N_("Answered"), "known": N_("Outcome known")}
HEADING_WORDS: Mapping[str, Phrase] = {
    "patient": N_("Patient information"), "history": N_("Patient history"), "findings": N_("Clinical findings"),
    "timeline": N_("Timeline"), "assessment": N_("Diagnostic assessment"), "interventions": N_("Interventions"),
    "followup": N_("Follow-up"), "discussion": N_("Discussion"), "perspective": N_("The patient's perspective")}
DESIGN_WORDS: Mapping[str, Phrase] = {
    "meta-analysis": N_("Meta-analysis"), "systematic-review": N_("Systematic review"),
    "randomised": N_("Randomised controlled trial"), "non-randomised": N_("Controlled trial, not randomised"),
    "cohort": N_("Cohort study"), "case-control": N_("Case-control study"), "cross-sectional": N_("Cross-sectional study"),
    "diagnostic-accuracy": N_("Diagnostic accuracy study"), "case-series": N_("Case series"),
    "qualitative": N_("Qualitative study"), "guideline": N_("Guideline"), "other": N_("Another design")}
MEASURE_WORDS: Mapping[str, Phrase] = {
    "rr": N_("Risk ratio"), "or": N_("Odds ratio"), "hr": N_("Hazard ratio"), "rd": N_("Risk difference"),
    "md": N_("Mean difference"), "smd": N_("Standardised mean difference"), "nnt": N_("Number needed to treat"),
    "auc": N_("Area under the curve"), "proportion": N_("Proportion"), "other": N_("Another measure")}

CODED: Mapping[str, object] = {
    "aims": AIM_WORDS, "aims_of_cases": AIMS_OF[Kind.CASE], "sexes": SEX_WORDS, "age_bands": AGE_BANDS,
    "headings": tuple(map(str, Heading)),
    "heading_words": HEADING_WORDS, "texts": tuple(map(str, TEXTS)), "designs": DESIGN_WORDS, "measures": MEASURE_WORDS,
    "effect": N_("Effect"), "section_length": SECTION_LENGTH, "row_length": ROW_LENGTH}
"""What forms and pages need of the tables: which codes there are, and their words."""


def content(question: str, html: str, facts: CaseFacts, state: State | None, parts: Parts, language: str) -> str:
    """A whole post, its question first."""
    first = f"<p><strong>{escape(question, quote=False)}</strong></p>" if question else ""
    return first + said(html, facts, state, parts, language)


def said(html: str, facts: CaseFacts, state: State | None, parts: Parts, language: str) -> str:
    """The same without its question; for a post that has neither facts nor parts that is its text."""
    if facts == NO_FACTS and parts == NO_PARTS and state is None:
        return html
    words = _words(language)
    return "".join((_coded(facts, state, words), html, *_parts(parts, words)))


def day(number: int, gettext: Callable[..., str]) -> str:
    """A day counted from the first visit, in words; with a real minus sign."""
    return gettext("Day %(n)s", n=str(number).replace("-", "\u2212"))


def interval(effect: Effect, gettext: Callable[..., str]) -> str:
    """An effect with its interval: `0.81 (95 % CI 0.70 to 0.94)`."""
    if not effect.low:
        return effect.value
    return gettext("%(value)s (%(level)s %% CI %(low)s to %(high)s)", value=effect.value, level=effect.level, low=effect.low,
                   high=effect.high)


def _coded(facts: CaseFacts, state: State | None, words: Translator) -> str:
    """What is coded, on one line; a code that is in no list is passed over."""
    known = set(specialties())
    asked = [specialty_title(code, words.language) for code in facts.specialties if code in known]
    line = [
        _word(AIM_WORDS, facts.aim, words), *asked,
        ", ".join(filter(None, (_word(SEX_WORDS, facts.sex, words), facts.age_band))),
        *(label(code, words.language) for code in facts.conditions if condition(code) is not None),
        _word(STATE_WORDS, str(state or ""), words)]
    found = " · ".join(escape(word, quote=False) for word in line if word)
    return f"<p><em>{found}</em></p>" if found else ""


def _parts(parts: Parts, words: Translator) -> list[str]:
    made = []
    if parts.congress is not None:
        made.append(_congress(parts.congress, words))
    if parts.study is not None:
        made.append(_study(parts.study, words))
    for section in parts.ordered:
        title = _word(HEADING_WORDS, section.heading, words)
        made.append(f"<h3>{escape(title, quote=False)}</h3>" if title else "")
        if section.heading == Heading.TIMELINE and parts.timeline:
            made.append(_listed([_pair(day(row.day, words.gettext), row.what) for row in parts.timeline]))
        made.append(section.html)
    if parts.outcome is not None:
        made.append(f"<h3>{escape(words.gettext('Outcome'), quote=False)}</h3>{parts.outcome.html}")
    if parts.sponsor is not None:
        made.append(f"<p>{_pair(words.gettext('Sponsor'), parts.sponsor or words.gettext('nobody'))}</p>")
    return made


def _study(study: Study, words: Translator) -> str:
    lines = []
    if study.doi:
        lines.append(f'DOI: <a href="{escape(doi_link(study.doi))}">{escape(study.doi, quote=False)}</a>')
    if title := _word(DESIGN_WORDS, study.design, words):
        lines.append(_pair(words.gettext("Design"), title))
    if study.participants is not None:
        lines.append(_pair(words.gettext("Participants"), format_number(study.participants, words.language)))
    if study.effect is not None:
        lines.append(_pair(_word(MEASURE_WORDS, study.effect.measure, words) or words.gettext("Effect"),
                           interval(study.effect, words.gettext)))
    lines.append(_pair(words.gettext("Funding"), study.funding or words.gettext("not said")))
    return _listed(lines)


def _congress(congress: Congress, words: Translator) -> str:
    lines = [_pair(words.gettext("When"), period(congress, words.language))]
    if congress.place:
        lines.append(_pair(words.gettext("Where"), congress.place))
    if congress.link:
        lines.append(f'<a href="{escape(congress.link)}">{escape(congress.link, quote=False)}</a>')
    return _listed(lines)


def period(congress: Congress, language: str) -> str:
    """The days of a congress as a language writes them."""
    days = [format_day(date.fromisoformat(one), language) for one in dict.fromkeys((congress.starts, congress.ends))]
    return " \u2013 ".join(days)


def doi_link(doi: str) -> str:
    """Where a DOI leads; nothing here ever asks there."""
    return f"https://doi.org/{doi}"


def _pair(name: str, value: str) -> str:
    return f"{escape(name, quote=False)}: {escape(value, quote=False)}"


def _listed(lines: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>" if lines else ""


def _word(table: Mapping[str, Phrase], code: str, words: Translator) -> str:
    return words.gettext(table[code]) if code in table else ""


@cache
def _words(language: str) -> Translator:
    return Translations(_CATALOGUES).translator(language.partition("-")[0])
