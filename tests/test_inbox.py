"""What the inbox refuses: one row per wrong thing, with the status, and proof that nothing was stored."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from federation.documents import dumps
from federation.identity import members_of
from federation.signatures import cavage
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.conversations.test_the_whole_path import case, published
from tests.servers import FakeSibling, Running, countries, get, know, post, until

_TABLES = ("posts", "votes", "ledger", "held", "tombstones", "revisions", "outbox")


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[tuple[Running, FakeSibling]]:
    """A German instance and a listed French sibling in the test's hands."""
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        yield de, fake


async def stored(at: Running) -> dict[str, int]:
    return {table: await at.count(table) for table in _TABLES}


async def test_what_is_right_is_accepted_once(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    activity = fake.activity("Create", fake.note(de))
    assert (await fake.send(de, activity))[0] == 202
    assert await de.count("posts") == 1
    before = await stored(de)
    assert (await fake.send(de, activity))[0] == 202  # a replay is answered from the ledger
    assert await stored(de) == before


def _hmac(de: Running, fake: FakeSibling, body: bytes) -> dict[str, str]:
    headers = fake.headers("POST", f"{de.url}/inbox", body)
    text = cavage.signing_string(cavage.POST_HEADERS, "POST", "/inbox", headers)
    forged = base64.b64encode(hmac.new(fake.public_pem.encode(), text, hashlib.sha256).digest()).decode()
    return headers | {"signature": f'keyId="{fake.key_id}",algorithm="hmac-sha256",headers="{" ".join(cavage.POST_HEADERS)}",'
                                   f'signature="{forged}"'}


def _hmac_labelled_rsa(de: Running, fake: FakeSibling, body: bytes) -> dict[str, str]:
    headers = _hmac(de, fake, body)
    return headers | {"signature": headers["signature"].replace("hmac-sha256", "rsa-sha256")}


def _other_key(de: Running, fake: FakeSibling, body: bytes) -> dict[str, str]:
    other = FakeSibling()
    other.key_id = fake.key_id
    return other.headers("POST", f"{de.url}/inbox", body)


Headers = Callable[[Running, FakeSibling, bytes], dict[str, str]]
_WRONG_HEADERS: dict[str, tuple[int, str, Headers]] = {
    "no signature": (401, "signature-missing", lambda d, f, b: {
        k: v for k, v in f.headers("POST", f"{d.url}/inbox", b).items() if k != "signature"}),
    "garbage for a signature": (401, "signature-malformed", lambda d, f, b: f.headers("POST", f"{d.url}/inbox", b) | {
        "signature": "garbage"}),
    "another key": (401, "signature-wrong", _other_key),
    "HMAC with the public key": (401, "signature-malformed", _hmac),
    "HMAC with the public key, called RSA": (401, "signature-wrong", _hmac_labelled_rsa),
    "digest of another body": (401, "digest", lambda d, f, b: f.headers("POST", f"{d.url}/inbox", b + b" ")),
    "a clock ten minutes slow": (401, "clock", lambda d, f, b: f.headers("POST", f"{d.url}/inbox", b, at=time.time() - 600)),
    "a clock ten minutes fast": (401, "clock", lambda d, f, b: f.headers("POST", f"{d.url}/inbox", b, at=time.time() + 600)),
    "signed for another host": (401, "wrong-host", lambda d, f, b: f.headers("POST", f"{d.url}/inbox", b, host="fr.example")),
    "signed for another path": (401, "signature-wrong", lambda d, f, b: f.headers("POST", f"{d.url}/other", b)),
    "a content type of its own": (415, "content-type", lambda d, f, b: f.headers("POST", f"{d.url}/inbox", b) | {
        "content-type": "text/html"}),
    "an encoded body": (415, "content-encoding", lambda d, f, b: f.headers("POST", f"{d.url}/inbox", b) | {
        "content-encoding": "gzip"}),
}


@pytest.mark.parametrize("name", _WRONG_HEADERS)
async def test_a_wrong_request_is_refused_and_leaves_nothing(door: tuple[Running, FakeSibling], name: str) -> None:
    de, fake = door
    status, reason, make = _WRONG_HEADERS[name]
    body = dumps(fake.activity("Create", fake.note(de)))
    before = await stored(de)
    got, problem = await post(f"{de.url}/inbox", body, make(de, fake, body))
    assert (got, problem["type"]) == (status, f"urn:konsil:problem:{reason}")
    assert await stored(de) == before
    if status == 401:
        await de.its.refusals.flush()
        assert await de.count("refusals", f"reason = '{reason}'") == 1


def _deep(de: Running, fake: FakeSibling) -> bytes:
    return dumps(fake.activity("Create", fake.note(de)))[:-1] + b',"x":' + b"[" * 40 + b"]" * 40 + b"}"


_ELSE = "https://elsewhere.example"
Body = Callable[[Running, FakeSibling], Any]
_WRONG_BODIES: dict[str, tuple[int, str, Body]] = {
    "not JSON": (400, "bad-json", lambda d, f: b"{"),
    "a byte order mark": (400, "bad-json", lambda d, f: b"\xef\xbb\xbf{}"),
    "not a number": (400, "bad-json", lambda d, f: b'{"a": NaN}'),
    "half a surrogate pair": (400, "bad-json", lambda d, f: b'{"a": "\\ud800"}'),
    "a list": (400, "bad-json", lambda d, f: b"[]"),
    "deep JSON": (400, "too-deep", _deep),
    "very deep JSON": (400, "too-deep", lambda d, f: b'{"a":' + b"[" * 60_000 + b"]" * 60_000 + b"}"),
    "duplicate keys": (400, "duplicate-key", lambda d, f: dumps(f.activity("Create", f.note(d)))[:-1] + b',"type":"Delete"}'),
    "300 KiB": (413, "too-large", lambda d, f: f.activity("Create", f.note(d, content="x" * 300 * 1024))),
    "no id": (400, "envelope", lambda d, f: f.activity("Create", f.note(d), id=None)),
    "two types": (400, "envelope", lambda d, f: f.activity("Create", f.note(d), type=["Create", "Delete"])),
    "two actors": (400, "envelope", lambda d, f: f.activity("Create", f.note(d), actor=[f.actor, f.actor])),
    "a move": (400, "move", lambda d, f: f.activity("Move", f.actor)),
    "an actor of another origin": (403, "foreign-actor", lambda d, f: f.activity("Create", f.note(d), actor=f"{_ELSE}/actors/a")),
    "an activity id of another origin": (403, "foreign-actor", lambda d, f: f.activity("Create", f.note(d), id=f"{_ELSE}/1")),
    "an origin that begins like its own": (403, "foreign-actor", lambda d, f: f.activity(
        "Create", f.note(d), actor=f"{f.origin}.elsewhere.example/actors/a")),
    "an object of another origin": (403, "foreign-object", lambda d, f: f.activity("Create", f.note(d, id=f"{_ELSE}/posts/1"))),
    "our own object": (403, "foreign-object", lambda d, f: f.activity("Create", f.note(d, id=f"{d.url}/posts/1"))),
    "a foreign attributedTo": (403, "foreign-author", lambda d, f: f.activity(
        "Create", f.note(d, attributedTo=f"{f.origin}/actors/other"))),
    "not addressed to us": (403, "not-addressed", lambda d, f: f.activity("Create", f.note(d, to=[members_of(_ELSE)]))),
    "public only": (403, "not-addressed", lambda d, f: f.activity(
        "Create", f.note(d, to=["https://www.w3.org/ns/activitystreams#Public"]))),
    "no content": (400, "bad-object", lambda d, f: f.activity("Create", f.note(d, content=None))),
    "a poll with 5000 options": (400, "bad-poll", lambda d, f: f.activity("Create", f.question(d, oneOf=[
        {"name": str(number)} for number in range(5000)]))),
    "a poll with one option": (400, "bad-poll", lambda d, f: f.activity("Create", f.question(d, oneOf=[{"name": "a"}]))),
    "a poll with twice the same option": (400, "bad-poll", lambda d, f: f.activity("Create", f.question(
        d, oneOf=[{"name": "\u00e9"}, {"name": "e\u0301"}]))),
    "a poll of both kinds": (400, "bad-poll", lambda d, f: f.activity("Create", f.question(
        d, anyOf=[{"name": "a"}, {"name": "b"}]))),
    "a poll with negative counts": (400, "bad-poll", lambda d, f: f.activity("Create", f.question(
        d, oneOf=[{"name": "a", "replies": {"totalItems": -1}}, {"name": "b"}]))),
    "a poll without an end": (400, "bad-poll", lambda d, f: f.activity("Create", f.question(d, endTime=None))),
    "an answer to something of ours that is not there": (400, "no-such-parent", lambda d, f: f.activity(
        "Create", f.note(d, inReplyTo=f"{d.url}/posts/0000000000000"))),
    "a time before there was any": (400, "bad-time", lambda d, f: f.activity(
        "Create", f.note(d, published="0001-01-01T00:00:00+14:00"))),
    "a poll that ends when nobody lives": (400, "bad-time", lambda d, f: f.activity(
        "Create", f.question(d, endTime="9999-12-31T23:59:59-14:00"))),
    "a poll that answers": (400, "bad-poll", lambda d, f: f.activity("Create", f.question(d, inReplyTo=f"{f.origin}/posts/n1"))),
    "an endless id": (400, "envelope", lambda d, f: f.activity("Delete", f"{f.origin}/posts/" + "x" * 2000)),
    "a time that is none": (400, "bad-time", lambda d, f: f.activity("Create", f.note(d, published="yesterday"))),
}


@pytest.mark.parametrize("name", _WRONG_BODIES)
async def test_a_wrong_activity_is_refused_and_leaves_nothing(door: tuple[Running, FakeSibling], name: str) -> None:
    de, fake = door
    status, reason, make = _WRONG_BODIES[name]
    document = make(de, fake)
    if isinstance(document, dict):
        document = {key: value for key, value in document.items() if value is not None}
    before = await stored(de)
    got, problem = await fake.send(de, document)
    assert (got, problem["type"]) == (status, f"urn:konsil:problem:{reason}"), problem
    assert await stored(de) == before
    if isinstance(document, dict) and "id" in document and status not in (413,):
        assert problem["activity"] == document["id"]


async def test_types_that_are_no_text_change_nothing(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    for number, kind in enumerate((["Note"], {"a": 1}, 7, None)):
        made = fake.note(de) | {"type": kind}
        assert (await fake.send(de, fake.activity("Create", made, f"a{number}")))[0] == 202
    assert await de.count("posts") == 0


async def test_an_answer_to_what_was_not_for_them_is_answered_like_one_to_nothing(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    home = await published(de, case())
    answers = []
    for number, parent in enumerate((f"{de.url}/posts/{home}", f"{de.url}/posts/0000000000000")):
        made = fake.activity("Create", fake.note(de, f"r{number}", inReplyTo=parent), f"a{number}")
        status, problem = await fake.send(de, made)
        answers.append((status, problem["type"], problem["title"]))
    assert answers[0] == answers[1] == (400, "urn:konsil:problem:no-such-parent", answers[0][2])


async def test_unknown_types_are_accepted_counted_and_change_nothing(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    assert (await fake.send(de, fake.activity("Arrive", f"{fake.origin}/places/1")))[0] == 202
    assert await de.count("ledger", "outcome = 'ignored: type Arrive'") == 1 and await de.count("posts") == 0


async def test_an_unlisted_host_is_refused_before_any_key_work_and_never_contacted(door: tuple[Running, FakeSibling]) -> None:
    de, _ = door
    stranger = FakeSibling(port=2)
    before = await stored(de)
    assert (await stranger.send(de, stranger.activity("Create", stranger.note(de))))[0] == 403
    for path in ("/posts/0000000000000", "/actors/0000000000000", "/members", "/.well-known/webfinger?resource=acct:ada@x"):
        assert (await stranger.get(f"{de.url}{path}"))[0] == 403
        assert (await get(f"{de.url}{path}"))[0] == 401
    assert await stored(de) == before
    await de.its.refusals.flush()
    assert await de.count("refusals", "reason = 'unlisted'") >= 3


async def test_a_paused_sibling_waits_and_a_revoked_one_is_refused_from_the_next_request(
        door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    domain = fake.origin.split("://")[1]
    activity = fake.activity("Create", fake.note(de))
    await de.its.siblings.pause(domain, "test", "test")
    assert (await fake.send(de, activity))[0] == 503
    await de.its.siblings.resume(domain, "test")
    await de.its.siblings.revoke(domain, "test", "test")
    assert (await fake.send(de, activity))[0] == 403
    assert await de.count("posts") == 0


async def test_a_reply_is_not_wider_than_its_parent(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    await fake.send(de, fake.activity("Create", fake.note(de)))
    before = await stored(de)
    wider = fake.note(de, "n2", inReplyTo=f"{fake.origin}/posts/n1", to=[members_of(de.url), members_of(_ELSE)])
    status, problem = await fake.send(de, fake.activity("Create", wider, "a2"))
    assert status == 400 and problem["type"].endswith("wider-than-parent") and await stored(de) == before
    narrow = fake.note(de, "n2", inReplyTo=f"{fake.origin}/posts/n1")
    assert (await fake.send(de, fake.activity("Create", narrow, "a3")))[0] == 202
    assert await de.count("posts", "kind = 'reply'") == 1


async def test_an_update_never_widens_and_old_revisions_change_nothing(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    await fake.send(de, fake.activity("Create", fake.note(de)))
    wide = fake.note(de, revision=2, content="<p>wide</p>", to=[members_of(de.url), members_of(_ELSE)])
    assert (await fake.send(de, fake.activity("Update", wide, "u1")))[0] == 400
    assert (await fake.send(de, fake.activity("Update", fake.note(de, revision=3, content="<p>three</p>"), "u2")))[0] == 202
    assert (await fake.send(de, fake.activity("Update", fake.note(de, revision=2, content="<p>two</p>"), "u3")))[0] == 202
    assert await de.count("posts", "html = '<p>three</p>'") == 1 and await de.count("revisions") == 1


async def test_a_delete_before_its_create_wins(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    note = fake.note(de)
    assert (await fake.send(de, fake.activity("Delete", note["id"], "d1")))[0] == 202
    assert (await fake.send(de, fake.activity("Create", note)))[0] == 202
    assert await de.count("posts") == 0 and await de.count("tombstones") == 1


async def test_only_its_author_deletes_or_changes_a_post(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    await fake.send(de, fake.activity("Create", fake.note(de)))
    other = f"{fake.origin}/actors/other"
    assert (await fake.send(de, fake.activity("Delete", f"{fake.origin}/posts/n1", "d1", actor=other)))[0] == 403
    changed = fake.note(de, revision=2, attributedTo=other)
    assert (await fake.send(de, fake.activity("Update", changed, "u1", actor=other)))[0] == 403
    assert await de.count("posts", "erased_at IS NULL AND revision = 1") == 1


async def test_an_unknown_author_is_held_unseen(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    actor = f"{fake.origin}/actors/new"
    assert (await fake.send(de, fake.activity("Create", fake.note(de, attributedTo=actor), actor=actor)))[0] == 202
    assert await de.count("held") == 1 and await de.count("posts") == 0


async def test_hostile_html_is_cleaned_on_arrival(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    hostile = '<p onclick="x()">hi<script>alert(1)</script><a href="javascript:x">y</a><img src=x onerror=y></p>'
    assert (await fake.send(de, fake.activity("Create", fake.note(de, content=hostile))))[0] == 202
    page = (await de.its.timelines.home((await de.author("ada")).actor, "all", None)).posts[0]
    assert "hi" in page.html and not any(bad in page.html for bad in ("script", "onclick", "javascript", "onerror", "<img"))


async def _poll(de: Running, fake: FakeSibling, *, multiple: bool = False) -> str:
    """A poll of ours that the fake sibling may see; its URI."""
    author = await de.author("ada")
    seen = de.its.compose.network_digest(await de.its.compose.destinations())
    draft = Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(("\u00e9", "b"), multiple, de.its.clock.ms() + 60_000))
    post_id = await de.its.compose.publish(author, draft, (fake.origin,), Reach.COUNTRIES, seen)
    return f"{de.url}/posts/{post_id}"


def _vote(fake: FakeSibling, poll: str, name: str, number: str) -> dict[str, Any]:
    made = {"id": f"{fake.origin}/votes/{number}", "type": "Note", "attributedTo": fake.actor, "name": name, "inReplyTo": poll,
            "to": [poll]}
    return fake.activity("Create", made, f"v{number}")


async def test_one_voter_one_vote_by_exact_name_while_the_poll_is_open(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    poll = await _poll(de, fake)
    assert (await fake.send(de, _vote(fake, poll, "nobody", "0")))[0] == 400
    assert await de.count("votes") == 0
    assert (await fake.send(de, _vote(fake, poll, "e\u0301", "1")))[0] == 202  # the same name in another normal form
    before = await stored(de)
    status, problem = await fake.send(de, _vote(fake, poll, "b", "2"))
    assert status == 409 and problem["type"].endswith("voted") and await stored(de) == before
    assert await de.count("poll_options", "votes = 1 AND position = 0") == 1


async def test_a_vote_after_the_end_and_its_grace_is_refused(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    poll = await _poll(de, fake)
    de.its.clock.offset = 60 + 901
    before = await stored(de)
    body = dumps(_vote(fake, poll, "b", "1"))
    status, problem = await post(f"{de.url}/inbox", body, fake.headers("POST", f"{de.url}/inbox", body, at=de.its.clock.now()))
    assert status == 409 and problem["type"].endswith("poll-closed") and await stored(de) == before
    de.its.clock.offset = 60 + 800  # in flight when it ended: within the grace
    body = dumps(_vote(fake, poll, "b", "2"))
    assert (await post(f"{de.url}/inbox", body, fake.headers("POST", f"{de.url}/inbox", body, at=de.its.clock.now())))[0] == 202


async def test_several_choices_are_one_voter(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    poll = await _poll(de, fake, multiple=True)
    for number, name in enumerate(("\u00e9", "b")):
        assert (await fake.send(de, _vote(fake, poll, name, str(number))))[0] == 202
    assert (await fake.send(de, _vote(fake, poll, "b", "9")))[0] == 409
    assert await de.count("polls", "voters = 1") == 1 and await de.count("poll_options", "votes = 1") == 2


async def test_siblings_see_only_what_was_addressed_to_them(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it", worker=False) as (de, fr, it):
        post_id = await published(de, case(), fr)
        url = f"{de.url}/posts/{post_id}"
        for place, status in ((fr, 200), (it, 404)):
            headers = FakeSibling()
            headers.key, headers.key_id = place.its.identity.key, place.its.identity.key_id
            got, document = await headers.get(url)
            assert got == status
            if status == 200:
                assert document["name"] == "What would you do?"
            missing = await headers.get(f"{de.url}/posts/0000000000000")
            assert missing[0] == 404
            if status == 404:
                assert missing[1] == document  # not yours and not there are the same answer


async def test_a_parcel_that_is_refused_by_name_is_parked_and_the_next_goes_on(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await fr.its.siblings.pause(de.domain, "test", "test")
        await published(de, case("one"), fr)
        body = await de.its.database.read(lambda tx: tx.rows("SELECT body FROM outbox")[0]["body"])
        wrong = body.replace(b"/members", b"/elsewhere")
        await de.its.database.write(
            lambda tx: tx.run("UPDATE outbox SET body = ?, digest = ?", (wrong, cavage.digest(wrong))))
        await until(lambda: de.count("delivery_lines", "fail_count > 0"))  # it has met the pause and waits
        await fr.its.siblings.resume(de.domain, "test")
        await de.its.siblings.resume(fr.domain, "test")
        await published(de, case("two"), fr)
        await until(lambda: fr.count("posts", "question = 'two'"), 20)
        await until(lambda: de.count("deliveries", "state = 'parked' AND reason LIKE '%addressed%'"))
        assert await de.count("deliveries", "state = 'pending'") == 0


async def test_a_body_that_stops_in_the_middle_is_given_up_and_said_so(
        door: tuple[Running, FakeSibling], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox.routes._BODY_SECONDS", 0.2)
    de, fake = door
    body = dumps(fake.activity("Create", fake.note(de)))
    head = "".join(f"{name}: {value}\r\n" for name, value in fake.headers("POST", f"{de.url}/inbox", body).items())
    reader, writer = await asyncio.open_connection("127.0.0.1", int(de.domain.split(":")[1]))
    try:
        writer.write(f"POST /inbox HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body[:100])
        answer = await asyncio.wait_for(reader.read(12), 5)
    finally:
        writer.close()
    assert answer == b"HTTP/1.1 408" and await de.count("posts") == 0
