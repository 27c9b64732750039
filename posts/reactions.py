"""Liking, passing on, keeping: what doctors do with a post without a word.

A like and a boost go to everybody who can read the post, so that every instance counts the same. They are by reference:
what is sent names the post and holds nothing of it. A bookmark goes nowhere and is nobody else's to know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import msgspec

from actors import aliases
from actors.models import Actor, Author, VerifiedDoctor
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Tx
from core.errors import InvalidInput, Refused
from core.ids import Ids, number, public, uri_key
from federation.identity import Identity
from federation.store import enqueue
from posts import concerns, outgoing
from posts.models import PostView, Reach
from posts.network import network
from posts.reading import readable
from posts.store import Post
from posts.telling import Told
from posts.views import views

Table = Literal["likes", "boosts"]
"""Where they stand, which is also the name of their count in `posts`."""

TABLES: tuple[Table, ...] = ("likes", "boosts")
PEOPLE = 50
_TYPES: dict[Table, str] = {"likes": "Like", "boosts": "Announce"}
_TOLD: dict[Table, Told] = {"likes": Told.LIKE, "boosts": Told.BOOST}
_LETTERS = len(public(0))


class Reaction(msgspec.Struct, frozen=True):
    """One doctor's like or boost of one post: `id` grows with time, `uri` is the id of its activity."""

    id: int
    post_id: int
    actor_id: int
    uri: str


class People(NamedTuple):
    """Who has liked or passed on a post and when (ms), last first, and the cursor (`?before=`) of the next page or None."""

    post: PostView
    people: tuple[tuple[Actor, int], ...]
    before: str | None


class Reactions:
    """What doctors of this instance do with the posts they can read. Doing it twice does it once and sends nothing."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids) -> None:
        self._database, self._identity, self._clock, self._ids = database, identity, clock, ids

    async def like(self, doctor: VerifiedDoctor, post_id: str) -> None:
        """Like somebody else's post. Whoever is verified may, students too: it says less than the answer they may write,
        and shows nobody anything. In a conversation that she has signed by role only, she likes under the same alias."""
        def check(post: Post, speaker: Actor) -> None:
            if post.author_id == speaker.id:
                raise InvalidInput("Nobody likes their own post.", reason="own-post")

        await self._database.write(lambda tx: self._add(tx, "likes", doctor.actor, post_id, check))

    async def unlike(self, doctor: Actor, post_id: str) -> None:
        """Take a like back. That needs no verification in force, like every taking back."""
        await self._database.write(lambda tx: self._take_back(tx, "likes", doctor, post_id))

    async def boost(self, author: Author, post_id: str) -> str:
        """Pass a post on, one's own too, to those who follow one and can read it already; returns what that is called.

        It takes an `Author` who may `post`: like a new post it is put before others, so who may not ask here may not
        bring the questions of others up again either. `Refused` for a consult, which is for those it names, and for a
        conversation that she has signed by role only, where it would show her name.
        """
        def check(post: Post, speaker: Actor) -> None:
            if post.audience.reach == Reach.NAMED:
                raise Refused("A consult is for those it names; it is not passed on.", reason="named")
            if speaker.alias:
                raise Refused("You have signed this conversation by role only. Passing it on would show your name.",
                              reason="by-role")

        def write(tx: Tx) -> str:
            self._add(tx, "boosts", author.actor, post_id, check)
            row = tx.row("SELECT id FROM boosts WHERE post_id = ? AND actor_id = ?", (number(post_id), author.actor.id))
            assert row is not None
            return public(row["id"])

        return await self._database.write(write)

    async def unboost(self, doctor: Actor, post_id: str) -> None:
        """Pass it on no longer; no verification needed."""
        await self._database.write(lambda tx: self._take_back(tx, "boosts", doctor, post_id))

    async def bookmark(self, reader: Actor, post_id: str) -> None:
        """Keep a post to find it again. It is reading, not speaking: whoever can read a post can keep it."""
        def write(tx: Tx) -> None:
            post = readable(tx, post_id, reader)
            tx.run("INSERT INTO bookmarks (id, actor_id, post_id) VALUES (?, ?, ?) ON CONFLICT (actor_id, post_id) DO NOTHING",
                   (self._ids.new(), reader.id, post.id))

        await self._database.write(write)

    async def unbookmark(self, reader: Actor, post_id: str) -> None:
        """Keep it no longer."""
        def write(tx: Tx) -> None:
            post = readable(tx, post_id, reader)
            tx.run("DELETE FROM bookmarks WHERE actor_id = ? AND post_id = ?", (reader.id, post.id))

        await self._database.write(write)

    async def boost_of(self, reader: Actor, boost_id: str) -> PostView:
        """A passing-on by its own id: the post, with who did it; `NotFound` where there is none, or she may not read that."""
        def look(tx: Tx) -> PostView:
            row = tx.row("SELECT post_id, actor_id FROM boosts WHERE id = ?", (number(boost_id) or 0,))
            post = readable(tx, public(row["post_id"]) if row is not None else "", reader)
            [view] = views(tx, [post], reader, network(tx, self._identity), self._clock.ms())
            assert row is not None
            return msgspec.structs.replace(view, boosted_by=by_ids(tx, [row["actor_id"]])[row["actor_id"]], boost_id=boost_id)

        return await self._database.read(look)

    async def people(self, reader: Actor, table: Table, post_id: str, before: str | None) -> People:
        """Who has liked (`likes`) or passed on (`boosts`) a post."""
        def look(tx: Tx) -> People:
            post = readable(tx, post_id, reader)
            rows = tx.rows(f"SELECT actor_id, at FROM {table} WHERE post_id = ? AND (at, actor_id) < (?, ?)"
                           " ORDER BY at DESC, actor_id DESC LIMIT ?", (post.id, *_cursor(before), PEOPLE + 1))
            shown = rows[:PEOPLE]
            actors = by_ids(tx, [row["actor_id"] for row in shown])
            [view] = views(tx, [post], reader, network(tx, self._identity), self._clock.ms())
            return People(view, tuple((actors[row["actor_id"]], row["at"]) for row in shown),
                          public(shown[-1]["at"]) + public(shown[-1]["actor_id"]) if len(rows) > PEOPLE else None)

        return await self._database.read(look)

    def _add(self, tx: Tx, table: Table, doctor: Actor, post_id: str, check: Callable[[Post, Actor], None]) -> None:
        post = readable(tx, post_id, doctor)
        actor = aliases.speaking(tx, doctor, post.root_id)
        check(post, actor)
        made, now = self._ids.new(), self._clock.ms()
        uri = f"{self._identity.origin}/{table}/{public(made)}"
        if add(tx, self._ids, table, [Reaction(made, post.id, actor.id, uri)], now):
            return
        activity = outgoing.reaction(_TYPES[table], uri, actor.uri, post, self._order(table, actor, post))
        enqueue(tx, made, activity, network(tx, self._identity).recipients(post.audience.origins), now)

    def _take_back(self, tx: Tx, table: Table, doctor: Actor, post_id: str) -> None:
        post = readable(tx, post_id, doctor)
        actor = aliases.speaking(tx, doctor, post.root_id)
        row = tx.row(f"SELECT uri FROM {table} WHERE post_id = ? AND actor_id = ?", (post.id, actor.id))
        if row is None:
            return
        take_back(tx, table, row["uri"], actor.id)
        activity = outgoing.undo(_TYPES[table], row["uri"], actor.uri, post, self._order(table, actor, post))
        enqueue(tx, self._ids.new(), activity, network(tx, self._identity).recipients(post.audience.origins), self._clock.ms())

    def _order(self, table: Table, actor: Actor, post: Post) -> str:
        """What one doctor does with one post again and again arrives in the order in which she did it."""
        return f"{self._identity.origin}/{table}/{public(post.id)}-{public(actor.id)}"


def add(tx: Tx, ids: Ids, table: Table, reactions: Sequence[Reaction], now: int) -> list[Reaction]:
    """Count likes or boosts, and return those of doctors who had been counted at that post already: they change nothing.

    Every one, of this instance's doctors and of its siblings', is counted here once and nowhere else, and here its author is
    told, if she is one of ours.
    """
    newest = {(reaction.post_id, reaction.actor_id): reaction for reaction in reactions}
    there = {(row["post_id"], row["actor_id"]) for row in tx.rows(
        f"WITH asked (post_id, actor_id) AS (VALUES {','.join(['(?, ?)'] * len(newest))}) SELECT t.post_id, t.actor_id"
        f" FROM asked a JOIN {table} t ON t.post_id = a.post_id AND t.actor_id = a.actor_id",
        [value for pair in newest for value in pair])}
    new = [reaction for pair, reaction in newest.items() if pair not in there]
    if table == "likes":
        tx.insert("likes (post_id, actor_id, uri, uri_key, at)", 5, [
            (each.post_id, each.actor_id, each.uri, uri_key(each.uri), now) for each in new])
    else:
        tx.insert("boosts (id, post_id, actor_id, uri, uri_key, at)", 6, [
            (each.id, each.post_id, each.actor_id, each.uri, uri_key(each.uri), now) for each in new])
    counted = Counter(each.post_id for each in new)
    if counted:
        tx.run(f"WITH more (id, n) AS (VALUES {','.join(['(?, ?)'] * len(counted))})"
               f" UPDATE posts SET {table} = {table} + more.n FROM more WHERE posts.id = more.id",
               [value for pair in counted.items() for value in pair])
        concerns.touched(tx, ids, _TOLD[table], [(each.post_id, each.actor_id) for each in new], now)
    return [reaction for pair, reaction in newest.items() if pair in there]


def rename(tx: Tx, table: Table, reaction: Reaction) -> None:
    """A sibling's doctor says under another id what is counted already: this is the id that will be undone."""
    tx.run(f"UPDATE {table} SET uri = ?, uri_key = ? WHERE post_id = ? AND actor_id = ?",
           (reaction.uri, uri_key(reaction.uri), reaction.post_id, reaction.actor_id))


def take_back(tx: Tx, table: Table, uri: str, actor_id: int) -> bool:
    """Count the like or boost of this id no longer, if it is this doctor's; whether there was one."""
    row = tx.row(f"SELECT post_id FROM {table} WHERE uri_key = ? AND actor_id = ?", (uri_key(uri), actor_id))
    if row is None:
        return False
    tx.run(f"DELETE FROM {table} WHERE post_id = ? AND actor_id = ?", (row["post_id"], actor_id))
    tx.run(f"UPDATE posts SET {table} = {table} - 1 WHERE id = ?", (row["post_id"],))
    concerns.untouched(tx, _TOLD[table], row["post_id"], actor_id)
    return True


def _cursor(before: str | None) -> tuple[int, int]:
    """The moment and the actor a page comes after; the end of time for what nobody here has written."""
    at, actor_id = number((before or "")[:_LETTERS]), number((before or "")[_LETTERS:])
    return (at, actor_id) if at is not None and actor_id is not None else ((1 << 63) - 1, 0)
