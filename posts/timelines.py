"""Home and one's own: the newest posts, a page at a time by key, never by offset."""

from __future__ import annotations

from actors.models import Actor
from core.clock import Clock
from core.database import Database, Tx
from core.ids import number, public
from federation.identity import Identity
from posts import store
from posts.models import Page
from posts.network import network
from posts.views import views

_SIZE = 20
_TOP = "parent_id IS NULL AND erased_at IS NULL"
_TABS = {
    "all": (_TOP, False),
    "waiting": (f"{_TOP} AND state = 'open' AND replies = 0", False),
    "country": (f"{_TOP} AND country = ?", True),
    "abroad": (f"{_TOP} AND country <> ?", True),
}


class Timelines:
    """Lists of posts for a doctor of this instance; everything stored here may be read by all of them."""

    def __init__(self, database: Database, identity: Identity, clock: Clock) -> None:
        self._database, self._identity, self._clock = database, identity, clock

    async def home(self, viewer: Actor, tab: str, before: str | None) -> Page:
        """Twenty posts of a tab (`all`, `waiting`, `country`, `abroad`), older than the cursor `before`."""
        where, by_country = _TABS.get(tab, _TABS["all"])
        return await self._page(viewer, where, [self._identity.country] if by_country else [], before)

    async def mine(self, viewer: Actor, before: str | None) -> Page:
        """What the viewer has written and not deleted, questions and answers alike."""
        return await self._page(viewer, "author_id = ? AND erased_at IS NULL", [viewer.id], before)

    async def _page(self, viewer: Actor, where: str, values: list[object], before: str | None) -> Page:
        limit = number(before) if before else None

        def look(tx: Tx) -> Page:
            posts = store.select(tx, f"{where} AND id < ? ORDER BY id DESC LIMIT ?",
                                 [*values, limit if limit is not None else 1 << 62, _SIZE + 1])
            shown = posts[:_SIZE]
            return Page(views(tx, shown, viewer, network(tx, self._identity), self._clock.ms()),
                        public(shown[-1].id) if len(posts) > _SIZE else None)

        return await self._database.read(look)

    async def waiting_count(self, viewer: Actor) -> int:
        """How many cases nobody has answered yet, counted up to 100."""
        row = await self._database.read(lambda tx: tx.row(
            f"SELECT count(*) FROM (SELECT 1 FROM posts WHERE {_TABS['waiting'][0]} LIMIT 100) AS some"))
        return int(row[0]) if row is not None else 0
