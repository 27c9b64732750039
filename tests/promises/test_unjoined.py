"""From all that a sibling has, a thread signed by role only cannot be joined to the doctor who wrote it.

The sibling plays the curious one: it lays every row of its database side by side, reads every body that it was ever sent, asks
for everything it may ask for, and reads its logs. What it finds about the alias and about its bearer must have nothing in
common that the alias and any other doctor have not in common as well.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from actors.profiles import Said
from core.database import Tx
from core.ids import public, uri_key
from federation.allowlist import Direction, Purpose
from federation.client import Client
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.conversations.test_role_posts import arrived, asked
from tests.servers import PASSWORD, Running, countries, until
from tests.test_pages import Browser
from tests.test_portraits import picture
from tests.test_reconciler import change

TOLD = Draft(Kind.CASE, "Which of the two?", "Told by role.", "de", CaseFacts(("cardiology",), "40-49", "f", "therapeutic"))
ABOUT = "Heart and vessels, Tuesdays in the rowing club."
_SHORT = 1_000_000
_PARTS = re.compile(r"[^\s\"'<>,:/#@=&?\[\]{}()]{6,}")


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


def dump(tx: Tx) -> dict[str, list[dict[str, Any]]]:
    """The whole database."""
    tables = [row["name"] for row in tx.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
    return {table: [dict(row) for row in tx.rows(f"SELECT * FROM {table}")] for table in tables}


def about(tables: dict[str, list[dict[str, Any]]], uri: str) -> list[tuple[str, dict[str, Any]]]:
    """Every row that has to do with an actor: hers, those of what she has written, and all that point to these."""
    [actor] = [row for row in tables["actors"] if row["uri"] == uri]
    posts = [row for row in tables["posts"] if row["author_id"] == actor["id"]]
    ids, uris = {actor["id"], *(row["id"] for row in posts)}, {uri, *(row["uri"] for row in posts)}
    keys = {uri_key(one) for one in uris}

    def touches(value: Any) -> bool:
        if isinstance(value, bytes):
            return value in keys or any(one.encode() in value for one in uris)
        return value in ids if isinstance(value, int) else isinstance(value, str) and any(one in value for one in uris)

    return [(table, row) for table, rows in tables.items() for row in rows if any(map(touches, row.values()))]


def values(found: Iterable[tuple[str, dict[str, Any]]]) -> set[Any]:
    """Whatever could single somebody out: large numbers, bytes, and the parts of words, addresses and documents."""
    made: set[Any] = set()
    for _, row in found:
        for value in row.values():
            if isinstance(value, int) and value > _SHORT:
                made.add(value)
            elif isinstance(value, bytes):
                made.add(value)
                made |= set(_PARTS.findall(value.decode(errors="replace")))
            elif isinstance(value, str):
                made |= set(_PARTS.findall(value))
    return made


async def lively(at: Running, handle: str, about_her: str) -> None:
    """A doctor with a life of her own: a profile, questions, an answer, likes, a boost, a vote, a follow, a deletion."""
    its, author = at.its, await at.author(handle)
    doctor = await its.credentials.require_verified(at.doctors[handle])
    await its.profiles.change(doctor, Said(about_her, "Klinikum am Turmweg", ("de", "tr"), True))
    await its.portraits.change(doctor, picture())
    seen = its.compose.network_digest(await its.compose.destinations())
    origins = tuple(place.origin for place in await its.compose.destinations())
    poll = Draft(Kind.POLL, f"Poll of {handle}?", "", "de", CaseFacts(), PollDraft(("A", "B"), False, its.clock.ms() + 3_600_000))
    made = [await its.compose.publish(author, draft, origins, Reach.NETWORK, seen) for draft in (
        Draft(Kind.CASE, f"Case of {handle}?", f"Told by {handle}.", "de", CaseFacts(("cardiology",), "40-49", "f")), poll,
        Draft(Kind.NOTE, f"Note of {handle}", "To be deleted.", "de"))]
    await its.compose.reply(author, made[0], f"{handle} again.", "de")
    await its.editing.edit(author, made[0], f"Case of {handle}, edited?", f"Told by {handle}, edited.", 1)
    await its.editing.delete(author.actor, made[2])


async def quiet(de: Running, fr: Running) -> None:
    """All has arrived and has had its effect. Then the next second, since times on the wire are whole ones: what was done in the
    same one would have that in common."""
    await until(lambda: de.its.database.read(lambda tx: tx.row("SELECT 1 FROM deliveries WHERE state = 'pending'") is None), 30)
    await until(lambda: fr.its.database.read(lambda tx: tx.row("SELECT 1 FROM held") is None), 30)
    await asyncio.sleep(1.1)


async def test_what_a_sibling_has_does_not_join_an_alias_to_its_bearer(
        pair: tuple[Running, Running], capsys: pytest.CaptureFixture[str]) -> None:
    de, fr = pair
    for handle in ("eva", "ida"):
        await de.add_doctor(handle)
    now = de.its.clock.ms()
    await change(de, lambda tx: tx.run(  # what only she has: two specialties, and days of her own
        "UPDATE actors SET specialties = ?, verified_on = ?, verified_until = ? WHERE handle = 'ada'",
        ('["cardiology", "nuclear-medicine"]', now - 123_456_789_000, now + 98_765_432_000)))
    for handle in ("ada", "ben", "eva", "ida"):
        await lively(de, handle, ABOUT if handle == "ada" else f"I am {handle}.")
    await quiet(de, fr)
    before = await de.count("outbox")
    thread = await asked(de, fr, draft=TOLD)
    assert await de.count("outbox") == before + 1  # nothing in her name goes out with it
    await until(lambda: fr.count("posts", f"question = '{TOLD.question}'"))
    there, ada = await arrived(fr), await de.author("ada", "reply")
    claire = await fr.author("ben", "reply")
    await fr.its.compose.reply(claire, there.id, "Une réponse.", "fr")
    await until(lambda: de.count("posts", "language = 'fr'"))
    [theirs] = await de.its.database.read(lambda tx: tx.rows("SELECT id FROM posts WHERE language = 'fr'"))
    doctor = await de.its.credentials.require_verified(de.doctors["ada"])
    await de.its.reactions.like(doctor, public(theirs["id"]))
    hers = await de.its.compose.reply(ada, public(theirs["id"]), "Thank you, and more.", "de")
    gone = await de.its.compose.reply(ada, public(theirs["id"]), "A slip.", "de")
    await de.its.editing.edit(ada, hers, "", "Thank you, and less.", 1)
    await de.its.editing.edit(ada, thread, f"{TOLD.question} Edited.", TOLD.text, 1)
    await de.its.editing.delete(ada.actor, gone)
    await fr.its.reactions.like(await fr.its.credentials.require_verified(fr.doctors["ben"]), there.id)
    for other, question in (("ben", "Another one?"), ("ada", "A second one?")):
        await quiet(de, fr)
        await asked(de, fr, handle=other, draft=Draft(Kind.NOTE, question, "Told.", "de"))
    await quiet(de, fr)
    for handle in ("ada", "ben", "eva", "ida"):
        await lively(de, handle, ABOUT if handle == "ada" else f"I am {handle}.")
    await quiet(de, fr)
    await until(lambda: fr.count("posts", "html LIKE '%less.%'"))

    tables = await fr.its.database.read(dump)
    aliases = [row["uri"] for row in tables["actors"] if row["alias"] == 1]
    named = {row["handle"]: row["uri"] for row in tables["actors"] if row["domain"] == de.domain and row["alias"] == 0}
    assert len(aliases) == 3 and there.author.uri in aliases and set(named) == {"ada", "ben", "eva", "ida"}
    asked_for = await everything(de, fr, [*aliases, *named.values()])
    wire = [{"body": body, "about": body.decode()} for body in await crossed(de)]
    tables |= {"wire": wire, "asked": [{"about": text} for text in asked_for]}

    found = {uri: values(about(tables, uri)) for uri in (*aliases, *named.values())}
    assert all(len(one) > 10 for one in found.values())
    others = set().union(*(found[named[handle]] for handle in ("ben", "eva", "ida")))
    alias, ada_uri = there.author.uri, named["ada"]
    assert found[alias] & found[ada_uri] - others == set()
    second = next(uri for uri in aliases if uri != alias and "A second one" in str(about(tables, uri)))
    between = next(uri for uri in aliases if uri not in (alias, second))
    assert (found[alias] & found[second]) - found[between] - others == set()  # nor are two threads of hers joined

    # a row that has to do with both is one about the conversation, never about who wrote it
    [row] = [row for row in tables["actors"] if row["uri"] == alias]
    for word in (ada_uri, public(de.doctors["ada"].actor_id or 0), "Ada", "@ada", ABOUT):
        assert word not in str(about(tables, alias)), word
    assert (row["about"], row["discoverable"], row["verified_until"], row["verified_how"]) == ("", 0, None, "")
    assert not [one for one in tables["actor_specialties"] if one["actor_id"] == row["id"]]
    begins = {uri.rpartition("/")[2][:4] for uri in named.values()}
    assert len(begins | {uri.rpartition("/")[2][:4] for uri in aliases}) == len(begins) + 3

    logs = capsys.readouterr().out
    assert all("ada" not in line.lower() for line in logs.splitlines() if public(row["id"]) in line or alias in line)


async def crossed(de: Running) -> list[bytes]:
    """Every body that went out."""
    rows = await de.its.database.read(lambda tx: tx.rows("SELECT body FROM outbox WHERE body <> x''"))
    return [row["body"] for row in rows]


async def everything(de: Running, fr: Running, actors: list[str]) -> list[str]:
    """What a sibling is answered that asks for everything: people, their lists, posts and their answers, and comparisons."""
    posts = await fr.its.database.read(lambda tx: [row["uri"] for row in tx.rows(
        "SELECT uri FROM posts WHERE sibling_id IS NOT NULL AND erased_at IS NULL")])
    kinds = [f"{de.url}/reconciliation/{kind}" for kind in ("held", "offered", "erased", "erased-yours")]
    wanted = [*actors, *(f"{uri}/outbox" for uri in actors), *posts, *(f"{uri}/replies" for uri in posts), *kinds]
    client: Client = fr.its.client
    made = []
    for uri in wanted:
        sibling = fr.its.allowlist.admit(de.url, Direction.OUT, Purpose.FETCH, path=uri)
        made.append(json.dumps(await client.get(sibling, uri)))
    return made


async def test_no_colleague_at_home_and_no_operator_sees_it_either(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    await de.its.accounts.add_operator("olga", "Olga", PASSWORD)
    post_id = await asked(de, draft=TOLD)
    ada = await de.author("ada", "reply")
    mine = await de.its.compose.reply(ada, post_id, "More.", "de")
    await de.its.editing.delete(ada.actor, mine)
    await de.its.compose.reply(await de.author("ben", "reply"), post_id, "An answer.", "de")
    async with Browser(de) as ben, Browser(de) as olga:
        await ben.login("ben")
        await olga.login("olga")
        for path in ("/", "/?tab=all", f"/p/{post_id}", f"/p/{post_id}/history", "/notifications", "/directory"):
            page = (await ben.get(path))[1]
            page = re.sub(r'<article class="person">.*?</article>', "", page, flags=re.DOTALL)  # she is a colleague all the same
            assert "Dr Ada" not in page and "@ada" not in page, path
        for path in ("/admin/audit", "/admin/unmask", "/admin/disclosures", f"/admin/audience?post={post_id}"):
            page = (await olga.get(path))[1]
            row = re.search(rf"<tr[^>]*>(?:(?!</tr>).)*{post_id}(?:(?!</tr>).)*</tr>", page, re.DOTALL)
            assert row is None or "ada" not in row[0].lower(), path
