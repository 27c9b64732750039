"""What accepted activities do to the database: typed effects, written one statement per table and batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from actors import follows
from actors.follows import Follow
from actors.models import Actor
from actors.store import by_ids, save
from core.database import Tx
from core.ids import Ids
from federation import due
from federation.announcements import Announcement
from federation.keyring import KeyAnswer, Keyring
from federation.siblingkeys import SiblingKeys
from inbox import ledger, ordered
from posts import ballots, concerns, departing, matters, pollstore, reactions, store, translated
from posts.counts import Result, Tally
from posts.matters import Said, Verdict
from posts.reactions import Reaction, Table
from posts.store import Poll, Post
from posts.translated import Translation


class StorePost(msgspec.Struct, frozen=True):
    """`keeps`: votes in this poll stay here."""

    post: Post
    poll: Poll | None
    keeps: bool = False
    result: Result | None = None


class CountVote(msgspec.Struct, frozen=True):
    post_id: int
    voter_id: int
    slot: int
    position: int


class RevisePost(msgspec.Struct, frozen=True):
    old: Post
    new: Post
    poll: Poll | None
    closes: bool = False  # the poll was open until now
    result: Result | None = None
    forgets: bool = False  # of what stood there before, nothing is kept


class TakeTally(msgspec.Struct, frozen=True):
    post_id: int
    sibling_id: int
    tally: Tally


class TakeLapse(msgspec.Struct, frozen=True):
    """A sibling says how many of its doctors whose votes are counted here are no longer verified."""

    post_id: int
    sibling_id: int
    lapsed: int
    at: int


class ErasePost(msgspec.Struct, frozen=True):
    """`taken_down`: operators of its own instance have erased it, for what it was reported for."""

    uri: str
    origin: str
    taken_down: str = ""


class TakeFlag(msgspec.Struct, frozen=True):
    """A sibling has reported a post of ours, by the Flag `uri`."""

    post_id: int
    sibling_id: int
    uri: str
    said: Said


class TakeTranslation(msgspec.Struct, frozen=True):
    """A doctor of a sibling has confirmed a translation of a post of ours."""

    post_id: int
    by_id: int
    translation: Translation


class TakeVerdict(msgspec.Struct, frozen=True):
    """A post's own instance tells what it has decided."""

    matter_id: int
    verdict: Verdict


class ErasePerson(msgspec.Struct, frozen=True):
    """A doctor of a sibling has left: everything of hers goes; the worker does it."""

    uri: str
    origin: str


class EraseOrigin(msgspec.Struct, frozen=True):
    """A sibling wants everything of its own erased; the worker does it."""

    sibling_id: int


class SaveActor(msgspec.Struct, frozen=True):
    actor: Actor


class RequestFollow(msgspec.Struct, frozen=True):
    follow: Follow


class AcceptFollow(msgspec.Struct, frozen=True):
    follow: Follow


class EndFollow(msgspec.Struct, frozen=True):
    """It is declined, over, or withdrawn: be it while it was still held, when there is no `follow` yet."""

    uri: str
    follow: Follow | None


class React(msgspec.Struct, frozen=True):
    table: Table
    reaction: Reaction


class TakeBack(msgspec.Struct, frozen=True):
    """`uri` is the id of the like or boost, `actor_id` None for a doctor who is not known here."""

    table: Table
    uri: str
    actor_id: int | None
    origin: str


class KeyAnnounced(msgspec.Struct, frozen=True):
    """A sibling announces its next key; None: it keeps the one it has."""

    sibling_id: int
    announced: Announcement | None


class KeyAnswered(msgspec.Struct, frozen=True):
    """A sibling has answered the announcement of a key of ours."""

    key: int
    sibling_id: int
    answer: KeyAnswer


class Keys(NamedTuple):
    """Who is told of what concerns keys: ours, and those of siblings."""

    own: Keyring
    theirs: SiblingKeys


Effect = (StorePost | CountVote | RevisePost | ErasePost | SaveActor | React | TakeBack | RequestFollow | AcceptFollow
          | EndFollow | TakeTally | TakeLapse | TakeFlag | TakeTranslation | TakeVerdict | KeyAnnounced | KeyAnswered |
          ErasePerson | EraseOrigin)


def write(tx: Tx, effects: Sequence[Effect], now: int, ids: Ids, keys: Keys) -> None:
    """Write a batch of effects, and tell our doctors what concerns them. Posts, votes, likes and boosts go together; the
    others come alone and in order."""
    new = [effect for effect in effects if isinstance(effect, StorePost)]
    if new:
        store.insert(tx, [effect.post for effect in new])
        polls = [(effect.post.id, effect.poll) for effect in new if effect.poll is not None]
        if polls:
            store.insert_polls(tx, polls)
            pollstore.keep(tx, {effect.post.id: effect.post.uri for effect in new if effect.keeps}, now)
            for effect in new:
                if effect.result is not None:
                    pollstore.store_result(tx, effect.post.id, effect.result)
        concerns.written(tx, ids, [effect.post for effect in new], now)
        ledger.release(tx, [effect.post.uri for effect in new], now)
        if len(new) == len(effects):  # nearly always
            return
    votes = [effect for effect in effects if isinstance(effect, CountVote)]
    if votes:
        ballots.insert_votes(tx, [(vote.post_id, vote.voter_id, vote.slot, vote.position, now) for vote in votes])
        for post_id in {vote.post_id for vote in votes}:
            ballots.recount(tx, post_id, now)
    for table in reactions.TABLES:
        given = [effect.reaction for effect in effects if isinstance(effect, React) and effect.table == table]
        for again in reactions.add(tx, ids, table, given, now) if given else ():
            reactions.rename(tx, table, again)
    for single in effects:
        match single:
            case RevisePost(old, changed, poll, closes, result, forgets):
                store.revise(tx, old, changed)
                if forgets:
                    store.forget_earlier(tx, old.id)
                    due.add(tx, due.CHANGED, old.uri, now)
                concerns.changed(tx, ids, old, changed, now)
                if poll is not None:
                    _take_counts(tx, old.id, poll)
                if result is not None:
                    pollstore.store_result(tx, old.id, result)
                if closes:
                    concerns.closed(tx, ids, changed, now)
            case TakeTally(post_id, sibling_id, tally):
                pollstore.take(tx, post_id, sibling_id, tally, now)
            case TakeLapse(post_id, sibling_id, lapsed, at):
                pollstore.take_lapse(tx, post_id, sibling_id, lapsed, at, now)
            case TakeFlag(post_id, sibling_id, uri, said):
                matters.file(tx, ids, post_id, said, now, sibling_id=sibling_id, uri=uri)
            case TakeTranslation(post_id, by_id, translation):
                translated.offered(tx, ids, post_id, by_id, translation, now)
            case TakeVerdict(matter_id, verdict):
                matters.heard(tx, ids, matter_id, verdict, now)
            case ErasePost(uri, origin, taken_down):
                store.erase(tx, uri, origin, now)
                if taken_down:
                    store.mark_taken_down(tx, uri, taken_down)
                ledger.forget(tx, uri)
                ledger.release(tx, [uri], now)
            case ErasePerson(uri, origin):
                departing.left(tx, uri, origin, now)
                ledger.forget(tx, uri)
                ledger.release(tx, [uri], now)
            case EraseOrigin(sibling_id):
                ordered.order(tx, ids, sibling_id, now)
            case SaveActor(actor):
                save(tx, actor, now)
                ledger.release(tx, [actor.uri], now)
            case TakeBack(kept, uri, actor_id, origin):
                counted = actor_id is not None and reactions.take_back(tx, kept, uri, actor_id)
                if not counted and not ledger.withdraw(tx, uri):
                    store.bury(tx, uri, origin, now)
            case RequestFollow(follow):
                follows.request(tx, follow)
                concerns.asked_to_follow(tx, ids, *_pair(tx, follow), now)
            case AcceptFollow(follow):
                if follows.accept(tx, follow, now):
                    concerns.follow_accepted(tx, ids, *_pair(tx, follow), now)
            case EndFollow(uri, ended):
                ledger.withdraw(tx, uri)
                if ended is not None:
                    follows.end(tx, uri)
                    concerns.unfollowed(tx, *_pair(tx, ended))
            case KeyAnnounced(sibling_id, announced):
                keys.theirs.heard(tx, sibling_id, announced, now)
            case KeyAnswered(key, sibling_id, answer):
                keys.own.answered(tx, key, sibling_id, answer, now)
            case StorePost() | CountVote() | React():
                pass


def _pair(tx: Tx, follow: Follow) -> tuple[Actor, Actor]:
    """Who follows, and who is followed."""
    people = by_ids(tx, (follow.follower_id, follow.followed_id))
    return people[follow.follower_id], people[follow.followed_id]


def _take_counts(tx: Tx, post_id: int, poll: Poll) -> None:
    """The author's counts of a sibling's poll; what has closed stays closed, and a result stands. How many of the voters are no
    longer verified may change for ever."""
    tx.run("UPDATE polls SET lapsed = ? WHERE post_id = ?", (poll.lapsed, post_id))
    if tx.row("SELECT 1 FROM poll_results WHERE post_id = ?", (post_id,)) is not None:
        return
    for position, (_, votes) in enumerate(poll.options):
        tx.run("UPDATE poll_options SET votes = ? WHERE post_id = ? AND position = ?", (votes, post_id, position))
    tx.run("UPDATE polls SET voters = ?, closed_at = coalesce(closed_at, ?) WHERE post_id = ?",
           (poll.voters, poll.closed_at, post_id))
