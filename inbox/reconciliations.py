"""Comparisons with siblings as they are kept: which are due, what each has found and done, and which backups were restored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

import msgspec

from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx, marks
from core.errors import Refused
from core.ids import Ids, made_at, number
from core.settings import Reconciliation as Settings
from core.words import N_, Phrase, Sentence
from federation.listed import SiblingState, entry, listed
from federation.siblings import Siblings
from federation.troubles import in_words

TOPIC = "reconciliations"
KEPT = 60
_AGAIN_MS, _MOST_DOUBLED = 600_000, 5
NIGHTLY, RESTORED, ASKED = "nightly", "restored", "asked"
_OCCASIONS = {NIGHTLY: N_("as every night"), RESTORED: N_("after a restore"), ASKED: N_("asked for")}
_BY = "worker"
INTERRUPTED = "interrupted"


class Done(msgspec.Struct):
    """What one comparison of one kind has found and done. `compared` are the items the sibling told of; what is missing or
    older here or there; `fetched` from it, `sent_again` to it; deleted here because it was deleted there, and the other way
    round; `recovered` are our own, out of its copies; `could_not` what stays as it was."""

    compared: int = 0
    missing_here: int = 0
    fetched: int = 0
    missing_there: int = 0
    sent_again: int = 0
    erased_here: int = 0
    erased_there: int = 0
    recovered: int = 0
    could_not: int = 0

    def go_on(self, later: Done) -> None:
        """Once more over the same, after something had been put right."""
        for name in ("fetched", "sent_again", "erased_here", "erased_there", "recovered"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.could_not = later.could_not

    @property
    def repaired(self) -> int:
        return self.fetched + self.sent_again + self.erased_here + self.erased_there + self.recovered

    @property
    def differences(self) -> int:
        """How much was not as it should be; what is deleted on one side is neither missing here nor there."""
        return self.missing_here + self.missing_there + self.erased_here + self.erased_there


Results = dict[str, Done]


class Reconciled(NamedTuple):
    """One comparison, under way or done (ms). `trouble` is a sentence where it did not come to its end."""

    id: int
    sibling_id: int
    by: str
    why: str
    dry: bool
    asked: int
    begun: int | None
    ended: int | None
    trouble: Sentence
    results: Results

    @property
    def occasion(self) -> Phrase:
        """Why it was made, in words."""
        return _OCCASIONS.get(self.why, Phrase(self.why))

    @property
    def whole(self) -> Done:
        """All kinds together."""
        total = Done()
        for done in self.results.values():
            for name in Done.__struct_fields__:
                setattr(total, name, getattr(total, name) + getattr(done, name))
        return total


class Task(NamedTuple):
    """A comparison to be made."""

    id: int
    sibling_id: int
    origin: str
    why: str
    dry: bool = False


class Lost(NamedTuple):
    """What was written between these moments (ms) was lost here: a backup was restored."""

    first: int
    last: int


class Reconciliations:
    """The table of comparisons."""

    def __init__(self, database: Database, siblings: Siblings, audit: Audit, clock: Clock, ids: Ids, settings: Settings,
                 zone: tzinfo) -> None:
        self._database, self._siblings, self._audit = database, siblings, audit
        self._clock, self._ids, self._settings, self._zone = clock, ids, settings, zone

    async def ask(self, domain: str, by: str) -> None:
        """Have the worker compare with a sibling as soon as it can; while that waits or goes on, asking again changes nothing."""
        row = await self._siblings.row(domain)
        await self._database.write(lambda tx: self._ask(tx, row.id, by))

    async def begin(self, domain: str, by: str, *, dry: bool) -> Task:
        """Note that a comparison begins now, made by whoever calls this."""
        row = await self._siblings.row(domain)

        def write(tx: Tx) -> Task:
            _check_active(tx, row.id)
            if not dry:
                self._note(tx, row.origin, by)
            task = Task(self._ids.new(), row.id, row.origin, ASKED, dry)
            self._insert(tx, task, by, self._clock.ms())
            return task

        return await self._database.write(write)

    async def next(self) -> Task | None:
        """The next one that somebody has asked for or that is due, noted as begun."""
        now = self._clock.ms()
        if await self._database.read(lambda tx: self._due(tx, now)) is None:
            return None
        return await self._database.write(lambda tx: self._begin_due(tx, now))

    async def end(self, task: Task, results: Results, trouble: str = "") -> None:
        """Keep what has come of one; of those before only the newest stay."""
        encoded, now = msgspec.json.encode(results).decode(), self._clock.ms()

        def write(tx: Tx) -> None:
            tx.run("UPDATE reconciliations SET ended_at = ?, trouble = ?, results = ? WHERE id = ?",
                   (now, trouble, encoded, task.id))
            tx.run("DELETE FROM reconciliations WHERE sibling_id = ? AND id NOT IN (SELECT id FROM reconciliations"
                   " WHERE sibling_id = ? ORDER BY id DESC LIMIT ?)", (task.sibling_id, task.sibling_id, KEPT))

        await self._database.write(write)

    async def interrupted(self) -> None:
        """A worker has begun: what the one before it did not end was interrupted, and is due again."""
        now = self._clock.ms()
        await self._database.write(lambda tx: tx.run(
            "UPDATE reconciliations SET ended_at = ?, trouble = ? WHERE begun_at IS NOT NULL AND ended_at IS NULL",
            (now, INTERRUPTED)))

    async def asks(self, at_most_ms: int) -> bool:
        """Whether a backup was restored here, at most so long ago, and some active sibling has not been heard about it yet."""
        now = self._clock.ms()

        def look(tx: Tx) -> bool:
            last = lost_last(tx)
            return last is not None and now - last.last < at_most_ms and any(
                fresh_from_backup(tx, one.id) for one in listed(tx) if one.state == SiblingState.ACTIVE)

        return await self._database.read(look)

    async def prune(self) -> None:
        """Delete those whose time is over."""
        limit = self._clock.ms() - self._settings.days * 86_400_000
        await self._database.write(lambda tx: tx.run("DELETE FROM reconciliations WHERE ended_at < ?", (limit,)))

    async def newest(self, sibling_id: int, limit: int = 5) -> tuple[Reconciled, ...]:
        """A sibling's last comparisons, newest first."""
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT * FROM reconciliations WHERE sibling_id = ? ORDER BY id DESC LIMIT ?", (sibling_id, limit)))
        return tuple(map(_reconciled, rows))

    async def one(self, task: Task) -> Reconciled:
        """One of them."""
        [row] = await self._database.read(lambda tx: tx.rows("SELECT * FROM reconciliations WHERE id = ?", (task.id,)))
        return _reconciled(row)

    async def active(self) -> tuple[str, ...]:
        """The domains of all siblings that can be compared with."""
        return tuple(row.domain for row in await self._siblings.rows() if row.state == SiblingState.ACTIVE)

    def _ask(self, tx: Tx, sibling_id: int, by: str) -> None:
        origin = _check_active(tx, sibling_id)
        self._note(tx, origin, by)
        if tx.row("SELECT 1 FROM reconciliations WHERE sibling_id = ? AND ended_at IS NULL AND dry = 0", (sibling_id,)) is None:
            tx.run("INSERT INTO reconciliations (id, sibling_id, by, why, asked_at) VALUES (?, ?, ?, ?, ?)",
                   (self._ids.new(), sibling_id, by, ASKED, self._clock.ms()))
            tx.wake(TOPIC)

    def _note(self, tx: Tx, origin: str, by: str) -> None:
        self._audit.note(tx, by=by, action="sibling.compared", target=origin)

    def _insert(self, tx: Tx, task: Task, by: str, now: int) -> None:
        tx.run("INSERT INTO reconciliations (id, sibling_id, by, why, dry, asked_at, begun_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
               (task.id, task.sibling_id, by, task.why, int(task.dry), now, now))

    def _begin_due(self, tx: Tx, now: int) -> Task | None:
        task = self._due(tx, now)
        if task is not None and task.why == ASKED:
            tx.run("UPDATE reconciliations SET begun_at = ? WHERE id = ?", (now, task.id))
        elif task is not None:
            task = task._replace(id=self._ids.new())
            self._insert(tx, task, _BY, now)
        return task

    def _due(self, tx: Tx, now: int) -> Task | None:
        active = {one.id: one for one in listed(tx) if one.state == SiblingState.ACTIVE}
        inside = marks(len(active))
        asked = tx.row(f"SELECT id, sibling_id FROM reconciliations WHERE begun_at IS NULL AND sibling_id IN ({inside})"
                       " ORDER BY id LIMIT 1", list(active))
        if asked is not None:
            return Task(asked["id"], asked["sibling_id"], active[asked["sibling_id"]].origin, ASKED)
        lost = lost_last(tx)
        since = {row["id"]: row["activated_at"] for row in tx.rows(
            f"SELECT id, activated_at FROM siblings WHERE id IN ({inside})", list(active))}
        for one in active.values():
            done = tx.row("SELECT coalesce(max(begun_at), 0) AS at FROM reconciliations WHERE sibling_id = ? AND dry = 0"
                          " AND ended_at IS NOT NULL AND trouble = ''", (one.id,))
            last = done["at"] if done is not None else 0
            tried = tx.row("SELECT coalesce(max(begun_at), 0) AS at, count(*) AS n FROM reconciliations WHERE sibling_id = ?"
                           " AND dry = 0 AND begun_at > ?", (one.id, last))
            if tried is not None and tried["n"] and now < tried["at"] + (_AGAIN_MS << min(tried["n"] - 1, _MOST_DOUBLED)):
                continue
            if lost is not None and last < lost.last:
                return Task(0, one.id, one.origin, RESTORED)
            if self._settings.nightly and max(last, since[one.id] or now) < self._night(one.origin, now) <= now:
                return Task(0, one.id, one.origin, NIGHTLY)
        return None

    def _night(self, origin: str, now: int) -> int:
        """The last moment (ms) at which a sibling's turn came: each has its own minute of the night, always the same one."""
        here = datetime.fromtimestamp(now / 1000, self._zone)
        place = int.from_bytes(hashlib.sha256(origin.encode()).digest()[:4], "big")
        minute = place % (self._settings.hours * 60)
        turn = here.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(hours=self._settings.hour, minutes=minute)
        return int((turn if turn <= here else turn - timedelta(days=1)).timestamp() * 1000)


def restored(tx: Tx, now: int, backup_at: int) -> None:
    """A backup of this moment (ms) has been restored now."""
    tx.run("INSERT INTO restorations (restored_at, backup_at) VALUES (?, ?) ON CONFLICT (restored_at) DO NOTHING",
           (now, backup_at))


def lost(tx: Tx) -> Sequence[Lost]:
    """The times of which something was lost here."""
    return [Lost(*row) for row in tx.rows("SELECT backup_at, restored_at FROM restorations ORDER BY restored_at")]


def made_then(times: Sequence[Lost], uri: str) -> bool:
    """Whether what is called so was made in one of these times, to judge by its id."""
    made = number(uri.rpartition("/")[2])
    return made is not None and any(one.first <= made_at(made) <= one.last for one in times)


def lost_last(tx: Tx) -> Lost | None:
    """The last of them."""
    found = lost(tx)
    return found[-1] if found else None


def fresh_from_backup(tx: Tx, sibling_id: int) -> bool:
    """Whether a backup was restored and nothing has been compared to the end with this sibling since."""
    last = lost_last(tx)
    return last is not None and tx.row(
        "SELECT 1 FROM reconciliations WHERE sibling_id = ? AND begun_at >= ? AND ended_at IS NOT NULL AND trouble = ''"
        " AND dry = 0", (sibling_id, last.last)) is None


def _check_active(tx: Tx, sibling_id: int) -> str:
    found = entry(tx, sibling_id)
    if found is None or found.state != SiblingState.ACTIVE:
        raise Refused("Only an active sibling can be compared with.", reason="not-active")
    return found.origin


def _reconciled(row: Row) -> Reconciled:
    return Reconciled(
        row["id"], row["sibling_id"], row["by"], row["why"], bool(row["dry"]), row["asked_at"], row["begun_at"], row["ended_at"],
        in_words(row["trouble"]), msgspec.json.decode(row["results"], type=Results))

