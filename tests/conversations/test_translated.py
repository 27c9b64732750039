"""A French case is translated for Germans by a machine, a German who speaks both confirms it, and everybody reads it with her
name; when the text changes it is gone everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from actors.models import Actor, Badge, Role
from actors.profiles import Said
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.ids import public
from posts import seals, wire
from posts.fidelity import What
from posts.models import CaseFacts, Draft, Kind
from posts.parts import Parts, Row, Section
from posts.telling import Told
from posts.translated import Translation, digest_of, may_confirm
from posts.translations import Readings
from tests.conversations.test_the_whole_path import published
from tests.servers import FakeSibling, Running, countries, know, until
from tests.translationserver import LibreTranslate, libretranslate

CASE = Draft(
    Kind.CASE, "Quelle dose ?", "Patiente de **45 ans**, pas de fièvre.", "fr",
    CaseFacts(("cardiology",), "40-49", "f", "therapeutic"),
    parts=Parts((Section("history", source="Traitement : 10 mg par jour."),), (Row(-2, "Premier symptôme"),)))
GERMAN = {"Quelle dose ?": "Welche Dosis?", "<p>Patiente de <strong>45 ans</strong>, pas de fièvre.</p>":
          "<p><strong>45-jährige</strong> Patientin, kein Fieber.</p>",
          "<p>Traitement : 10 mg par jour.</p>": "<p>Therapie: 10 mg täglich.</p>", "Premier symptôme": "Erstes Symptom"}


async def speaks(at: Running, handle: str, *languages: str) -> None:
    doctor = await at.its.credentials.require_verified(at.doctors[handle])
    await at.its.profiles.change(doctor, Said("", speaks=languages))


async def read(at: Running, question: str, language: str, handle: str = "ben") -> tuple[str, Readings | None]:
    """The post at an instance, and what stands beside it for one of its doctors."""
    doctor = (await at.author(handle, "reply")).actor
    row = await at.its.database.read(lambda tx: tx.row("SELECT id FROM posts WHERE question = ?", (question,)))
    assert row is not None
    found = (await at.its.threads.thread(doctor, public(row["id"]))).posts
    return found[0].id, (await at.its.translations.beside(doctor, found, language)).get(found[0].id)


def words(found: Readings | None) -> str:
    assert found is not None and found.own is not None
    said = found.own.said
    return " ".join((said.question, said.html, *(one.html for one in said.parts.sections),
                     *(row.what for row in said.parts.timeline)))


async def test_a_translation_is_confirmed_abroad_read_everywhere_and_gone_with_an_edit(tmp_path: Path) -> None:
    async with libretranslate() as machine, countries(tmp_path, "de", "fr", "it", settled=machine.used()) as (de, fr, it):
        machine.knows = GERMAN
        made = await published(fr, CASE, de, it)
        await until(lambda: de.count("posts"))
        here, found = await read(de, CASE.question, "de")
        assert found == Readings(None, (), True, False)
        ben = (await de.author("ben")).actor
        await de.its.translations.translate(ben, here, "de")
        [asked] = machine.asked
        assert asked["source"] == "fr" and asked["target"] == "de" and asked["format"] == "html" and asked["api_key"] == "the key"
        assert "Therapie: 10 mg täglich." in words((await read(de, CASE.question, "de"))[1])
        _, found = await read(de, CASE.question, "de", "ada")
        assert found is not None and found.own is not None and found.own.machine == "Babel" and found.own.differences == ()
        assert not found.own.may_confirm and found.own.said.parts.timeline == (Row(-2, "Erstes Symptom"),)
        await de.its.translations.translate(ben, here, "de")
        assert len(machine.asked) == 1  # one for everybody

        with pytest.raises(Refused):
            await de.its.translations.confirm(await de.author("ada"), here, found.own.id)
        await speaks(de, "ada", "de", "fr")
        _, found = await read(de, CASE.question, "de", "ada")
        assert found is not None and found.own is not None and found.own.may_confirm and found.reads
        with pytest.raises(Conflict):
            await de.its.translations.confirm(await de.author("ada"), here, "0000000000001")
        await de.its.translations.confirm(await de.author("ada"), here, found.own.id)
        for at in (fr, de, it):
            await until(lambda at=at: at.count("posts", "translations <> ''"))  # type: ignore[misc]
        assert await de.count("machine_translations") == 0 and await fr.count("offered_translations") == 0
        for at in (de, it):
            _, found = await read(at, CASE.question, "de", "ben")
            assert found is not None and found.own is not None and found.own.said.name == "Dr Ada" and found.own.country == "de"
            assert found.own.machine == "" and "10 mg täglich" in words(found) and not found.own.may_confirm
        _, found = await read(fr, CASE.question, "fr", "ada")
        assert found is not None and found.own is None and [one.said.language for one in found.others] == ["de"]
        assert await fr.count("notifications", f"kind = '{Told.TRANSLATED}'") == 1

        [row] = await fr.its.database.read(lambda tx: tx.rows(
            "SELECT body FROM outbox WHERE type = 'Update' ORDER BY id DESC LIMIT 1"))
        note = json.loads(row["body"])["object"]
        assert list(note["contentMap"]) == ["fr", "de"] and note["nameMap"]["de"] == "Welche Dosis?"
        assert "Kardiologie" in note["contentMap"]["de"] and "10 mg täglich" in note["contentMap"]["de"]
        assert note["translations"][0]["confirmedBy"].startswith(de.url) and wire.language_of(wire.note(note)) == "fr"
        assert seals.holds(note, fr.its.identity.seal)
        without = {key: value for key, value in note.items() if key not in ("translations", "nameMap")}
        assert seals.holds(without | {"contentMap": {"fr": note["content"]}}, fr.its.identity.seal)
        for at in (fr, de, it):
            [post] = await at.its.database.read(lambda tx: tx.rows("SELECT revision FROM posts"))
            assert post["revision"] == 2

        await fr.its.editing.edit(await fr.author("ada"), made, CASE.question, "Patiente de 54 ans, pas de fièvre.", 2)
        for at in (fr, de, it):
            await until(lambda at=at: at.count("posts", "revision = 3 AND translations = ''"))  # type: ignore[misc]
        assert (await read(de, CASE.question, "de"))[1] == Readings(None, (), True, False)


async def test_who_wrote_it_can_take_a_translation_out_and_who_confirmed_it_takes_hers_along(tmp_path: Path) -> None:
    async with libretranslate() as machine, countries(tmp_path, "de", "fr", settled=machine.used()) as (de, fr):
        machine.knows = GERMAN
        made = await published(fr, CASE, de)
        await speaks(fr, "ben", "de-CH", "fr")
        await until(lambda: de.count("posts"))

        async def confirmed() -> None:
            ben = await fr.author("ben")
            await fr.its.translations.translate(ben.actor, made, "de")
            _, found = await read(fr, CASE.question, "de", "ben")
            assert found is not None and found.own is not None
            await fr.its.translations.confirm(ben, made, found.own.id)
            await until(lambda: de.count("posts", "translations LIKE '%Dr Ben%'"))

        await confirmed()
        with pytest.raises(NotFound):
            await fr.its.translations.remove((await fr.author("ben")).actor, made, "de")
        await fr.its.translations.remove((await fr.author("ada")).actor, made, "de")
        await until(lambda: de.count("posts", "translations = ''"))
        await confirmed()
        await fr.its.departures.order("ben", "test")
        await fr.its.database.write(lambda tx: tx.run("UPDATE departures SET due_at = 0"))
        for at in (fr, de):
            await until(lambda at=at: at.count("posts", "translations = ''"), 20)  # type: ignore[misc]


async def test_consults_hidden_posts_and_role_only_threads_are_not_translated_or_confirmed(tmp_path: Path) -> None:
    async with libretranslate() as machine, countries(tmp_path, "de", settled=machine.used()) as (de,):
        ada, ben = await de.author("ada"), (await de.author("ben")).actor
        await speaks(de, "ada", "de", "fr")
        own = await published(de, Draft(Kind.NOTE, "Wer?", "Eine Frage.", "de"))
        await de.its.database.write(lambda tx: tx.run("UPDATE posts SET hidden_at = 1"))
        with pytest.raises(NotFound):
            await de.its.translations.translate(ben, own, "fr")
        await de.its.database.write(lambda tx: tx.run("UPDATE posts SET hidden_at = NULL, reach = 'named', readers = ?",
                                                      (json.dumps([ada.actor.uri, ben.uri]),)))
        with pytest.raises(Refused):
            await de.its.translations.translate(ben, own, "fr")
        assert machine.asked == []
        for wrong in ("pl", "de"):
            with pytest.raises((InvalidInput, Refused)):
                await de.its.translations.translate(ben, own, wrong)


async def test_an_offer_is_taken_from_who_may_make_it_and_from_nobody_else(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=True) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        await published(de, Draft(Kind.NOTE, "Wer?", "Eine Frage: 5 mg.", "de"))
        await de.its.database.write(lambda tx: tx.run("UPDATE posts SET audience = ?", (json.dumps([de.url, fake.origin]),)))
        [post] = await de.its.database.read(lambda tx: tx.rows("SELECT * FROM posts"))
        digest = digest_of("Wer?", post["html"], Parts())
        offered = {"id": post["uri"], "type": "Note", "contentMap": {"fr": "<p>Une question : 5 mg.</p><script>x</script>"},
                   "nameMap": {"fr": "Qui ?"}, "translates": digest}
        assert (await fake.send(de, fake.activity("Offer", offered, "o1")))[0] == 403  # she speaks no language she has named
        await de.its.database.write(lambda tx: tx.run(
            "UPDATE actors SET speaks = ? WHERE sibling_id IS NOT NULL", ('["de","fr"]',)))
        for name, change, status in (
                ("o2", {"translates": "0" * 64}, 202), ("o3", {"contentMap": {"fr": "x", "it": "y"}}, 400),
                ("o4", {"contentMap": {"fr": '<p><a href="https://evil.example/">5 mg</a></p>'}}, 400),
                ("o5", {"nameMap": {}}, 400), ("o6", {"id": f"{de.url}/posts/0000000000001"}, 400),
                ("o7", {"contentMap": {"de": "<p>x</p>"}, "nameMap": {"de": "x"}}, 400), ("o8", {"contentMap": 1}, 400)):
            assert (await fake.send(de, fake.activity("Offer", offered | change, name)))[0] == status, name
        assert await de.count("offered_translations") == 0
        assert (await fake.send(de, fake.activity("Offer", offered, "o9")))[0] == 202
        await until(lambda: de.count("posts", "translations <> ''"))
        [row] = await de.its.database.read(lambda tx: tx.rows("SELECT translations, revision FROM posts"))
        assert "script" not in row["translations"] and "Dr Doc" in row["translations"] and row["revision"] == 2
        _, found = await read(de, "Wer?", "fr")
        assert found is not None and found.own is not None and found.own.differences == ()
        assert (await fake.send(de, fake.activity("Offer", offered | {"nameMap": {"fr": "Autre ?"}}, "o10")))[0] == 202
        await until(lambda: _none(de, "offered_translations"))
        assert await de.count("posts", "translations LIKE '%Autre%'") == 0  # the first one stands


async def _none(at: Running, table: str) -> bool:
    return await at.count(table) == 0


async def test_translations_that_arrive_are_read_strictly_and_never_cost_the_post(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,):
        fake = FakeSibling()
        await know(de, fake)
        entry = {"language": "de", "confirmedBy": fake.actor, "name": "Dr Doc", "published": "2026-01-01T00:00:00Z"}
        wrong = [entry | {"language": "it", "confirmedBy": "nobody"}, entry | {"language": "es", "name": "a\u202eb"}, 7, entry,
                 entry | {"language": "en", "published": "soon"}, entry | {"language": "pt"}]
        contents = {"fr": "<p>text</p>", "de": "<p>Text</p>", "it": "<p>t</p>", "es": "<p>t</p>", "en": "<p>t</p>",
                    "pt": '<p><a href="https://evil.example/">t</a></p>'}
        assert (await fake.send(de, fake.activity("Create", fake.note(de, contentMap=contents, translations=wrong))))[0] == 202
        [row] = await de.its.database.read(lambda tx: tx.rows("SELECT language, translations FROM posts"))
        assert row["language"] == "fr" and row["translations"].count("language") == 1 and "Text" in row["translations"]
        assert (await fake.send(de, fake.activity("Create", fake.note(de, "n2", translations="x"), "a2")))[0] == 202


async def test_a_machine_that_lies_hangs_or_never_ends_leaves_nothing_behind(tmp_path: Path) -> None:
    async with libretranslate() as machine, countries(tmp_path, "de", settled=machine.used(timeout_seconds=0.5)) as (de,):
        own = await published(de, Draft(Kind.NOTE, "Wer?", "Eine Frage: 5 mg, kein Fieber.", "de"))
        ben = (await de.author("ben")).actor

        async def fails(sentence: str) -> None:
            with pytest.raises(Exception, match=sentence):
                await de.its.translations.translate(ben, own, "en")
            assert await de.count("machine_translations") == 0

        for document in ({}, {"translatedText": "one"}, {"translatedText": ["one"]}, {"translatedText": [1, 2]},
                         {"translatedText": ["x", "y" * 10_000]}, {"translatedText": ["x", "<b >" * 90]}, b"{nonsense",
                         b'{"translatedText": ["' + b"a" * 10_000_000 + b'"]}', [1]):
            machine.answers = (200, document)
            await fails("is no translation of this|cannot be reached")
        machine.answers = (200, {"translatedText": ["Who?", '<p><a href="https://evil.example/">x</a></p>']})
        await fails("addresses that are not in the original")
        machine.answers = (403, {"error": "Eine Frage"})
        await fails("Babel did not translate this")
        machine.answers, machine.hangs = None, 5.0
        await fails("cannot be reached")
        machine.hangs = 0.0
        machine.answers = (200, {"translatedText": ["Who?", "<p>A question: 5 g, fever.</p><script>alert(1)</script>"]})
        await de.its.translations.translate(ben, own, "en")
        _, found = await read(de, "Wer?", "en")
        assert found is not None and found.own is not None and "script" not in found.own.said.html
        assert {one.what for one in found.own.differences} == {What.UNIT, What.DENIAL}


def test_a_student_confirms_nothing() -> None:
    badge = Badge(Role.DOCTOR, (), "de", "x", 1)
    doctor = Actor(1, "https://x.example/a", "a", "x.example", "A", badge, speaks=("de", "fr"))
    assert may_confirm(doctor, "de-AT", "fr") and not may_confirm(doctor, "de", "it")
    for change in ({"badge": msgspec.structs.replace(badge, role=Role.STUDENT)}, {"alias": True}, {"desk": True}, {"speaks": ()}):
        assert not may_confirm(msgspec.structs.replace(doctor, **change), "de", "fr")
    assert Translation("de", "", "", "").by == "" and LibreTranslate().url == ""
