"""Works that a text names are recognised, whatever stands around them, and nothing else is."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.references import MOST, Reference, Scheme, found_in, found_in_html, listed, unlinked
from core.text import clean, render_now
from posts.rules import with_sources

_SUFFIX = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789.-_;/()"), min_size=1, max_size=40).filter(
    lambda text: text[-1].isalnum() and text.count("(") == text.count(")"))
_DOIS = st.builds(lambda registrant, suffix: f"10.{registrant}/{suffix}", st.integers(1000, 999_999_999), _SUFFIX)
_PMIDS = st.integers(1, 99_999_999).map(str)
_TRIALS = st.integers(0, 99_999_999).map(lambda number: f"NCT{number:08}")


@pytest.mark.parametrize(("text", "found"), [
    ("As shown in 10.1056/NEJMoa2034577.", ["doi:10.1056/nejmoa2034577"]),
    ("(doi:10.1016/S0140-6736(20)30183-5)", ["doi:10.1016/s0140-6736(20)30183-5"]),
    ("DOI: 10.1000/182, again 10.1000/182", ["doi:10.1000/182"]),
    ("https://doi.org/10.1056%2FNEJMoa1 and doi.org/10.1234/x", ["doi:10.1056/nejmoa1", "doi:10.1234/x"]),
    ("[a study](https://dx.doi.org/10.1000/abc).", ["doi:10.1000/abc"]),
    ("PMID: 31978945; PMID 12", ["PMID 31978945", "PMID 12"]),
    ("https://pubmed.ncbi.nlm.nih.gov/31978945/", ["PMID 31978945"]),
    ("https://www.ncbi.nlm.nih.gov/pubmed/123", ["PMID 123"]),
    ("see NCT01234567 and nct00000001", ["NCT01234567", "NCT00000001"]),
    ("BP 110.5/70, 10.5/3, 110.1234/70, 31978945, PMID, PMID 0, NCT1234567, NCT012345678, XNCT01234567", []),
    ("10.1000/ 10.1000/... v10.1000/abc", []),
])
def test_works_are_recognised_in_sentences(text: str, found: list[str]) -> None:
    assert [one.name for one in found_in(text)] == found


def test_a_link_leads_to_the_list_the_number_is_from() -> None:
    assert Reference(Scheme.DOI, "10.1000/a b<c>").url == "https://doi.org/10.1000/a%20b%3Cc%3E"
    assert Reference(Scheme.PMID, "12").url == "https://pubmed.ncbi.nlm.nih.gov/12"
    assert Reference(Scheme.NCT, "NCT01234567").url == "https://clinicaltrials.gov/study/NCT01234567"


@given(_DOIS, _PMIDS, _TRIALS, st.sampled_from([" ", ", ", "; ", "\n"]))
def test_what_is_named_in_a_field_or_a_text_is_found_whole_and_once(doi: str, pmid: str, trial: str, between: str) -> None:
    expected = (Reference(Scheme.DOI, doi), Reference(Scheme.PMID, pmid), Reference(Scheme.NCT, trial))
    assert listed(between.join((doi, pmid, trial, doi))) == expected
    assert listed(between.join((f"doi: {doi}", f"PMID: {pmid}", trial.lower()))) == expected
    assert found_in(f"Compare ({doi}), PMID {pmid}: {trial}!") == expected
    assert listed(" ".join(one.url for one in expected)) == expected


@given(_DOIS, _PMIDS, _TRIALS)
def test_their_links_pass_the_gate_and_are_read_back(doi: str, pmid: str, trial: str) -> None:
    works = listed(f"{doi} {pmid} {trial}")
    html = render_now(with_sources("Text", f"{doi} {pmid} {trial}"))
    assert clean(html) == html and found_in_html(html) == works and unlinked(html) == ()
    assert html.count('rel="nofollow noopener noreferrer"') == 3
    assert with_sources(f"Text, {doi}", doi) == f"Text, {doi}" and unlinked(render_now(f"Text, {doi}")) == works[:1]


@given(st.text(max_size=400) | st.text(st.sampled_from("10./doi: PMIDNCT()<>%2Fhtps\n"), max_size=400))
def test_no_text_breaks_it_and_every_link_is_one_of_three_places(text: str) -> None:
    for found in (found_in(text), found_in_html(text)):
        assert len(found) <= MOST and len(set(found)) == len(found)
        for one in found:
            parts = urlsplit(one.url)
            assert parts.scheme == "https" and parts.netloc in ("doi.org", "pubmed.ncbi.nlm.nih.gov", "clinicaltrials.gov")
            assert one.url.isprintable() and not set('<>" ') & set(one.url)
    with suppress(ValueError):
        assert all(one == found_in(one.url)[0] for one in listed(text))


@pytest.mark.parametrize("wrong", ["foo", "10.1000/abc and more", "PMID", "123456789", "10.1/x",
                                   "https://evil.example/10.1000/x"])
def test_a_field_holds_nothing_else(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        listed(wrong)


def test_of_very_many_the_first_are_listed_and_long_texts_take_no_time() -> None:
    assert len(found_in(" ".join(f"NCT{number:08}" for number in range(100)))) == MOST
    for evil in ("10.1234/" * 8_000, "doi: " * 13_000, "10." + "1" * 65_000, "(" * 32_000 + "10.1234/" + ")" * 190):
        found_in(evil)
