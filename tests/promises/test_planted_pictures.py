"""Words planted in pictures: in no byte of anything that is served, sent, exported or kept on a disk is one of them found.

The files are handed in as a browser does it, each called by a planted name. Then everything an instance gives away is read: the
pages and pixels its own doctors see, what a sibling fetches and what its doctors see there, the archive, and every file below the
data directories of both.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import aiohttp
import pytest

from core.backup import BackupKey, Reader
from core.ids import public
from instance.archives import parts
from instance.backups import make
from posts.drafts import Sheet, What
from posts.exports import ExportState
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.faults.planting import planted, word
from tests.illustrated import ANONYMOUS
from tests.promises.planted_pictures import FILES
from tests.servers import FakeSibling, countries, know, until
from tests.test_media import there
from tests.test_pages import Browser

STEM = word("").removesuffix("9").encode()


@pytest.mark.parametrize("form", FILES)
def test_every_word_is_in_its_file_and_would_be_found(form: str, tmp_path: Path) -> None:
    make_file, words = FILES[form]
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "file").write_bytes(make_file())
    assert {found for _, found in planted([tmp_path / "d"])} == set(words)


async def test_no_word_in_a_picture_is_found_in_anything_served_sent_exported_or_kept(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr), Browser(de) as ada, Browser(fr) as ben:
        await ada.login("ada")
        await ben.login("ben")
        sibling = FakeSibling("es", 10)
        await know(de, sibling)
        author, sheet = await de.author("ada"), Sheet(What.NEW, public(de.its.ids.new()))
        served: dict[str, bytes] = {}

        async def read(browser: Browser, path: str) -> bytes:
            async with browser.session.get(path) as response:
                assert response.status == 200, path
                served[f"{browser.session._base_url}{path}"] = await response.read() + repr(response.raw_headers).encode()
                return served[f"{browser.session._base_url}{path}"]

        for form, (make_file, _) in FILES.items():
            body = aiohttp.FormData()
            body.add_field("file", make_file(), filename=f"{word('filename')}.{form}", content_type="image/x-any")
            status, where = await ada.post(f"/drafts/new/{sheet.about}/pictures", body)
            assert status == 303, (form, where)
            for path in (where, f"{where}/pixels/whole", f"{where}/pixels/small", f"/drafts/new/{sheet.about}/pictures"):
                await read(ada, path)
            await de.its.media.describe(author.actor, sheet, where.rpartition("/")[2], alt="Blue", sort="photo", warning="",
                                        seen=True, clean=True)
        assert STEM not in b"".join(served.values())
        draft = Draft(Kind.CASE, "Blue?", "Blue.", "en", CaseFacts(("cardiology",)))
        seen = de.its.compose.network_digest(await de.its.compose.destinations())
        post = await de.its.compose.publish(author, draft, (fr.url, sibling.origin), Reach.COUNTRIES, seen, sheet=sheet,
                                            basis=ANONYMOUS)
        abroad = (await there(fr)).id
        for browser, at in ((ada, post), (ben, abroad)):
            await read(browser, f"/p/{at}")
            for number in range(1, len(FILES) + 1):
                for path in ("", "/whole", "/small"):
                    await read(browser, f"/p/{at}/pictures/{number}{path}")
        for picture in (await de.its.threads.thread(author.actor, post)).posts[0].pictures:
            async with aiohttp.ClientSession() as session, session.get(
                    picture.url, headers=sibling.headers("GET", picture.url)) as response:
                assert response.status == 200
                served[picture.url] = await response.read()
        _, document = await sibling.get(f"{de.url}/posts/{post}")
        assert len(document["attachment"]) == len(FILES)
        served["object"] = repr(document).encode()

        await de.its.exports.ask(de.doctors["ada"], "en")

        async def ready() -> bool:
            export = await de.its.exports.of(de.doctors["ada"].id)
            return export is not None and export.state == ExportState.READY

        await until(ready)
        export = await de.its.exports.of(de.doctors["ada"].id)
        assert export is not None
        archive = b"".join(parts(de.its, export))
        with ZipFile(BytesIO(archive)) as box:
            names = box.namelist()
            assert len([name for name in names if name.startswith("pictures/")]) == len(FILES)
            served |= {f"archive {name}": box.read(name) for name in names}

        target = tmp_path / "backup"
        await make(de.its, de.its.settings.path("config.toml"), target, "test")
        with target.open("rb") as file:
            reader = Reader(target, file, BackupKey.load(de.its.settings.path(de.its.settings.backup.key_file)))
            for one in reader.manifest.members:
                into = BytesIO()
                reader.copy(one, into)
                served[f"backup {one.name}"] = into.getvalue()
        assert len(served["backup pictures"]) > 1_000

        found = sorted(name for name, body in served.items() if STEM in body or STEM.decode().encode("utf-16-le") in body)
        assert found == []
        assert planted([tmp_path / "de", tmp_path / "fr"]) == set()
