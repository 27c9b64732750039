"""Doctors by their handles, as far as this instance knows them."""

from __future__ import annotations

from actors.models import Actor
from actors.store import COLUMNS, actor_from, shown_by_handle
from core.database import Database, Tx
from core.errors import InvalidInput
from federation.identity import Identity


class KnownDoctors:
    """Finds the doctors of this instance, and those of siblings of whom something has come here."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database, self._identity = database, identity

    async def resolve(self, mention: str, /) -> Actor:
        """The doctor called `@name@domain`; `InvalidInput` where nobody here knows one."""
        handle, _, domain = mention.removeprefix("@").partition("@")

        def look(tx: Tx) -> Actor | None:
            if domain == self._identity.domain:
                return shown_by_handle(tx, handle)
            row = tx.row(f"SELECT {COLUMNS} FROM actors WHERE handle = ? AND domain = ? AND sibling_id IS NOT NULL"
                         " AND gone_at IS NULL ORDER BY fetched_at DESC LIMIT 1", (handle, domain))
            return actor_from(row) if row is not None else None

        found = await self._database.read(look)
        if found is None:
            raise InvalidInput("There is no doctor %(name)s in this network.", values={"name": mention}, reason="no-such-doctor")
        return found
