"""Works that a text names: DOIs, PubMed's and trial registers' numbers. They are recognised and linked, and nothing is fetched.

A DOI is `10.`, a registrant and a suffix of nearly any characters (ISO 26324; what Crossref registers today matches the pattern
here). A PMID is a number of up to eight digits and only one where it says so; a number of ClinicalTrials.gov is NCT and eight
digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from html import escape, unescape
from typing import NamedTuple
from urllib.parse import quote, unquote

MOST = 30
"""How many works one text lists."""
_LENGTH = 200
_DOI = r"10\.\d{4,9}(?:/|%2F)[^\s<>\"\x00-\x1f\x7f]{1,200}"
_WORK = re.compile(
    rf"(?<![\w./-])(?:(?P<link>(?:https?://)?(?:dx\.|www\.)?doi\.org/)|doi\s?:\s?)?(?P<doi>{_DOI})"
    r"|(?:https?://(?:www\.)?(?:pubmed\.ncbi\.nlm\.nih\.gov|ncbi\.nlm\.nih\.gov/pubmed)/|(?<!\w)PMID\s?:?\s?)(?P<pmid>[1-9]\d{0,7})(?!\d)"
    r"|(?<!\w)(?P<nct>NCT\d{8})(?!\d)", re.IGNORECASE)
_HINT = re.compile(r"10\.\d{4}|pmid|pubmed|nct\d", re.IGNORECASE)
_PLAIN_PMID = re.compile(r"[1-9]\d{0,7}")
_TRAILING = ".,;:!?'\u2019\u201d\u00bb*_"
_PAIRS = {")": "(", "]": "[", "}": "{", ">": "<"}
_SPACE = re.compile(r"[\s<>\"\x00-\x1f\x7f]")
_BETWEEN = re.compile(r"[,;]*\s+")
_COMMAS = re.compile(r"[,;]+")


class Scheme(StrEnum):
    """Which list of works a number is from."""

    DOI = "doi"
    PMID = "pmid"
    NCT = "nct"


_PLACES = {Scheme.DOI: "https://doi.org/", Scheme.PMID: "https://pubmed.ncbi.nlm.nih.gov/",
           Scheme.NCT: "https://clinicaltrials.gov/study/"}
_NAMES = {Scheme.DOI: "doi:{}", Scheme.PMID: "PMID {}", Scheme.NCT: "{}"}


class Reference(NamedTuple):
    """A work by its number, without any prefix; DOIs in lower case, since they do not differ by it."""

    scheme: Scheme
    number: str

    @property
    def url(self) -> str:
        """Where it can be looked up, by whoever wants to; without brackets, which would end a link in Markdown."""
        return _PLACES[self.scheme] + quote(self.number, safe="/:;._-")

    @property
    def name(self) -> str:
        """How it is cited."""
        return _NAMES[self.scheme].format(self.number)


def found_in(text: str) -> tuple[Reference, ...]:
    """The works that a text (plain, or Markdown) names, each once and in order; of very many the first. Never fails."""
    if _HINT.search(text) is None:  # most texts name none
        return ()
    found: dict[Reference, None] = {}
    for one in _each(text):
        found[one] = None
        if len(found) == MOST:
            break
    return tuple(found)


def found_in_html(html: str) -> tuple[Reference, ...]:
    """The works that are named in HTML, in its words or by its links."""
    return found_in(unescape(html)) if _HINT.search(html) is not None else ()


def unlinked(html: str) -> tuple[Reference, ...]:
    """The works that HTML names and does not link itself."""
    return tuple(one for one in found_in_html(html) if f'href="{escape(one.url)}"' not in html)


def listed(field: str) -> tuple[Reference, ...]:
    """The works in a field that holds nothing else; a bare number is a PMID there. `ValueError` with what is none."""
    found: dict[Reference, None] = {}
    text = re.sub(r"\b(doi|pmid)\s*:?\s+(?=[1-9])", r"\1:", field.strip(), flags=re.IGNORECASE)
    words = [part for word in _BETWEEN.split(text) for part in ([word] if "/" in word else _COMMAS.split(word)) if part]
    for word in words:  # a DOI may have commas of its own
        known = tuple(_each(word))
        if _PLAIN_PMID.fullmatch(word):
            known = (Reference(Scheme.PMID, word),)
        if len(known) != 1 or len(word) > _LENGTH:
            raise ValueError(word)
        found[known[0]] = None
    return tuple(found)[:MOST]


def _each(text: str) -> Iterator[Reference]:
    for match in _WORK.finditer(text):
        if match["doi"]:
            doi = _ended(_SPACE.split(unquote(match["doi"]))[0] if match["link"] else match["doi"])
            if doi.partition("/")[2]:
                yield Reference(Scheme.DOI, doi.lower())
        elif match["pmid"]:
            yield Reference(Scheme.PMID, match["pmid"])
        else:
            yield Reference(Scheme.NCT, match["nct"].upper())


def _ended(doi: str) -> str:
    """A DOI without what the sentence around it added: punctuation, and brackets that were opened before it."""
    while doi:
        last = doi[-1]
        if last in _TRAILING or (last in _PAIRS and doi.count(last) > doi.count(_PAIRS[last])):
            doi = doi[:-1]
        else:
            break
    return doi
