"""Stored posts become what one viewer may see: names, countries, results, arrival; everything in one hop."""

from __future__ import annotations

from collections.abc import Sequence

from actors.models import Actor
from actors.store import by_ids
from core.database import Tx
from core.ids import public
from federation.store import arrival
from posts import store
from posts.models import DeliveryView, Kind, OptionView, PollView, PostView, State
from posts.network import Network
from posts.store import Poll, Post


def views(tx: Tx, posts: Sequence[Post], viewer: Actor, places: Network, now: int, *, results: bool = False,
          depths: dict[int, int] | None = None) -> tuple[PostView, ...]:
    """The posts as `viewer` sees them; `results` shows poll results she has asked for."""
    authors = by_ids(tx, [post.author_id for post in posts])
    polled = [post.id for post in posts if post.kind == Kind.POLL]
    polls = store.polls(tx, polled)
    chosen = store.choices(tx, polled, viewer.id)
    return tuple(
        _view(tx, post, authors[post.author_id], viewer, places, polls.get(post.id), chosen.get(post.id, set()), now,
              results, (depths or {}).get(post.id, 0))
        for post in posts)


def _view(tx: Tx, post: Post, author: Actor, viewer: Actor, places: Network, poll: Poll | None, chosen: set[int], now: int,
          results: bool, depth: int) -> PostView:
    mine = post.author_id == viewer.id
    state = post.state
    if state == State.OPEN and post.replies:
        state = State.ANSWERED
    return PostView(
        id=public(post.id), uri=post.uri, kind=post.kind, question=post.question, html=post.html, language=post.language,
        author=author, published=post.published_at, updated=post.updated_at, revision=post.revision, state=state,
        facts=post.facts, audience=post.audience,
        countries=tuple(places.code(origin) for origin in post.audience.origins),
        outside=tuple(places.code(origin) for origin in post.audience.origins if places.outside(origin)),
        replies=post.replies, depth=depth, mine=mine, erased=post.erased_at is not None,
        poll=_poll(poll, chosen, mine, now, results) if poll is not None else None,
        delivery=_delivery(tx, post) if mine and len(post.audience.origins) > 1 else None,
        parent_id=public(post.parent_id) if post.parent_id is not None else None)


def _poll(poll: Poll, chosen: set[int], mine: bool, now: int, results: bool) -> PollView:
    closed = poll.closed_at is not None or poll.ends_at <= now
    whole = poll.voters if poll.multiple else sum(votes for _, votes in poll.options)
    return PollView(
        options=tuple(
            OptionView(position, name, votes, round(100 * votes / whole) if whole else 0, position in chosen)
            for position, (name, votes) in enumerate(poll.options)),
        multiple=poll.multiple, ends_at=poll.ends_at, closed=closed, voters=max(poll.voters, 0), voted=bool(chosen),
        shown=bool(chosen) or mine or closed or results, may_vote=not (chosen or mine or closed))


def _delivery(tx: Tx, post: Post) -> DeliveryView:
    """Which countries have the post: the state of its Create, or of what superseded it; once erased, of its Delete."""
    received: dict[str, int | None] = {}
    for row in arrival(tx, post.uri):
        if post.erased_at is not None and row["type"] != "Delete":
            continue
        if row["state"] == "acked":
            received[row["country"]] = None
        elif row["state"] == "pending" and received.get(row["country"], 0) is not None:
            received.setdefault(row["country"], row["created_at"])
    return DeliveryView(
        tuple(sorted(code for code, since in received.items() if since is None)),
        tuple(sorted((code, since) for code, since in received.items() if since is not None)))
