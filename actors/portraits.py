"""Pictures of doctors: each drawn anew from its pixels (`core.darkroom`) before anybody sees it, her own as those of doctors on
siblings, which are fetched by a signed request and shown from here. Nobody's browser ever asks another country for a picture.
"""

from __future__ import annotations

import msgspec

from actors.models import VerifiedDoctor
from actors.profiles import announce
from actors.store import by_ids, shown_by_id
from core.clock import Clock
from core.darkroom import Darkroom
from core.database import Database, Tx
from core.errors import InvalidInput, KonsilError
from core.ids import Ids, number, public
from core.telemetry import get_logger
from federation.addresses import origin_of
from federation.allowlist import Allowlist, Direction, Purpose
from federation.client import Client
from federation.identity import Identity

log = get_logger("portraits")
TOPIC = "portraits"
"""What wakes whoever fetches."""

_AT_A_TIME = 10
_FIRST_MS, _LIMIT_MS, _TRIES = 60_000, 6 * 3_600_000, 12


class Portraits:
    """Takes pictures in, shows them, and fetches those of others."""

    def __init__(self, database: Database, identity: Identity, darkroom: Darkroom, allowlist: Allowlist, client: Client,
                 clock: Clock, ids: Ids) -> None:
        self._database, self._identity, self._darkroom, self._clock, self._ids = database, identity, darkroom, clock, ids
        self._allowlist, self._client = allowlist, client

    async def change(self, doctor: VerifiedDoctor, file: bytes) -> None:
        """Another picture of herself, here and at the siblings; `InvalidInput` for what is none."""
        large, small = await self._darkroom.portrait(file)
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            version = public(self._ids.new())
            _keep(tx, doctor.actor.id, version, large, small)
            announce(tx, self._identity, self._ids, by_ids(tx, [doctor.actor.id])[doctor.actor.id], now)

        await self._database.write(write)

    async def remove(self, doctor: VerifiedDoctor) -> None:
        """No picture any more."""
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            old = by_ids(tx, [doctor.actor.id])[doctor.actor.id]
            if old.portrait:
                forget(tx, old.id)
                announce(tx, self._identity, self._ids, msgspec.structs.replace(old, portrait=""), now)

        await self._database.write(write)

    async def of(self, actor_id: str, version: str, *, small: bool) -> bytes | None:
        """A picture as doctors of this instance see it (JPEG)."""
        wanted = number(actor_id)
        row = await self._database.read(lambda tx: tx.row(
            f"SELECT {'small' if small else 'large'} AS body FROM portraits p JOIN actors a ON a.id = p.actor_id"
            " WHERE p.actor_id = ? AND p.version = ? AND p.version <> '' AND a.gone_at IS NULL", (wanted, version)))
        return bytes(row["body"]) if row is not None else None

    async def own(self, actor_id: str, version: str) -> tuple[str, bytes] | None:
        """The picture of a doctor of this instance, for a sibling, and who she is (her URI)."""
        wanted = number(actor_id)

        def look(tx: Tx) -> tuple[str, bytes] | None:
            actor = shown_by_id(tx, wanted) if wanted else None
            row = tx.row("SELECT large FROM portraits WHERE actor_id = ? AND version = ? AND version <> ''", (wanted, version))
            return (actor.uri, bytes(row["large"])) if actor is not None and row is not None else None

        return await self._database.read(look)

    async def fetch_due(self) -> int:
        """Fetch pictures of siblings' doctors that are due; how many were tried."""
        now = self._clock.ms()
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT actor_id, url, tries FROM portraits WHERE next_try <= ? ORDER BY next_try LIMIT ?", (now, _AT_A_TIME)))
        for row in rows:
            await self._fetch(row["actor_id"], row["url"], row["tries"])
        return len(rows)

    async def _fetch(self, actor_id: int, url: str, tries: int) -> None:
        """Fetch one; whatever the sibling does wrong is tried again some times, longer and longer apart, and then given up."""
        try:
            sibling = self._allowlist.admit(origin_of(url), Direction.OUT, Purpose.MEDIA)
            large, small = await self._darkroom.portrait(await self._client.picture(sibling, url))
        except KonsilError as error:
            given_up = isinstance(error, InvalidInput) or tries + 1 >= _TRIES
            later = None if given_up else self._clock.ms() + min(_FIRST_MS << tries, _LIMIT_MS)
            log.info("no portrait", url=url, reason=error.reason, cause=error.cause, again=not given_up)
            await self._database.write(lambda tx: tx.run(
                "UPDATE portraits SET tries = tries + 1, next_try = ? WHERE actor_id = ? AND url = ?", (later, actor_id, url)))
            return

        def write(tx: Tx) -> None:
            if tx.row("SELECT 1 FROM portraits WHERE actor_id = ? AND url = ?", (actor_id, url)) is not None:
                _keep(tx, actor_id, public(self._ids.new()), large, small, url)

        await self._database.write(write)


def forget(tx: Tx, actor_id: int) -> None:
    """Somebody's picture is nowhere here any more."""
    tx.run("DELETE FROM portraits WHERE actor_id = ?", (actor_id,))
    tx.run("UPDATE actors SET portrait = '' WHERE id = ?", (actor_id,))
    tx.scrub()


def _keep(tx: Tx, actor_id: int, version: str, large: bytes, small: bytes, url: str = "") -> None:
    tx.run("INSERT INTO portraits (actor_id, version, large, small, url) VALUES (?, ?, ?, ?, ?) ON CONFLICT (actor_id) DO UPDATE"
           " SET version = excluded.version, large = excluded.large, small = excluded.small, tries = 0, next_try = NULL",
           (actor_id, version, large, small, url))
    tx.run("UPDATE actors SET portrait = ? WHERE id = ?", (version, actor_id))
