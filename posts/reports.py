"""What doctors do about reports: report a post, see what became of it, and appeal where their own post was taken down."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from actors import aliases
from actors.models import Actor
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import Conflict, InvalidInput, NotFound, Refused, TooMany
from core.ids import Ids, number, public, uri_key
from core.throttle import count
from federation.addresses import origin_of
from federation.identity import Identity
from federation.store import enqueue
from posts import flags, matters, store
from posts.matters import MATTER_STATES, TEXT_LIMIT, Category, Decision, MatterState, Said, Verdict
from posts.models import PostView
from posts.network import Network, network
from posts.reading import readable
from posts.store import Post
from posts.views import views

PAGE = 20
DAY_MS = 86_400_000
_A_DAY = 20
_END = (1 << 63) - 1
_TOLD_AUTHOR = tuple(str(state) for state in MatterState if state not in (MatterState.OPEN, MatterState.DELETED))


class Side(StrEnum):
    """What a doctor is in a matter."""

    REPORTER = "reporter"
    AUTHOR = "author"


class MatterView(msgspec.Struct, frozen=True):
    """A reported post as its reporter or its author sees it; times in ms. `question` (in `language`) is empty where the post is
    erased or hidden; `instance` is who decides; `sent_at` is when the report went out and `received_at` when it was there, None
    where it had nowhere to go or is on its way; `appeal_until` while an appeal is possible."""

    id: str
    side: Side
    category: Category
    state: MatterState
    opened: int
    post_id: str
    question: str
    language: str
    gone: bool
    hidden: bool
    instance: str
    local: bool
    text: str
    text_language: str
    shared: bool
    sent_at: int | None
    received_at: int | None
    decisions: tuple[Decision, ...]
    appeal: str
    appealed: int | None
    appeal_until: int | None


class MatterPage(msgspec.Struct, frozen=True):
    """Matters of one doctor, newest first, and the cursor of the next page or None."""

    shown: tuple[MatterView, ...]
    before: str | None


class Reports:
    """Takes reports of doctors of this instance, and shows them what became of them."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids, appeal_days: int) -> None:
        self._database, self._identity, self._clock, self._ids = database, identity, clock, ids
        self._appeal_ms = appeal_days * DAY_MS

    async def post(self, viewer: Actor, post_id: str) -> PostView:
        """The post that somebody is about to report; `Refused` for her own."""
        def look(tx: Tx) -> PostView:
            return views(tx, [_of_others(tx, viewer, post_id)], viewer, network(tx, self._identity), self._clock.ms())[0]

        return await self._database.read(look)

    async def report(self, reporter: Actor, post_id: str, category: str, text: str, language: str, *, share: bool) -> str:
        """Report a post; returns the matter's id. Where a patient can be recognised, nobody here sees it from this moment on,
        unless operators have let exactly this text be seen. Where it is a sibling's, that is told, and not who reported.

        `InvalidInput` names the field, `Conflict` where she has reported it already, `TooMany` after many in a day.
        """
        said = said_of(category, text, language, share=share)

        def write(tx: Tx) -> tuple[int | None, int]:
            post, now = _of_others(tx, reporter, post_id), self._clock.ms()
            if tx.row("SELECT 1 FROM reports r JOIN matters m ON m.id = r.matter_id WHERE m.post_id = ? AND m.state = ?"
                      " AND r.reporter_id = ?", (post.id, MatterState.OPEN, reporter.id)) is not None:
                raise Conflict("You have reported this already, and it waits for a decision.", reason="reported")
            wait = count(tx, {f"reports:{reporter.id}": _A_DAY}, now, DAY_MS)
            if wait is not None:
                return wait, 0
            matter_id, report_id = matters.file(tx, self._ids, post.id, said, now, reporter_id=reporter.id)
            hide_at_once(tx, post, said, now)
            send(tx, self._identity, self._ids, post, report_id, said, now)
            return None, matter_id

        wait, matter_id = await self._database.write(write)
        if wait is not None:
            raise TooMany("You have reported many posts today. Please tell the operators in another way.", retry_after=wait)
        return public(matter_id)

    async def mine(self, viewer: Actor, before: str | None) -> MatterPage:
        """What the viewer has reported, and what was decided about posts of hers."""
        key = (number(before) if before else None) or _END

        def look(tx: Tx) -> MatterPage:
            rows = tx.rows(
                "SELECT m.* FROM matters m WHERE m.id < ? AND (EXISTS (SELECT 1 FROM reports r WHERE r.matter_id = m.id AND"
                " r.reporter_id = ?) OR (m.state IN (?, ?, ?, ?, ?) AND EXISTS (SELECT 1 FROM posts p WHERE p.id = m.post_id AND"
                " (p.author_id = ? OR p.author_id IN (SELECT actor_id FROM aliases WHERE owner_id = ?)))))"
                " ORDER BY m.id DESC LIMIT ?", (key, viewer.id, *_TOLD_AUTHOR, viewer.id, viewer.id, PAGE + 1))
            places = network(tx, self._identity)
            shown = tuple(self._view(tx, places, row, viewer) for row in rows[:PAGE])
            return MatterPage(shown, shown[-1].id if len(rows) > PAGE else None)

        return await self._database.read(look)

    async def one(self, viewer: Actor, matter_id: str) -> MatterView:
        """A matter of hers; `NotFound` for everybody else, and for the author while nothing is decided."""
        return await self._database.read(
            lambda tx: self._view(tx, network(tx, self._identity), _row(tx, viewer, matter_id), viewer))

    async def appeal(self, author: Actor, matter_id: str, text: str) -> None:
        """The author of a post that was taken down wants it to be looked at once more; that is possible once."""
        text = _clean(text)
        if not 0 < len(text) <= TEXT_LIMIT:
            raise InvalidInput("Say in 1 to %(most)s characters why it should be looked at again.", values={"most": TEXT_LIMIT},
                               field="appeal")

        def write(tx: Tx) -> None:
            row, now = _row(tx, author, matter_id), self._clock.ms()
            if self._appeal_until(row, _side(tx, row, author), now) is None:
                raise Conflict("This cannot be appealed against any more.", reason="appeal")
            MATTER_STATES.check(row["state"], MatterState.APPEALED)
            tx.run("UPDATE matters SET appeal = ?, appealed_at = ? WHERE id = ?", (text, now, row["id"]))
            tell_round(tx, self._identity, self._ids, row["id"], Verdict(MatterState.APPEALED, row["round"] + 1, "", ""), "", now)

        await self._database.write(write)

    def _appeal_until(self, row: Row, side: Side, now: int) -> int | None:
        """Until when its author may appeal; None where that is not possible, or not any more."""
        if side != Side.AUTHOR or row["state"] != MatterState.TAKEN_DOWN or row["appealed_at"] is not None or row["kept"] is None:
            return None
        until = int(row["decided_at"]) + self._appeal_ms
        return until if now < until else None

    def _view(self, tx: Tx, places: Network, row: Row, viewer: Actor) -> MatterView:
        post = store.by_many(tx, [row["post_id"]])[row["post_id"]]
        side = _side(tx, row, viewer)
        own = tx.row("SELECT * FROM reports WHERE matter_id = ? AND reporter_id = ?", (row["id"], viewer.id))
        sent = _sent(tx, own["uri"]) if own is not None and own["uri"] else None
        hidden = post.hidden_at is not None and side == Side.REPORTER
        asked = store.by_many(tx, [post.root_id]).get(post.root_id)
        seen = asked is not None and not hidden and (asked.hidden_at is None or aliases.is_hers(tx, asked.author_id, viewer)) \
            and post.audience.admits(viewer)
        return MatterView(
            id=public(row["id"]), side=side, category=Category(own["category"] if own is not None else row["category"]),
            state=MatterState(row["state"]), opened=row["opened_at"], post_id=public(post.id),
            question=asked.question if asked is not None and seen else "", language=asked.language if asked is not None else "",
            gone=post.erased_at is not None, hidden=post.hidden_at is not None, instance=places.called(origin_of(post.uri)),
            local=post.sibling_id is None, text=own["text"] if own is not None else "",
            text_language=own["language"] if own is not None else "", shared=bool(own["shared"]) if own is not None else False,
            sent_at=own["at"] if sent is not None and own is not None else None, received_at=sent or None,
            decisions=matters.decisions(tx, row["id"]), appeal=row["appeal"] if side == Side.AUTHOR else "",
            appealed=row["appealed_at"], appeal_until=self._appeal_until(row, side, self._clock.ms()))


def hide_at_once(tx: Tx, post: Post, said: Said, now: int) -> None:
    """Where a report says that a patient can be recognised, nobody here sees the post from now on, unless operators have let
    just this text be seen."""
    if said.category == Category.RECOGNISABLE and matters.looked_at(tx, post.id) <= (post.updated_at or post.published_at):
        matters.hide(tx, post.id, now)


def send(tx: Tx, identity: Identity, ids: Ids, post: Post, report_id: int, said: Said, now: int) -> None:
    """Tell a sibling that its post was reported, where that is sent to; of our own posts nobody needs to be told."""
    place = network(tx, identity).place(origin_of(post.uri))
    if post.sibling_id is None or place is None or not place.sent_to:
        return
    uri = f"{identity.origin}/reports/{public(report_id)}"
    matters.name(tx, report_id, uri)
    enqueue(tx, ids.new(), flags.flag(uri, identity.actor_uri, post.uri, place.actor_uri, said), [place.id], now)


def tell_round(tx: Tx, identity: Identity, ids: Ids, matter_id: int, verdict: Verdict, by: str, now: int) -> None:
    """Take a matter about a post of this instance one step on, and tell every sibling that has reported it."""
    matters.step(tx, matter_id, verdict, by, now)
    places = {place.id: place for place in network(tx, identity).siblings.values()}
    for row in tx.rows("SELECT id, sibling_id, uri FROM reports WHERE matter_id = ? AND sibling_id IS NOT NULL", (matter_id,)):
        place = places.get(row["sibling_id"])
        if place is not None and place.sent_to:
            uri = f"{identity.origin}/reports/{public(row['id'])}#answer-{verdict.round}"
            enqueue(tx, ids.new(), flags.answer(uri, identity.actor_uri, row["uri"], place.actor_uri, verdict), [place.id], now)


def _of_others(tx: Tx, viewer: Actor, post_id: str) -> Post:
    post = readable(tx, post_id, viewer)
    if aliases.is_hers(tx, post.author_id, viewer):
        raise Refused("This is your own post. You can change or delete it yourself.", reason="own")
    return post


def _row(tx: Tx, viewer: Actor, matter_id: str) -> Row:
    inner = number(matter_id)
    row = tx.row("SELECT * FROM matters WHERE id = ?", (inner,)) if inner is not None else None
    if row is None or (_side_or_none(tx, row, viewer) is None):
        raise NotFound("There is no such report.")
    return row


def _side(tx: Tx, row: Row, viewer: Actor) -> Side:
    return _side_or_none(tx, row, viewer) or Side.REPORTER


def _side_or_none(tx: Tx, row: Row, viewer: Actor) -> Side | None:
    if tx.row("SELECT 1 FROM reports WHERE matter_id = ? AND reporter_id = ?", (row["id"], viewer.id)) is not None:
        return Side.REPORTER
    written = tx.row("SELECT author_id FROM posts WHERE id = ?", (row["post_id"],))
    if row["state"] in _TOLD_AUTHOR and written is not None and aliases.is_hers(tx, written["author_id"], viewer):
        return Side.AUTHOR
    return None


def _sent(tx: Tx, uri: str) -> int:
    """When the author's instance has confirmed a Flag (ms); 0 while it has not."""
    row = tx.row("SELECT d.settled_at FROM deliveries d JOIN outbox o ON o.id = d.outbox_id WHERE d.object_key = ?"
                 " AND o.type = 'Flag' AND d.state = 'acked'", (uri_key(uri),))
    return int(row["settled_at"] or 0) if row is not None else 0


def said_of(category: str, text: str, language: str, *, share: bool) -> Said:
    """What somebody reports, as it was typed; `InvalidInput` names the field."""
    if category not in tuple(Category):
        raise InvalidInput("Say what this is about.", field="category")
    text = _clean(text)
    if not text and category == Category.OTHER:
        raise InvalidInput("Please write a few lines.", field="text")
    if len(text) > TEXT_LIMIT:
        raise InvalidInput("A report has at most %(most)s characters.", values={"most": TEXT_LIMIT}, field="text")
    return Said(Category(category), text, language, share and bool(text))


def _clean(text: str) -> str:
    return text.replace("\0", "").replace("\r\n", "\n").strip()
