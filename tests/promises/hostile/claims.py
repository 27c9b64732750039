"""Hostile claims under good signatures: addresses in every place where one can stand, and what is said about others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from federation.identity import members_of
from tests.promises.hostile.place import ELSE, PUBLIC, Make, Place, Row, raw, vectors

# Addresses, in every place where one can stand


def address_rows() -> Iterator[Row]:
    addresses = vectors("addresses")
    hosts = [
        {"url": f"https://{entry['host']}/actor", "why": f"host {entry['why']}", "origin": entry["origin"]}
        for entry in addresses["hosts"]
        if "/" not in entry["host"]
    ]
    for entry in [*addresses["urls"], *hosts]:
        url, usable, why = entry["url"], entry["origin"] is not None, entry["why"]

        def row(where: str, status: int, reason: str, make: Make, why: str = why, url: str = url) -> Row:
            return Row(f"{where}: {why} ({url[:40]!r})", status, reason, make)

        yield row(
            "keyId",
            *((403, "not-admitted") if usable else (401, "signature-malformed")),
            raw(lambda p, body, url=url: p.signed(body) | {"signature": p.signed(body)["signature"].replace(p.fake.key_id, url)}),
        )
        yield row("actor", 403, "foreign-actor", lambda p, url=url: p.create(actor=url))
        yield row("actor embedded", 403, "foreign-actor", lambda p, url=url: p.create(actor={"id": url}))
        yield row("id", 403, "foreign-actor", lambda p, url=url: p.create(id=url))
        yield row("object id", 403, "foreign-object", lambda p, url=url: p.create(p.note(id=url)))
        yield row("deleted", 403, "foreign-object", lambda p, url=url: p.does("Delete", url))
        yield row(
            "undone", 403, "foreign-object", lambda p, url=url: p.does("Undo", {"id": url, "type": "Like", "actor": p.fake.actor})
        )
        yield row("updated", 403, "foreign-object", lambda p, url=url: p.does("Update", p.note(id=url)))
        yield row("attributedTo", 403, "foreign-author", lambda p, url=url: p.create(p.note(attributedTo=url)))
        yield row(
            "inReplyTo", *((202, "") if usable else (400, "bad-address")), lambda p, url=url: p.create(p.note(inReplyTo=url))
        )
        yield row("to", 403, "not-addressed", lambda p, url=url: p.create(p.note(to=[url])))
        yield row("cc", 403, "not-addressed", lambda p, url=url: p.create(p.note(to=None, cc=url)))
        for kind in ("Like", "Announce"):
            yield row(
                f"object of {kind}",
                *((202, "") if usable else (400, "bad-address")),
                lambda p, url=url, kind=kind: p.does(kind, url),
            )
        yield row("followed", 400, "no-such-doctor", lambda p, url=url: p.does("Follow", url))
        yield row("accepted", 400, "no-such-follow", lambda p, url=url: p.does("Accept", url))
        yield row("poll voted in", 400, "no-such-poll", lambda p, url=url: p.vote(url))


# Claims about others


def _by_instance(place: Place, kind: str, made: Any, **more: Any) -> Any:
    """What the sibling itself says, and no doctor of it."""
    return place.does(kind, made, actor=f"{place.fake.origin}/actor", **more)


def claim_rows() -> Iterator[Row]:
    yield Row(
        "another sibling's doctor",
        403,
        "foreign-actor",
        lambda p: p.create(p.note(attributedTo=p.other.actor), actor=p.other.actor),
    )
    yield Row("our own doctor", 403, "foreign-actor", lambda p: p.create(actor=f"{p.de.url}/actors/ada"))
    yield Row("forwarded for another sibling", 403, "foreign-actor", lambda p: p.other.activity("Create", p.other.note(p.de)))
    yield Row(
        "an origin that begins like its own",
        403,
        "foreign-actor",
        lambda p: p.create(actor=f"{p.fake.origin}.elsewhere.example/a"),
    )
    yield Row(
        "an origin that ends like its own",
        403,
        "foreign-actor",
        lambda p: p.create(actor=f"{p.fake.origin.replace('://', '://x@')}/a"),
    )
    yield Row("another sibling's post as one's own", 403, "foreign-object", lambda p: p.create(p.note(id=p.third)))
    yield Row("our post as one's own", 403, "foreign-object", lambda p: p.create(p.note(id=p.shared)))
    yield Row("another author on the same host", 403, "foreign-author", lambda p: p.create(p.note(attributedTo=p.second)))
    yield Row("several authors", 400, "bad-object", lambda p: p.create(p.note(attributedTo=[p.fake.actor, p.second])))
    yield Row("an author embedded", 400, "bad-object", lambda p: p.create(p.note(attributedTo={"id": p.fake.actor})))
    yield Row("no author", 400, "bad-object", lambda p: p.create(p.note(attributedTo=None)))
    yield Row("a note without id", 400, "bad-object", lambda p: p.create(p.note(id=None)))
    yield Row("two objects", 400, "bad-object", lambda p: p.does("Create", [p.note(), p.note()]))
    for name, recipients in {
        "as:Public": {"to": [PUBLIC]},
        "as:Public in short": {"to": "as:Public"},
        "nobody": {"to": None},
        "as:Public and another country": {"to": [PUBLIC, members_of(ELSE)]},
        "its followers": {"to": None, "cc": None},
        "bto": {"to": None, "bto": ["{}"]},
        "bcc": {"to": None, "bcc": ["{}"]},
        "audience": {"to": None, "audience": "{}"},
        "members of a host that ends like ours": {"to": ["{}.elsewhere.example"]},
        "members with a query": {"to": ["{}?"]},
        "members with a fragment": {"to": ["{}#x"]},
    }.items():
        yield Row(
            f"addressed to {name}",
            403,
            "not-addressed",
            lambda p, recipients=recipients: p.create(
                p.note(**{key: _filled(value, members_of(p.de.url)) for key, value in recipients.items()})
            ),
        )
    yield Row(
        "audience widened",
        400,
        "wider-audience",
        lambda p: p.does("Update", p.note(id=p.theirs, to=[members_of(p.de.url), members_of(p.other.origin)], revision=9)),
    )
    yield Row(
        "audience widened in cc",
        400,
        "wider-audience",
        lambda p: p.does("Update", p.note(id=p.theirs, cc=[members_of(ELSE)], revision=9)),
    )
    yield Row("a poll out of a post", 400, "kind-changed", lambda p: p.does("Update", p.question(id=p.theirs, revision=9)))
    yield Row("an older revision", 202, "", lambda p: p.does("Update", p.note(id=p.theirs, content="old", revision=1)))
    yield Row(
        "somebody else's post changed",
        403,
        "foreign-author",
        lambda p: p.does("Update", p.note(id=p.theirs, attributedTo=p.second, revision=9), actor=p.second),
    )
    yield Row("somebody else's post deleted", 403, "foreign-author", lambda p: p.does("Delete", p.theirs, actor=p.second))
    yield Row("our post deleted", 403, "foreign-object", lambda p: p.does("Delete", p.shared))
    yield Row("another sibling's post deleted", 403, "foreign-object", lambda p: p.does("Delete", p.third))
    yield Row("another doctor deleted", 403, "foreign-author", lambda p: p.does("Delete", p.fake.actor, actor=p.second))
    yield Row("a profile that is somebody else's", 403, "foreign-author", lambda p: p.does("Update", p.fake.person(p.second)))
    yield Row("a profile at another origin", 403, "foreign-object", lambda p: p.does("Update", p.fake.person(p.other.actor)))
    yield Row("a profile of ours", 403, "foreign-object", lambda p: p.does("Update", p.fake.person(f"{p.de.url}/actors/ada")))
    yield Row(
        "a doctor of another country",
        400,
        "bad-actor",
        lambda p: p.does("Update", p.fake.person() | {"badge": p.fake.person()["badge"] | {"country": "de"}}),
    )
    yield Row(
        "a doctor of no known role",
        400,
        "bad-actor",
        lambda p: p.does("Update", p.fake.person() | {"badge": p.fake.person()["badge"] | {"role": "operator"}}),
    )
    yield Row(
        "a doctor without a badge",
        400,
        "bad-actor",
        lambda p: p.does("Update", {key: value for key, value in p.fake.person().items() if key != "badge"}),
    )
    yield Row(
        "a handle with markup", 400, "bad-actor", lambda p: p.does("Update", p.fake.person() | {"preferredUsername": "<b>"})
    )
    yield Row(
        "an instance instead of a doctor",
        403,
        "foreign-author",
        lambda p: p.does("Update", p.fake.person() | {"type": "Application"}),
    )
    yield Row(
        "somebody else's like undone",
        403,
        "foreign-author",
        lambda p: p.does("Undo", {"id": p.like, "type": "Like", "actor": p.second, "object": p.shared}),
    )
    yield Row(
        "undone without saying whose it was", 403, "foreign-author", lambda p: p.does("Undo", {"id": p.like, "type": "Like"})
    )
    yield Row("undone by its id alone", 400, "bad-object", lambda p: p.does("Undo", p.like))
    yield Row(
        "a post undone", 400, "bad-object", lambda p: p.does("Undo", {"id": p.theirs, "type": "Create", "actor": p.fake.actor})
    )
    yield Row("a post passed on that is not for its sender", 202, "", lambda p: p.does("Announce", p.third))
    yield Row(
        "a post passed on, embedded, of an unlisted origin",
        202,
        "",
        lambda p: p.does("Announce", p.note(id=f"{ELSE}/posts/1", attributedTo=f"{ELSE}/actors/a")),
    )
    yield Row("a post of ours liked that is not for its sender", 400, "no-such-post", lambda p: p.does("Like", p.home))
    yield Row("a post of ours passed on that is not for its sender", 400, "no-such-post", lambda p: p.does("Announce", p.home))
    yield Row("an answer to what is not for its sender", 400, "no-such-parent", lambda p: p.create(p.note(inReplyTo=p.home)))
    yield Row(
        "an answer wider than what it answers",
        400,
        "wider-than-parent",
        lambda p: p.create(p.note(inReplyTo=p.shared, to=[members_of(p.de.url), members_of(p.other.origin)])),
    )
    yield Row("an answer to a post of a third that is not for its sender", 202, "", lambda p: p.create(p.note(inReplyTo=p.third)))
    yield Row("a follow of nobody", 400, "no-such-doctor", lambda p: p.does("Follow", f"{p.de.url}/actors/0000000000000"))
    yield Row("a report by a doctor", 403, "foreign-author", lambda p: p.does("Flag", p.shared))
    for name, post in (("what is not for its sender", "home"), ("a third country's post", "third"), ("its own post", "theirs")):
        yield Row(f"a report of {name}", 400, "no-such-post", lambda p, post=post: _by_instance(p, "Flag", getattr(p, post)))
    yield Row("a report of a doctor", 400, "no-such-post", lambda p: _by_instance(p, "Flag", f"{p.de.url}/actors/ada"))
    yield Row("a report of many posts", 400, "bad-object", lambda p: _by_instance(p, "Flag", [p.shared, p.home]))
    yield Row("a report without end", 400, "too-long", lambda p: _by_instance(p, "Flag", p.shared, content="x" * 2_001))
    for kind, state in (("Accept", "taken-down"), ("Reject", "kept")):
        yield Row(
            f"a report decided by {kind} that never was",
            400,
            "no-such-report",
            lambda p, kind=kind, state=state: _by_instance(p, kind, f"{p.de.url}/reports/x", state=state, revision=1),
        )
        yield Row(
            f"a report decided by {kind} of a doctor",
            400,
            "no-such-report",
            lambda p, kind=kind, state=state: p.does(kind, f"{p.de.url}/reports/x", state=state, revision=1),
        )
    states: list[tuple[Any, Any, str]] = [
        ("kept", 1, "bad-object"), ("lost", 1, "bad-object"), (["kept"], 1, "bad-object"), ("changed", 0, "bad-revision"),
        ("changed", True, "bad-revision"), ("changed", 1 << 40, "bad-revision"), ("changed", None, "bad-revision")]
    for named, revision, reason in states:
        yield Row(
            f"a report accepted as {named} in round {revision}",
            400,
            reason,
            lambda p, named=named, revision=revision: _by_instance(
                p, "Accept", f"{p.de.url}/reports/x", state=named, revision=revision
            ),
        )
    yield Row(
        "our post taken down",
        403,
        "foreign-object",
        lambda p: _by_instance(p, "Delete", {"id": p.shared, "type": "Tombstone", "takenDown": "other"}),
    )
    yield Row("an answer to a follow that never was", 400, "no-such-follow", lambda p: p.does("Accept", f"{p.de.url}/follows/x"))
    yield Row("vote in a poll that is not there", 400, "no-such-poll", lambda p: p.vote(f"{p.de.url}/posts/0000000000000"))
    yield Row("vote in what is no poll", 400, "no-such-poll", lambda p: p.vote(p.shared))
    yield Row("vote in somebody else's poll", 400, "no-such-poll", lambda p: p.vote(p.third))
    yield Row("vote for another sibling's doctor", 403, "foreign-author", lambda p: p.vote(p.poll, attributedTo=p.other.actor))
    yield Row("vote for our doctor", 403, "foreign-author", lambda p: p.vote(p.poll, attributedTo=f"{p.de.url}/actors/ada"))
    yield Row("vote for another doctor on the same host", 403, "foreign-author", lambda p: p.vote(p.poll, attributedTo=p.second))
    yield Row("vote for no option", 400, "no-such-option", lambda p: p.vote(p.poll, "nothing"))
    yield Row("vote for an option that looks the same", 400, "no-such-option", lambda p: p.vote(p.poll, "\u0430"))
    yield Row("vote for an option and a space", 400, "no-such-option", lambda p: p.vote(p.poll, "a "))
    yield Row("vote for a long nothing", 400, "too-long", lambda p: p.vote(p.poll, "a" * 100_000))
    yield Row("vote for a list", 400, "bad-object", lambda p: p.vote(p.poll, ["a", "b"]))
    yield Row("two votes in one", 400, "bad-object", lambda p: p.does("Create", [p.note(), p.note()]))
    yield Row(
        "second vote of the same doctor",
        409,
        "voted",
        lambda p: p.create(
            {
                "id": f"{p.fake.origin}/votes/again",
                "type": "Note",
                "attributedTo": p.second,
                "name": "b",
                "inReplyTo": p.poll,
                "to": [p.poll],
            },
            actor=p.second,
        ),
    )


def _filled(value: Any, members: str) -> Any:
    if isinstance(value, list):
        return [_filled(one, members) for one in value]
    return value.replace("{}", members) if isinstance(value, str) else value
