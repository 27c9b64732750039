"""The self-test of a sibling, before it becomes active and whenever somebody wants to know: from its name to its list.

Every line is tried for itself and bounded in time; whatever the other side does becomes a line and never an error. What
could not be tried is skipped, and skipped is not passed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from core.audit import Audit
from core.clock import Clock
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, KonsilError, NotSignedIn
from core.ids import Ids
from federation import checks, overview
from federation.allowlist import Allowlist, Direction, Purpose, Sibling, SiblingState
from federation.checks import Check, Line, Subject, Verdict, line
from federation.client import Client, Look, Probe, Told
from federation.descriptor import from_actor
from federation.handshake import Handshake, Shaken, shaken
from federation.identity import Identity
from federation.overview import SiblingRow
from federation.signatures import cavage
from federation.signatures.keys import fingerprint, grouped

_OPEN = (SiblingState.CONFIRMED, SiblingState.ACTIVE)
_RENEW_DAYS = 14
_SKEW_SECONDS = 30
_ANY_SKEW = 1 << 40
_REFUSALS = frozenset({401, 403})
_SOFTWARE = re.compile(r"[!-~]{1,60}")
_UNHEARD = frozenset({"unreachable", "no-answer", "special-address"})
_BACK = {"unreachable": "back-unreachable", "no-answer": "back-no-answer", "special-address": "back-special",
         "refused": "back-refused"}


class _Found:
    """What one line has found and a later one needs."""

    look: Look | None = None
    nonce = ""
    told: Told | None = None
    answer: Shaken | None = None


class _Step(NamedTuple):
    """A line, how it is found out, in how many seconds, and whether nothing can be tried after it has failed."""

    name: Subject
    run: Callable[[Sibling, _Found], Awaitable[Line]]
    seconds: float
    needed: bool = False


class SelfTest:
    """Tries a sibling out and keeps what it has seen."""

    def __init__(self, database: Database, identity: Identity, allowlist: Allowlist, client: Client, handshake: Handshake,
                 clock: Clock, ids: Ids, audit: Audit, *, window: int) -> None:
        self._database, self._identity, self._allowlist, self._client = database, identity, allowlist, client
        self._handshake, self._clock, self._ids, self._audit, self._window = handshake, clock, ids, audit, window
        self._steps = (  # together less than half a minute
            _Step(Subject.DNS, self._dns, 3.0, needed=True), _Step(Subject.TLS, self._tls, 4.0, needed=True),
            _Step(Subject.CLOCK, self._clocks, 4.0), _Step(Subject.ACTOR, self._actor, 1.0, needed=True),
            _Step(Subject.UNSIGNED, self._unsigned, 3.0), _Step(Subject.WRONG_KEY, self._wrong_key, 4.0),
            _Step(Subject.WRONG_TYPE, self._wrong_type, 3.0), _Step(Subject.PING_OUT, self._ping_out, 6.0),
            _Step(Subject.PING_BACK, self._ping_back, 1.0), _Step(Subject.LISTED, self._listed, 1.0))

    async def run(self, domain: str, by: str) -> Check:
        """Try everything out, keep it and note it in the audit log; `Conflict` where the gate is shut."""
        row, found = await overview.row(self._database, domain), _Found()
        lines: list[Line] = []
        shut = False
        for step in self._steps:
            if shut:
                lines.append(_not_tried(step.name))
                continue
            seen = await self._tried(step, await self._let_through(row.domain), found)
            lines.append(seen)
            shut = seen.verdict == Verdict.FAILED and (step.needed or (step.name == Subject.CLOCK and found.look is None))
        passed = all(seen.verdict in (Verdict.OK, Verdict.WARN) for seen in lines)
        check = Check(self._ids.new(), self._clock.ms(), by, passed, tuple(lines))
        await self._database.write(lambda tx: self._keep(tx, row, check, found.answer))
        return check

    async def kept(self, sibling_id: int) -> tuple[Check, ...]:
        """What is kept of a sibling's self-tests, newest first."""
        return await checks.kept(self._database, sibling_id)

    async def one(self, sibling_id: int, check_id: int | None) -> Check:
        """One of a sibling's self-tests; `NotFound` when it is not kept."""
        return await checks.one(self._database, sibling_id, check_id)

    def _keep(self, tx: Tx, row: SiblingRow, check: Check, answer: Shaken | None) -> None:
        checks.store(tx, row.id, check)
        if answer is not None and _SOFTWARE.fullmatch(answer.software):
            tx.run("UPDATE sibling_details SET software = ? WHERE sibling_id = ?", (answer.software, row.id))
        failed = ", ".join(seen.name for seen in check.lines if seen.verdict == Verdict.FAILED)
        self._audit.note(tx, by=check.by, action="sibling.checked", target=row.origin,
                         detail=f"failed: {failed}" if failed else "passed")

    async def _let_through(self, domain: str) -> Sibling:
        """The sibling, asked for anew before each line; `Conflict` says what state shuts the gate, and what to do."""
        row = await overview.row(self._database, domain)
        if row.state == SiblingState.PROPOSED:
            raise Conflict("%(domain)s is only proposed. Compare its fingerprint and confirm it, then test it.",
                           values={"domain": row.domain}, reason="gate-shut")
        if row.state == SiblingState.PAUSED:
            raise Conflict("%(domain)s is paused. Let it go on, then test it.", values={"domain": row.domain},
                           reason="gate-shut")
        if row.state not in _OPEN:
            raise Conflict("%(domain)s was revoked. Propose it anew and confirm it, then test it.",
                           values={"domain": row.domain}, reason="gate-shut")
        return self._allowlist.admit(row.origin, Direction.OUT, Purpose.HANDSHAKE)

    async def _tried(self, step: _Step, sibling: Sibling, found: _Found) -> Line:
        try:
            async with asyncio.timeout(step.seconds):
                return await step.run(sibling, found)
        except TimeoutError:
            return line(step.name, Verdict.FAILED, "no-answer")
        except KonsilError as error:
            code = error.reason if error.reason in _UNHEARD else "no-answer"
            return line(step.name, Verdict.FAILED, code, detail=error.cause)

    async def _dns(self, sibling: Sibling, _: _Found) -> Line:
        try:
            found = await self._client.addresses(sibling)
        except KonsilError as error:
            code = error.reason if error.reason == "special-address" else "no-address"
            return line(Subject.DNS, Verdict.FAILED, code, detail=error.cause)
        return line(Subject.DNS, Verdict.OK, "addresses", addresses=", ".join(found))

    async def _tls(self, sibling: Sibling, _: _Found) -> Line:
        if sibling.origin.startswith("http://"):  # possible on loopback only
            return line(Subject.TLS, Verdict.OK, "on-loopback")
        try:
            shown = await self._client.certificate(sibling)
        except KonsilError as error:
            if error.reason != "certificate":
                raise
            return line(Subject.TLS, Verdict.FAILED, "no-certificate", detail=error.cause)
        days = int((shown.ends - self._clock.now()) // 86_400)
        if days < _RENEW_DAYS:
            return line(Subject.TLS, Verdict.WARN, "certificate-ends", issuer=shown.issuer, days=days)
        return line(Subject.TLS, Verdict.OK, "certificate", issuer=shown.issuer, days=days)

    async def _clocks(self, sibling: Sibling, found: _Found) -> Line:
        found.look = await self._client.look(sibling)
        try:
            skew = cavage.check_window(found.look.date, self._clock.now(), _ANY_SKEW)
        except NotSignedIn:
            return line(Subject.CLOCK, Verdict.WARN, "no-date")
        seconds = round(abs(skew))
        if seconds > self._window:
            return line(Subject.CLOCK, Verdict.FAILED, "clock-wrong", seconds=seconds, window=self._window)
        if seconds > _SKEW_SECONDS:
            return line(Subject.CLOCK, Verdict.WARN, "clock-off", seconds=seconds, window=self._window)
        return line(Subject.CLOCK, Verdict.OK, "clock-right", seconds=seconds)

    async def _actor(self, sibling: Sibling, found: _Found) -> Line:
        assert found.look is not None
        try:
            shown = from_actor(found.look.document or {}, sibling.origin).fingerprint
        except InvalidInput:
            return line(Subject.ACTOR, Verdict.FAILED, "no-actor", status=found.look.status)
        if shown not in {fingerprint(pem) for pem in sibling.keys.values()}:
            return line(Subject.ACTOR, Verdict.FAILED, "other-key", fingerprint=grouped(shown))
        return line(Subject.ACTOR, Verdict.OK, "pinned-key")

    async def _unsigned(self, sibling: Sibling, _: _Found) -> Line:
        return _refusal(Subject.UNSIGNED, await self._client.probe(sibling, Probe.UNSIGNED))

    async def _wrong_key(self, sibling: Sibling, _: _Found) -> Line:
        """By GET, and by POST to the one address that is open before it has activated us: there only the key can be why."""
        seen = _refusal(Subject.WRONG_KEY, await self._client.probe(sibling, Probe.WRONG_KEY))
        if seen.verdict == Verdict.OK:
            seen = _refusal(Subject.WRONG_KEY, await self._client.probe(sibling, Probe.FORGED))
        return seen

    async def _wrong_type(self, sibling: Sibling, _: _Found) -> Line:
        return _refusal(Subject.WRONG_TYPE, await self._client.probe(sibling, Probe.WRONG_TYPE), 415)

    async def _ping_out(self, sibling: Sibling, found: _Found) -> Line:
        found.nonce, found.told = await self._handshake.ask(sibling)
        found.answer = shaken(found.told, found.nonce)
        if found.answer is not None:
            return line(Subject.PING_OUT, Verdict.OK, "pinged")
        code = {401: "ping-unsigned", 403: "ping-unlisted", 429: "ping-busy", 503: "ping-paused"}.get(
            found.told.status, "ping-lost")
        return line(Subject.PING_OUT, Verdict.FAILED, code, status=found.told.status, reason=found.told.reason or "-")

    async def _ping_back(self, _: Sibling, found: _Found) -> Line:
        if found.answer is None:
            return _not_tried(Subject.PING_BACK)
        if await self._handshake.came_back(found.nonce):
            return line(Subject.PING_BACK, Verdict.OK, "came-back")
        code = "back-elsewhere" if found.answer.arrived else _BACK.get(found.answer.reason, "back-unsaid")
        return line(Subject.PING_BACK, Verdict.FAILED, code)

    async def _listed(self, _: Sibling, found: _Found) -> Line:
        if found.answer is None:
            if found.told is not None and found.told.status == 403:
                return line(Subject.LISTED, Verdict.FAILED, "not-listed")
            if found.told is not None and found.told.reason == "paused":
                return line(Subject.LISTED, Verdict.FAILED, "listed-shut", state=SiblingState.PAUSED)
            return _not_tried(Subject.LISTED)
        if found.answer.state in _OPEN:
            return line(Subject.LISTED, Verdict.OK, "listed", state=found.answer.state)
        return line(Subject.LISTED, Verdict.FAILED, "listed-shut", state=found.answer.state)


def _refusal(name: Subject, status: int, *others: int) -> Line:
    """What it means that a sibling answers this status to what it has to refuse."""
    if status in _REFUSALS or status in others:
        return line(name, Verdict.OK, "refuses", status=status)
    if 200 <= status < 300:
        return line(name, Verdict.FAILED, "lets-in", status=status)
    if status == 400 and name == Subject.WRONG_KEY:  # it has read what it should not have looked at
        return line(name, Verdict.FAILED, "lets-in", status=status)
    return line(name, Verdict.FAILED, "refuses-oddly", status=status)


def _not_tried(name: Subject) -> Line:
    return line(name, Verdict.SKIPPED, "not-tried")
