"""What operators do about reports: read what was reported, decide about posts of this instance, and whether one is hidden here.

The text of a post opens for them because it was reported, and each time that is written down. Who wrote a post or reported it
does not decide about it as an operator, and an appeal is decided by somebody else, where there is anybody.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

from actors import aliases
from actors.store import by_ids
from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.ids import Ids, number, public
from core.vault import KeyVault
from federation import due
from federation.addresses import origin_of
from federation.identity import Identity
from federation.store import enqueue, forget_said
from posts import matters, outgoing, pollstore, store
from posts.drafts import Written, put_back, written_again
from posts.history import whole
from posts.matters import MATTER_STATES, TEXT_LIMIT, Category, Decision, MatterState, Verdict
from posts.models import Kind
from posts.network import Network, network
from posts.opening import OpenedPost, opened
from posts.reports import DAY_MS, hide_at_once, said_of, send, tell_round
from posts.store import Post

PAGE = 30
RESULTS = (MatterState.TAKEN_DOWN, MatterState.KEPT, MatterState.CHANGED)
SECOND = (MatterState.TAKEN_DOWN, MatterState.OVERTURNED)
"""What an appeal can end with."""
_END = (1 << 63) - 1
_TELL_AFTER_MS = 60_000
_REPORTS = 200  # what one page shows of very many reports of one post: the first ones
_OPEN = "m.state IN ('open', 'appealed')"
_TABS = {
    "decide": (f"p.sibling_id IS NULL AND {_OPEN}", "ASC"),
    "elsewhere": (f"p.sibling_id IS NOT NULL AND ({_OPEN} OR p.hidden_at IS NOT NULL)", "DESC"),
    "decided": (f"NOT ({_OPEN}) AND (p.sibling_id IS NULL OR p.hidden_at IS NULL)", "DESC"),
}


class Forget(Protocol):
    """What else has to go with a post that is taken down: where it lies is known further up, so this is handed in."""

    def __call__(self, tx: Tx, uri: str, /) -> None: ...


class MatterRow(msgspec.Struct, frozen=True):
    """A reported post in operators' list, without its text; times in ms. `instance` is who decides; `hidden`: here."""

    id: str
    state: MatterState
    category: Category
    opened: int
    reports: int
    kind: Kind
    author: str
    country: str
    instance: str
    local: bool
    hidden: bool
    decided: int | None
    uri: str


class RowPage(msgspec.Struct, frozen=True):
    """Some of them; `before` is the next page's cursor; `waiting` counts what is to be decided here, `elsewhere` what others
    are to decide, or what is hidden here although they have."""

    shown: tuple[MatterRow, ...]
    before: str | None
    waiting: int
    elsewhere: int


class ReportRow(msgspec.Struct, frozen=True):
    """One report: by whom (a doctor or operator here, or a sibling, by name), for what, in which words; `sent`: to who
    decides."""

    by: str
    local: bool
    category: Category
    text: str
    language: str
    shared: bool
    sent: bool
    at: int


class MatterCase(msgspec.Struct, frozen=True):
    """All that operators know of a reported post. `post` holds its text, or after a takedown what was kept for an appeal;
    `results` are what this operator may decide now, and `why_not` the sentence that says why there are none."""

    row: MatterRow
    post: OpenedPost
    reports: tuple[ReportRow, ...]
    decisions: tuple[Decision, ...]
    appeal: str
    appealed: int | None
    changed_since: bool
    results: tuple[MatterState, ...]
    why_not: InvalidInput | Refused | None


class OpenReports(NamedTuple):
    """How many reports wait between us and a sibling: of its posts there, and those it has sent about ours."""

    there: int
    here: int


class _Kept(msgspec.Struct, frozen=True):
    """What is kept of a post that was taken down: what its author wrote, and how it looked."""

    written: Written
    html: str
    reply_to: int | None


class Judging:
    """Shows operators what was reported and does what they decide."""

    def __init__(self, database: Database, identity: Identity, vault: KeyVault, clock: Clock, ids: Ids, audit: Audit,
                 forget: Forget, *, appeal_days: int, report_days: int) -> None:
        self._database, self._identity, self._vault = database, identity, vault
        self._clock, self._ids, self._audit, self._forget = clock, ids, audit, forget
        self._appeal_ms, self._report_ms = appeal_days * DAY_MS, report_days * DAY_MS

    async def page(self, tab: str, before: str | None) -> RowPage:
        """What is to be decided here, oldest first; or what others decide, or what was decided, newest first."""
        which, order = _TABS.get(tab, _TABS["decide"])
        rising = order == "ASC"
        key = (number(before) if before else None) or (0 if rising else _END)

        def look(tx: Tx) -> RowPage:
            rows = tx.rows(f"SELECT m.* FROM matters m JOIN posts p ON p.id = m.post_id WHERE {which} AND m.id"
                           f" {'>' if rising else '<'} ? ORDER BY m.id {order} LIMIT ?", (key, PAGE + 1))
            places = network(tx, self._identity)
            shown = tuple(_row(tx, places, row) for row in rows[:PAGE])
            return RowPage(shown, shown[-1].id if len(rows) > PAGE else None, _count(tx, "decide"), _count(tx, "elsewhere"))

        return await self._database.read(look)

    async def row(self, matter_id: str) -> MatterRow:
        """One of them without its text."""
        return await self._database.read(lambda tx: _row(tx, network(tx, self._identity), _matter(tx, matter_id)))

    async def case(self, matter_id: str, by: str) -> MatterCase:
        """One of them with its text; that `by` has opened it is written down first."""
        def write(tx: Tx) -> MatterCase:
            row = _matter(tx, matter_id)
            post = _post(tx, row)
            self._audit.note(tx, by=by, action="case.opened", target=post.uri, detail=public(row["id"]))
            return self._case(tx, row, post, by)

        return await self._database.write(write)

    def _case(self, tx: Tx, row: Row, post: Post, by: str) -> MatterCase:
        places = network(tx, self._identity)
        text = opened(tx, self._identity, post)
        if row["kept"] is not None:
            kept = self._open(row)
            text = msgspec.structs.replace(text, question=kept.written.question, html=kept.html,
                                           options=tuple(filter(None, kept.written.options.split("\n"))))
        why_not = _why_not(tx, row, post, by)
        return MatterCase(
            row=_row(tx, places, row), post=text, reports=_reports(tx, row["id"], places),
            decisions=matters.decisions(tx, row["id"]), appeal=row["appeal"], appealed=row["appealed_at"],
            changed_since=_changed(row, post), results=() if why_not is not None else _results(row, post), why_not=why_not)

    async def report(self, post_id: str, category: str, text: str, language: str, by: str, *, share: bool) -> str:
        """An operator who has read a post for another reason, a notice from outside say, reports it: it is hidden, told and
        decided about as if a doctor had. Returns the matter's id."""
        said, inner = said_of(category, text, language, share=share), number(post_id)

        def write(tx: Tx) -> str:
            post, now = (store.by_id(tx, inner) if inner is not None else None), self._clock.ms()
            if post is None or post.erased_at is not None:
                raise NotFound("There is no such post here.", field="post")
            matter_id, report_id = matters.file(tx, self._ids, post.id, said, now, operator=by)
            hide_at_once(tx, post, said, now)
            send(tx, self._identity, self._ids, post, report_id, said, now)
            self._audit.note(tx, by=by, action="report.raised", target=post.uri, detail=said.category)
            return public(matter_id)

        return await self._database.write(write)

    async def decide(self, matter_id: str, result: str, reason: str, language: str, by: str) -> None:
        """Decide about a reported post of this instance. The reason goes to its author and to whoever reported it, here and at
        siblings. A post that is taken down is erased here and everywhere it went.

        `InvalidInput` names the field; `Refused` where this operator does not decide; `Conflict` where it was decided already,
        or where nothing has changed.
        """
        reason = reason.replace("\0", "").replace("\r\n", "\n").strip()
        if not 0 < len(reason) <= TEXT_LIMIT:
            raise InvalidInput("Give the reason in 1 to %(most)s characters.", values={"most": TEXT_LIMIT}, field="reason")
        if result not in (*RESULTS, *SECOND):
            raise InvalidInput("Choose what is to become of it.", field="result")
        to = MatterState(result)

        def write(tx: Tx) -> None:
            row, now = _matter(tx, matter_id), self._clock.ms()
            post = _post(tx, row)
            why_not = _why_not(tx, row, post, by)
            if why_not is not None:
                raise why_not
            MATTER_STATES.check(row["state"], to)
            if to == MatterState.CHANGED and not _changed(row, post):
                raise Conflict("Its author has not changed it since it was reported.", reason="unchanged", field="result")
            verdict = Verdict(to, row["round"] + 1, reason, language)
            tell_round(tx, self._identity, self._ids, row["id"], verdict, by, now)
            self._carry_out(tx, row, post, to, now)
            matters.tell_reporters(tx, self._ids, row["id"], now)
            matters.tell_author(tx, self._ids, row["id"], post.author_id, now)
            self._audit.note(tx, by=by, action=f"report.{to}", target=post.uri, detail=row["category"])

        await self._database.write(write)

    def _carry_out(self, tx: Tx, row: Row, post: Post, to: MatterState, now: int) -> None:
        if to == MatterState.TAKEN_DOWN and row["state"] == MatterState.OPEN:
            self._take_down(tx, row, post, now)
        elif to in (MatterState.KEPT, MatterState.CHANGED):
            matters.show(tx, post.id, now)
            if to == MatterState.CHANGED:
                self._forget_earlier(tx, post, now)
        else:
            if to == MatterState.OVERTURNED and row["kept"] is not None:
                kept = self._open(row)
                put_back(tx, _writer(tx, post), kept.written, kept.reply_to, self._ids.new(), self._ids.new(), now)
            tx.run("UPDATE matters SET kept = NULL WHERE id = ?", (row["id"],))
            tx.scrub()

    def _take_down(self, tx: Tx, row: Row, post: Post, now: int) -> None:
        """Erase it everywhere. A sealed copy of what its author wrote stays with the matter while she may appeal."""
        poll = store.polls(tx, [post.id]).get(post.id)
        written = msgspec.structs.replace(
            written_again(post.kind, post.question, post.source, post.language, post.facts, post.parts),
            options="\n".join(name for name, _ in poll.options) if poll is not None else "",
            multiple="1" if poll is not None and poll.multiple else "")
        sealed = self._vault.seal(msgspec.json.encode(_Kept(written, whole(post), post.parent_id)), _context(row))
        tx.run("UPDATE matters SET kept = ? WHERE id = ?", (sealed, row["id"]))
        author = by_ids(tx, [post.author_id])[post.author_id]
        activity = outgoing.take_down(post, author.uri, self._identity.actor_uri, row["category"])
        store.erase(tx, post.uri, self._identity.origin, now)
        store.mark_taken_down(tx, post.uri, row["category"])
        self._forget(tx, post.uri)
        enqueue(tx, self._ids.new(), activity, network(tx, self._identity).recipients(post.audience.origins), now)

    def _forget_earlier(self, tx: Tx, post: Post, now: int) -> None:
        """What was changed because of a report is not to be found in the history either, here and everywhere, nor in what was
        sent. Siblings that may not have the post at all get it anew."""
        store.forget_earlier(tx, post.id)
        tx.run("UPDATE posts SET revision = revision + 1 WHERE id = ?", (post.id,))
        post = msgspec.structs.replace(post, revision=post.revision + 1)
        parent = store.by_id(tx, post.parent_id) if post.parent_id is not None else None
        author = by_ids(tx, [post.author_id])[post.author_id]
        poll, answered, seal = pollstore.whole(tx, post.id), parent.uri if parent else None, self._identity.seal
        places = network(tx, self._identity).recipients(post.audience.origins)
        due.add(tx, due.CHANGED, post.uri, now)
        without = set(forget_said(tx, post.uri, now))
        created = outgoing.create(post, poll, author.uri, answered, seal, again=public(self._ids.new()))
        enqueue(tx, self._ids.new(), created, [one for one in places if one in without], now)
        updated = outgoing.update(post, poll, author.uri, answered, seal, forgets=True, repeats=True)
        enqueue(tx, self._ids.new(), updated, places, now)
        tx.scrub()

    async def hide(self, matter_id: str, by: str, *, hidden: bool) -> None:
        """Hide a reported post from the doctors of this instance, or let it be seen again: what another country has decided
        about its own post lifts nothing here."""
        def write(tx: Tx) -> None:
            row, now = _matter(tx, matter_id), self._clock.ms()
            post = _post(tx, row)
            if post.erased_at is not None:
                raise Conflict("This post is not there any more.", reason="gone")
            if party(tx, by, row["id"], post):
                raise _party_decides_not()
            if hidden:
                matters.hide(tx, post.id, now)
            else:
                matters.show(tx, post.id, now)
            self._audit.note(tx, by=by, action=f"report.{'hidden' if hidden else 'shown'}", target=post.uri)

        await self._database.write(write)

    async def open_by_sibling(self) -> dict[int, OpenReports]:
        """What waits between us and each sibling, by its id."""
        def look(tx: Tx) -> dict[int, OpenReports]:
            there = {row["id"]: row["n"] for row in tx.rows(
                f"SELECT p.sibling_id AS id, count(*) AS n FROM matters m JOIN posts p ON p.id = m.post_id WHERE {_OPEN}"
                " AND p.sibling_id IS NOT NULL GROUP BY p.sibling_id")}
            here = {row["id"]: row["n"] for row in tx.rows(
                f"SELECT r.sibling_id AS id, count(DISTINCT m.id) AS n FROM matters m JOIN reports r ON r.matter_id = m.id"
                f" WHERE {_OPEN} AND r.sibling_id IS NOT NULL GROUP BY r.sibling_id")}
            return {key: OpenReports(there.get(key, 0), here.get(key, 0)) for key in there.keys() | here.keys()}

        return await self._database.read(look)

    async def tell_due(self) -> int:
        """Tell those who have reported a post that its author has deleted it; how many matters were told of. A sibling that
        takes one down says so a moment after its deletion: that is waited for."""
        now = self._clock.ms()
        due = ("SELECT id FROM matters WHERE state = ? AND told_at IS NULL AND decided_at < ?",
               (MatterState.DELETED, now - _TELL_AFTER_MS))
        if not await self._database.read(lambda tx: tx.rows(*due)):
            return 0

        def write(tx: Tx) -> int:
            rows = tx.rows(*due)
            for row in rows:
                tx.run("UPDATE matters SET told_at = ? WHERE id = ?", (now, row["id"]))
                matters.tell_reporters(tx, self._ids, row["id"], now)
            return len(rows)

        return await self._database.write(write)

    async def prune(self) -> int:
        """Forget what was kept for appeals, and what people have written, when the time of both is over."""
        now = self._clock.ms()
        return await self._database.write(lambda tx: matters.prune(tx, now - self._report_ms, now - self._appeal_ms))

    def _open(self, row: Row) -> _Kept:
        return msgspec.json.decode(self._vault.open(row["kept"], _context(row)), type=_Kept)


def party(tx: Tx, by: str, matter_id: int, post: Post) -> bool:
    """Whether this operator is, as a doctor, the author of a post or one of those who have reported it."""
    row = tx.row("SELECT d.actor_id FROM accounts o JOIN accounts d ON d.id = o.doctor_id WHERE o.handle = ?"
                 " AND o.kind = 'operator'", (by,))
    return row is not None and (row["actor_id"] == _writer(tx, post) or tx.row(
        "SELECT 1 FROM reports WHERE matter_id = ? AND reporter_id = ?", (matter_id, row["actor_id"])) is not None)


def _writer(tx: Tx, post: Post) -> int:
    """The doctor who has written a post, be it under an alias or for a desk."""
    return aliases.writers(tx, [post.author_id]).get(post.author_id, post.author_id)


def _party_decides_not() -> Refused:
    return Refused("You have written or reported this post yourself, so another operator decides.", reason="party")


def _why_not(tx: Tx, row: Row, post: Post, by: str) -> InvalidInput | Refused | None:
    """Why nothing is decided about a matter now by this operator; None if it may be."""
    if post.sibling_id is not None:
        return Conflict("The country that the post comes from decides about it.", reason="elsewhere")
    if row["state"] not in (MatterState.OPEN, MatterState.APPEALED):
        return Conflict("This was decided already.", reason="decided")
    if party(tx, by, row["id"], post):
        return _party_decides_not()
    if row["state"] == MatterState.OPEN:
        return None
    before = {one.by for one in matters.decisions(tx, row["id"])}
    operators = [one["handle"] for one in tx.rows("SELECT handle FROM accounts WHERE kind = 'operator' AND state = 'verified'")]
    others = [one for one in operators if one not in before and not party(tx, one, row["id"], post)]
    if others and by not in others:
        return Refused("An appeal is decided by another operator than the one who has decided before.", reason="appeal")
    return None


def _results(row: Row, post: Post) -> tuple[MatterState, ...]:
    if row["state"] == MatterState.APPEALED:
        return SECOND
    return RESULTS if _changed(row, post) else RESULTS[:2]


def _changed(row: Row, post: Post) -> bool:
    return post.updated_at is not None and post.updated_at > row["opened_at"]


def _matter(tx: Tx, matter_id: str) -> Row:
    inner = number(matter_id)
    row = tx.row("SELECT * FROM matters WHERE id = ?", (inner,)) if inner is not None else None
    if row is None:
        raise NotFound("There is no such report.")
    return row


def _post(tx: Tx, row: Row) -> Post:
    return store.by_many(tx, [row["post_id"]])[row["post_id"]]


def _context(row: Row) -> str:
    return f"matter {row['id']}"


def _count(tx: Tx, tab: str) -> int:
    row = tx.row(f"SELECT count(*) AS n FROM matters m JOIN posts p ON p.id = m.post_id WHERE {_TABS[tab][0]}")
    return int(row["n"]) if row is not None else 0


def _row(tx: Tx, places: Network, row: Row) -> MatterRow:
    post = _post(tx, row)
    author = by_ids(tx, [post.author_id])[post.author_id]
    [reports] = tx.rows("SELECT count(*) AS n FROM reports WHERE matter_id = ?", (row["id"],))
    return MatterRow(
        id=public(row["id"]), state=MatterState(row["state"]), category=Category(row["category"]), opened=row["opened_at"],
        reports=reports["n"], kind=post.kind, author=author.name, country=places.code(origin_of(post.uri)),
        instance=places.called(origin_of(post.uri)), local=post.sibling_id is None, hidden=post.hidden_at is not None,
        decided=row["decided_at"], uri=post.uri)


def _reports(tx: Tx, matter_id: int, places: Network) -> tuple[ReportRow, ...]:
    rows = tx.rows("SELECT * FROM reports WHERE matter_id = ? ORDER BY id LIMIT ?", (matter_id, _REPORTS))
    people = by_ids(tx, [row["reporter_id"] for row in rows if row["reporter_id"] is not None])
    names = {place.id: place.name for place in places.siblings.values()}
    return tuple(ReportRow(
        people[row["reporter_id"]].name if row["reporter_id"] in people else row["operator"] or names.get(row["sibling_id"], ""),
        row["sibling_id"] is None, Category(row["category"]), row["text"], row["language"], bool(row["shared"]),
        bool(row["uri"]), row["at"]) for row in rows)
