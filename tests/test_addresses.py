"""Origins are compared, never guessed: one spelling each, and everything doubtful refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from federation.addresses import domain_of, is_loopback, origin_for_domain, origin_of, same_origin, special_use

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "addresses.json").read_text("utf-8"))


@pytest.mark.parametrize("case", VECTORS["urls"], ids=lambda case: ascii(case["url"]))
def test_a_hostile_url_has_no_origin_or_only_its_own(case: dict[str, str | None]) -> None:
    if case["origin"] is None:
        with pytest.raises(InvalidInput) as caught:
            origin_of(str(case["url"]))
        assert caught.value.reason == "bad-address"
    else:
        assert origin_of(str(case["url"])) == case["origin"]


@pytest.mark.parametrize("case", VECTORS["hosts"], ids=lambda case: ascii(case["host"]))
def test_a_host_name_is_refused_or_is_its_own_origin(case: dict[str, str | None]) -> None:
    if case["origin"] is None:
        with pytest.raises(InvalidInput):
            origin_for_domain(str(case["host"]))
    else:
        assert origin_for_domain(str(case["host"])) == case["origin"]


@pytest.mark.parametrize(("url", "origin"), [
    ("https://de.example", "https://de.example"),
    ("https://de.example/", "https://de.example"),
    ("HTTPS://DE.Example/Actors/1?x=1#main-key", "https://de.example"),
    ("https://de.example:443/a", "https://de.example"),
    ("https://de.example#main-key", "https://de.example"),
    ("https://de.example?a@b", "https://de.example"),
    ("https://ärzte.example/ö", "https://xn--rzte-koa.example"),
    ("https://Ärzte.example/", "https://xn--rzte-koa.example"),
    ("https://XN--RZTE-KOA.example/", "https://xn--rzte-koa.example"),
    ("http://127.0.0.1:8101/actor", "http://127.0.0.1:8101"),
    ("http://127.255.0.9:65535", "http://127.255.0.9:65535"),
    ("http://127.0.0.1:80/", "http://127.0.0.1"),
    ("https://127.0.0.1:443/", "https://127.0.0.1"),
    ("http://127.0.0.1:443/", "http://127.0.0.1:443"),
    ("http://LOCALHOST:8101/", "http://localhost:8101"),
    ("http://de.localhost:8101/", "http://de.localhost:8101"),
    ("http://[::1]:8101/x", "http://[::1]:8101"),
])
def test_an_origin_has_one_spelling(url: str, origin: str) -> None:
    assert origin_of(url) == origin
    assert origin_of(origin) == origin


@pytest.mark.parametrize("url", [
    "", "de.example", "https:/de.example", "https:de.example", "ftp://de.example", "http\u017f://de.example",
    " https://de.example", "https://de.example ", "https://de.example/a b", "https://de.example/\t",
    "https://de.example/\x7f", "https://de.example/\x85", "https://de.example/\xa0", "https://de.example/\u2028",
    "https://de.example/\u202e", "https://de.example/\ud800", "https://de.example/\\", "https://de.example/?\n",
    "https://de.example/#\r", "\ufeffhttps://de.example", "https:///x", "https://de.example:",
    "https://de.example:0", "https://de.example:0443", "https://de.example:443:443", "https://de.example:https",
    "https://de.example:65536", "https://:443/", "https://@de.example/", "https://user:pass@de.example/",
    "https://de.example.:443", "https://de..example", "https://.de.example", "https://-de.example",
    "https://de-.example", "https://d_e.example", "https://*.example", "https://example",
    "https://" + "a" * 64 + ".example", "https://" + "a." * 130 + "example", "https://de.example/" + "a" * 2048,
    "https://1.1.1.1", "https://1.1.1.1.", "https://1.1.1.0x1", "https://a.1", "https://256.1.1.1",
    "https://127.0.0.256", "https://127.0.0.01", "https://2130706433", "https://[2606:4700::1111]",
    "https://[::1", "https://::1", "https://[::1]x", "https://[0::1]", "https://[::1%25lo]",
    "http://127.0.0.1\u0662", "http://127.0.0.\u0661", "https://[x.localhost", "https://..localhost",
    "http://xn--zz.localhost:8101", "http://localhost.:8101", "http://localhost:99999",
    "https://\uff44\uff45.example", "https://de\u3002example", "https://de.exam\u00adple",
    "https://\u212a.example", "https://de\u200b.example", "https://a\u0308rzte.example", "https://\u2460.example",
    "https://xn--de-.example", "https://xn--.example", "https://xn--a\xe4.example", "https://xn--zz-.example",
    "https://xn---bbk.example", "https://d\u0435\u0301\u0301\u200d.example",
])
def test_what_is_not_a_plain_origin_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        origin_of(url)
    assert caught.value.reason == "bad-address" and caught.value.status == 400


@pytest.mark.parametrize(("domain", "origin"), [
    ("de.example", "https://de.example"), ("DE.example:443", "https://de.example"), ("127.0.0.1:8101", "http://127.0.0.1:8101"),
    ("localhost:8101", "http://localhost:8101"), ("[::1]:8101", "http://[::1]:8101"), ("ärzte.example", "https://xn--rzte-koa.example"),
])
def test_a_domain_becomes_an_origin_and_back(domain: str, origin: str) -> None:
    assert origin_for_domain(domain) == origin
    assert origin_for_domain(domain_of(origin)) == origin
    assert is_loopback(origin) == origin.startswith("http:")


@pytest.mark.parametrize("domain", [
    "", "de.example/", "de.example?x", "de.example#x", "https://de.example", "a@de.example", "de.example:8443",
    "10.0.0.1", "de.example ", "*", "*.example",
])
def test_what_is_not_a_domain_is_refused(domain: str) -> None:
    with pytest.raises(InvalidInput):
        origin_for_domain(domain)


def test_the_same_origin_is_the_same_host_scheme_and_port() -> None:
    assert same_origin("https://de.example/a", "https://DE.example:443/b#c")
    assert same_origin("https://ärzte.example/", "https://xn--rzte-koa.example/")
    for other in ("https://fr.example/a", "https://xde.example/a", "https://de.example.evil.example/a", "https://a.de.example/"):
        assert not same_origin("https://de.example/a", other)
    assert not same_origin("http://127.0.0.1:8101/", "http://127.0.0.1:8102/")
    with pytest.raises(InvalidInput):
        same_origin("https://de.example/", "http://de.example/")


@pytest.mark.parametrize("address", [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.9", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
    "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:2::1", "2001:10::1",
    "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fd12::1",
    "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "4000::1", "", "de.example", "127.1", "0x7f000001",
    "2130706433", "1.1.1.1 ", "01.1.1.1",
])
def test_an_address_no_sibling_can_live_at(address: str) -> None:
    assert special_use(address)


@pytest.mark.parametrize("address", [
    "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.32.0.1", "192.0.1.1", "223.255.255.254",
    "2606:4700::1111", "2001:4860:4860::8888", "2a00:1450::1", "2003::1",
])
def test_a_public_address_is_not_special(address: str) -> None:
    assert not special_use(address)


@given(st.text(max_size=60) | st.text("htps:/.@[]%0127:lxn-\\ #?é。", max_size=40).map(lambda rest: "https://" + rest))
def test_whatever_comes_is_refused_or_canonical(url: str) -> None:
    try:
        origin = origin_of(url)
    except InvalidInput:
        return
    assert origin == origin_of(origin) and origin.isascii() and origin == origin.lower()
    assert origin.startswith("https://") or is_loopback(origin)
    assert not set(domain_of(origin)) & set("/\\@?#% ")


_LABELS = st.from_regex(r"[a-z](?:[a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)


@given(st.lists(_LABELS, min_size=2, max_size=5), st.from_regex(r"(?:[/?#][!$-.0-\[\]-~]*)?", fullmatch=True), st.randoms())
def test_case_and_path_do_not_change_an_origin(labels: list[str], path: str, random: Any) -> None:
    host = ".".join(labels)
    mixed = "".join(letter.upper() if random.random() < 0.5 else letter for letter in host)
    if labels[-1] == "localhost":
        return
    assert origin_of(f"https://{mixed}{path}") == f"https://{host}"


@given(st.ip_addresses())
def test_an_address_that_carries_another_is_always_special(address: Any) -> None:
    if address.version == 4:
        assert special_use(f"::ffff:{address}") and special_use(f"64:ff9b::{address}")
