"""What waits for each sibling and what has ended without it, for operators: seen, tried again, dropped. Nothing of what an
activity says is ever read here."""

from __future__ import annotations

from typing import NamedTuple

from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx, marks
from core.errors import Conflict, InvalidInput, NotFound
from core.ids import number, public
from core.numbers import whole
from core.words import N_, Phrase, Sentence
from federation import store
from federation.addresses import domain_of, origin_for_domain
from federation.listed import SENT_TO, Entry, SiblingState, listed
from federation.siblings import check_reason
from federation.troubles import DROPPED, in_words, reason, todo

LANES = (N_("urgent"), N_("fresh"), N_("backlog"))
"""What the lanes are called, by their numbers."""
OPEN = (N_("pending"), N_("held"), N_("parked"), N_("dropped"))
"""The states of a deletion that is not confirmed."""
_MOST = (1 << 63) - 1
_ITEM = ("SELECT d.*, o.uri, o.type, o.created_at, length(o.body) AS size FROM deliveries d JOIN outbox o ON o.id = d.outbox_id"
         " WHERE ")
_SENDABLE = ("(d.deletes = 1 OR EXISTS (SELECT 1 FROM outbox o WHERE o.id = d.outbox_id AND length(o.body) > 0))")


class Standing(NamedTuple):
    """A sibling's line; times in milliseconds.

    `waiting_since` is how old the oldest is that waits, `lanes` how many wait in each of `LANES`; `held` it has, but it waits
    there for something that is missing; `parked` has ended without it. `put_off` of those that wait are tried by themselves
    while others go on. `undeleted` deletions are not confirmed, `unconfirmable` ones were dropped. `acknowledged` is when it
    last confirmed anything, `heard` when anything of it came in. `trouble` says what is wrong while `failing_since` is set
    or something is put off, `alarm` whether everything has stopped because of it, `todo` what to do. `last` is the last
    number that was given in its line. Where it takes bundles, `epoch` is the one its line is in (else 0), `confirmed` up to which
    number it has everything, and `receipt` when it last signed for anything.
    """

    id: int
    domain: str
    country: str
    name: str
    state: SiblingState
    waiting_since: int | None
    lanes: tuple[int, int, int]
    held: int
    parked: int
    put_off: int
    undeleted: int
    unconfirmable: int
    acknowledged: int | None
    heard: int | None
    fail_count: int
    failing_since: int | None
    next_try: int
    trouble: Sentence
    alarm: bool
    todo: str
    last: int
    epoch: int
    confirmed: int
    receipt: int | None

    @property
    def depth(self) -> int:
        """How many wait."""
        return sum(self.lanes)


class Item(NamedTuple):
    """One activity for one sibling; times in milliseconds. `since` is when it was written, `settled` when it came into its
    state. What is `erased` has no text any more and cannot be sent."""

    domain: str
    sequence: int
    uri: str
    type: str
    lane: int
    state: str
    since: int
    settled: int | None
    tries: int
    next_try: int
    why: Sentence
    todo: str
    erased: bool

    @property
    def id(self) -> str:
        """How people name it: `fr.example/1234`."""
        return f"{self.domain}/{self.sequence}"

    @property
    def deletes(self) -> bool:
        """Whether it asks to delete something."""
        return self.type == "Delete"

    @property
    def cursor(self) -> str:
        """Its place among those that wait, in the order in which they go."""
        return f"{self.tries}-{self.lane}-{self.sequence}"


class Retried(NamedTuple):
    """How many were put back into the line, and how many stay parked because their text was erased."""

    sent: int
    erased: int


class Deletion(NamedTuple):
    """A deletion that a sibling has not confirmed: of what (the URI of the post or the person), and how it stands."""

    object_uri: str
    item: Item
    cursor: str


class Queues:
    """The lines to all siblings."""

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database, self._clock, self._audit = database, clock, audit

    async def all(self) -> tuple[Standing, ...]:
        """Every sibling's line, by country."""
        return await self._database.read(lambda tx: _standing(tx, listed(tx)))

    async def of(self, domain: str) -> Standing:
        """One sibling's line; `NotFound` where there is none."""
        return await self._database.read(lambda tx: _standing(tx, (_entry(tx, domain),))[0])

    async def waiting(self, domain: str, after: str = "", limit: int = 50, *, again: bool = False) -> tuple[Item, ...]:
        """What waits, in the order in which it goes, from a cursor on; `again` those that have been put off."""
        key = _key(after)
        which, order, values = ("d.tries > 0", "d.tries, d.lane, d.sequence", key) if again else (
            "d.tries = 0", "d.lane, d.sequence", key[1:])

        def look(tx: Tx) -> tuple[Item, ...]:
            one = _entry(tx, domain)
            return _items(one, tx.rows(
                f"{_ITEM} d.sibling_id = ? AND d.state = 'pending' AND {which} AND ({order}) > ({marks(len(values))})"
                f" ORDER BY {order} LIMIT ?", (one.id, *values, limit)))

        return await self._database.read(look)

    async def parked(self, domain: str = "", after: tuple[int, int] = (0, 0), limit: int = 50) -> tuple[Item, ...]:
        """What has ended without a sibling, or without any of them: by sibling and number, after one of these."""
        def look(tx: Tx) -> tuple[Item, ...]:
            known = {one.id: one for one in ((_entry(tx, domain),) if domain else listed(tx))}
            chosen = ("d.sibling_id = ?", tuple(known)) if domain else ("d.sibling_id >= ?", (after[0],))
            rows = tx.rows(f"{_ITEM} {chosen[0]} AND d.state = 'parked' AND (d.sibling_id, d.sequence) > (?, ?)"
                           " ORDER BY d.sibling_id, d.sequence LIMIT ?",
                           (*chosen[1], *((next(iter(known)), after[1]) if domain else after), limit))
            return tuple(_item(known[row["sibling_id"]], row) for row in rows if row["sibling_id"] in known)

        return await self._database.read(look)

    async def item(self, domain: str, sequence: int) -> Item:
        """One activity; `NotFound` where that number was never given."""
        return await self._database.read(lambda tx: _one(tx, domain, sequence)[1])

    async def deletions(self, domain: str = "", state: str = "", before: str = "", limit: int = 50) -> tuple[Deletion, ...]:
        """Deletions that are not confirmed, newest first, before a cursor; of one sibling, in one state of `OPEN`."""
        activity, _, sibling = before.partition("-")
        key = number(activity) or _MOST, number(sibling) or _MOST

        def look(tx: Tx) -> tuple[Deletion, ...]:
            known = {one.id: one for one in ((_entry(tx, domain),) if domain else listed(tx))}
            chosen = " AND d.sibling_id = ?" * bool(domain) + " AND d.state = ?" * (state in OPEN)
            rows = tx.rows(
                "SELECT d.*, o.uri, o.type, o.created_at, 1 AS size, coalesce(p.uri, a.uri, o.uri) AS object_uri"
                " FROM deliveries d JOIN outbox o ON o.id = d.outbox_id LEFT JOIN posts p ON p.uri_key = d.object_key"
                f" LEFT JOIN actors a ON a.uri_key = d.object_key WHERE {store.OPEN_DELETION}{chosen}"
                " AND (d.outbox_id, d.sibling_id) < (?, ?) ORDER BY d.outbox_id DESC, d.sibling_id DESC LIMIT ?",
                (*(known if domain else ()), *((state,) if state in OPEN else ()),
                 *key, limit))
            return tuple(Deletion(row["object_uri"], _item(known[row["sibling_id"]], row),
                                  f"{public(row['outbox_id'])}-{public(row['sibling_id'])}")
                         for row in rows if row["sibling_id"] in known)

        return await self._database.read(look)

    async def retry_line(self, domain: str, by: str) -> Standing:
        """Try everything that waits for an active sibling at once. `Conflict` for one that nothing is sent to now."""
        def write(tx: Tx) -> Standing:
            one = _entry(tx, domain)
            if one.state != SiblingState.ACTIVE:
                raise Conflict("Nothing is sent to %(domain)s now; its state is “%(state)s”. What waits is kept.",
                               values={"domain": domain_of(one.origin), "state": Phrase(one.state)})
            store.retry(tx, one.id)
            self._audit.note(tx, by=by, action="sibling.retry", target=one.origin)
            return _standing(tx, (one,))[0]

        return await self._database.write(write)

    async def retry_parked(self, domain: str, by: str) -> Retried:
        """Put back into the line everything that was parked, at its end; what was erased here stays where it is."""
        def write(tx: Tx) -> Retried:
            one = _open(tx, domain)
            sent = store.send_again(tx, one.id, f"d.state = 'parked' AND {_SENDABLE}", (), self._clock.ms())
            if sent:
                self._audit.note(tx, by=by, action="delivery.retried", target=one.origin, detail=str(sent))
            return Retried(sent, _count(tx, "state = 'parked'").get(one.id, 0))

        return await self._database.write(write)

    async def retry(self, domain: str, sequence: int, by: str) -> Item:
        """Put one that was parked back into the line, at its end. `Conflict` where it is not parked, or was erased here."""
        def write(tx: Tx) -> Item:
            one, item = _parked(tx, domain, sequence)
            _open(tx, domain)
            if item.erased:
                raise Conflict("Its text was erased here, so it cannot be sent any more. It can be dropped.", reason="erased")
            store.send_again(tx, one.id, "d.state = 'parked' AND d.sequence = ?", (sequence,), self._clock.ms())
            self._audit.note(tx, by=by, action="delivery.retried", target=one.origin, detail=item.uri)
            return item

        return await self._database.write(write)

    async def drop(self, domain: str, sequence: int, why: str, by: str) -> Item:
        """End one that was parked or put off, for a reason that its author reads: it will never be sent to this sibling."""
        check_reason(why)

        def write(tx: Tx) -> Item:
            one, item = _parked(tx, domain, sequence, put_off=True)
            tx.run("UPDATE deliveries SET state = 'dropped', reason = ?, settled_at = ? WHERE sibling_id = ? AND sequence = ?",
                   (reason(DROPPED, why.strip()), self._clock.ms(), one.id, sequence))
            self._audit.note(tx, by=by, action="delivery.dropped", target=one.origin, detail=f"{item.uri} {why.strip()}"[:600])
            tx.wake("delivery")
            return item

        return await self._database.write(write)


def read_id(text: str) -> tuple[str, int]:
    """The sibling's domain and the number in `fr.example/1234`; `InvalidInput` for anything else."""
    domain, _, digits = text.strip().rpartition("/")
    sequence = whole(digits, _MOST)
    if not domain or sequence is None:
        raise InvalidInput("Write it as `konsil queue parked` shows it: fr.example/1234.", field="id")
    return domain, sequence


def _entry(tx: Tx, domain: str) -> Entry:
    origin = origin_for_domain(domain)
    found = next((one for one in listed(tx) if one.origin == origin), None)
    if found is None:
        raise NotFound("There is no sibling %(domain)s.", values={"domain": domain})
    return found


def _open(tx: Tx, domain: str) -> Entry:
    """A sibling that is sent to, now or later."""
    one = _entry(tx, domain)
    if one.state not in SENT_TO:
        raise Conflict("Nothing is sent to %(domain)s any more; its state is “%(state)s”.",
                       values={"domain": domain_of(one.origin), "state": Phrase(one.state)})
    return one


def _one(tx: Tx, domain: str, sequence: int) -> tuple[Entry, Item]:
    one = _entry(tx, domain)
    row = tx.row(f"{_ITEM} d.sibling_id = ? AND d.sequence = ?", (one.id, sequence))
    if row is None:
        raise NotFound("There is nothing with this number in the line to %(domain)s.", values={"domain": domain_of(one.origin)})
    return one, _item(one, row)


def _parked(tx: Tx, domain: str, sequence: int, *, put_off: bool = False) -> tuple[Entry, Item]:
    """One that was parked or, where that will do, is put off."""
    one, item = _one(tx, domain, sequence)
    if item.state != "parked" and not (put_off and item.state == "pending" and item.tries):
        raise Conflict("This is not parked, or not any more. Nothing was changed.", reason="not-parked")
    return one, item


def _standing(tx: Tx, entries: tuple[Entry, ...]) -> tuple[Standing, ...]:
    lanes: dict[int, list[int]] = {}
    first: dict[int, int] = {}
    late: set[int] = set()
    for row in tx.rows("SELECT sibling_id, tries, lane, count(*) AS n, min(sequence) AS first FROM deliveries"
                       " WHERE state = 'pending' GROUP BY sibling_id, tries, lane"):
        lanes.setdefault(row["sibling_id"], [0, 0, 0])[row["lane"]] += row["n"]
        first[row["sibling_id"]] = min(row["first"], first.get(row["sibling_id"], row["first"]))
        if row["tries"]:
            late.add(row["sibling_id"])
    oldest = {sibling_id: _written(tx, sibling_id, sequence) for sibling_id, sequence in first.items()}
    held, parked = _count(tx, "state = 'held'"), _count(tx, "state = 'parked'")
    put_off = {sibling_id: row for sibling_id in late for row in tx.rows(
        "SELECT count(*) AS n, max(tries) AS tries, min(next_try) AS next_try, max(reason) AS reason FROM deliveries"
        " WHERE sibling_id = ? AND state = 'pending' AND tries > 0", (sibling_id,))}
    deletions = {row["sibling_id"]: row for row in tx.rows(
        "SELECT d.sibling_id, count(*) AS n, sum(CASE WHEN d.state = 'dropped' THEN 1 ELSE 0 END) AS dropped FROM deliveries d"
        f" WHERE {store.OPEN_DELETION} GROUP BY d.sibling_id")}
    found = {row["sibling_id"]: row for row in tx.rows(
        "SELECT l.*, s.last_in, (SELECT r.at FROM receipts r WHERE r.sibling_id = l.sibling_id ORDER BY r.id DESC LIMIT 1)"
        " AS receipt FROM delivery_lines l JOIN siblings s ON s.id = l.sibling_id")} if entries else {}
    made = []
    for one in entries:
        line, later, gone = found[one.id], put_off.get(one.id), deletions.get(one.id)
        stored = line["last_error"] or (later["reason"] if later is not None else "")
        urgent, fresh, backlog = lanes.get(one.id, (0, 0, 0))
        dropped = gone["dropped"] if gone is not None else 0
        made.append(Standing(
            one.id, domain_of(one.origin), one.country, one.name, one.state, oldest.get(one.id), (urgent, fresh, backlog),
            held.get(one.id, 0), parked.get(one.id, 0), later["n"] if later is not None else 0,
            gone["n"] - dropped if gone is not None else 0, dropped, line["last_out"], line["last_in"],
            max(line["fail_count"], later["tries"] if later is not None else 0), line["failing_since"],
            line["next_try"] or (later["next_try"] if later is not None else 0), in_words(stored), bool(line["alarm"]),
            todo(stored), line["next_sequence"] - 1, line["epoch"] if line["epoch_from"] else 0, line["confirmed"],
            line["receipt"]))
    return tuple(made)


def _written(tx: Tx, sibling_id: int, sequence: int) -> int | None:
    row = tx.row("SELECT o.created_at FROM deliveries d JOIN outbox o ON o.id = d.outbox_id"
                 " WHERE d.sibling_id = ? AND d.sequence = ?", (sibling_id, sequence))
    return int(row["created_at"]) if row is not None else None


def _count(tx: Tx, which: str) -> dict[int, int]:
    return {row["sibling_id"]: row["n"] for row in tx.rows(
        f"SELECT sibling_id, count(*) AS n FROM deliveries WHERE {which} GROUP BY sibling_id")}


def _items(one: Entry, rows: list[Row]) -> tuple[Item, ...]:
    return tuple(_item(one, row) for row in rows)


def _item(one: Entry, row: Row) -> Item:
    return Item(domain_of(one.origin), row["sequence"], row["uri"], row["type"], row["lane"], row["state"], row["created_at"],
                row["settled_at"], row["tries"], row["next_try"], in_words(row["reason"]), todo(row["reason"]),
                row["size"] == 0 and row["type"] != "Delete")


def _key(cursor: str) -> tuple[int, int, int]:
    tries, lane, sequence = (whole(part, _MOST) for part in f"{cursor}--".split("-")[:3])
    return (tries, lane, sequence) if tries is not None and lane is not None and sequence is not None else (0, -1, 0)
