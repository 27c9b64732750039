"""A word planted everywhere a doctor can put one, taken back in every way there is, and yesterday's backups restored: in the
end no byte of any of seven instances holds it.

What is searched is everything below the data directories of the seven: database, write-ahead log, journal, documents, archives,
whatever else lies there. What may hold a word for a while or for ever is said here, and nothing else may:

- Backups, which lie elsewhere and are sealed with a key that is in none of them.
- What a restore has moved aside (`before-restore-…`) until the operator removes it, as the command tells her to.
- What was reported about a post, decided and appealed, for `[reports] keep_days`; what somebody has signed by role only, up to 14
  days after she has left. Both is said below, before the clocks of all seven are moved on (`FOR_A_WHILE`).
- What operators write down about their own deeds: the audit log, and how they have decided about somebody who was turned away
  (`verifications`). Nothing is planted there.
"""

from __future__ import annotations

import asyncio
import gzip
import shutil
import socket
import zipfile
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import aiohttp
import msgspec
import uvicorn

from actors.decisions import Acceptance, Rejection
from actors.models import Role
from actors.profiles import Said
from actors.statements import Entry, Person
from actors.verifications import Method
from core.backup import BackupKey
from core.database import Tx
from core.ids import public
from core.settings import Settings
from federation import descriptor
from instance.app import create_app
from instance.backups import make
from instance.heads import BoundedHeads
from instance.pruning import prune
from instance.restoring import restore
from instance.setup import create_instance
from posts.drafts import Sheet, What, Written
from posts.exports import ExportState
from posts.models import CaseFacts, Draft, Kind, PollDraft, PostView, Reach
from posts.parts import Parts, Row, Section
from tests.drawn import drawn
from tests.faults.planting import planted, word
from tests.servers import PASSWORD, Running, until
from tests.test_joining import ALL, ANSWERS, began
from tests.test_pages import Browser
from tests.test_reconciler import change

COUNTRIES = ("de", "fr", "it", "es", "at", "ch", "gb")
_KEPT_DAYS, _PATIENCE = 181, 60

IN_HER_APPLICATION = {"name", "birthname", "address", "university", "register", "evidence", "proof"}
IN_HER_PROFILE = {"about", "workplace", "passkey"}
IN_HER_POSTS = {"question", "text", "tag", "corrected", "recalled", "edited", "poll", "option", "down", "downtext", "left",
                "lefttext", "answer", "consult", "role", "roletext", "draft", "history", "timeline", "outcome", "outcomedraft"}
IN_OTHER_APPLICATIONS = {"note", "appealed"}
FOR_A_WHILE = {"report", "reason", "role", "roletext", "answer", "recalled"}
NEVER = {"exif", "portrait", "filename"}
"""In what is drawn anew: not one disk ever holds them."""


def photograph(said: str) -> bytes:
    """A picture of a page that says something beside what is seen."""
    into, image = BytesIO(), drawn((620, 877))
    exif = image.getexif()
    exif[0x010E] = exif[0x9C9B] = said
    image.save(into, "JPEG", exif=exif, comment=said.encode())
    assert said.encode() in into.getvalue()
    return into.getvalue()


def test_the_search_finds_a_word_however_it_is_written(tmp_path: Path) -> None:
    said, place = f"before {word('text')}after", tmp_path / "a"
    place.mkdir()
    written = {"utf8": said.encode(), "utf16": said.encode("utf-16"), "be": said.upper().encode("utf-16-be"),
               "zlib": b"xx" + zlib.compress(said.encode() * 9), "gzip": gzip.compress(said.encode() * 9)}
    for name, content in written.items():
        (place / name).write_bytes(content)
    with zipfile.ZipFile(place / "zip", "w", zipfile.ZIP_DEFLATED) as box:
        box.writestr("x.txt", said * 9)
    (place / "nothing").write_bytes(b"before zqplant after")
    assert planted([place]) == {(f"a/{name}", "text") for name in (*written, "zip")}


# The seven

def _ports(many: int) -> list[int]:
    """So many ports that are free."""
    sockets = [socket.socket() for _ in range(many)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


@asynccontextmanager
async def up(made: Sequence[Settings]) -> AsyncIterator[list[Running]]:
    """The instances run, each with its worker."""
    running, servers = [], []
    try:
        for settings in made:
            app = create_app(settings, worker=True)
            server = uvicorn.Server(uvicorn.Config(
                app, http=BoundedHeads, ws="none", lifespan="on", log_config=None, access_log=False, host="127.0.0.1",
                port=int(settings.instance.url.rpartition(":")[2])))
            servers.append((server, asyncio.create_task(server.serve())))
            await until(lambda server=server: server.started, 30)  # type: ignore[misc]
            running.append(Running(settings.instance.country, settings.instance.url, app, {}))
        yield running
    finally:
        for server, task in servers:
            server.should_exit = True
            await task


def hurried(settings: Settings) -> Settings:
    federation = msgspec.structs.replace(settings.federation, retry_first_seconds=0.1, retry_limit_seconds=0.5)
    return msgspec.structs.replace(settings, federation=federation)


async def at_rest(running: Sequence[Running]) -> None:
    """Nothing is on its way, nobody is on her way out whose time has come."""
    def still(tx: Tx) -> bool:
        [row] = tx.rows(
            "SELECT (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'held')) + (SELECT count(*) FROM held)"
            " + (SELECT count(*) FROM journal_due)"
            " + (SELECT count(*) FROM departures WHERE done_at IS NULL AND due_at <= ?) AS n", (running[0].its.clock.ms(),))
        return int(row["n"]) == 0

    async def all_still() -> bool:
        return all([await at.its.database.read(still) for at in running])

    await until(all_still, _PATIENCE)


async def later(running: Sequence[Running], days: int) -> None:
    """Days go by, on all clocks, and what is done once a day is done."""
    for at in running:
        at.its.clock.offset = days * 86_400
    for at in running:
        await at.its.departing.finish()
    await at_rest(running)
    for at in running:
        await prune(at.its)


async def left(running: Sequence[Running], allowed: set[str]) -> set[str]:
    """Which words are left, and whether in the end they are no more than those that are allowed; the write-ahead log is emptied a
    moment after a deletion."""
    found: set[tuple[str, str]] = set()
    for _ in range(100):
        found = await asyncio.to_thread(planted, [at.its.settings.path(".") for at in running])
        if {what for _, what in found} <= allowed:
            break
        await asyncio.sleep(0.1)
    assert {one for one in found if one[1] not in allowed} == set()
    return {what for _, what in found}


# What is planted

async def applied(de: Running, who: str) -> str:
    """The token of an application that was handed in, with words wherever she can write some."""
    token = await began(de.its, f"{word('address')}.{who}@klinik.example")
    await de.its.joining.say_who(token, Person(f"Dr. {word('name')}", word("birthname"), "doctor", ("cardiology",)), "de")
    answers = ANSWERS | {"university": word("university")}
    await de.its.joining.say_number(token, Entry("efn", "be", "802760107654328", answers), "de")
    await de.its.joining.consent(token, ALL, "", "de")
    form = aiohttp.FormData({"kind": "approbation"})
    form.add_field("file", photograph(word("exif")), filename=f"{word('filename')}.jpg", content_type="image/jpeg")
    async with Browser(de) as visitor:
        assert (await visitor.post(f"/join/{token}/documents", form))[0] == 303
    application = (await de.its.joining.progress(token)).application
    await change(de, lambda tx: tx.run(
        "INSERT INTO identity_proofs (application_id, subject_key, issuer, name, number, profession, level, at)"
        " VALUES (?, ?, 'https://id.example', ?, '', '', '', 1)", (application.id, who.encode(), word("proof"))))
    await de.its.joining.hand_in(token)
    return token


async def reference_of(de: Running, token: str) -> str:
    return (await de.its.joining.progress(token)).application.reference


async def join(de: Running) -> None:
    """She applies and is verified."""
    reference = await reference_of(de, await applied(de, "vera"))
    await de.its.decisions.decide(reference, Acceptance(
        Role.DOCTOR, ("cardiology",), None, Method.REGISTER, word("evidence"), word("register"), "vera"), "olga")
    account = await de.its.accounts.by_handle("vera")
    assert account is not None
    de.doctors["vera"] = account


async def others_apply(de: Running) -> tuple[str, str]:
    """One is asked for more, one is rejected and appeals; the tokens of both."""
    asked, rejected = await applied(de, "xena"), await applied(de, "rita")
    await de.its.decisions.ask(await reference_of(de, asked), (), word("note"), "olga")
    await de.its.decisions.decide(await reference_of(de, rejected), Rejection("not-found", word("note")), "olga")
    await de.its.joining.appeal(rejected, word("appealed"))
    return asked, rejected


async def write(de: Running, others: Sequence[Running]) -> dict[str, str]:
    """She writes whatever can be written; the ids of her posts."""
    its, vera = de.its, await de.author("vera")
    doctor = await its.credentials.require_verified(de.doctors["vera"])
    await its.profiles.change(doctor, Said(word("about"), word("workplace"), ("de",), discoverable=True))
    await its.portraits.change(doctor, photograph(word("portrait")))
    await change(de, lambda tx: tx.run(
        "INSERT INTO passkeys (id, account_id, credential_id, public_key, sign_count, name, created_at) VALUES (1, ?, x'01', x'',"
        " 0, ?, 1)", (de.doctors["vera"].id, word("passkey"))))
    origins, seen = tuple(one.url for one in others), its.compose.network_digest(await its.compose.destinations())

    async def publish(draft: Draft, reach: Reach = Reach.NETWORK, *, by_role: bool = False) -> str:
        return await its.compose.publish(await de.author("vera"), draft, origins, reach, seen, by_role=by_role)

    poll = PollDraft((word("option"), "Other"), False, its.clock.ms() + 3_600_000)
    facts = CaseFacts(("cardiology",), "40-49", "f")
    posts = {
        "case": await publish(Draft(Kind.CASE, f"{word('question')}?", f"{word('text')} #{word('tag')}", "de", facts, parts=Parts(
            (Section("history", source=f"Under {word('history')}."),), (Row(-3, word("timeline")),)))),
        "poll": await publish(Draft(Kind.POLL, f"{word('poll')}?", "", "de", CaseFacts(), poll)),
        "down": await publish(Draft(Kind.NOTE, f"{word('down')}?", word("downtext"), "de")),
        "left": await publish(Draft(Kind.NOTE, f"{word('left')}?", word("lefttext"), "de")),
        "role": await publish(Draft(Kind.CASE, f"{word('role')}?", word("roletext"), "de", facts), Reach.COUNTRIES, by_role=True)}
    colleague = await its.directory.resolve(f"@ben@{others[0].domain}")
    await its.compose.consult(await de.author("vera"), Draft(Kind.NOTE, "Between us?", word("consult"), "de"), [colleague])
    await its.drafts.keep(vera.actor, Sheet(What.NEW, public(its.ids.new()), "", "m"), Written(question=word("draft")))
    await its.exports.ask(de.doctors["vera"], "de")
    return posts


async def cards(at: Running) -> dict[str, PostView]:
    """The questions that are seen there, by the word in them."""
    found = (await at.its.timelines.home((await at.author("ben")).actor, "all", None)).posts
    return {card.question: card for card in found}


async def live(de: Running, others: Sequence[Running], posts: dict[str, str]) -> str:
    """It arrives everywhere, is answered, voted for, liked, kept, edited and reported; the matter at home."""
    await at_rest([de, *others])
    for at in others[:2]:
        ben, there = await at.author("ben", "vote"), await cards(at)
        await at.its.polls.vote(ben, there[f"{word('poll')}?"].id, (0,))
        doctor = await at.its.credentials.require_verified(at.doctors["ben"])
        await at.its.reactions.like(doctor, there[f"{word('question')}?"].id)
        await at.its.reactions.boost(await at.author("ben"), there[f"{word('question')}?"].id)
        await at.its.reactions.bookmark(ben.actor, there[f"{word('question')}?"].id)
        await at.its.compose.reply(await at.author("ben", "reply"), there[f"{word('role')}?"].id, "An answer that stays.", "en")
        await at.its.reports.report(ben.actor, there[f"{word('down')}?"].id, "insult", word("report"), "en", share=True)
    await at_rest([de, *others])
    replies = await de.its.database.read(lambda tx: tx.rows("SELECT id FROM posts WHERE kind = 'reply' ORDER BY id"))
    author = await de.author("vera", "reply")
    answer = await de.its.compose.reply(author, public(replies[0]["id"]), f"And {word('answer')}.", "de")
    await de.its.editing.recall(author, answer, f"It was {word('recalled')}.")
    await de.its.editing.edit(author, posts["case"], "Now what?", f"Said {word('edited')} anew.", 1,
                              corrects=f"Because {word('corrected')}.")
    await de.its.cases.tell_outcome(await de.author("vera"), posts["case"], f"It ended {word('outcome')}.")
    await de.its.drafts.keep((await de.author("vera")).actor, Sheet(What.OUTCOME, posts["case"], "", "o"),
                             Written(text=word("outcomedraft")))
    await at_rest([de, *others])
    row = await de.its.database.read(lambda tx: tx.row("SELECT id FROM matters"))
    assert row is not None
    return public(row["id"])


async def take_back(de: Running, others: Sequence[Running], posts: dict[str, str], matter: str, tokens: Sequence[str]) -> None:
    """One post is taken down, and her appeal against it fails; some are edited and deleted while one country is not there; two
    applications are withdrawn; at last she leaves, and the rest goes with her."""
    vera, away = (await de.author("vera")).actor, others[-1].domain
    await de.its.judging.decide(matter, "taken-down", word("reason"), "en", "olga")
    await de.its.reports.appeal(vera, matter, word("appeal"))
    await de.its.judging.decide(matter, "taken-down", word("reason"), "en", "omar")
    await de.its.siblings.pause(away, "away", "olga")
    await de.its.editing.edit(await de.author("vera"), posts["poll"], f"{word('edited')}?", word("edited"), 1)
    await de.its.editing.edit(await de.author("vera"), posts["case"], "And now?", "Without.", 3)
    for name in ("case", "poll"):
        await de.its.editing.delete(vera, posts[name])
    for token in tokens:
        await de.its.joining.withdraw(token)
    await de.its.departures.order("vera", "olga")
    await until(lambda: de.count("departures", "account_id IS NOT NULL AND done_at IS NOT NULL"), _PATIENCE)
    await de.its.siblings.resume(away, "olga")
    await at_rest([de, *others])


async def test_no_live_data_directory_holds_a_planted_word_in_the_end(tmp_path: Path) -> None:
    made = [hurried(await create_instance(tmp_path / "live" / code, country=code, domain="127.0.0.1", port=port))
            for code, port in zip(COUNTRIES, _ports(len(COUNTRIES)), strict=True)]
    copies = [(settings.path("config.toml"), settings.path("backup.key"), tmp_path / f"{settings.instance.country}.backup")
              for settings in made[:2]]
    async with up(made) as running:
        de, *others = running
        await befriended(running)
        for handle in ("olga", "omar"):
            await de.its.accounts.add_operator(handle, handle.title(), PASSWORD)
        await join(de)
        tokens, posts = await others_apply(de), await write(de, others)
        await until(lambda: _ready(de), _PATIENCE)
        matter = await live(de, others, posts)
        for at, (config, _, target) in zip(running[:2], copies, strict=True):
            await make(at.its, config, target, "olga")
        there = await left(running, {what for _, what in planted([at.its.settings.path(".") for at in running])})
        assert there == IN_HER_APPLICATION | IN_HER_PROFILE | IN_HER_POSTS | IN_OTHER_APPLICATIONS | {"report"}
        assert not there & NEVER
        await take_back(de, others, posts, matter, tokens)
        assert await left(running, FOR_A_WHILE) == FOR_A_WHILE
        await later(running, _KEPT_DAYS)
        await left(running, set())
    for config, key, target in copies:
        aside = (await restore(config, target, BackupKey.load(key), "olga")).aside
        assert aside is not None and aside.name.startswith("before-restore-")
        shutil.rmtree(aside)  # as the command has said
    async with up(made) as running:
        await at_rest(running)
        await left(running, FOR_A_WHILE)
        await later(running, _KEPT_DAYS)
        await left(running, set())
        for at in running:
            assert await at.count("posts", "erased_at IS NULL AND kind <> 'reply'") == 0
        assert await running[0].count("posts", "kind = 'reply' AND erased_at IS NULL") > 0, "what others have written stays"


async def test_what_was_changed_because_of_a_report_stays_changed_when_yesterday_comes_back(tmp_path: Path) -> None:
    """A patient could be recognised, the author has changed it, and the operators have closed the report: what was there before
    is in no history any more, in nothing that was sent, and a backup of before brings it back to neither side."""
    made = [hurried(await create_instance(tmp_path / "live" / code, country=code, domain="127.0.0.1", port=port))
            for code, port in zip(COUNTRIES[:3], _ports(3), strict=True)]
    copies = [(settings.path("config.toml"), settings.path("backup.key"), tmp_path / f"{settings.instance.country}.backup")
              for settings in made[:2]]
    async with up(made) as running:
        de, *others = running
        await befriended(running)
        await de.its.accounts.add_operator("olga", "Olga", PASSWORD)
        its = de.its
        seen = its.compose.network_digest(await its.compose.destinations())
        post = await its.compose.publish(await de.author("ben"), Draft(Kind.NOTE, f"{word('question')}?", word("text"), "de"),
                                         tuple(one.url for one in others), Reach.NETWORK, seen)
        await at_rest(running)
        for at, (config, _, target) in zip(running[:2], copies, strict=True):
            await make(at.its, config, target, "olga")
        there = await cards(others[0])
        reporter = await others[0].author("ben")
        await others[0].its.reports.report(reporter.actor, there[f"{word('question')}?"].id, "recognisable", "", "en", share=True)
        await at_rest(running)
        await its.editing.edit(await de.author("ben"), post, "What now?", "Without her age.", 1)
        row = await its.database.read(lambda tx: tx.row("SELECT id FROM matters"))
        assert row is not None
        await its.judging.decide(public(row["id"]), "changed", "Thank you.", "en", "olga")
        await at_rest(running)
        await left(running, set())
    for config, key, target in copies:
        aside = (await restore(config, target, BackupKey.load(key), "olga")).aside
        assert aside is not None
        shutil.rmtree(aside)
    async with up(made[::-1]) as running:  # who has to ask comes last
        await left(running, set())

        async def changed() -> bool:
            return all([await at.count("posts", "question = 'What now?' AND html LIKE '%Without her age%'") for at in running])

        await until(changed, _PATIENCE)
        await at_rest(running)
        await left(running, set())


async def befriended(running: Sequence[Running]) -> None:
    """All of them know each other, and have a doctor `ben`."""
    for one in running:
        for other in running:
            if one is not other:
                await one.befriend(descriptor.read(descriptor.export(other.its.identity)))
        await one.add_doctor("ben")


async def _ready(de: Running) -> bool:
    export = await de.its.exports.of(de.doctors["vera"].id)
    return export is not None and export.state == ExportState.READY
