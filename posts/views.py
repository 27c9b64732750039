"""Stored posts become what one viewer may see: names, countries, results, arrival; everything in one hop."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from actors import aliases
from actors.desks import answered_for
from actors.models import Actor
from actors.store import by_ids, by_uris
from core.database import Tx
from core.ids import public
from core.tags import led
from core.words import Sentence
from federation.addresses import origin_of
from federation.store import Arrived, arrivals
from federation.troubles import NOT_LISTED, NOT_SENT, in_words
from posts import ballots, store
from posts.models import (
    NO_TAGS,
    CaseFacts,
    CorrectionView,
    DeliveryView,
    Kind,
    OptionView,
    PollView,
    PostView,
    Reach,
    Since,
    State,
    Tags,
)
from posts.network import Network
from posts.outgoing import hashtags_of
from posts.parts import NO_PARTS, Parts
from posts.store import Poll, Post, Touched

_COUNTED_MS = 86_400_000


def views(tx: Tx, posts: Sequence[Post], viewer: Actor, places: Network, now: int, *, results: bool = False,
          depths: dict[int, int] | None = None, shunned: frozenset[int] = frozenset()) -> tuple[PostView, ...]:
    """The posts as `viewer` sees them; `results` shows poll results she has asked for; `shunned` are actors whom she does not
    want to read."""
    if not posts:
        return ()
    authors = by_ids(tx, [post.author_id for post in posts])
    threads = aliases.in_threads(tx, viewer.id, [post.root_id for post in posts])
    hers = frozenset((viewer.id, *threads.values(), *answered_for(tx, viewer.id)))
    touched = store.touched(tx, sorted({number for post in posts for number in (post.id, post.root_id)}), sorted(hers))
    named = sorted({uri for post in posts for uri in post.audience.readers})
    readers = by_uris(tx, named) if named else {}
    polled = [post.id for post in posts if post.kind == Kind.POLL]
    polls = store.polls(tx, polled)
    chosen = ballots.choices(tx, polled, viewer.id)
    sent = arrivals(tx, [post.uri for post in posts if post.author_id in hers and len(post.audience.origins) > 1],
                    {place.id: place.origin for place in places.siblings.values()})
    marked = frozenset(uri for post in posts for uri in post.helpful)
    heard = {origins: _Heard.by(origins, places, now) for origins in {post.audience.origins for post in posts}}
    return tuple(
        _view(post, heard[post.audience.origins], authors[post.author_id], hers, post.root_id in threads, places,
              polls.get(post.id), chosen.get(post.id, set()), sent, now, results, (depths or {}).get(post.id, 0), touched,
              readers, post.author_id in shunned, post.uri in marked)
        for post in posts)


def shown(post: Post, html: str) -> str:
    """A text of a post, its present or an earlier one, for reading here."""
    return led_home(html, post.tags, origin_of(post.uri)) if post.tags != NO_TAGS else html


def led_home(html: str, tags: Tags, origin: str) -> str:
    """A text written at an instance, with its mentions and hashtags led to pages of this one: doctors to `/@name@domain`,
    hashtags to `/tags/name`. A link that no tag stands for leads where it says."""
    return led(html, [*((mention.uri, profile(mention.name)) for mention in tags.mentions),
                      *(_topic(origin, name) for name in tags.hashtags)])


def parts_led_home(parts: Parts, tags: Tags, origin: str) -> Parts:
    """The same with the parts of a post."""
    if parts == NO_PARTS or tags == NO_TAGS:
        return parts
    return msgspec.structs.replace(
        parts, sections=tuple(msgspec.structs.replace(one, html=led_home(one.html, tags, origin)) for one in parts.sections),
        outcome=msgspec.structs.replace(parts.outcome, html=led_home(parts.outcome.html, tags, origin))
        if parts.outcome is not None else None)


@lru_cache(maxsize=4096)
def profile(name: str) -> str:
    """Where a doctor's page is here, by `@name@domain`."""
    return f"/{quote(name, safe='@:')}"


@lru_cache(maxsize=4096)
def _topic(origin: str, hashtag: str) -> tuple[str, str]:
    """Where a hashtag leads at its instance, and here."""
    return hashtags_of(origin) + quote(hashtag), tag_page(hashtag)


def tag_page(hashtag: str) -> str:
    """The page of a hashtag here."""
    return f"/tags/{quote(hashtag)}"


class _Heard(NamedTuple):
    """An audience by country codes: all of it, what of it is outside our control, paused, not reached at the moment, or gets
    what is written now. Few audiences stand on a page."""

    countries: tuple[str, ...]
    outside: tuple[Since, ...]
    paused: tuple[Since, ...]
    stuck: tuple[Since, ...]
    reached: tuple[str, ...]

    @classmethod
    def by(cls, origins: tuple[str, ...], places: Network, now: int) -> _Heard:
        return cls(tuple(map(places.code, origins)), places.outside(origins), places.paused(origins), places.stuck(origins, now),
                   tuple(map(places.code, filter(places.reached, origins))))


def _view(post: Post, heard: _Heard, author: Actor, hers: frozenset[int], by_role: bool, places: Network, poll: Poll | None,
          chosen: set[int], sent: dict[str, list[Arrived]], now: int, results: bool, depth: int, touched: Touched,
          readers: dict[str, Actor], shunned: bool, marked: bool) -> PostView:
    mine = post.author_id in hers
    if post.hidden_at is not None and not mine:
        post, poll = emptied(post), None
    state = post.state
    if state == State.OPEN and post.answers:
        state = State.ANSWERED
    return PostView(
        id=public(post.id), uri=post.uri, kind=post.kind, question=post.question, html=shown(post, post.html),
        language=post.language,
        author=author, published=post.published_at, updated=post.updated_at, revision=post.revision, state=post.state,
        facts=post.facts, audience=post.audience,
        countries=heard.countries, outside=heard.outside, paused=heard.paused, stuck=heard.stuck, reached=heard.reached,
        replies=post.replies, depth=depth, mine=mine, erased=post.erased_at is not None,
        poll=_poll(post, poll, chosen, mine, now, results, places) if poll is not None else None,
        delivery=_delivery(post, sent[post.uri], places) if post.uri in sent else None,
        parent_id=public(post.parent_id) if post.parent_id is not None else None,
        likes=post.likes, boosts=post.boosts, liked=post.id in touched.liked, boosted=post.id in touched.boosted,
        bookmarked=post.id in touched.bookmarked, shunned=shunned,
        readers=tuple(readers[uri] for uri in post.audience.readers if uri in readers and readers[uri].name)
        if post.audience.readers else (),
        lost=frozenset(uri for uri in post.audience.readers if not places.reached(origin_of(uri)))
        if post.audience.readers else frozenset(),
        author_outside=_outside_since(author, places) if post.sibling_id is not None else None,
        instances=tuple(map(places.called, post.audience.origins)) if post.audience.reach == Reach.NAMED else (),
        asked_from=public(post.asked_from) if post.asked_from is not None and mine else None, tags=post.tags,
        by_role=by_role, pictures=post.pictures, hidden=post.hidden_at, taken_down=post.taken_down,
        reply_kind=post.reply_kind, answers=post.answers,
        asked_back=public(post.asked_back) if post.asked_back is not None else None, followed=post.id in touched.followed,
        muted=post.root_id in touched.muted, pinned=post.id in touched.pinned,
        correction=_correction(post, sent, places) if post.correction is not None else None,
        taken_down_by=places.called(origin_of(post.uri)) if post.taken_down else "",
        parts=parts_led_home(post.parts, post.tags, origin_of(post.uri)), helpful=marked,
        translations=post.translations)


def _correction(post: Post, sent: dict[str, list[Arrived]], places: Network) -> CorrectionView | None:
    """A correction; to its author, with the countries that have it and those that have not."""
    told = post.correction
    if told is None:
        return None
    rows = corrected(sent[post.uri], told.at) if post.uri in sent else None
    return CorrectionView(told.kind, told.reason, told.at,
                          _delivery(post, rows, places, ("Create", "Update")) if rows is not None else None)


def corrected(rows: Sequence[Arrived], at: int) -> list[Arrived]:
    """What of a post was sent since it was corrected: whatever says that it is corrected. Where one of these has arrived, it has
    arrived there, and what waits after it is of no account."""
    since = [row for row in rows if row.type != "Delete" and row.created_at >= at and row.state != "superseded"]
    there = {row.origin for row in since if row.state == "acked"}
    return [row for row in since if row.state == "acked" or row.origin not in there]


def emptied(post: Post) -> Post:
    """A hidden post as everybody sees it but its author: its place, and nothing that stands in it."""
    return msgspec.structs.replace(post, question="", source="", html="", facts=CaseFacts(), state=None, tags=NO_TAGS,
                                   updated_at=None, parts=NO_PARTS, helpful=(), correction=None, pictures=(), translations=())


def _outside_since(author: Actor, places: Network) -> int | None:
    """Since when an author elsewhere is outside our control; None while she is not."""
    found = places.outside((origin_of(author.uri),))
    return found[0].at if found else None


def _poll(post: Post, poll: Poll, chosen: set[int], mine: bool, now: int, results: bool, places: Network) -> PollView:
    closed = poll.closed_at is not None or poll.ends_at <= now
    whole = poll.voters if poll.multiple else sum(votes for _, votes in poll.options)
    instances = len(post.audience.origins)
    return PollView(
        options=tuple(
            OptionView(position, name, votes, round(100 * votes / whole) if whole else 0, position in chosen)
            for position, (name, votes) in enumerate(poll.options)),
        multiple=poll.multiple, ends_at=poll.ends_at, closed=closed, voters=max(poll.voters, 0), voted=bool(chosen),
        shown=bool(chosen) or mine or closed or results, may_vote=not (chosen or mine or closed),
        counting=closed and poll.result_at is None and instances > 1 and _is_counted(post, poll, now), result_at=poll.result_at,
        signed_by=places.called(origin_of(post.uri)) if poll.result_at is not None else "", missing=min(poll.missing, instances),
        instances=instances, kept_home=post.sibling_id is not None and f"{places.home}/actor" in poll.tallies,
        lapsed=min(poll.lapsed, max(poll.voters, 0)))


def _is_counted(post: Post, poll: Poll, now: int) -> bool:
    """Whether the result of a closed poll is still to come. Whether a sibling's poll gets one its tallies say, for a while: one
    that was away may have to be waited for."""
    if post.sibling_id is None:
        return poll.closed_at is None or poll.counts_until is not None
    return bool(poll.tallies) and now < poll.ends_at + _COUNTED_MS


def _delivery(post: Post, rows: Sequence[Arrived], places: Network, types: Sequence[str] = ()) -> DeliveryView:
    """Where the post stands with every other country: its Create, or once it is erased its Delete; or what is of other `types`.

    A country that was revoked may have the post and answers for nothing any more, unless it had confirmed the deletion.
    """
    types = types or ("Create" if post.erased_at is None else "Delete",)
    last = {row.origin: row for row in rows if row.type in types}
    ever = {row.origin for row in rows}
    confirmed: list[Since] = []
    waiting: list[Since] = []
    held: list[Since] = []
    refused: list[tuple[str, Sentence]] = []
    outside: list[Since] = []
    stands = {"acked": confirmed, "pending": waiting, "held": held}
    for origin in post.audience.origins:
        place, row, code = places.place(origin), last.get(origin), places.code(origin)
        if origin == places.home:
            continue
        acked = row is not None and row.state == "acked"
        if place is not None and not place.sent_to and origin in ever and not (acked and post.erased_at):
            outside.append(Since(code, place.changed_at))
        elif row is None:
            refused.append((code, in_words(NOT_LISTED if place is None else NOT_SENT)))
        elif row.state in stands:
            stands[row.state].append(Since(code, row.created_at if row.settled_at is None else row.settled_at))
        else:
            refused.append((code, in_words(NOT_LISTED if place is None else row.reason or NOT_SENT)))
    return DeliveryView(places.country, tuple(sorted(confirmed)), tuple(sorted(waiting)), tuple(sorted(held)),
                        tuple(sorted(refused)), tuple(sorted(outside)))
