"""What accepted activities do to the database: typed effects, written one statement per table and batch."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from actors import follows
from actors.follows import Follow
from actors.models import Actor
from actors.store import save
from core.database import Tx
from inbox import ledger
from posts import store
from posts.store import Poll, Post


class StorePost(msgspec.Struct, frozen=True):
    post: Post
    poll: Poll | None


class CountVote(msgspec.Struct, frozen=True):
    post_id: int
    voter_id: int
    slot: int
    position: int


class RevisePost(msgspec.Struct, frozen=True):
    old: Post
    new: Post
    poll: Poll | None


class ErasePost(msgspec.Struct, frozen=True):
    uri: str
    origin: str


class SaveActor(msgspec.Struct, frozen=True):
    actor: Actor


class RequestFollow(msgspec.Struct, frozen=True):
    follow: Follow


class AcceptFollow(msgspec.Struct, frozen=True):
    follow: Follow


class EndFollow(msgspec.Struct, frozen=True):
    """It is declined, over, or withdrawn: be it while it was still held."""

    uri: str


Effect = StorePost | CountVote | RevisePost | ErasePost | SaveActor | RequestFollow | AcceptFollow | EndFollow


def write(tx: Tx, effects: Sequence[Effect], now: int) -> None:
    """Write a batch of effects. Posts and votes go together; the others come alone and in order."""
    new = [effect for effect in effects if isinstance(effect, StorePost)]
    if new:
        store.insert(tx, [effect.post for effect in new])
        polls = [(effect.post.id, effect.poll) for effect in new if effect.poll is not None]
        if polls:
            store.insert_polls(tx, polls)
        ledger.release(tx, [effect.post.uri for effect in new], now)
    votes = [effect for effect in effects if isinstance(effect, CountVote)]
    if votes:
        store.insert_votes(tx, [(vote.post_id, vote.voter_id, vote.slot, vote.position, now) for vote in votes])
        for post_id in {vote.post_id for vote in votes}:
            store.recount(tx, post_id, now)
    for single in effects:
        match single:
            case RevisePost(old, changed, poll):
                store.revise(tx, old, changed)
                if poll is not None:
                    _take_counts(tx, old.id, poll)
            case ErasePost(uri, origin):
                store.erase(tx, uri, origin, now)
                ledger.forget(tx, uri)
                ledger.release(tx, [uri], now)
            case SaveActor(actor):
                save(tx, actor, now)
                ledger.release(tx, [actor.uri], now)
            case RequestFollow(follow):
                follows.request(tx, follow)
            case AcceptFollow(follow):
                follows.accept(tx, follow, now)
            case EndFollow(uri):
                follows.end(tx, uri)
                ledger.withdraw(tx, uri)
            case StorePost() | CountVote():
                pass


def _take_counts(tx: Tx, post_id: int, poll: Poll) -> None:
    """The author's counts of a sibling's poll."""
    for position, (_, votes) in enumerate(poll.options):
        tx.run("UPDATE poll_options SET votes = ? WHERE post_id = ? AND position = ?", (votes, post_id, position))
    tx.run("UPDATE polls SET voters = ?, closed_at = ? WHERE post_id = ?", (poll.voters, poll.closed_at, post_id))
