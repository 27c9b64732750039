"""A tally is believed when the instance it is of has signed it, it counts a poll of ours that it may, and its numbers can be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.clock import rfc3339
from core.errors import Conflict, NotFound
from federation import due
from federation.descriptor import Descriptor
from federation.documents import dumps
from federation.signatures import proofs
from instance import pruning
from posts.counts import COUNT_CONTEXT, tally_uri
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.servers import FakeSibling, Running, countries, know, post

OPTIONS = ("yes", "no", "both")
_TABLES = ("votes", "tallies", "tally_counts", "poll_results", "ledger", "kept_polls", "posts", "outbox")


class Counting(FakeSibling):
    """A sibling that sends tallies."""

    def described(self) -> Descriptor:
        return msgspec.structs.replace(super().described(), bundle_inbox=f"{self.origin}/inbox/bundle")

    def tally(self, question: str, /, votes: tuple[int, ...] = (3, 2, 0), kind: str = "Tally", **changes: Any) -> dict[str, Any]:
        """A signed tally; what is changed is signed too."""
        made = {"@context": COUNT_CONTEXT, "id": tally_uri(self.origin, question), "type": kind, "actor": f"{self.origin}/actor",
                "question": question, "options": [{"name": name, "votes": number} for name, number in
                                                  zip(OPTIONS, votes, strict=False)],
                "votersCount": sum(votes), "epoch": 7, "sequence": 1, "final": False, "published": "2026-01-02T00:00:00Z",
                "bySpecialty": []} | changes
        return proofs.sign(made, self.document_key, 1_767_312_000_000)

    def count(self, made: dict[str, Any], name: str = "c1", **changes: Any) -> dict[str, Any]:
        return self.activity("Count", made, name, actor=f"{self.origin}/actor", **changes)

    def result(self, question: dict[str, Any], /, **changes: Any) -> dict[str, Any]:
        """A signed result that says what the question says."""
        made = {"@context": COUNT_CONTEXT, "id": f"{question['id']}#result", "type": "Result", "actor": f"{self.origin}/actor",
                "question": question["id"], "votersCount": question["votersCount"], "options": [
                    {"name": one["name"], "votes": one["replies"]["totalItems"]} for one in question["oneOf"]],
                "counted": [], "missing": [], "closed": question["closed"], "published": "2026-01-03T00:00:00Z"} | changes
        return proofs.sign(made, self.document_key, 1_767_312_000_000)

    def asked(self, receiver: Running, votes: tuple[int, int] = (0, 0), **changes: Any) -> dict[str, Any]:
        """A poll of its own whose votes stay at home."""
        options = [{"type": "Note", "name": name, "replies": {"type": "Collection", "totalItems": number}}
                   for name, number in zip(OPTIONS, votes, strict=False)]
        return self.question(receiver, oneOf=options, votersCount=sum(votes), tallies=[f"{receiver.url}/actor"], **changes)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[tuple[Running, Counting]]:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = Counting()
        await know(de, fake)
        yield de, fake


async def asked(de: Running, *fakes: FakeSibling, multiple: bool = False) -> str:
    """The URI of a poll of ada's."""
    draft = Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(OPTIONS, multiple, de.its.clock.ms() + 60_000))
    seen = de.its.compose.network_digest(await de.its.compose.destinations())
    return f"{de.url}/posts/" + await de.its.compose.publish(
        await de.author("ada"), draft, tuple(fake.origin for fake in fakes), Reach.COUNTRIES, seen)


async def stored(de: Running) -> dict[str, int]:
    return {table: await de.count(table) for table in _TABLES}


async def sent(de: Running, fake: FakeSibling, document: Any) -> tuple[int, str]:
    """The status and the reason, at whatever time the instance's clock shows."""
    body = dumps(document)
    status, problem = await post(f"{de.url}/inbox", body, fake.headers("POST", f"{de.url}/inbox", body, at=de.its.clock.now()))
    return status, problem["type"].rpartition(":")[2] if problem else ""


async def test_the_latest_tally_counts_and_an_older_or_replayed_one_changes_nothing(door: tuple[Running, Counting]) -> None:
    de, fake = door
    poll = await asked(de, fake)
    first = fake.count(fake.tally(poll))
    assert await sent(de, fake, first) == (202, "") and await de.count("polls", "voters = 5") == 1
    assert await sent(de, fake, fake.count(fake.tally(poll, (4, 2, 1), sequence=2), "c2")) == (202, "")
    assert await de.count("polls", "voters = 7") == 1 and await de.count("tallies", "sequence = 2 AND voters = 7") == 1
    before = await de.count("ledger")
    assert await sent(de, fake, first) == (202, "")
    assert await sent(de, fake, first | {"id": f"{fake.origin}/activities/c3"}) == (202, "")  # the old one, as a new activity
    assert await sent(de, fake, fake.count(fake.tally(poll, (0, 0, 9), epoch=6, sequence=99), "c4")) == (202, "")
    assert await de.count("polls", "voters = 7") == 1 and await de.count("ledger") == before + 2
    assert await sent(de, fake, fake.count(fake.tally(poll, (1, 0, 0), epoch=8, sequence=1), "c5")) == (202, "")
    assert await de.count("polls", "voters = 1") == 1 and await de.count("poll_options", "votes = 1 AND position = 0") == 1


def _another_key(made: dict[str, Any], fake: Counting) -> dict[str, Any]:
    other = FakeSibling()
    return proofs.sign({name: value for name, value in made.items() if name != "proof"},
                       other.document_key._replace(id=fake.document_key.id), 1_767_312_000_000)


Made = Callable[[Counting, str], dict[str, Any]]
_WRONG: dict[str, tuple[int, str, Made]] = {
    "no proof": (400, "bad-proof", lambda f, q: f.count(
        {name: value for name, value in f.tally(q).items() if name != "proof"})),
    "another key": (400, "bad-proof", lambda f, q: f.count(_another_key(f.tally(q), f))),
    "a changed number": (400, "bad-proof", lambda f, q: f.count(f.tally(q) | {"votersCount": 4})),
    "an attestation for a tally": (400, "bad-tally", lambda f, q: f.count(f.tally(q, kind="Attestation"))),
    "a tally of another question": (400, "bad-tally", lambda f, q: f.count(
        f.tally(q) | {"question": "https://de.example/posts/1"})),
    "another one's tally": (400, "bad-tally", lambda f, q: f.count(f.tally(q, actor="https://it.example/actor"))),
    "said by a doctor": (403, "foreign-author", lambda f, q: f.count(f.tally(q)) | {"actor": f.actor}),
    "fewer voters than votes for one option": (400, "bad-tally", lambda f, q: f.count(f.tally(q, votersCount=2))),
    "more voters than votes": (400, "bad-tally", lambda f, q: f.count(f.tally(q, votersCount=9))),
    "two votes of one voter": (400, "bad-tally", lambda f, q: f.count(f.tally(q, votersCount=4))),
    "negative votes": (400, "bad-tally", lambda f, q: f.count(f.tally(q, (6, -1, 0)))),
    "half a vote": (400, "bad-tally", lambda f, q: f.count(f.tally(q, (2.5, 2.5, 0)))),  # type: ignore[arg-type]
    "more people than live there": (400, "bad-tally", lambda f, q: f.count(f.tally(q, (20_000_000, 0, 0)))),
    "a small cell by specialty": (400, "bad-tally", lambda f, q: f.count(f.tally(
        q, (9, 2, 0), bySpecialty=[{"specialty": "cardiology", "votes": [4, 0, 0]}]))),
    "more by specialty than there are": (400, "bad-tally", lambda f, q: f.count(f.tally(
        q, (9, 2, 0), bySpecialty=[{"specialty": "cardiology", "votes": [10, 0, 0]}]))),
    "no epoch": (400, "bad-tally", lambda f, q: f.count(f.tally(q, epoch=0))),
    "a context of its own": (400, "context", lambda f, q: f.count(f.tally(q, **{"@context": ["https://elsewhere.example/ns"]}))),
    "other options": (400, "no-such-option", lambda f, q: f.count(f.tally(
        q, options=[{"name": name, "votes": votes} for name, votes in zip(("yes", "no", "never"), (3, 2, 0), strict=True)]))),
    "options in another order": (400, "no-such-option", lambda f, q: f.count(f.tally(
        q, options=[{"name": name, "votes": votes} for name, votes in zip(("no", "yes", "both"), (3, 2, 0), strict=True)]))),
    "a poll that is not there": (400, "no-such-poll", lambda f, q: f.count(f.tally(q.rpartition("/")[0] + "/0000000000000"))),
    "a tally that lies elsewhere": (400, "bad-tally", lambda f, q: f.count(f.tally(q, id=tally_uri(q[:22], q)))),
    "nothing at all": (400, "bad-tally", lambda f, q: f.count({"id": tally_uri(f.origin, q)})),
}


@pytest.mark.parametrize("name", _WRONG)
async def test_what_is_no_tally_is_refused_by_its_reason_and_leaves_nothing(door: tuple[Running, Counting], name: str) -> None:
    de, fake = door
    status, reason, make = _WRONG[name]
    poll = await asked(de, fake)
    before = await stored(de)
    assert await sent(de, fake, make(fake, poll)) == (status, reason)
    assert await stored(de) == before and await de.count("polls", "voters = 0") == 1


async def test_votes_and_tallies_come_as_was_agreed_and_from_the_audience_only(door: tuple[Running, Counting]) -> None:
    de, fake = door
    plain, stranger = FakeSibling("it", port=2), Counting("es", port=3)
    for other in (plain, stranger):
        await know(de, other)
    poll = await asked(de, fake, plain)
    before = await stored(de)
    vote = {"type": "Note", "name": "yes", "inReplyTo": poll, "to": [poll]}
    made = vote | {"id": f"{fake.origin}/votes/1", "attributedTo": fake.actor}
    assert await sent(de, fake, fake.activity("Create", made)) == (403, "tally-expected")
    count = Counting("it", port=2, pair=(plain.private_pem, plain.public_pem))
    count.document_key = plain.document_key
    assert await sent(de, count, count.count(count.tally(poll))) == (403, "votes-expected")
    assert await sent(de, stranger, stranger.count(stranger.tally(poll))) == (400, "no-such-poll")
    assert await stored(de) == before
    made = vote | {"id": f"{plain.origin}/votes/1", "attributedTo": plain.actor}
    assert await sent(de, plain, plain.activity("Create", made)) == (202, "")
    assert await sent(de, fake, fake.count(fake.tally(poll))) == (202, "")
    assert await de.count("polls", "voters = 6") == 1 and await de.count("votes") == 1
    row = await de.its.database.read(lambda tx: tx.row("SELECT tallies FROM polls"))
    assert row is not None and row["tallies"] == f'["{fake.origin}/actor"]'


async def test_after_the_final_tally_only_another_epoch_counts_and_after_the_result_nothing(
        door: tuple[Running, Counting]) -> None:
    de, fake = door
    poll = await asked(de, fake)
    assert await sent(de, fake, fake.count(fake.tally(poll, final=True))) == (202, "")
    assert await sent(de, fake, fake.count(fake.tally(poll, (4, 2, 0), sequence=2), "c2")) == (409, "tally-final")
    assert await sent(de, fake, fake.count(fake.tally(poll, (2, 2, 0), epoch=8, final=True), "c3")) == (202, "")
    de.its.clock.offset = 61
    await de.its.polls.announce_due()
    assert await de.count("poll_results") == 1 and await de.count("polls", "voters = 4") == 1
    before = await stored(de)
    assert await sent(de, fake, fake.count(fake.tally(poll, (9, 2, 0), epoch=9, final=True), "c4")) == (409, "poll-closed")
    assert await stored(de) == before and await de.count("polls", "voters = 4") == 1
    with pytest.raises(Exception, match="a result stands"):
        await de.its.database.write(lambda tx: tx.run("UPDATE poll_results SET missing = 0"))


async def test_who_sends_votes_has_until_the_end_of_the_grace(door: tuple[Running, Counting]) -> None:
    de, fake = door
    plain = FakeSibling("it", port=2)
    await know(de, plain)
    poll = await asked(de, fake, plain)
    assert await sent(de, fake, fake.count(fake.tally(poll, final=True))) == (202, "")
    de.its.clock.offset = 61
    await de.its.polls.announce_due()
    assert await de.count("poll_results") == 0 and await de.count("polls", "closed_at IS NOT NULL") == 1
    made = {"id": f"{plain.origin}/votes/1", "type": "Note", "attributedTo": plain.actor, "name": "no", "inReplyTo": poll,
            "to": [poll]}
    assert await sent(de, plain, plain.activity("Create", made)) == (202, "")
    de.its.clock.offset = 61 + 901
    await de.its.polls.announce_due()
    assert await de.count("poll_results", "missing = 0") == 1 and await de.count("polls", "voters = 6") == 1
    late = plain.activity("Create", made | {"id": f"{plain.origin}/votes/2"}, "v2")
    assert await sent(de, plain, late) == (409, "poll-closed")


async def test_a_siblings_result_is_kept_once_if_it_is_signed_and_says_what_the_poll_says(
        door: tuple[Running, Counting]) -> None:
    de, fake = door
    question = fake.asked(de)
    assert await sent(de, fake, fake.activity("Create", question)) == (202, "")
    assert await de.count("kept_polls") == 1
    closed = fake.asked(de, (3, 1), closed="2026-01-03T00:00:00Z")
    good = fake.result(closed)
    for number, wrong in enumerate((
            _another_key(good, fake), good | {"missing": ["x"]}, fake.result(closed, votersCount=5),
            fake.result(closed, question="https://de.example/1"), fake.result(closed, published="yesterday"),
            fake.result(closed | {"votersCount": 9}))):
        update = fake.activity("Update", closed | {"revision": 2, "result": wrong}, f"u{number}")
        assert (await sent(de, fake, update))[1] in ("bad-proof", "bad-result"), number
    assert await de.count("poll_results") == 0 and await de.count("polls", "voters = 0") == 1
    assert await sent(de, fake, fake.activity("Update", closed | {"revision": 2, "result": good}, "u9")) == (202, "")
    assert await de.count("poll_results") == 1 and await de.count("polls", "voters = 4") == 1
    again = fake.activity("Update", closed | {"revision": 3, "result": good, "name": "Again?"}, "u10")
    assert await sent(de, fake, again) == (202, "") and await de.count("posts", "question = 'Again?'") == 1
    other = fake.asked(de, (9, 9), closed="2026-01-03T00:00:00Z")
    changed = fake.activity("Update", other | {"revision": 4, "result": fake.result(other)}, "u11")
    assert await sent(de, fake, changed) == (409, "result-changed")
    assert await sent(de, fake, fake.activity("Update", other | {"revision": 4}, "u12")) == (202, "")
    assert await de.count("polls", "voters = 4") == 1 and await de.count("poll_options", "votes = 9") == 0


async def test_a_result_that_names_a_tally_we_have_not_sent_is_refused(door: tuple[Running, Counting]) -> None:
    de, fake = door
    assert await sent(de, fake, fake.activity("Create", fake.asked(de))) == (202, "")
    mine = await de.its.timelines.home((await de.author("ada")).actor, "all", None)
    await de.its.polls.vote(await de.author("ada", "vote"), mine.posts[0].id, (0,))
    de.its.clock.offset = 2
    assert await de.its.tallies.send_due() == 1
    row = await de.its.database.read(lambda tx: tx.row("SELECT epoch, sequence, digest FROM kept_polls"))
    assert row is not None
    closed = fake.asked(de, (1, 0), closed="2026-01-03T00:00:00Z")
    named = {"actor": f"{de.url}/actor", "epoch": row["epoch"], "sequence": row["sequence"], "final": False}
    wrong = fake.result(closed, counted=[named | {"digest": "0" * 64}])
    assert await sent(de, fake, fake.activity("Update", closed | {"revision": 2, "result": wrong}, "u1")) == (400, "bad-result")
    right = fake.result(closed, counted=[named | {"digest": row["digest"]}])
    assert await sent(de, fake, fake.activity("Update", closed | {"revision": 2, "result": right}, "u1")) == (202, "")


async def test_a_poll_that_does_not_name_us_gets_each_vote_by_itself(door: tuple[Running, Counting]) -> None:
    de, fake = door
    question = fake.asked(de) | {"tallies": ["https://it.example/actor"]}
    assert await sent(de, fake, fake.activity("Create", question)) == (202, "")
    card = (await de.its.timelines.home((await de.author("ada")).actor, "all", None)).posts[0]
    assert card.poll is not None and not card.poll.kept_home
    await de.its.polls.vote(await de.author("ada", "vote"), card.id, (0,))
    assert await de.count("outbox", "type = 'Create'") == 1 and await de.count("kept_polls") == 0


async def test_nobody_votes_after_the_final_tally_even_by_a_clock_that_has_gone_back(door: tuple[Running, Counting]) -> None:
    de, fake = door
    question = fake.asked(de, endTime=rfc3339(de.its.clock.ms() + 3_600_000))
    assert await sent(de, fake, fake.activity("Create", question)) == (202, "")
    card = (await de.its.timelines.home((await de.author("ada")).actor, "all", None)).posts[0]
    de.its.clock.offset = 3_601
    assert await de.its.tallies.send_due() == 1 and await de.count("kept_polls", "final_at IS NOT NULL") == 1
    de.its.clock.offset -= 600
    with pytest.raises(Conflict):
        await de.its.polls.vote(await de.author("ada", "vote"), card.id, (0,))
    assert await de.its.tallies.send_due() == 0 and await de.count("votes") == 0


async def test_only_the_asker_has_its_question_attested(door: tuple[Running, Counting]) -> None:
    de, fake = door
    other = Counting("it", port=2)
    await know(de, other)
    question = fake.asked(de)
    assert await sent(de, fake, fake.activity("Create", question)) == (202, "")
    url = tally_uri(de.url, question["id"])
    status, document = await fake.get(url)
    assert status == 200 and document["type"] == "Attestation" and document["votersCount"] == 0
    proofs.check(document, de.its.identity.documents.multibase, f"{de.url}/actor#document-key")
    missing = await other.get(tally_uri(de.url, f"{fake.origin}/posts/none"))
    assert await other.get(url) == missing and missing[0] == 404
    for key in ("0" * 64, "zz", "0"):
        assert (await fake.get(f"{de.url}/tallies/{key}"))[0] == 404
    await de.its.disclosures.flush()
    assert await de.count("disclosures", "kind = 'tally of votes'") == 1


async def test_a_poll_has_room_for_its_result_from_the_first(door: tuple[Running, Counting]) -> None:
    de, fake = door
    long = "ä" * 19_000
    seen = de.its.compose.network_digest(await de.its.compose.destinations())
    options = tuple(f"{number} " + "ö" * 290 for number in range(20))

    async def publish(text: str) -> None:
        draft = Draft(Kind.POLL, "Which?", text, "de", CaseFacts(), PollDraft(options, False, de.its.clock.ms() + 60_000))
        await de.its.compose.publish(await de.author("ada"), draft, (fake.origin,), Reach.COUNTRIES, seen)

    await publish(long)
    de.its.clock.offset = 61 + 901
    await de.its.polls.announce_due()
    await de.its.polls.announce_due()
    de.its.clock.offset += 901
    await de.its.polls.announce_due()
    assert await de.count("poll_results") == 1


async def test_the_authors_page_says_who_voted_how_only_in_large_numbers(door: tuple[Running, Counting]) -> None:
    de, fake = door
    poll = await asked(de, fake)
    post_id = poll.rpartition("/")[2]
    ada, ben = (await de.author("ada")).actor, (await de.author("ben")).actor
    told = fake.tally(poll, (9, 6, 0), bySpecialty=[{"specialty": "cardiology", "votes": [8, 0, 0]}])
    assert await sent(de, fake, fake.count(told)) == (202, "")
    await de.its.polls.vote(await de.author("ben", "vote"), post_id, (0,))
    de.its.clock.offset = 1
    await de.its.polls.announce_due()
    found = await de.its.polls.breakdown(ada, post_id)
    assert found.at is not None and found.countries == () and found.tallied  # what is not French would be German, and is one vote
    assert {row.code: row.votes for row in found.specialties} == {}
    with pytest.raises(NotFound):
        await de.its.polls.breakdown(ben, post_id)
    for number in range(5):
        await de.add_doctor(f"doc{number}")
        await de.its.polls.vote(await de.author(f"doc{number}", "vote"), post_id, (0 if number < 4 else 1,))
    de.its.clock.offset = 2
    await de.its.polls.announce_due()
    found = await de.its.polls.breakdown(ada, post_id)
    assert {row.code: row.votes for row in found.countries} == {"de": (5, 0, 0), "fr": (9, 0, 0)}
    before = found
    await de.add_doctor("more")
    await de.its.polls.vote(await de.author("more", "vote"), post_id, (0,))
    de.its.clock.offset = 3
    await de.its.polls.announce_due()
    assert (await de.its.polls.breakdown(ada, post_id)).countries == before.countries
    assert await de.count("polls", "voters = 22") == 1


async def test_small_cells_by_specialty_do_not_leave_the_country(door: tuple[Running, Counting]) -> None:
    de, fake = door
    assert await sent(de, fake, fake.activity("Create", fake.asked(de))) == (202, "")
    card = (await de.its.timelines.home((await de.author("ada")).actor, "all", None)).posts[0]
    doctors = [f"doc{number}" for number in range(13)]
    for number, handle in enumerate(doctors):
        await de.add_doctor(handle)
        specialty = "neurology" if number < 3 else "urology" if number < 6 else "cardiology"
        await de.its.database.write(lambda tx, handle=handle, specialty=specialty: tx.run(  # type: ignore[misc]
            "UPDATE actors SET specialties = ? WHERE handle = ?", (f'["{specialty}"]', handle)))
        await de.its.polls.vote(await de.author(handle, "vote"), card.id, (0,))
    de.its.clock.offset = 2
    assert await de.its.tallies.send_due() == 1
    row = await de.its.database.read(lambda tx: tx.row("SELECT body FROM outbox WHERE type = 'Count'"))
    assert row is not None
    told = msgspec.json.decode(row["body"])["object"]
    assert told["votersCount"] == 13 and told["bySpecialty"] == [{"specialty": "cardiology", "votes": [7, 0]}]
    assert b"neurology" not in row["body"] and b"doc1" not in row["body"]


async def test_an_instance_that_comes_out_of_a_backup_counts_on_in_a_later_epoch_and_waits_anew(
        door: tuple[Running, Counting]) -> None:
    de, fake = door
    assert await sent(de, fake, fake.activity("Create", fake.asked(de))) == (202, "")
    poll = await asked(de, fake)
    de.its.clock.offset = 61
    await de.its.tallies.send_due()
    await de.its.polls.announce_due()
    before = await de.its.database.read(lambda tx: tx.row("SELECT k.epoch, p.counts_until FROM kept_polls k, polls p"
                                                          " WHERE p.counts_until IS NOT NULL"))
    assert before is not None and await de.count("poll_results") == 0
    de.its.clock.offset = 3_000
    await de.its.database.write(lambda tx: due.restored(tx, de.its.clock.ms()))
    de.its.erasures.restored_at = de.its.clock.ms()
    await de.its.erasures.close()
    await pruning.settle(de.its)
    assert await de.count("kept_polls", f"epoch > {before['epoch']} AND sequence = 0 AND stale_since IS NOT NULL") == 1
    await de.its.polls.announce_due()
    assert await de.count("poll_results") == 0 and await de.count("polls", f"counts_until > {before['counts_until']}") == 1
    assert await sent(de, fake, fake.count(fake.tally(poll, final=True))) == (202, "")
    await de.its.polls.announce_due()
    assert await de.count("poll_results", "missing = 0") == 1 and await de.count("polls", "voters = 5") == 1
