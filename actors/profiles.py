"""What a doctor says about herself, and telling the siblings how she stands: profile, badge and the end of it.

Every change of a doctor whom others may see goes to all siblings, because nobody keeps a list of who has met her; one that
has not, and that she does not want to be found in, keeps nothing of it (`inbox.activities.update`).
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from actors import aliases
from actors.models import ABOUT_LIMIT, SPEAKS_LIMIT, WORKPLACE_LIMIT, Actor, VerifiedDoctor
from actors.store import COLUMNS, SHOWN, actor_from, by_ids, save
from actors.wire import update
from core.clock import Clock
from core.database import Database, Tx
from core.errors import InvalidInput
from core.i18n import is_language
from core.ids import Ids, public
from core.text import visible
from federation.allowlist import SiblingState
from federation.identity import Identity
from federation.lanes import BACKLOG, FRESH
from federation.listed import sent_to
from federation.siblings import SiblingChange
from federation.store import enqueue


class Said(NamedTuple):
    """What a doctor says about herself: a few words and where she works, in plain text, the languages she can be asked in
    (BCP 47), and whether doctors abroad find her in their directory."""

    about: str
    workplace: str = ""
    speaks: tuple[str, ...] = ()
    discoverable: bool = False


class Profiles:
    """Changes profiles, and tells siblings about doctors."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids) -> None:
        self._database, self._identity, self._clock, self._ids = database, identity, clock, ids

    async def change(self, doctor: VerifiedDoctor, said: Said) -> None:
        """Say something else about herself; `InvalidInput` names the field that cannot be so."""
        about, workplace = _text(said.about, ABOUT_LIMIT, "about"), _text(said.workplace, WORKPLACE_LIMIT, "workplace")
        speaks = tuple(dict.fromkeys(code for code in said.speaks if code))
        if len(speaks) > SPEAKS_LIMIT or not all(map(is_language, speaks)):
            raise InvalidInput("Choose at most %(most)s of the languages offered.", values={"most": SPEAKS_LIMIT}, field="speaks")
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            old = by_ids(tx, [doctor.actor.id])[doctor.actor.id]
            new = msgspec.structs.replace(old, about=about, discoverable=said.discoverable, speaks=speaks,
                                          workplace=" ".join(workplace.split()))
            if new != old:
                save(tx, new, now)
                announce(tx, self._identity, self._ids, new, now)

        await self._database.write(write)

    async def keep_pace(self) -> int:
        """Where a badge has run out by the clock, those of its bearer's aliases end too; how many there were."""
        now = self._clock.ms()
        if not await self._database.read(lambda tx: aliases.is_behind(tx, now)):
            return 0
        return await self._database.write(lambda tx: aliases.keep_pace(tx, self._identity, self._ids, now))

    def sibling_changed(self, tx: Tx, change: SiblingChange) -> None:
        """A sibling that is let in learns of every doctor who wants to be found abroad; one that was here before also of
        those it was told of then, and of every badge that has ended, which it may have missed while it was away."""
        if change.new != SiblingState.ACTIVE or change.old == SiblingState.PAUSED:
            return
        before = tx.row("SELECT 1 FROM deliveries WHERE sibling_id = ? LIMIT 1", (change.sibling_id,)) is not None
        missed = (" OR verified_until <= ? OR EXISTS"
                  " (SELECT 1 FROM deliveries d WHERE d.object_key = actors.uri_key AND d.sibling_id = ?)") if before else ""
        for row in tx.rows(f"SELECT {COLUMNS} FROM actors WHERE {SHOWN} AND (discoverable = 1{missed})",
                           (change.now, change.sibling_id) if before else ()):
            _tell(tx, self._identity, self._ids, actor_from(row), BACKLOG, [change.sibling_id], change.now)
        if before:
            aliases.catch_up(tx, self._identity, self._ids, change.sibling_id, change.now)


def _text(given: str, most: int, field: str) -> str:
    """What was typed, line by line, without what cannot be seen."""
    lines = (" ".join(visible(line).split()) for line in given.splitlines())
    text = "\n".join(line for line in lines if line)
    if len(text) > most:
        raise InvalidInput("The text has %(count)s characters; at most %(most)s are possible.",
                           values={"count": len(text), "most": most}, reason="too-long", field=field)
    return text


def announce(tx: Tx, identity: Identity, ids: Ids, actor: Actor, now: int, lane: int = FRESH) -> None:
    """Put an `Update` of a local doctor's Person as she is now into the outbox, for all siblings; where her badge has ended or
    holds again, so have those of her aliases."""
    _tell(tx, identity, ids, actor, lane, sent_to(tx), now)
    aliases.keep_pace(tx, identity, ids, now, actor.id)


def _tell(tx: Tx, identity: Identity, ids: Ids, actor: Actor, lane: int, sibling_ids: list[int], now: int) -> None:
    number = ids.new()
    enqueue(tx, number, update(actor, identity, public(number), lane), sibling_ids, now)
