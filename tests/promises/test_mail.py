"""No word of any post, and no name or handle of anybody else, is in any mail."""

from __future__ import annotations

import re
from pathlib import Path

from core.countries import specialties, specialty_title
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.conversations.test_consults import met
from tests.conversations.test_the_whole_path import case, published
from tests.mailserver import mailserver
from tests.servers import Running, countries, until
from tests.test_mailboxes import link
from tests.test_pages import Browser

_PLANTED = ("planted7question", "planted7text", "planted7answer", "planted7changed", "planted7option", "planted7consult")


async def _everything_happens(de: Running, fr: Running) -> None:
    """Every kind of notification for Ada, from home and from abroad, each with planted words."""
    ben, claire = await de.author("ben"), await fr.author("ben")
    draft = Draft(Kind.CASE, "planted7question?", "planted7text", "de", CaseFacts(("cardiology",), "80-89", "x", "therapeutic"))
    post = await published(de, draft, fr)
    poll = await published(de, Draft(Kind.POLL, "planted7question?", "", "de", CaseFacts(), PollDraft(
        ("planted7option", "other"), False, de.its.clock.ms() + 1_500)))
    await until(lambda: fr.count("posts"))
    there = (await fr.its.timelines.home(claire.actor, "all", None)).posts[0].id
    answer = await fr.its.compose.reply(claire, there, "planted7answer", "fr")
    await fr.its.editing.edit(claire, answer, "", "planted7changed", 1)
    await de.its.compose.reply(ben, post, "planted7answer", "de")
    await de.its.compose.consult(ben, case("planted7consult?"), [(await de.author("ada")).actor, await met(de, fr, "ada")])
    her, him = [await de.its.credentials.require_verified(de.doctors[handle]) for handle in ("ada", "ben")]
    await de.its.relations.follow(him, her.actor)
    await de.its.relations.follow(her, him.actor)
    await de.its.relations.accept(him, her.actor)
    note = Draft(Kind.NOTE, "planted7question?", f"planted7text {her.actor.mention}", "de")
    await de.its.compose.publish(ben, note, (), Reach.HOME, "")
    await until(lambda: de.count("notifications", "kind = 'changed'"))
    await until(lambda: de.count("notifications", "kind = 'closed'"))
    assert poll


async def test_no_mail_holds_a_word_of_a_post_or_anybodys_name(tmp_path: Path) -> None:
    async with mailserver() as server, countries(tmp_path, "de", "fr", settled=server.used()) as (de, fr), Browser(de) as ada:
        await ada.login("ada")
        await de.its.accounts.choose_language(de.doctors["ada"], "en")
        await ada.post("/settings/mail", {"address": "x9@klinik.example", "rhythm": "daily"})
        await until(lambda: bool(server.taken))
        await ada.post(f"/mail/confirm/{link(server.taken[0].text, 'confirm')}", {})
        await _everything_happens(de, fr)
        de.its.clock.offset = 86_400
        await until(lambda: len(server.taken) == 2, 20)
        digest = server.taken[1].text
        for kind in ("2 answers to", "1 mention of", "1 changed answer", "1 post in a consult", "1 poll has closed",
                     "1 request to follow", "1 colleague you follow"):
            assert kind in digest, kind
        people = [await one.author(handle) for one in (de, fr) for handle in ("ada", "ben")]
        names = {word for who in people for word in (who.actor.name, who.actor.handle, who.actor.mention, who.actor.uri)}
        titles = {specialty_title(code, language) for code in specialties() for language in ("en", "de")}
        for mail in server.taken:
            headers = "\n".join(f"{name}: {value}" for name, value in mail.message.items())
            for part in (headers, mail.text, mail.html, mail.message.as_string()):
                tokens = re.sub(r"/mail/\w+/[\w-]+", "", part)  # the letters of a secret may spell anything
                for word in (*_PLANTED, "planted7", *titles, fr.url, fr.its.identity.name):
                    assert word.lower() not in tokens.lower(), word
                for name in names:
                    assert re.search(rf"\b{re.escape(name)}\b", tokens, re.IGNORECASE) is None, name
        assert await de.count("mails", "facts LIKE '%planted%'") == 0
