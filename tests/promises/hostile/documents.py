"""Hostile documents under good signatures: JSON, envelopes, sizes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from federation.documents import dumps
from federation.identity import CONTEXT, members_of
from tests.promises.hostile.place import ELSE, Place, Raw, Row, vectors
from tests.test_attachments import picture

# JSON


def json_rows() -> Iterator[Row]:
    for entry in vectors("documents")["refused"]:
        yield Row(
            f"json: {entry['why']}", 400, entry["reason"], lambda p, body=entry["body"]: body.encode("utf-8", "surrogatepass")
        )
    yield Row("json: depth", 400, "too-deep", lambda p: b"[" * 100_000)
    yield Row(
        "json: depth in a good activity",
        400,
        "too-deep",
        lambda p: dumps(p.create())[:-1] + b',"x":' + b"[" * 40 + b"]" * 40 + b"}",
    )
    yield Row("json: depth of objects", 400, "too-deep", lambda p: b'{"a":' * 30_000)
    yield Row("json: long int", 400, "bad-json", lambda p: b'{"a":' + b"1" * 5000 + b"}")
    yield Row("json: long float", 400, "bad-json", lambda p: b'{"a":0.' + b"1" * 100_000 + b"}")
    yield Row("json: a string of backslashes", 400, "envelope", lambda p: b'{"a":"' + b"\\\\" * 100_000 + b'"}')
    yield Row("json: very many keys", 400, "envelope", lambda p: dumps({str(number): 0 for number in range(20_000)}))
    yield Row("json: not UTF-8", 400, "bad-json", lambda p: b'{"a":"\xff"}')
    yield Row("json: UTF-16", 400, "bad-json", lambda p: dumps(p.create()).decode().encode("utf-16"))
    yield Row(
        "json: duplicate actor",
        400,
        "duplicate-key",
        lambda p: dumps(p.create())[:-1] + b',"actor":"' + p.other.actor.encode() + b'"}',
    )


# The envelope


def envelope_rows() -> Iterator[Row]:
    for kind in (
        ["Create", "Delete"],
        ["Create"],
        {"a": "Create"},
        7,
        "",
        "x" * 65,
        "as:Create",
        "Create ",
        "Cr\u0435ate",
        "https://www.w3.org/ns/activitystreams#Create",
    ):
        yield Row(f"type: {json.dumps(kind)[:60]}", 400, "envelope", lambda p, kind=kind: p.create(type=kind))
    yield Row("@type", 400, "envelope", lambda p: p.create(type=None) | {"@type": "Create"})
    for word in ("@type", "@id", "@graph", "@included", "@reverse", "@value", "@list"):
        yield Row(f"{word} beside", 400, "envelope", lambda p, word=word: p.create() | {word: []})
        yield Row(f"{word} in the object", 400, "envelope", lambda p, word=word: p.create(p.note(**{word: "x"})))
    for name, context in {
        "remote": f"{ELSE}/ctx",
        "remote in a list": [*CONTEXT, f"{ELSE}/ctx"],
        "loopback": "http://127.0.0.1:1/ctx",
        "file": "file:///etc/passwd",
        "a number": 7,
        "a list in a list": [[CONTEXT[0]]],
        "nearly ours": "https://www.w3.org/ns/activitystreams/",
        "import": [CONTEXT[0], {"@import": f"{ELSE}/ctx"}],
        "very many": [CONTEXT[0]] * 1000,
    }.items():
        yield Row(f"@context {name}", 400, "context", lambda p, context=context: p.create() | {"@context": context})
    for kind in ("Create", "Update", "Delete", "Undo", "Like", "Announce", "Follow", "Accept", "Arrive"):
        yield Row(f"{kind} without id", 400, "envelope", lambda p, kind=kind: p.create(type=kind, id=None))
    for what, wrong in {"id": ["a"], "actor": ["a", "b"]}.items():
        yield Row(f"{what} as a list", 400, "envelope", lambda p, what=what, wrong=wrong: p.create(**{what: wrong}))
    yield Row("id endless", 400, "envelope", lambda p: p.create(id=f"{p.fake.origin}/" + "x" * 2000))
    yield Row("id with a line break", 400, "bad-address", lambda p: p.create(id=f"{p.fake.origin}/posts/x\r\nX-Injected: 1"))
    yield Row("id with a space", 400, "bad-address", lambda p: p.create(id=f"{p.fake.origin}/posts/x y"))
    yield Row("id with an invisible direction", 400, "bad-address", lambda p: p.create(id=f"{p.fake.origin}/posts/\u202ex"))
    yield Row("id with a backslash", 400, "bad-address", lambda p: p.create(id=f"{p.fake.origin}/\\{ELSE[8:]}/x"))
    yield Row("no actor", 400, "envelope", lambda p: p.create(actor=None))
    yield Row(
        "actor embedded, with a key of its own",
        202,
        "",
        lambda p: p.create(
            type="Arrive",
            actor={
                "id": p.fake.actor,
                "type": "Person",
                "publicKey": {"id": f"{p.fake.actor}#k", "publicKeyPem": "x"},
                "inbox": f"{ELSE}/inbox",
            },
        ),
    )
    yield Row("20 activities in each other", 400, "too-deep", lambda p: _nested(p, 20))
    yield Row("3 activities in each other", 400, "too-deep", lambda p: _nested(p, 3))
    yield Row("a Create in a Create", 202, "", lambda p: p.does("Create", p.create()))
    yield Row("a Move", 400, "move", lambda p: p.does("Move", p.fake.actor, target=f"{ELSE}/actors/a"))
    for kind in ("Block", "Add", "Remove", "Invite", "Arrive", "EmojiReact"):
        yield Row(
            f"type {kind}, which is not known", 202, "", lambda p, kind=kind: p.does(kind, f"{ELSE}/things/1", target=f"{ELSE}/x")
        )
    yield Row(
        "followers to be synchronised",
        202,
        "",
        lambda p: _with(
            p,
            p.does("Arrive", f"{ELSE}/x"),
            {"collection-synchronization": f'collectionId="{ELSE}/f", url="{ELSE}/sync", digest="00"'},
        ),
    )
    yield Row("the same id for something else", 409, "id-reused", lambda p: p.create(id=p.used))


def _nested(place: Place, depth: int) -> dict[str, Any]:
    made: Any = place.note()
    for _ in range(depth):
        made = place.does("Create", made)
    return made  # type: ignore[no-any-return]


def _with(place: Place, document: Any, more: dict[str, str]) -> Raw:
    body = dumps(document)
    return Raw([*place.signed(body).items(), *more.items()], body)


# Size


def size_rows() -> Iterator[Row]:
    yield Row("content of 10 MB", 413, "too-large", lambda p: p.create(p.note(content="x" * 10_000_000)))
    yield Row(
        "10 MB in pieces, without a length",
        413,
        "too-large",
        lambda p: Raw([(k, v) for k, v in p.signed(b"").items()], b"", (b"x" * 100_000,) * 100),
    )
    yield Row("content over what is taken", 400, "too-long", lambda p: p.create(p.note(content="x" * 130_000)))
    yield Row(
        "content over 64 KiB after cleaning", 400, "too-long", lambda p: p.create(p.note(content="<p>" + "x" * 66_000 + "</p>"))
    )
    yield Row("content that grows in cleaning", 400, "too-long", lambda p: p.create(p.note(content="&" * 20_000)))
    yield Row("markup nested 50 000 deep", 400, "*", lambda p: p.create(p.note(content="<b>" * 40_000)))
    yield Row("a question of 100 kB", 400, "too-long", lambda p: p.create(p.note(name="x" * 100_000)))
    yield Row(
        "to with 100 000 recipients", 413, "too-large", lambda p: p.create(p.note(to=[f"{ELSE}/{n}" for n in range(100_000)]))
    )
    yield Row("to with 101 recipients", 400, "too-many", lambda p: p.create(p.note(to=[members_of(p.de.url)] * 101)))
    yield Row("cc with 101 recipients", 400, "too-many", lambda p: p.create(p.note(cc=[f"{ELSE}/{n}" for n in range(101)])))
    yield Row(
        "10 000 mentions",
        413,
        "too-large",
        lambda p: p.create(
            p.note(tag=[{"type": "Mention", "href": f"{p.de.url}/actors/{n}", "name": f"@a{n}"} for n in range(10_000)])
        ),
    )
    for name, changes in {
        "5000 options": {"oneOf": [{"name": str(number)} for number in range(5000)]},
        "21 options": {"oneOf": [{"name": str(number)} for number in range(21)]},
        "one option": {"oneOf": [{"name": "a"}]},
        "no option": {"oneOf": []},
        "an option of 100 kB": {"oneOf": [{"name": "a"}, {"name": "x" * 100_000}]},
        "an option of 301 characters": {"oneOf": [{"name": "a"}, {"name": "x" * 301}]},
        "an empty option": {"oneOf": [{"name": "a"}, {"name": ""}]},
        "the same option in two forms": {"oneOf": [{"name": "\u00e9"}, {"name": "e\u0301"}]},
        "a negative count": {"oneOf": [{"name": "a", "replies": {"totalItems": -1}}, {"name": "b"}]},
        "negative voters": {"votersCount": -5},
        "both kinds": {"anyOf": [{"name": "a"}, {"name": "b"}]},
        "no end": {"endTime": None},
    }.items():
        yield Row(f"poll with {name}", 400, "bad-poll", lambda p, changes=changes: p.create(p.question(**changes)))
    for name, attachment in {
        "a picture that lies elsewhere": {"url": "https://elsewhere.example/media/aaaaaaaaaaaaaaaaaaaaaaaa"},
        "a picture at an address of this machine": {"url": "http://127.0.0.1:22/media/aaaaaaaaaaaaaaaaaaaaaaaa"},
        "a picture that is a script": {"url": "javascript:alert(1)//media/aaaaaaaaaaaaaaaaaaaaaaaa"},
        "a picture in no words": {"name": " "}, "a picture in too many words": {"name": "x" * 1501},
        "a picture without a digest": {"digestMultibase": "z"}, "a picture with another digest": {"digestMultibase": "z6MkhaX"},
        "an SVG": {"mediaType": "image/svg+xml"}, "a film": {"type": "Video"}, "a picture of no size": {"width": 0},
        "a picture larger than any": {"height": 1 << 40}, "a picture of no kind": {"imageClass": "cat"},
        "a picture with another warning": {"contentWarning": "<b>"}, "a picture with a number for words": {"name": 7},
    }.items():
        yield Row(f"a note with {name}", 400, "bad-attachment", lambda p, attachment=attachment: p.create(
            p.note(attachment=[picture(p.fake.origin) | attachment])))
    yield Row("a note with nine pictures", 400, "bad-attachment", lambda p: p.create(
        p.note(attachment=[picture(p.fake.origin)] * 9)))
    yield Row("a note with a word for a picture", 400, "bad-attachment", lambda p: p.create(p.note(attachment="picture")))
    yield Row("poll with a count past all numbers", 400, "bad-poll", lambda p: p.create(p.question(votersCount=10**16)))
    yield Row("poll with a count that is text", 400, "bad-object", lambda p: p.create(p.question(votersCount="many")))
    for moment in (
        "yesterday",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-02-30T00:00:00Z",
        "2026-01-01T00:00:00",
        "1" * 5000,
    ):
        yield Row(f"published {moment[:30]}", 400, "bad-time", lambda p, moment=moment: p.create(p.note(published=moment)))
    for revision in (0, -1, 1 << 53):
        yield Row(f"revision {revision}", 400, "bad-revision", lambda p, revision=revision: p.create(p.note(revision=revision)))
