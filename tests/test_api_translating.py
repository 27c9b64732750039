"""A post in another language, in an app: a colleague's word before a machine's, and no text leaves this machine unasked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from posts.models import Draft, Kind
from tests.conversations.test_the_whole_path import published
from tests.conversations.test_translated import CASE, GERMAN, read, speaks
from tests.phones import Phone
from tests.servers import Running, countries, until
from tests.test_api_clients import signed_in
from tests.translationserver import LibreTranslate, libretranslate

NOTE = Draft(Kind.NOTE, "Wer?", "Wer nimmt 5 mg?", "de")


async def translated(phone: Phone, post_id: str, status: int = 200, **asked: str) -> dict[str, Any]:
    got, said, _ = await phone.ask("POST", f"/api/v1/statuses/{post_id}/translate", asked or None,
                                   headers={"accept-language": "en"})
    assert got == status, said
    return dict(said)


async def arrived(at: Running) -> str:
    await until(lambda: at.count("posts"))
    return (await read(at, CASE.question, "de"))[0]


async def test_what_a_machine_beside_the_instance_makes_is_read_until_a_colleague_has_confirmed_one(tmp_path: Path) -> None:
    async with (libretranslate() as machine, countries(tmp_path, "de", "fr", settled=machine.used()) as (de, fr),
                Phone(de) as phone):
        machine.knows = GERMAN | {"<p>Traitement : 10 mg par jour.</p>": "<p>Therapie: 20 mg täglich.</p>"}
        await de.its.accounts.choose_language(de.doctors["ben"], "en")
        await phone.log_in("ben")
        await published(fr, CASE, de)
        here = await arrived(de)
        instance = await phone.get("/api/v2/instance")
        assert instance["configuration"]["translation"] == {"enabled": True}
        known = await phone.get("/api/v1/instance/translation_languages")
        assert known["fr"] == ["de", "en", "es", "it"] and len(known) == 5
        said = await translated(phone, here, lang="de")
        assert said["language"] == "de" and said["detected_source_language"] == "fr" and said["provider"] == "Babel"
        assert said["poll"] is None and said["media_attachments"] == [] and said["spoiler_text"] == ""
        content, places = said["content"], ("Machine translation by Babel, not checked", "10 mg", "Welche Dosis?")
        assert sorted(places, key=content.index) == list(places)
        for part in ("Kardiologie", "45-jährige", "20 mg täglich", "Erstes Symptom", "The original says “10 mg"):
            assert part in content, content
        again = await asyncio.to_thread((await signed_in(de, "ben")).status_translate, here, lang="de-AT")
        assert again.content == content and again.provider == "Babel" and len(machine.asked) == 1
        assert CASE.question in (await phone.get(f"/api/v1/statuses/{here}"))["content"]

        await speaks(de, "ada", "de", "fr")
        _, found = await read(de, CASE.question, "de", "ada")
        assert found is not None and found.own is not None
        await de.its.translations.confirm(await de.author("ada"), here, found.own.id)
        await until(lambda: de.count("posts", "translations <> ''"))
        said = await translated(phone, here, lang="de")
        assert said["provider"] == "Dr Ada" and "Deutsch, confirmed by Dr Ada, DE" in said["content"]
        assert "not checked" not in said["content"] and len(machine.asked) == 1


async def test_a_text_leaves_this_machine_from_our_page_alone(tmp_path: Path) -> None:
    far = LibreTranslate("https://babel.example")
    async with countries(tmp_path, "de", settled=far.used()) as (de,), Phone(de) as phone:
        await phone.log_in("ben")
        post_id = await published(de, NOTE)
        said = await translated(phone, post_id, 422, lang="fr")
        assert said["error"] == ("To be translated, the text is sent to Babel. Ask for that on our page:"
                                 f" {de.url}/p/{post_id}#t-{post_id}")
        assert await de.count("machine_translations") == 0


async def test_what_cannot_be_translated_says_why(tmp_path: Path) -> None:
    async with libretranslate() as machine, countries(tmp_path, "de", settled=machine.used()) as (de,), Phone(de) as phone:
        await phone.log_in("ben")
        post_id = await published(de, NOTE)
        for lang in ("pl", "de", "nonsense"):
            assert "cannot be had here" in (await translated(phone, post_id, 422, lang=lang))["error"]
        await translated(phone, "0000000000000", 404, lang="en")
        machine.answers = (500, {})
        assert "did not translate this" in (await translated(phone, post_id, 503, lang="fr"))["error"]
        machine.answers = None
        assert (await translated(phone, post_id, lang="fr"))["language"] == "fr"
        await de.its.database.write(lambda tx: tx.run("UPDATE posts SET reach = 'named', readers = '[]'"))
        await translated(phone, post_id, 404, lang="en")
    async with countries(tmp_path / "without", "de") as (de,), Phone(de) as phone:
        await phone.log_in("ben")
        post_id = await published(de, NOTE)
        assert (await phone.get("/api/v1/instance/translation_languages")) == {}
        assert not (await phone.get("/api/v2/instance"))["configuration"]["translation"]["enabled"]
        assert "cannot be had here" in (await translated(phone, post_id, 422))["error"]
