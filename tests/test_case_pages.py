"""A case is written with its parts, marked and ended without a script; a form that is wrong keeps everything that was typed."""

from __future__ import annotations

import re
from pathlib import Path

from posts.parts import Row, Section
from tests.servers import countries
from tests.test_pages import Browser, fields

_CASE = {"kind": "case", "question": "Which test first?", "text": "Short.", "language": "en", "specialties": "cardiology",
         "aim": "diagnostic", "history": "**Long** ago.", "day": "3", "happened": "Fever", "doi": "10.1000/182",
         "condition": "sarcoidosis"}


async def test_a_case_is_written_marked_ended_and_edited(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", friends=False) as (de,), Browser(de) as ada, Browser(de) as ben:
        await ada.login("ada")
        await ben.login("ben")
        status, page = await ada.post("/compose", _CASE | {"step": "audience", "day": "soon"})
        assert status == 400 and 'id="error-timeline"' in page and "**Long** ago.</textarea>" in page and 'value="soon"' in page
        status, page = await ada.post("/compose", _CASE | {"step": "audience", "rows": "more"})
        assert status == 200 and page.count('name="happened"') == 3 and 'value="Fever"' in page and 'value="10.1000/182"' in page
        page = (await ada.post("/compose", _CASE | {"step": "confirm", "reach": "home"}))[1]
        assert "<strong>Long</strong> ago." in page and "Day 3" in page and "Patient history" in page
        status, where = await ada.post("/compose", _CASE | fields(page) | {"step": "publish"})
        assert status == 303
        [post] = (await de.its.threads.thread((await de.author("ada")).actor, where.removeprefix("/p/"))).posts
        assert [one.heading for one in post.parts.sections] == ["history"] and post.parts.timeline == (Row(3, "Fever"),)
        assert post.parts.study is None

        answer = (await ben.post(f"{where}/reply", {"text": "Echo.", "language": "en"}))[1].split("#")[0]
        assert "Helpful" not in (await ben.get(where))[1] and (await ben.post(f"{answer}/helpful", {"wish": "do"}))[0] == 403
        assert "Helpful</button>" in (await ada.get(where))[1]
        assert (await ada.post(f"{answer}/helpful", {"wish": "do"}))[0] == 303
        page = (await ben.get(where))[1]
        assert "Marked as helpful by who asked" in page and "Answered" in page and "Outcome" not in page
        assert "marked your answer as helpful" in (await ben.get("/notifications"))[1]

        assert "How did it end?" in (await ada.get(f"{where}/outcome"))[1] and (await ben.get(f"{where}/outcome"))[0] == 403
        status, page = await ada.post(f"{where}/outcome", {"text": "x" * 8_001})
        assert status == 400 and 'id="error-outcome"' in page and "x" * 500 in page
        assert (await ada.post(f"{where}/outcome", {"text": "All *well*."})) == (303, f"{where}#outcome")
        page = (await ben.get(where))[1]
        assert "All <em>well</em>." in page and "Outcome known" in page
        assert "told how a case ended" in (await ben.get("/notifications"))[1]
        paper = (await ada.get(f"{where}/print"))[1]
        for said in ("Patient history", "<strong>Long</strong> ago.", "Day 3", "Fever", "Outcome", "All <em>well</em>.",
                     "Marked as helpful by who asked"):
            assert said in paper, said
        assert "/outcome" not in paper

        form = fields((await ada.get(f"{where}/edit"))[1]) | _CASE | {"specialties": "neurology", "aim": "therapeutic"}
        assert (await ada.post(f"{where}/edit", form | {"rows": "more"}))[0] == 200
        status, page = await ada.post(f"{where}/edit", form | {"history": "x" * 8_001})
        assert status == 400 and 'id="error-history"' in page
        assert (await ada.post(f"{where}/edit", form | {"history": "New.", "day": "4", "happened": "Better"}))[0] == 303
        post = (await de.its.threads.thread((await de.author("ada")).actor, where.removeprefix("/p/"))).posts[0]
        assert post.parts.sections[0].html == "<p>New.</p>" and post.parts.timeline == (Row(4, "Better"),)
        assert post.facts.specialties == ("neurology",) and post.parts.outcome is not None
        assert post.facts.conditions == ("sarcoidosis",)
        assert isinstance(post.parts.sections[0], Section) and "<del>" in (await ben.get(f"{where}/history"))[1]


async def test_a_study_and_what_desks_publish_have_forms_of_their_own(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", friends=False) as (de,), Browser(de) as ada, Browser(de) as red:
        await de.add_doctor("red")
        await de.its.desks.add("desk", "The desk", "red")
        await ada.login("ada")
        await red.login("red")
        assert "A congress" not in (await ada.get("/compose"))[1] and "A congress" in (await red.get("/compose"))[1]
        study = {"kind": "study", "question": "Less?", "text": "Text", "language": "en", "design": "cohort",
                 "doi": "https://doi.org/10.1000/182", "participants": "12", "measure": "hr", "effect": "0,80", "low": "0,7",
                 "high": "0.94", "level": "95"}
        for wrong, field in (({"doi": "x"}, "doi"), ({"design": ""}, "design"), ({"participants": "many"}, "participants"),
                             ({"effect": "less"}, "effect"), ({"low": "0.9"}, "low"), ({"high": ""}, "low"),
                             ({"measure": ""}, "measure")):
            status, page = await ada.post("/compose", study | wrong | {"step": "audience"})
            assert status == 400 and f'id="error-{field}"' in page, field
        page = (await ada.post("/compose", study | {"step": "confirm", "reach": "home"}))[1]
        where = (await ada.post("/compose", fields(page) | {"step": "publish"}))[1]
        page = (await ada.get(where))[1]
        assert 'href="https://doi.org/10.1000/182"' in page and "0.80 (95 % CI 0.7 to 0.94)" in page and "Cohort study" in page
        news = {"kind": "news", "question": "Shortage", "text": "Text", "language": "en"}
        for wrong in ({}, {"sponsored": "yes"}, {"sponsored": "no", "sponsor": "A company"}):
            status, page = await red.post("/compose", news | wrong | {"step": "audience"})
            assert status == 400 and 'id="error-sponsor"' in page
        told = news | {"desk": "desk", "sponsored": "no", "step": "confirm", "reach": "home"}
        page = (await red.post("/compose", told))[1]
        where = (await red.post("/compose", fields(page) | {"step": "publish"}))[1]
        assert re.search(r"<dt>Sponsor</dt><dd>nobody</dd>", (await ada.get(where))[1])
        hers = fields(page)
        hers.pop("by")
        assert (await ada.post("/compose", hers | {"step": "publish"}))[0] == 403 and await de.count("posts") == 2


async def test_home_is_explained_where_a_question_is_administrative(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, _), Browser(de) as ada:
        await ada.login("ada")
        page = (await ada.post("/compose", _CASE | {"aim": "administrative", "step": "audience"}))[1]
        assert 'value="home" checked' in page and "differ from country to country" in page
        assert "differ from country to country" not in (await ada.post("/compose", _CASE | {"step": "audience"}))[1]
