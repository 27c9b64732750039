"""Drafts: hers alone, never overwritten by who knows less, and gone from the disk once sent or discarded."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from core.errors import Conflict, InvalidInput, NotFound
from core.ids import public
from posts.drafts import MOST, Drafts, Sheet, What, Written
from posts.models import Draft, Kind, Reach
from tests.servers import Running, countries, until
from tests.test_pages import Browser, fields

_WORD = "planted3d9f"
JSON = {"accept": "application/json"}


def in_files(place: Running) -> list[str]:
    directory = Path(place.its.settings.instance.data_dir)
    return [path.name for path in directory.iterdir() if path.is_file() and _WORD.encode() in path.read_bytes()]


async def asked(de: Running, handle: str = "ben") -> str:
    return await de.its.compose.publish(await de.author(handle), Draft(Kind.NOTE, "Which?", "Text", "de"), (), Reach.HOME, "")


async def test_a_draft_is_kept_without_a_script_continued_and_gone_once_it_is_sent(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,), Browser(de) as ada:
        await ada.login("ada")
        assert "No drafts" in (await ada.get("/drafts"))[1]
        page = (await ada.get("/compose?kind=note"))[1]
        about = fields(page)["draft"]
        assert f'formaction="/drafts/new/{about}"' in page and "Keep as draft" in page
        written = fields(page) | {"question": f"Which {_WORD}?", "text": f"Text {_WORD}", "language": "fr",
                                  "reach": "named", "doctor": "@ben"}
        status, where = await ada.post(f"/drafts/new/{about}", written)
        assert (status, where) == (303, f"/compose?draft={about}") and in_files(de)
        home = (await ada.get("/"))[1]
        assert f'href="/drafts/new/{about}"' in home and f">Which {_WORD}?</a>" in home
        listed = (await ada.get("/drafts"))[1]
        assert "New note, for @ben only" in listed and f"Text {_WORD}" in listed
        assert (await ada.get(f"/drafts/new/{about}")) == (303, where)
        page = (await ada.get(where))[1]
        assert "Saved " in page and f"Text {_WORD}</textarea>" in page and 'value="fr" lang="fr" selected' in page
        assert fields(page)["reach"] == "named" and fields(page)["doctor"] == "@ben"
        again = fields(page) | {"question": f"Which {_WORD}?", "text": f"Text {_WORD}, longer", "language": "fr"}
        page = (await ada.post("/compose", again | {"step": "audience"}))[1]  # the steps bring the draft along
        assert "longer" in (await ada.get("/drafts"))[1]
        page = (await ada.post("/compose", fields(page) | {"doctor": "@ben", "reach": "named", "step": "confirm"}))[1]
        status, post = await ada.post("/compose", fields(page) | {"step": "publish"})
        assert status == 303 and await de.count("drafts") == 0 and await de.count("posts") == 1
        assert (await ada.get(where))[0] == (await ada.get(f"/drafts/new/{about}"))[0] == 404
        assert (await ada.post(f"{post}/delete", {}))[0] == 303
        await until(lambda: not in_files(de))


async def test_an_answer_that_was_begun_waits_in_its_form(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,), Browser(de) as ada:
        await ada.login("ada")
        root = await asked(de)
        page = (await ada.get(f"/p/{root}"))[1]
        begun = fields(page) | {"text": "I would wait.", "language": "fr"}
        assert (await ada.post(f"/drafts/reply/{root}", begun)) == (303, f"/p/{root}?answer={root}#answer")
        page = (await ada.get(f"/p/{root}"))[1]
        assert ">I would wait.</textarea>" in page and 'value="fr" lang="fr" selected' in page and "Saved " in page
        listed = (await ada.get("/drafts"))[1]
        assert "Answer" in listed and ">Which?</span>" in listed and "I would wait." in listed
        status, page = await ada.post(f"/p/{root}/reply", fields(page) | {"text": " ", "language": "fr"})
        assert status == 400 and await de.count("drafts") == 1
        status, _ = await ada.post(f"/p/{root}/reply", fields(page) | {"text": "I would not.", "language": "fr"})
        assert status == 303 and await de.count("drafts") == 0
        assert "I would wait." not in (await ada.get(f"/p/{root}"))[1]


async def test_a_change_that_was_begun_goes_on_and_goes_with_its_post(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,), Browser(de) as ada:
        await ada.login("ada")
        mine = await asked(de, "ada")
        page = (await ada.get(f"/p/{mine}/edit"))[1]
        begun = fields(page) | {"question": "Which one?", "text": f"Text {_WORD}"}
        assert (await ada.post(f"/drafts/edit/{mine}", begun)) == (303, f"/p/{mine}/edit")
        page = (await ada.get(f"/p/{mine}/edit"))[1]
        assert f"Text {_WORD}</textarea>" in page and 'value="Which one?"' in page and fields(page)["revision"] == "1"
        await de.its.editing.edit(await de.author("ada"), mine, "Which?", "Else", 1)
        status, page = await ada.post(f"/p/{mine}/edit", begun | fields(page))
        assert status == 409 and "edited elsewhere" in page and await de.count("drafts") == 1
        status, _ = await ada.post(f"/p/{mine}/edit", begun | fields(page))
        assert status == 303 and await de.count("drafts") == 0
        page = (await ada.get(f"/p/{mine}/edit"))[1]
        assert (await ada.post(f"/drafts/edit/{mine}", begun | fields(page)))[0] == 303
        await de.its.editing.delete((await de.author("ada")).actor, mine)
        assert await de.count("drafts") == 0
        await until(lambda: not in_files(de))
        assert (await ada.post(f"/drafts/edit/{mine}", begun | fields(page)))[0] == 404 and await de.count("drafts") == 0


async def test_of_two_tabs_the_one_that_knows_less_never_overwrites_the_other(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,), Browser(de) as ada:
        await ada.login("ada")
        first = fields((await ada.get("/compose?kind=note"))[1])
        path = f"/drafts/new/{first['draft']}"

        async def save(form: dict[str, Any], text: str) -> tuple[int, dict[str, str]]:
            async with ada.session.post(path, data=form | {"text": text}, headers=JSON) as response:
                return response.status, await response.json()

        assert (await save(first, "One"))[0] == 200
        second = fields((await ada.get(f"/compose?draft={first['draft']}"))[1])
        status, told = await save(first, "One more")  # its answer was lost, or it never read it: it is still the last writer
        assert status == 200 and told["state"] == "saved" and re.fullmatch(r"\d\d:\d\d", told["at"])
        status, stale = await save(second, "Two")
        assert (status, stale["state"], stale["version"]) == (409, "elsewhere", told["version"])
        status, page = await ada.post(path, second | {"text": "Two"})
        assert status == 409 and "saved elsewhere since you opened it" in page and ">Two</textarea>" in page
        assert f'href="{path}" target="_blank"' in page and "Keeping this one replaces it" in page
        assert "One more" in (await ada.get("/drafts"))[1]
        assert (await ada.post(path, fields(page) | {"text": "Two"}))[0] == 303
        assert (await save(first, "One again"))[0] == 409 and "Two" in (await ada.get("/drafts"))[1]
        assert (await ada.post(f"{path}/discard", {}))[0] == 303
        current = fields(page) | {"version": told["version"]}
        assert (await save(current, "Late"))[1]["state"] == "gone" and await de.count("drafts") == 0


async def test_sending_takes_the_draft_along_only_if_it_is_the_one_that_was_sent(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,):
        ada, root = await de.author("ada"), await asked(de)
        one, other = Sheet(What.REPLY, root, "", "one"), Sheet(What.REPLY, root, "", "other")
        kept = await de.its.drafts.keep(ada.actor, one, Written(text="One"))
        assert kept is not None
        await de.its.drafts.keep(ada.actor, other._replace(version=kept.version), Written(text="Other"))
        await de.its.compose.reply(ada, root, "One", "de", sheet=one)
        left = await de.its.drafts.of(ada.actor, What.REPLY, root)
        assert left is not None and left.written.text == "Other"
        await de.its.compose.reply(ada, root, "Other", "de", sheet=other)
        assert await de.its.drafts.of(ada.actor, What.REPLY, root) is None
        with pytest.raises(InvalidInput):
            await de.its.compose.reply(ada, root, " ", "de", sheet=other)


async def test_what_answers_a_deleted_post_is_kept_to_be_copied(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,), Browser(de) as ada:
        await ada.login("ada")
        root = await asked(de)
        page = (await ada.get(f"/p/{root}"))[1]
        await de.its.editing.delete((await de.author("ben")).actor, root)
        status, page = await ada.post(f"/p/{root}/reply", fields(page) | {"text": "A long answer.", "language": "de"})
        assert status == 404 and "Your text is kept among your drafts." in page
        listed = (await ada.get("/drafts"))[1]
        assert "it cannot be sent any more" in listed and "A long answer.</p>" in listed and "Continue" not in listed
        assert (await ada.get(f"/drafts/reply/{root}")) == (303, "/drafts")


async def test_a_draft_is_its_doctors_alone(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,), Browser(de) as ada, Browser(de) as ben, Browser(de) as visitor:
        await ada.login("ada")
        await ben.login("ben")
        form = fields((await ada.get("/compose?kind=note"))[1])
        path = f"/drafts/new/{form['draft']}"
        assert (await ada.post(path, form | {"text": "Hers"}))[0] == 303
        for page in ("/drafts", "/", "/mine"):
            assert "Hers" not in (await ben.get(page))[1]
        for address in (path, f"/compose?draft={form['draft']}"):
            assert (await ben.get(address))[0] == 404
        assert (await ben.post(f"{path}/discard", {}))[0] == 404
        status, page = await ben.post(path, form | {"text": "Hers, with another's session"})  # somebody else has signed in
        assert status == 401 and "Somebody else has signed in" in page
        assert (await visitor.post(path, form, **JSON))[0] == 401
        assert (await ada.post(path, form | {"text": "X"}, **{"sec-fetch-site": "cross-site"}))[0] == 403
        status, page = await ben.post("/compose", form | {"question": "Which?", "text": "Hers", "language": "de",
                                                           "reach": "home", "step": "publish"})
        assert status == 200 and "Look once more" in page and await de.count("posts") == 0
        assert await de.count("drafts") == 1


async def test_drafts_are_bounded_and_come_a_page_at_a_time(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,), Browser(de) as browser:
        await browser.login("ada")
        ada, drafts, ids = (await de.author("ada")).actor, de.its.drafts, de.its.ids
        made = [public(ids.new()) for _ in range(MOST + 1)]
        for number, about in enumerate(made[:MOST]):
            await drafts.keep(ada, Sheet(What.NEW, about, "", "m"), Written(text=f"Number {number}."))
        with pytest.raises(InvalidInput, match="You have 50 drafts already"):
            await drafts.keep(ada, Sheet(What.NEW, made[-1], "", "m"), Written(text="One more"))
        status, page = await browser.post(f"/drafts/new/{made[-1]}", {"text": "One more", "kind": "note"})
        assert status == 400 and "You have 50 drafts already" in page and ">One more</textarea>" in page
        await drafts.keep(ada, Sheet(What.NEW, made[0], "", "m"), Written(text="Number 0, again."))
        numbers: list[str] = []
        address = "/drafts"
        while True:
            page = (await browser.get(address))[1]
            numbers += re.findall(r"<h2><a [^>]*>Number (\d+)", page)
            older = re.search(r'href="(/drafts\?before=\w+)"', page)
            if older is None:
                break
            address = older[1]
        assert numbers == ["0", *(str(number) for number in range(MOST - 1, 0, -1))]
        beside = re.findall(r'class="draft">Number (\d+)', page.partition("<main")[0])
        assert beside == ["0", "49", "48"]


async def test_too_much_is_refused_and_nothing_is_nothing(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,):
        ada, drafts, root = (await de.author("ada")).actor, de.its.drafts, await asked(de)
        sheet = Sheet(What.REPLY, root, "", "m")
        limit = de.its.settings.posts.text_limit
        for written in (Written(text="x" * (limit + 1)), Written(options="x" * 40_000), Written(doctors=("x" * 1000,) * 40)):
            with pytest.raises(InvalidInput) as refused:
                await drafts.keep(ada, sheet, written)
            assert refused.value.reason == "too-long"
        assert await drafts.keep(ada, sheet, Written(text=" \n", language="de")) is None and await de.count("drafts") == 0
        kept = await drafts.keep(ada, sheet, Written(text="x" * limit))
        assert kept is not None and await drafts.keep(ada, sheet, Written(text="")) is None and await de.count("drafts") == 0
        for wrong in (Sheet(What.REPLY, "0" * 13), Sheet(What.EDIT, root), Sheet(What.NEW, "nonsense")):
            with pytest.raises(NotFound):
                await drafts.keep(ada, wrong, Written(text="x"))
        with pytest.raises(NotFound):
            await drafts.discard(ada, What.NEW, "0" * 13)
        assert await de.count("drafts") == 0


async def test_a_consults_answer_is_begun_only_by_who_is_in_it(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,):
        await de.add_doctor("zoe")
        ada, zoe = await de.author("ada"), await de.author("zoe")
        made = await de.its.compose.consult(ada, Draft(Kind.NOTE, "Which?", "Text", "de"), [(await de.author("ben")).actor])
        with pytest.raises(NotFound):
            await de.its.drafts.keep(zoe.actor, Sheet(What.REPLY, made), Written(text="x"))


async def test_two_that_save_at_once_do_not_both_win(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,):
        ada, drafts = (await de.author("ada")).actor, de.its.drafts
        root = await asked(de)

        async def save(drafts: Drafts, mark: str) -> str:
            try:
                kept = await drafts.keep(ada, Sheet(What.REPLY, root, "", mark), Written(text=mark))
            except Conflict as error:
                return error.reason
            assert kept is not None
            return kept.written.text

        outcomes = await asyncio.gather(*(save(drafts, f"tab {number}") for number in range(8)))
        [winner] = [outcome for outcome in outcomes if outcome != "elsewhere"]
        found = await drafts.of(ada, What.REPLY, root)
        assert found is not None and found.written.text == winner
