"""Where somebody was in her lists: hers, in her archive, and gone with her."""

from __future__ import annotations

from pathlib import Path

from actors import grants
from core.ids import public
from posts import archive, markers
from posts.markers import LISTS
from tests.phones import Phone
from tests.servers import countries


async def test_markers_and_apps_are_in_her_archive_and_leave_with_her(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,), Phone(de) as phone:
        await phone.log_in("ada")
        its, ada, ben = de.its.markers, (await de.author("ada")).actor, (await de.author("ben")).actor
        assert await its.of(ada, LISTS) == ()
        await its.move(ada, {"home": public(5)})
        [marker] = await its.move(ada, {"home": public(7)})
        assert (marker.list, marker.last_read, marker.version) == ("home", public(7), 2)
        await its.move(ben, {"home": public(9)})
        rest = await de.its.database.read(lambda tx: archive.rest(tx, de.its.identity, de.doctors["ada"], ada))
        assert rest["apps.json"]["markers"][0]["lastRead"] == public(7) and len(rest["apps.json"]["markers"]) == 1
        assert rest["apps.json"]["apps"][0]["name"] == "A phone" and phone.token not in str(rest)
        await de.its.database.write(lambda tx: grants.farewell(tx, de.doctors["ada"].id, ada.id, 0))
        assert await de.count("app_tokens") == 0 and await de.count("app_codes") == 0
        assert await de.its.database.read(lambda tx: markers.kept(tx, ada.id)) == []
        assert len(await its.of(ben, LISTS)) == 1
