"""Everything that reads what comes from outside: whatever it is given, it returns or refuses in its own words, and in time that
grows with the length and no faster. The parsers are found by walking, so a new one has to be named here."""

from __future__ import annotations

import importlib
import inspect
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.wire import actor_of
from core import clock, countries, i18n, ids, mailaddress, numbers, tags, text, throttle
from core.conditions import finding
from core.errors import InvalidInput, KonsilError, NotSignedIn
from federation import addresses, contexts, descriptor, documents, door, troubles, vouchers
from federation.addresses import origin_of
from federation.documents import dumps
from federation.signatures import cavage, keys, multikey, proofs
from inbox import arrival as arriving
from inbox.arrival import arrival, is_note
from inbox.authority import check_authority
from posts import attachments, wire, wire_parts
from tests.promises.hostile import vectors

_MODULES = (
    "core.clock",
    "core.conditions.finding",
    "core.countries",
    "core.i18n",
    "core.ids",
    "core.mailaddress",
    "core.numbers",
    "core.tags",
    "core.text",
    "core.throttle",
    "federation.addresses",
    "federation.contexts",
    "federation.descriptor",
    "federation.documents",
    "federation.door",
    "federation.signatures.cavage",
    "federation.signatures.keys",
    "federation.signatures.multikey",
    "federation.signatures.proofs",
    "federation.troubles",
    "federation.vouchers",
    "inbox.arrival",
    "posts.attachments",
    "posts.wire",
    "actors.wire",
)
_OUTSIDE = ("str", "bytes", "Any", "object", "dict[str, Any]", "str | None", "Mapping[str, str]", "Iterable[tuple[bytes, bytes]]")

TEXTS: dict[str, tuple[Callable[[str], Any], type[Exception] | tuple[type[Exception], ...]]] = {
    "core.clock.parse_rfc3339": (clock.parse_rfc3339, ValueError),
    "core.conditions.finding.find": (lambda given: finding.find(given, given), ()),
    "core.conditions.finding.named_in": (finding.named_in, ()),
    "core.countries.pack": (countries.pack, KonsilError),
    "core.i18n.is_language": (i18n.is_language, ()),
    "core.i18n.language_name": (i18n.language_name, ()),
    "core.i18n.language_in": (lambda given: i18n.language_in(given, "de"), ()),
    "core.i18n.negotiate": (lambda given: i18n.negotiate(given, ("de", "en", "fr")), ()),
    "core.ids.number": (ids.number, ()),
    "core.mailaddress.mail_address": (mailaddress.mail_address, InvalidInput),
    "core.numbers.whole": (lambda given: numbers.whole(given, 10**17), ()),
    "core.tags.hashtag": (tags.hashtag, ()),
    "core.tags.handle": (tags.handle, ()),
    "core.tags.find": (lambda given: tags.find(text.clean(given)), InvalidInput),
    "core.tags.link": (lambda given: tags.link(text.clean(given), {}, "https://de.example/tags/"), InvalidInput),
    "core.tags.led": (lambda given: tags.led(given, [("https://de.example/x", "/x")]), ()),
    "core.text.clean": (text.clean, InvalidInput),
    "core.text.visible": (text.visible, ()),
    "core.text.one_line": (text.one_line, ()),
    "core.text.plain": (lambda given: text.plain(given, 100), InvalidInput),
    "core.text.folded": (text.folded, ()),
    "core.text.lines": (text.lines, InvalidInput),
    "core.text.check_bounds": (lambda given: text.check_bounds(given, 20_000), InvalidInput),
    "core.throttle.network_of": (throttle.network_of, ()),
    "federation.addresses.origin_of": (addresses.origin_of, InvalidInput),
    "federation.addresses.origin_for_domain": (addresses.origin_for_domain, InvalidInput),
    "federation.addresses.same_origin": (lambda given: addresses.same_origin(given, "https://de.example/"), InvalidInput),
    "federation.addresses.special_use": (addresses.special_use, ()),
    "federation.addresses.loopback_address": (addresses.loopback_address, ()),
    "federation.addresses.never_contacted": (lambda given: addresses.never_contacted(given, loopback=True), ()),
    "federation.documents.parse": (lambda given: documents.parse(given.encode("utf-8", "surrogatepass")), InvalidInput),
    "federation.door.check_head": (
        lambda given: door.check_head({"content-type": "application/activity+json", "content-length": given}, 1000),
        KonsilError,
    ),
    "federation.door.gather": (
        lambda given: door.gather([(b"Date", given.encode("utf-8", "replace")), (b"date", b"x")]),
        NotSignedIn,
    ),
    "federation.signatures.cavage.parse": (cavage.parse, NotSignedIn),
    "federation.signatures.cavage.check_digest": (lambda given: cavage.check_digest(given, b"x"), NotSignedIn),
    "federation.signatures.cavage.check_window": (lambda given: cavage.check_window(given, 0.0, 300), NotSignedIn),
    "federation.signatures.keys.load_public": (keys.load_public, InvalidInput),
    "federation.signatures.keys.fingerprint": (keys.fingerprint, InvalidInput),
    "federation.signatures.keys.read_fingerprint": (keys.read_fingerprint, InvalidInput),
    "federation.signatures.multikey.read_multibase": (multikey.read_multibase, ValueError),
    "federation.signatures.multikey.decode": (multikey.decode, InvalidInput),
    "federation.signatures.multikey.check_own": (multikey.check_own, InvalidInput),
    "federation.troubles.todo": (troubles.todo, ()),
    "federation.troubles.in_words": (lambda given: troubles.in_words(given).said(lambda word: word), ()),
    "posts.wire.moment": (wire.moment, InvalidInput),
}
"""By name: how it is asked with any text, and the only errors that may come out."""

OF_OURS = {
    "federation.troubles.said_of_state",
    "federation.addresses.authority_of",
    "posts.attachments.described",
    "posts.outgoing.delete_again",
    "core.clock.rfc3339",
    "core.conditions.finding.abbreviated",
    "core.countries.document_title",
    "core.countries.specialty_title",
    "core.countries.specialties_in",
    "core.i18n.catalogue_path",
    "core.i18n.format_list",
    "core.i18n.format_number",
    "core.i18n.format_percent",
    "core.ids.uri_key",
    "core.ids.keys_below",
    "federation.signatures.proofs.canonical",
    "core.text.render_now",
    "core.text.spoken",
    "federation.addresses.domain_of",
    "federation.addresses.is_loopback",
    "federation.documents.dumps",
    "federation.signatures.cavage.digest",
    "federation.signatures.cavage.sign",
    "federation.signatures.keys.fingerprint_words",
    "federation.signatures.keys.grouped",
    "federation.signatures.keys.scannable",
    "federation.signatures.keys.load_private",
    "federation.signatures.multikey.multibase",
    "federation.signatures.proofs.document_key_id",
    "federation.signatures.proofs.document_key",
    "federation.signatures.proofs.sign",
    "federation.vouchers.described",
    "federation.troubles.reason",
    "posts.outgoing.hashtags_of",
    "posts.outgoing.vote",
    "posts.outgoing.reaction",
    "posts.outgoing.undo",
    "actors.wire.follow",
    "actors.wire.undo_follow",
    "actors.wire.answer",
    "actors.wire.delete",
}
"""Take text that the program itself has made or looked through before (`render_now` has its own walk in test_text)."""


def _found() -> set[str]:
    """Every public function of those modules whose first argument can come from outside."""
    found = set()
    for name in _MODULES:
        module = importlib.import_module(name)
        for called, function in vars(module).items():
            function = inspect.unwrap(function) if callable(function) else function
            if called.startswith("_") or not inspect.isfunction(function) or function.__module__ != name:
                continue
            parameters = list(inspect.signature(function).parameters.values())
            if parameters and str(parameters[0].annotation) in _OUTSIDE:
                found.add(f"{name}.{called}")
    return found


_MULTIKEY = vectors("integrity_proofs")["multikeys"][0]["multibase"]
DOCUMENTS: dict[str, Callable[[Any], Any]] = {
    "actors.wire.actor_of": lambda given: actor_of(
        given, expected="https://fr.example/a", sibling_id=1, country="fr", actor_id=1
    ),
    "federation.contexts.check_context": lambda given: contexts.check_context(given) if isinstance(given, dict) else None,
    "federation.descriptor.read": descriptor.read,
    "federation.descriptor.from_actor": lambda given: descriptor.from_actor(given, "https://fr.example"),
    "federation.documents.one_or_many": documents.one_or_many,
    "federation.signatures.proofs.check": lambda given: proofs.check(
        given if isinstance(given, dict) else {"proof": given}, _MULTIKEY, "https://fr.example/actor#document-key"
    ),
    "federation.vouchers.vouched_for": lambda given: vouchers.vouched_for(
        {
            "id": "https://fr.example/actor",
            "assertionMethod": {"id": "https://fr.example/actor#document-key", "publicKeyMultibase": given},
            "voucher": given,
        },
        "https://fr.example/actor#main-key",
        "",
    ),
    "inbox.arrival.is_note": is_note,
    "posts.attachments.read": lambda given: attachments.read(given, "https://fr.example"),
    "posts.wire.note": lambda given: _whole_note(given),
}
"""By name: how it is asked with any JSON; `InvalidInput` is all that may come out."""


def _whole_note(given: Any) -> None:
    made = wire.note(given)
    wire.audience_of(made, "https://fr.example")
    wire.tags_of(made)
    wire.pictures_of(made)
    wire.language_of(made)
    wire.facts_of(made)
    wire.state_of(made)
    wire.translations_of(made, wire.said_of(made))
    if made.type == "Question":
        wire.poll_of(made)


def test_every_parser_is_tried() -> None:
    assert _found() - set(TEXTS) - set(DOCUMENTS) - OF_OURS == set()
    assert (set(TEXTS) | set(DOCUMENTS)) - _found() <= {"posts.wire.note"}
    assert OF_OURS & (set(TEXTS) | set(DOCUMENTS)) == set()


# Texts

_SEEDS = [
    *(entry["url"] for entry in vectors("addresses")["urls"]),
    *(entry["host"] for entry in vectors("addresses")["hosts"]),
    *(entry["header"] for entry in vectors("signature_headers")["refused"]),
    *(one["body"] for one in vectors("documents")["refused"]),
    vectors("signature_headers")["required"],
    "2026-01-02T03:04:05Z",
    "Tue, 05 Mar 2024 07:49:44 GMT",
    "SHA-256=AAAA",
    "name@host.example",
    "de-DE,de;q=0.9,*;q=0.1",
    "refused %(detail)s",
    "answered 503",
    '@ada@de.example #Sepsis <a href="https://x.example">x</a>',
    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    "::ffff:127.0.0.1%eth0",
    "0" * 64,
    "abandon " * 24,
    "0an4wzdf4bg00",
]
_PIECES = st.sampled_from(
    [piece for seed in _SEEDS for piece in (seed, seed[: len(seed) // 2], seed[len(seed) // 2 :])]
    + [
        '"',
        "\\",
        "%",
        "%(x)s",
        "\x00",
        "\r\n",
        "\ud800",
        "\u202e",
        "\u0660",
        "\u00b2",
        "[",
        "{",
        "<",
        "&#",
        "@",
        "#",
        ",",
        ";",
        "=",
        ".",
        ":",
        "/",
    ]
)
_ANY_TEXT = st.lists(st.one_of(st.text(max_size=10), _PIECES), max_size=8).map("".join)


@pytest.mark.parametrize("name", TEXTS)
@given(said=_ANY_TEXT)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_text_comes_it_is_read_or_refused(name: str, said: str) -> None:
    ask, errors = TEXTS[name]
    try:
        ask(said)
    except errors:  # whatever else comes out fails the test
        pass


_LONG = (
    "a",
    "a.",
    "1",
    "@a ",
    "#a ",
    '"',
    "\\",
    "[",
    "{",
    "(",
    "<b>",
    "&amp;",
    "%",
    " ",
    "-",
    ":",
    ",",
    "/",
    "\u0301",
    "a@",
    'keyId="',
    "a=",
    "word ",
    "\u00e9",
    "<a href='",
    "0.",
    "T",
)


@pytest.mark.parametrize("name", TEXTS)
def test_the_time_grows_with_the_length_and_no_faster(name: str) -> None:
    """Eight times as much takes less than thirty-two times as long, measured where it is measurable at all."""
    ask, errors = TEXTS[name]

    def took(said: str) -> float:
        best = 1e9
        for again in range(3):
            begun = time.process_time()
            try:
                ask(said + "!" * again)  # nothing that was remembered helps
            except errors:
                pass
            best = min(best, time.process_time() - begun)
        return best

    for piece in _LONG:
        short, long = took(piece * (4_000 // len(piece))), took(piece * (32_000 // len(piece)))
        assert long < 0.05 or long < 32 * max(short, 0.002), (piece, short, long)


# Documents

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8) | _PIECES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
_NOTE = {
    "id": "https://fr.example/p/1",
    "type": "Question",
    "attributedTo": "https://fr.example/a",
    "content": "x",
    "contentMap": {"fr": "x"},
    "name": "n",
    "inReplyTo": None,
    "to": ["https://de.example/members"],
    "cc": [],
    "tag": [],
    "published": "2026-01-02T00:00:00Z",
    "updated": None,
    "revision": 1,
    "facts": {"specialties": ["c"]},
    "state": "open",
    "oneOf": [{"name": "a", "replies": {"totalItems": 0}}, {"name": "b"}],
    "endTime": "2027-01-01T00:00:00Z",
    "closed": None,
    "votersCount": 0,
}
_PERSON = {
    "id": "https://fr.example/a",
    "type": "Person",
    "preferredUsername": "doc",
    "name": "Doc",
    "summary": "<p>x</p>",
    "badge": {"role": "doctor", "specialties": ["c"], "country": "fr", "verifiedBy": "x", "verifiedOn": "2026-01-01T00:00:00Z"},
}
_ACTOR = {
    "id": "https://fr.example/actor",
    "type": "Application",
    "name": "x",
    "country": "fr",
    "inbox": "https://fr.example/inbox",
    "publicKey": {"id": "https://fr.example/actor#k", "owner": "https://fr.example/actor", "publicKeyPem": "x"},
}
_ACTIVITY = {
    "@context": "https://www.w3.org/ns/activitystreams",
    "id": "https://fr.example/x",
    "type": "Create",
    "actor": "https://fr.example/a",
    "object": _NOTE | {"type": "Note"},
}
_BASES: list[dict[str, Any]] = [
    _NOTE,
    _NOTE | {"type": "Note", "oneOf": None},
    _PERSON,
    _ACTOR,
    _ACTIVITY,
    {"descriptor": _ACTOR, "signature": "AAAA"},
]


@st.composite
def _bent(draw: st.DrawFn) -> Any:
    """Something nearly right: one that is, with a few members replaced or taken away, at any depth."""
    made = json.loads(json.dumps(draw(st.sampled_from(_BASES))))
    for _ in range(draw(st.integers(1, 3))):
        at = made
        while True:
            key = draw(st.sampled_from(sorted(at)))
            if isinstance(at[key], dict) and at[key] and draw(st.booleans()):
                at = at[key]
                continue
            break
        if draw(st.booleans()):
            at[key] = draw(_JSON)
        else:
            del at[key]
        if not made:
            break
    return made


@pytest.mark.parametrize("name", DOCUMENTS)
@given(document=_bent() | _JSON)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_document_comes_it_is_read_or_refused(name: str, document: Any) -> None:
    try:
        DOCUMENTS[name](document)
    except InvalidInput:
        pass


class _FromFrance:
    origin, id, country = "https://fr.example", 1, "fr"


@given(document=_bent())
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_activity_comes_it_arrives_or_is_refused(document: Any) -> None:
    try:
        body = dumps(document)
        read = documents.parse(body)
    except (InvalidInput, ValueError):  # a number or half a character that JSON does not have
        return
    try:
        made = arrival(_FromFrance(), read, body, b"", 0)  # type: ignore[arg-type]
        check_authority(made)
    except KonsilError as error:
        assert 400 <= error.status < 500
    else:
        assert origin_of(made.uri) == origin_of(made.actor) == "https://fr.example"
        assert len(made.html) <= wire_parts.CLEAN_LENGTH and text.clean(made.html) == made.html


# Round trips, where there is a writer


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=10,
        ),
    )
)
def test_what_is_written_as_json_is_read_as_it_was(document: dict[str, Any]) -> None:
    if not any("\ud800" <= letter <= "\udfff" for letter in repr(document)):
        assert documents.parse(dumps(document)) == document


@given(st.integers(0, (1 << 63) - 1))
def test_numbers_come_back_from_their_letters(number: int) -> None:
    assert ids.number(ids.public(number)) == number


@given(st.integers(978_307_200_000 // 1000 + 86_400, 7_226_582_400 - 86_400))
def test_moments_come_back_from_their_text(seconds: int) -> None:
    assert wire.moment(clock.rfc3339(seconds * 1000)) == seconds * 1000


@given(st.binary(min_size=32, max_size=32))
def test_fingerprints_come_back_from_words_and_groups(made: bytes) -> None:
    plain = made.hex()
    assert keys.read_fingerprint(keys.fingerprint_words(plain)) == keys.read_fingerprint(keys.grouped(plain).upper()) == plain


@given(st.sampled_from(sorted(troubles.SENTENCES)), st.text(max_size=400))
def test_troubles_come_back_as_sentences(code: str, detail: str) -> None:
    assert str(troubles.in_words(troubles.reason(code, detail)))


@given(st.binary(max_size=64))
def test_digests_fit_their_bodies_and_no_others(body: bytes) -> None:
    assert cavage.check_digest(cavage.digest(body), body)
    with pytest.raises(NotSignedIn):
        cavage.check_digest(cavage.digest(body), body + b"x")


def test_the_modules_with_parsers_are_those_that_are_walked() -> None:
    assert arriving.__name__ in _MODULES and all(importlib.import_module(name) for name in _MODULES)
