"""Instances with something of everything in them, so that every page has something to show; and one with nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy

from actors.applications import ApplicationState
from actors.apps import OUT_OF_BAND
from actors.decisions import WANTED, Acceptance, Rejection
from actors.devices import NOWHERE
from actors.links import Purpose
from actors.mailboxes import Rhythm
from actors.models import Author, Role
from actors.profiles import Said
from actors.verifications import Method
from core.database import Tx
from core.ids import number, public
from core.markings import Arrow, Box, Brush
from core.settings import Imprint, Push, Settings
from core.vault import token, token_hash
from federation import reconciliation
from inbox.reconciliations import Done
from posts import pollstore
from posts.drafts import Sheet, What, Written
from posts.models import Aim, CaseFacts, Draft, Kind, Mark, PollDraft, Reach, ReplyKind
from posts.parts import Congress, Effect, Parts, Row, Section, Study
from posts.pollstore import Snapshot
from posts.readings import Place
from tests import test_joining as joining
from tests.applicants import applied
from tests.drawn import photograph
from tests.illustrated import described, illustrated, new_sheet, scan
from tests.mailserver import MailServer, mailserver
from tests.radiographs import lettered, radiograph, ramp
from tests.servers import PASSWORD, FakeSibling, Running, countries, know, until
from tests.test_portraits import picture
from tests.translationserver import libretranslate

FRENCH = {"Quelle dose ?": "Which dose?", "Quel examen ?": "Which examination?",
          "<p>Patiente de <strong>45 ans</strong>, pas de fièvre, depuis trois semaines.</p>":
          "<p>A woman of <strong>54 years</strong>, fever, for three weeks.</p>",
          "<p>Traitement : 10 mg par jour.</p>": "<p>Treatment: 10 g daily.</p>", "Premier symptôme": "First symptom"}
TEXT = ("## Verlauf\n\n**Drei** Wochen, <keine> Besserung.\n\n- erstens\n- zweitens\n\n"
        "| Test | Wert |\n|---|---|\n| CRP | 12 |\n\n> Zitat")
FACTS = CaseFacts(("cardiology", "haematology"), "80-89", "x", "therapeutic")
PARTS = Parts((Section("patient", source=TEXT), Section("discussion", source="Ein Satz.")),
              (Row(-180, "Ein Ereignis, das lange zurückliegt und viele Worte braucht, damit es umbricht"), Row(0, "Aufnahme")))
STUDY = Parts(study=Study("10.1000/182", "randomised", 12_034, Effect("hr", "0.80", "0.70", "0.94"), "Öffentliche Mittel"))
IMPRINT = Imprint(operator="Konsil Deutschland e. V.", address="Turmweg 1\n20148 Hamburg", email="post@konsil.example",
                  phone="+49 40 123456", responsible="Dr. Vera Beispiel", authority="Die Aufsicht, Hamburg")


class House(NamedTuple):
    """A German instance that is full, a French sibling of it, an Italian one that is empty and knows nobody; and what a path
    can name."""

    de: Running
    fr: Running
    it: Running
    made: dict[str, str]

    def at(self, country: str) -> Running:
        return next(place for place in (self.de, self.fr, self.it) if place.country == country)


@asynccontextmanager
async def house(directory: Path) -> AsyncIterator[House]:
    """It stands for one block."""
    async with mailserver() as mail, libretranslate() as machine:
        machine.knows = FRENCH

        def settled(settings: Settings) -> Settings:
            return msgspec.structs.replace(machine.used()(mail.used()(settings)), imprint=IMPRINT, push=Push(("push.example",)))

        async with (countries(directory, "de", "fr", settled=settled) as (de, fr),
                    countries(directory, "it", friends=False, domain="localhost") as (it,)):
            await it.its.accounts.add_operator("op", "Operator", PASSWORD)
            yield House(de, fr, it, await _furnish(de, fr, mail))


async def _furnish(de: Running, fr: Running, mail: MailServer) -> dict[str, str]:
    await de.its.accounts.add_operator("op", "Operator", PASSWORD)
    for handle, role in (("stu", Role.STUDENT), ("old", Role.DOCTOR), ("eva", Role.DOCTOR)):
        await de.add_doctor(handle, role)
    made = {"sibling": fr.domain} | await _posts(de, fr)
    made |= await _corrected(de, fr)
    made |= await _translated(de)
    made |= await _by_role(de) | await _pictures(de, fr)
    made |= await _desks(de)
    made |= await _been(de)
    await _people(de, fr)
    await _reactions(de, made)
    await _keys(de, fr)
    made |= await _signing_in(de) | await _apps(de)
    made |= await _left(de)
    made |= await _reported(de)
    made |= await _waits(de)
    await _leaving(de)
    made |= await _papers(de)
    made |= await _drafts(de, made) | await _mail(de, mail) | await _outside(de) | await _tried(de, fr)
    made |= await _applications(de) | await _deciding(de)
    await until(lambda: _entered(de))
    await de.its.database.write(lambda tx: _let_time_pass(tx, de.its.clock.ms() - 1000))
    return made


async def _entered(de: Running) -> bool:
    """Whether search knows everything."""
    return await de.count("unindexed") == 0


async def _signing_in(de: Running) -> dict[str, str]:
    """A doctor who types codes, one who is about to, and two links to a password."""
    its, now = de.its, de.its.clock.ms()
    await de.add_doctor("lost")
    await its.signing.factors.hand_out(de.doctors["ben"], "test")
    await its.signing.factors.begin(de.doctors["ada"])
    reset, welcome = await its.database.write(lambda tx: [
        its.signing.links.issue(tx, de.doctors[who].id, purpose, now)
        for purpose, who in ((Purpose.RESET, "lost"), (Purpose.WELCOME, "stu"))])
    return {"reset": its.signing.links.token(reset), "welcome": its.signing.links.token(welcome)}


async def _desks(de: Running) -> dict[str, str]:
    """A desk that Ada answers for, with news, a study and a congress, one nobody answers for and one that is closed."""
    its = de.its
    for handle in ("redaktion", "alone", "closed"):
        await its.desks.add(handle, f"Redaktion {handle.title()}", "old" if handle == "alone" else "ada", ("cardiology",), "op")
    await its.desks.close("closed", "Niemand schreibt.", "op")
    desk = await its.credentials.desk(de.doctors["ada"], "redaktion")
    effect = Effect("rr", "0.72", "0.55", "0.93")
    congress = Congress("2099-03-01", "2099-03-03", "Lyon", "https://congress.example/")
    made = {aim: await its.compose.publish(
        desk, Draft(Kind.NOTE, f"Neu: {aim}", TEXT, "de", CaseFacts(("cardiology",), aim=aim), parts=parts), (), Reach.HOME, "")
        for aim, parts in ((Aim.NEWS, Parts(sponsor="Eine Firma")), (Aim.CONGRESS, Parts(congress=congress)),
                           (Aim.STUDY, Parts(study=Study("10.1000/182", "randomised", 812, effect, "Öffentlich"))))}
    return {"news": made[Aim.NEWS], "congress": made[Aim.CONGRESS], "study": made[Aim.STUDY]}


async def _pictures(de: Running, fr: Running) -> dict[str, str]:
    """A case with three pictures of which one is covered, one from abroad, and drafts with a picture that is ready and one that
    is not."""
    ada = await de.author("ada")
    shown = await illustrated(de, (fr.url,), pictures=3)
    covered = await illustrated(de, (fr.url,), warning="wound")
    await illustrated(fr, (de.url,))
    await until(lambda: de.count("posts", "sibling_id IS NOT NULL AND pictures <> ''"))
    row = await de.its.database.read(lambda tx: tx.row("SELECT id FROM posts WHERE sibling_id IS NOT NULL AND pictures <> ''"))
    sheet = new_sheet(de)
    ready = await described(de, ada, sheet)
    waits = await de.its.media.add(ada.actor, sheet, scan((700, 1_400)))
    await described(de, ada, Sheet(What.REPLY, shown))
    assert row is not None
    return {"shown": shown, "covered": covered, "shown_abroad": public(row["id"]), "sheet": sheet.about, "described": ready.name,
            "undescribed": waits.name}


async def _by_role(de: Running) -> dict[str, str]:
    """A question of Ada's and one of Ben's, signed by role only: that it was Ada two operators have found out, about Ben's it is
    proposed."""
    its, asked = de.its, Draft(Kind.CASE, "Wer bin ich?", TEXT, "de", FACTS)
    await its.accounts.add_operator("omar", "Omar", PASSWORD)
    hers, his = [await its.compose.publish(await de.author(handle), asked, (), Reach.HOME, "", by_role=True)
                 for handle in ("ada", "ben")]
    await its.compose.reply(await de.author("ben", "reply"), hers, "Eine Antwort.", "de")
    await its.compose.reply(await de.author("ada", "reply"), hers, "Danke.", "de")
    found = await its.unmaskings.propose(hers, "Die Kammer hat eine Beschwerde weitergegeben. " * 3, "omar")
    await its.unmaskings.confirm(found.id, "op")
    proposed = await its.unmaskings.propose(his, "Die Kammer fragt.", "omar")
    return {"by_role": hers, "found": found.id, "proposed": proposed.id}


async def _reported(de: Running) -> dict[str, str]:
    """A post that is hidden and waits for a decision; one of Ada's that was taken down, and one that an operator has read
    without a report; and what she has reported herself."""
    its, ada, ben, eva = de.its, await de.author("ada"), await de.author("ben"), await de.author("eva")
    asked = Draft(Kind.CASE, "Wer erkennt das wieder?", TEXT, "de", FACTS)
    hidden, insult, taken, read = [await its.compose.publish(author, asked, (), Reach.HOME, "")
                                   for author in (eva, eva, ada, ada)]
    await its.editing.edit(eva, hidden, "Wer kennt das?", TEXT, 1)
    waits = await its.reports.report(ben.actor, hidden, "recognisable", f"{TEXT} {'x' * 300}", "de", share=False)
    mine = await its.reports.report(ada.actor, insult, "insult", "Der zweite Satz.", "de", share=False)
    decided = await its.reports.report(ben.actor, taken, "secrecy", "", "de", share=False)
    await its.judging.decide(decided, "taken-down", "Der Ort und die Woche.\n\nBitte beides weglassen.", "de", "op")
    await its.opening.open(read, "Hinweis ABCD-EFGH von außen.", "op")
    await its.database.write(lambda tx: tx.run("UPDATE opened_posts SET at = 1"))
    await its.opening.tell_due()
    return {"hidden": hidden, "hides": waits, "complained": mine, "taken": taken, "takedown": decided}


async def _left(de: Running) -> dict[str, str]:
    """A Spanish sibling that was revoked, a question that it could read, and an answer of its doctor."""
    es = FakeSibling("es", 9)
    await know(de, es)
    its, domain = de.its, es.origin.split("://")[1]
    seen = its.compose.network_digest(await its.compose.destinations())
    asked = Draft(Kind.CASE, "Wer weiß es?", TEXT, "de", FACTS)
    lost = await its.compose.publish(await de.author("ada"), asked, (es.origin,), Reach.COUNTRIES, seen)
    answer = es.note(de, inReplyTo=f"{de.url}/posts/{lost}")
    assert (await es.send(de, es.activity("Create", answer)))[0] == 202
    await its.siblings.revoke(domain, "op", "Verlassen")
    return {"left": domain, "lost": lost}


async def _leaving(de: Running) -> None:
    """Somebody who has left; somebody who leaves and has her archive; two whose archives are being made and could not be made."""
    its = de.its
    await de.add_doctor("gone")
    await its.departures.order("gone", "op")
    await until(lambda: de.count("departures", "done_at IS NOT NULL"))
    await its.departures.ask(de.doctors["eva"], "eva")
    await its.exports.ask(de.doctors["eva"], "de")
    await until(lambda: de.count("exports", "state = 'ready'"))
    for handle, state in (("old", "making"), ("stu", "failed")):
        await its.database.write(lambda tx, handle=handle, state=state: tx.run(  # type: ignore[misc]
            "INSERT INTO exports (account_id, id, state, language, asked_at, stage, posts, total, next_try)"
            " VALUES (?, ?, ?, 'de', 1, 'posts', 120, 400, ?)", (de.doctors[handle].id, its.ids.new(), state, 1 << 60)))


async def _waits(de: Running) -> dict[str, str]:
    """A Swiss sibling that does not answer: something waits for it, something it holds, a post and a deletion it has refused,
    and a deletion that was dropped."""
    ch = FakeSibling("ch", 10)
    await know(de, ch)
    its, domain, ada = de.its, ch.origin.split("://")[1], await de.author("ada")
    seen = its.compose.network_digest(await its.compose.destinations())
    asked = Draft(Kind.CASE, "Wer wartet?", TEXT, "de", FACTS)
    made = [await its.compose.publish(ada, asked, (ch.origin,), Reach.COUNTRIES, seen) for _ in range(5)]
    for post_id in made[3:]:
        await its.editing.delete(ada.actor, post_id)

    def stand(tx: Tx) -> list[int]:
        numbers = [tx.rows("SELECT d.sequence FROM deliveries d JOIN posts p ON p.uri_key = d.object_key WHERE p.uri = ?"
                           " ORDER BY d.sequence DESC", (f"{de.url}/posts/{post_id}",))[0]["sequence"] for post_id in made]
        for sequence, state, reason in ((numbers[0], "parked", "refused Das passt hier nicht."), (numbers[1], "held", ""),
                                        (numbers[3], "parked", "too-large"), (numbers[4], "dropped", "dropped Geschlossen.")):
            tx.run("UPDATE deliveries SET state = ?, reason = ?, settled_at = ?, tries = 3 WHERE sequence = ?"
                   " AND sibling_id = (SELECT id FROM siblings WHERE country = 'ch')", (state, reason, its.clock.ms(), sequence))
        return numbers

    numbers = await its.database.write(stand)
    return {"waits": domain, "ended": str(numbers[0]), "gone": str(numbers[3])}


async def _apps(de: Running) -> dict[str, str]:
    """An app that asks Ada to be let in, and one that she has let in."""
    its = de.its.signing
    app, _ = await its.apps.register("Ivory", [OUT_OF_BAND], "read write follow push", "https://ivory.example", "192.0.2.1")
    other, secret = await its.apps.register("Tusky", ["tusky://back"], "read", "", "192.0.2.1")
    asked = its.grants.check(other, "tusky://back", "code", ("read",), "", "")
    code = await its.grants.allow(await de.its.credentials.require_verified(de.doctors["ada"]), asked, NOWHERE)
    await its.grants.redeem(other.client_id, secret, code, "tusky://back", "")
    return {"asks": f"response_type=code&client_id={app.client_id}&redirect_uri={OUT_OF_BAND}&scope=read+write%3Amedia+push"}


async def _posts(de: Running, fr: Running) -> dict[str, str]:
    """A case with nested answers, a deleted and a changed one, one at home, polls in every state, notes, a question deleted
    after somebody had begun an answer, a consult."""
    ada, ben, old, claire = await de.author("ada"), await de.author("ben"), await de.author("old"), await fr.author("ben")
    its = de.its
    seen = its.compose.network_digest(await its.compose.destinations())
    asked = Draft(Kind.CASE, "Welche Untersuchung zuerst?", TEXT, "de", FACTS)
    note = Draft(Kind.NOTE, "Mitteilung", f"@ada, #Sepsis und #Größe: {TEXT}", "de")
    made = {name: await its.compose.publish(author, draft, (), Reach.HOME, "") for name, author, draft in (
        ("note", ben, note), ("lapsed", old, note), ("home", ada, asked))}
    made |= {name: await its.compose.publish(ada, asked, (fr.url,), Reach.NETWORK, seen) for name in ("erased", "case")}
    made |= await _ended(de, asked)
    options = ("Ein langer Satz, der auf einem Telefon umbricht", "Nein", "Donaudampfschifffahrtsgesellschaft" * 2)
    for name, author, several in (("unvoted", ben, False), ("several", ben, True), ("own", ada, False), ("voted", ben, False),
                                  ("closed", ben, False)):
        draft = Draft(Kind.POLL, f"Umfrage: {name}?", "", "de", msgspec.structs.replace(FACTS, aim="opinion"),
                      PollDraft(options, several, its.clock.ms() + 3_600_000))
        made[name] = await its.compose.publish(author, draft, (fr.url,), Reach.NETWORK, seen)
    for name in ("voted", "closed"):
        await its.polls.vote(ada, made[name], (0,))
    counted = Snapshot(its.clock.ms(), 24, {de.url: (9, 0, 7), fr.url: (0, 8, 0)}, {"cardiology": (9, 0, 5), "": (0, 8, 0)})
    await its.database.write(lambda tx: pollstore.keep_snapshot(tx, number(made["own"]) or 0, counted))
    answers = await _answers(de, made["case"], (ben, ada, ben, ada, ben, ada))
    made |= {"hers": answers[3], "answer": answers[4]}
    await its.editing.delete(ada.actor, answers[1])
    await its.editing.edit(ada, made["hers"], "", "Anders.", 1)
    await its.editing.edit(ben, answers[0], "", f"Antwort 0, besser. {TEXT}", 1)
    await its.editing.edit(ada, made["case"], "Welche Untersuchung als erste?", TEXT, 1)
    await its.compose.reply(ben, made["erased"], "Gute Frage.", "de")
    await its.drafts.keep(ada.actor, Sheet(What.REPLY, made["erased"], "", "1"), Written(text="Zu spät.", language="de"))
    await its.editing.delete(ada.actor, made["erased"])
    colleagues = await its.colleagues.named(ada.actor, ["@ben", f"@ben@{fr.domain}"])
    made["consult"] = await its.compose.consult(ada, msgspec.structs.replace(asked, question="Nur unter uns?"), colleagues)
    await its.compose.reply(ben, made["consult"], "Ja.", "de")
    await its.compose.publish(ada, asked, (fr.url,), Reach.COUNTRIES, seen, asked_from=made["home"])
    uri = f"{de.url}/posts/{made['case']}"
    await until(lambda: fr.count("posts", f"uri = '{uri}' AND revision = 2"))
    there = await fr.its.timelines.home(claire.actor, "all", None)
    await fr.its.compose.reply(claire, next(post.id for post in there.posts if post.uri == uri), "Depuis Lyon.", "fr")
    await until(lambda: de.count("posts", "language = 'fr'"))
    return made


async def _translated(de: Running) -> dict[str, str]:
    """Questions in French: one that a machine has translated with mistakes, one whose translation is confirmed, one that is
    not translated."""
    its, ben = de.its, await de.author("ben")
    eva = await its.credentials.require_verified(de.doctors["eva"])
    await its.profiles.change(eva, Said("", speaks=("en", "fr")))
    made = {}
    for name, question in (("machine", "Quelle dose ?"), ("confirmed", "Quel examen ?"), ("french", "Qui le sait ?")):
        parts = Parts((Section("history", source="Traitement : 10 mg par jour."),), (Row(-2, "Premier symptôme"),))
        made[name] = await its.compose.publish(ben, Draft(
            Kind.CASE, question, "Patiente de **45 ans**, pas de fièvre, depuis trois semaines.", "fr", FACTS, parts=parts),
            (), Reach.HOME, "")
        if name != "french":
            await its.translations.translate(eva.actor, made[name], "en")
    posts = (await its.threads.thread(eva.actor, made["confirmed"])).posts
    found = (await its.translations.beside((await de.author("eva")).actor, posts, "en"))[made["confirmed"]]
    assert found.own is not None
    await its.translations.confirm(await de.author("eva"), made["confirmed"], found.own.id)
    return made


async def _ended(de: Running, asked: Draft) -> dict[str, str]:
    """A case with all there can be in it, and a study."""
    its, ada, ben = de.its, await de.author("ada"), await de.author("ben")

    async def home(author: Author, draft: Draft) -> str:
        return await its.compose.publish(author, draft, (), Reach.HOME, "")

    made = await home(ada, msgspec.structs.replace(asked, question="Wie ging es aus?", parts=PARTS))
    answer = await its.compose.reply(ben, made, "Erst das Echo.", "de")
    await its.cases.mark(ada, answer, helpful=True)
    await its.cases.tell_outcome(ada, made, f"Gut. {TEXT}")
    study = await home(ada, Draft(Kind.NOTE, "Weniger Blutungen?", TEXT, "de", CaseFacts(aim="study"), parts=STUDY))
    return {"known": made, "shown_study": study}


async def _corrected(de: Running, fr: Running) -> dict[str, str]:
    """A case of Ada's that was asked back about, with evidence, an answer of hers that was corrected and one of Ben's that was
    recalled; Ada has read all of it, and follows a case of Ben's."""
    its, ada, ben = de.its, await de.author("ada"), await de.author("ben")
    seen = its.compose.network_digest(await its.compose.destinations())
    asked = Draft(Kind.CASE, "Welche Dosis?", TEXT, "de", FACTS)
    case = await its.compose.publish(ada, asked, (fr.url,), Reach.NETWORK, seen)
    recalled = await its.compose.reply(ben, case, f"Zehn Milligramm. {TEXT}", "de")
    await its.compose.reply(ben, case, "Vergleiche 10.1056/NEJMoa2034577.", "de", kind=ReplyKind.EVIDENCE,
                            sources="PMID 31978945, NCT01234567")
    corrected = await its.compose.reply(ada, recalled, "Fünf Milligramm, zweimal am Tag.", "de")
    await its.compose.publish(ben, asked, (), Reach.HOME, "")
    [other] = (await its.timelines.of(ben.actor, ben.actor, None)).posts[:1]
    await its.following.follow(ada.actor, other.id)
    found = await its.threads.thread(ada.actor, case)
    await its.readings.note_thread(ada.actor, found.place, found.line)
    await its.editing.edit(ada, corrected, "", "Ein Milligramm, zweimal am Tag.", 1, corrects="Die Dosis war zu hoch.")
    await its.editing.recall(ben, recalled, "Zehnfach zu hoch: Milligramm und Mikrogramm verwechselt.")
    thanks = await its.compose.reply(ada, case, "Danke.", "de")
    await its.compose.reply(ben, case, "Wie ist die Niere?", "de", kind=ReplyKind.QUESTION)
    return {"dose": case, "recalled": recalled, "corrected": corrected, "thanks": thanks}


async def _been(de: Running) -> dict[str, str]:
    """A conversation that Ada has read, and that has gone on since; and a line in her lists."""
    its, ada, ben = de.its, await de.author("ada"), await de.author("ben")
    asked = Draft(Kind.CASE, "Wie ging es weiter?", TEXT, "de", FACTS)
    made = await its.compose.publish(ben, asked, (), Reach.HOME, "")
    [first] = await _answers(de, made, (ben,))
    seen, now = number(first) or 0, its.clock.ms()
    await its.readings.note_thread(ada.actor, Place(number(made) or 0, seen, further=True), Mark(seen, now))
    for tab in ("all", "specialties"):
        its.readings.note_list(ada.actor, tab, seen, Mark(seen, now))
    await _answers(de, first, (ben, ben))
    await its.compose.publish(ben, asked, (), Reach.HOME, "")
    return {"been": made}


async def _answers(de: Running, parent: str, authors: tuple[Author, ...]) -> list[str]:
    """One under the other."""
    made = []
    for place, author in enumerate(authors):
        parent = await de.its.compose.reply(author, parent, f"Antwort {place}. {TEXT}", "de")
        made.append(parent)
    return made


async def _people(de: Running, fr: Running) -> None:
    """Ada and Ben follow each other, a student asks to follow Ada, Ada has asked one doctor in France and blocked another;
    one at home she has muted."""
    its = de.its.relations
    ada, ben, stu, eva = [await de.its.credentials.require_verified(de.doctors[handle])
                          for handle in ("ada", "ben", "stu", "eva")]
    for one, other in ((ada, ben), (ben, ada)):
        await its.follow(one, other.actor)
        await its.accept(other, one.actor)
    await its.follow(stu, ada.actor)
    await its.follow(ada, await de.its.directory.resolve(f"@ben@{fr.domain}"))
    await its.block(ada.actor, await de.its.directory.resolve(f"@ada@{fr.domain}"))
    await its.mute(ada.actor, eva.actor, de.its.clock.ms() + 3_600_000)
    about = "Herz und Gefäße.\n" + "Donaudampfschifffahrtsgesellschaft" * 3
    await de.its.profiles.change(ada, Said(about, "Klinikum am Turmweg", ("de", "en", "tr"), True))
    await de.its.portraits.change(ada, picture())
    await de.its.topics.follow(ada.actor, "#sepsis")


async def _reactions(de: Running, made: dict[str, str]) -> None:
    """Ada and Ben like, pass on and keep; Ada has muted a conversation and pinned a question."""
    for handle, post in (("ben", made["case"]), ("ada", made["note"])):
        doctor = await de.its.credentials.require_verified(de.doctors[handle])
        await de.its.reactions.like(doctor, post)
        await de.its.reactions.boost(await de.author(handle), post)
        await de.its.reactions.bookmark(doctor.actor, post)
    await de.its.following.mute(doctor.actor, made["several"])
    await de.its.pins.pin(doctor.actor, made["own"])


async def _drafts(de: Running, made: dict[str, str]) -> dict[str, str]:
    """A new case for one colleague, two answers."""
    ada, keep = (await de.author("ada")).actor, de.its.drafts.keep
    new = await keep(ada, Sheet(What.NEW, made["note"], "", "1"), Written(
        question="Begonnen, " * 12, text=TEXT, language="de", reach="named", doctors=("@ben",)))
    for about in (made["answer"], made["consult"]):
        await keep(ada, Sheet(What.REPLY, about, "", "1"), Written(text="Dazu später mehr.", language="de"))
    assert new is not None
    return {"draft": new.about} | await _workbench(de, Sheet(What.REPLY, made["answer"]))


async def _workbench(de: Running, sheet: Sheet) -> dict[str, str]:
    """Two DICOM files in an answer that is not sent: one with a name written into it and something done to it, one that moves."""
    ada, its = (await de.author("ada")).actor, de.its.workbench
    written = await its.add(ada, sheet, radiograph(lettered(("GRÜNSPAN, WALPURGA", "*12.03.1951")), Modality="US",
                                                   BurnedInAnnotation="YES"))
    marked = await its.mark(ada, sheet, written.name, Arrow(300, 200, 90, -60), Box(0, 440, 300, 40),
                            Brush(9, ((9, 99), (60, 90))))
    film = await its.add(ada, sheet, radiograph(numpy.stack([ramp(60, 90)] * 5), FrameTime="40"))
    return {"retouched": marked.name, "film": film.name}


async def _applications(de: Running) -> dict[str, str]:
    """An application in every state, each by its link; and two invitations of Ada's, one in use."""
    its, made = de.its, {}
    await its.joining.ask("vera@klinik.example", "de", "203.0.113.5")
    row = await its.database.read(lambda tx: tx.row("SELECT id FROM applications WHERE address = 'vera@klinik.example'"))
    assert row is not None
    made["unconfirmed"] = its.joining.token(row["id"])
    made["empty"] = await joining.began(its, "a@klinik.example")
    made["full"] = await joining.filled(its, "donaudampfschifffahrtsgesellschaft@krankenhaus-der-barmherzigen.example")
    await its.joining.say_number(made["full"], joining.ENTRY._replace(number="10003461033"), "de")
    for state in (ApplicationState.SUBMITTED, ApplicationState.ASKED, ApplicationState.ACCEPTED, ApplicationState.REJECTED,
                  ApplicationState.WITHDRAWN, ApplicationState.LAPSED):
        made[state] = await joining.handed_in(its, f"{state}@klinik.example")
        await joining.decided(its, made[state], state, "Bitte auch die Rückseite.")
    ada = await its.credentials.require_verified(de.doctors["ada"])
    await its.invitations.make(ada)
    await its.invitations.make(ada)
    used = (await its.invitations.of(ada.account.id))[0]
    await its.joining.consent(made["full"], joining.ALL, used.token, "de")
    return {f"join_{name}": token for name, token in made.items()}


async def _deciding(de: Running) -> dict[str, str]:
    """Applications as operators meet them: one with everything there is to see, and one in each state that has its own page."""
    ada, now = de.doctors["ada"], de.its.clock.ms()
    number = (await de.its.invitations.of(ada.id))[0].id
    made = {
        "seen": await applied(de, name="Prof. Dr. Клара Müller-Lüdenscheidt-Donaudampfschiff", birth_name="Groß", chamber="be",
                              invitation_id=number, submitted_at=now - 90_000_000, number="802760912345671",
                              answers='{"university": "Charité", "licence-year": "2011"}'),
        "proposed": await applied(de, name="Dr. Nora Lange", number=""), "asked": await applied(de, name="Dr. Tim Kurz"),
        "rejected": await applied(de, name="Max Muster", number=""), "student": await applied(de, role="student", number=""),
        "appeal": await applied(de, name="Dr. Eva Berg", appeal="Der Eintrag steht unter meinem Geburtsnamen. " * 9, number=""),
        "renewal": await applied(de, kind="renewal", account_id=ada.id, name="Dr Ada")}
    await de.its.decisions.ask(made["asked"], tuple(WANTED), "Bitte auch die Rückseite.", "op")
    await de.its.decisions.decide(made["rejected"], Rejection("not-found", "Wir haben gesucht.", evidence="two chambers"), "op")
    proposal = Acceptance(Role.RESIDENT, ("cardiology",), now + 86_400_000, Method.REGISTER, "card", "Lange, Nora", "nora.lange")
    await de.its.database.write(lambda tx: tx.run(
        "INSERT INTO application_proposals (application_id, decision, by, at) SELECT id, ?, 'another', ? FROM applications"
        " WHERE reference = ?", (msgspec.json.encode(proposal).decode(), now, made["proposed"])))
    await de.add_doctor("sus")
    await de.add_doctor("wit")
    await de.its.accounts.suspend("sus", "asked for a break", "op")
    await de.its.accounts.withdraw("wit", "struck off", "op")
    return {f"decide_{name}": reference for name, reference in made.items()}


async def _mail(de: Running, mail: MailServer) -> dict[str, str]:
    """Ada's address counts, and she has asked for another one."""
    ada = de.doctors["ada"]
    await de.its.mailboxes.change(ada, "ada@klinik.example", Rhythm.DAILY)
    await until(lambda: mail.taken)
    assert await de.its.mailboxes.confirm(_token(mail))
    stop = de.its.mailboxes.stop_token(ada.id, "ada@klinik.example")
    await de.its.mailboxes.change(ada, "ada@praxis.example", Rhythm.DAILY)
    await until(lambda: len(mail.taken) == 2)
    return {"confirm": _token(mail), "stop": stop}


def _token(mail: MailServer) -> str:
    found = re.search(r"/mail/confirm/([\w-]+)", mail.taken[-1].text)
    assert found is not None
    return found[1]


async def _keys(de: Running, fr: Running) -> None:
    """Each has announced a new key; France has confirmed the German one, and Germany has looked at the French key."""
    ours = await de.its.keyring.rotate("op")
    await until(lambda: fr.count("announced_keys"))
    await fr.its.sibling_keys.confirm(de.domain, "op", ours.fingerprint)
    await fr.its.keyring.rotate("op")
    await until(lambda: de.count("announced_keys"))
    await de.its.keywatch.look(fr.domain)


async def _outside(de: Running) -> dict[str, str]:
    """A notice that waits, one that was handled, somebody who was turned away."""
    waiting, handled = [await de.its.outside.take("recognisable", f"{TEXT} {'x' * 300}", "y" * 200, "de", "203.0.113.5")
                        for _ in range(2)]
    await de.its.outside.handle(handled, "z" * 500, "op")
    de.its.refusals.record(direction="in", origin="https://a-rather-long-name.stranger.example", purpose="inbox",
                           reason="unlisted", path="/inbox/" + "x" * 150)
    return {"waiting": waiting, "handled": handled}


async def _tried(de: Running, fr: Running) -> dict[str, str]:
    """A self-test that passed, and one of a sibling that is not up yet."""
    trying = (await FakeSibling("gb").listed(de, "confirmed")).origin.split("://")[1]
    passed, failed = [await de.its.selftest.run(domain, "op") for domain in (fr.domain, trying)]
    assert passed.passed and not failed.passed
    for done in (Done(compared=1_204), Done(compared=310, missing_here=2, fetched=1, erased_there=1, could_not=1)):
        task = await de.its.reconciliations.begin(fr.domain, "op", dry=False)
        await de.its.reconciliations.end(task, {
            reconciliation.Kind.OFFERED: Done(compared=1_204), reconciliation.Kind.HELD: done})
    return {"trying": trying, "passed": public(passed.id), "failed": public(failed.id)}


async def _papers(de: Running) -> dict[str, str]:
    """An applicant who has handed in something and lost something, and one who waits."""
    its, now = de.its, de.its.clock.ms()
    made = {"applies": token(), "applied": token()}
    for application, secret in enumerate(made.values(), 1):
        await its.database.write(lambda tx, application=application, secret=secret: tx.run(  # type: ignore[misc]
            "INSERT INTO applications (id, reference, kind, state, token_hash, language, address, confirmed_at, created_at,"
            " touched_at) VALUES (?, ?, 'joining', 'draft', ?, 'de', 'x@x.example', 1, ?, ?)",
            (application, f"K7QM-000{application}", token_hash(secret), now, now)))
        for kind in its.pack.documents["doctor"][:2]:
            await its.papers.add(application, kind, photograph(comment=kind.encode()))
    lost = (await its.papers.of(1))[0]
    await its.database.write(lambda tx: [
        tx.run("UPDATE documents SET deleted_at = ?, gone_for = 'lost', sealed_key = NULL WHERE id = ?", (now, lost.id)),
        tx.run("UPDATE applications SET state = 'submitted' WHERE id = 2")])
    return made


def _let_time_pass(tx: Tx, before: int) -> None:
    """One poll has ended by now, one verification has run out."""
    tx.run("UPDATE polls SET ends_at = ? WHERE post_id = (SELECT id FROM posts WHERE question = 'Umfrage: closed?')", (before,))
    tx.run("UPDATE actors SET verified_until = ? WHERE handle = 'old'", (before,))
