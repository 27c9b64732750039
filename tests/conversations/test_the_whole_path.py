"""A case and a poll go abroad; answers, votes, results, an edit and a deletion come and go."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import Conflict
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.servers import Running, countries, until


async def published(at: Running, draft: Draft, *to: Running, reach: Reach = Reach.COUNTRIES) -> str:
    author = await at.author("ada")
    seen = at.its.compose.network_digest(await at.its.compose.destinations())
    return await at.its.compose.publish(author, draft, tuple(other.url for other in to), reach if to else Reach.HOME, seen)


def case(question: str = "What would you do?") -> Draft:
    return Draft(Kind.CASE, question, "Some **clinical** text.", "de", CaseFacts(("cardiology",), "30-39", "f", "diagnostic"))


async def test_a_case_is_answered_edited_and_erased_everywhere(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        post_id = await published(de, case(), fr)
        await until(lambda: fr.count("posts"))
        ben = (await fr.author("ben")).actor
        card = (await fr.its.timelines.home(ben, "all", None)).posts[0]
        assert card.question == "What would you do?" and "<strong>clinical</strong>" in card.html
        assert card.countries == ("de", "fr") and card.author.name == "Dr Ada"
        assert card.author.badge.verified_by == "Konsil Germany"
        assert await it.count("posts") == 0

        await fr.its.compose.reply(await fr.author("ben", "reply"), card.id, "Une réponse.", "fr")
        await until(lambda: de.count("posts", "kind = 'reply'"))
        ada = (await de.author("ada")).actor
        await until(lambda: de.count("deliveries", "state = 'acked'"))
        root, answer = (await de.its.threads.thread(ada, post_id)).posts
        assert root.state == "open" and root.replies == 1 and answer.html.strip() == "<p>Une réponse.</p>" and answer.depth == 1
        assert root.delivery is not None and root.delivery.received == ("fr",)

        await de.its.editing.edit(await de.author("ada"), post_id, "Changed?", "New text.", 1)
        await until(lambda: fr.count("posts", "question = 'Changed?'"))
        changes = (await fr.its.threads.history(ben, card.id)).changes
        assert [change.now.question for change in changes] == ["Changed?", "What would you do?"]

        await de.its.editing.delete((await de.author("ada")).actor, post_id)
        await until(lambda: fr.count("tombstones"))
        for one in (de, fr):
            assert await one.count("posts", "html LIKE '%clinical%' OR source LIKE '%New text%' OR question <> ''") == 0
            assert await one.count("revisions") == 0
        assert await de.count("outbox", "instr(body, 'clinical') > 0 OR instr(body, 'Changed') > 0") == 0
        assert await fr.count("posts", "kind = 'reply' AND erased_at IS NULL") == 1


async def test_votes_from_two_countries_come_back_as_counts_and_the_end(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        ends = de.its.clock.ms() + 3_600_000
        post_id = await published(de, Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(("Ä", "B", "C"), False, ends)),
                                  fr, it, reach=Reach.NETWORK)
        await until(lambda: fr.count("posts"))
        await until(lambda: it.count("posts"))
        for place, choice in ((fr, 0), (it, 2)):
            viewer = await place.author("ben", "vote")
            card = (await place.its.timelines.home(viewer.actor, "all", None)).posts[0]
            assert card.poll is not None and not card.poll.shown and card.poll.may_vote
            await place.its.polls.vote(viewer, card.id, (choice,))
            with pytest.raises(Conflict):
                await place.its.polls.vote(viewer, card.id, (1,))
        await until(lambda: de.count("polls", "voters = 2"))
        await until(lambda: fr.count("polls", "voters = 2"))
        viewer = await fr.author("ben", "vote")
        card = (await fr.its.timelines.home(viewer.actor, "all", None)).posts[0]
        assert card.poll is not None and card.poll.shown and [option.votes for option in card.poll.options] == [1, 0, 1]

        for one in (de, fr, it):
            one.its.clock.offset = 3_700
        await until(lambda: de.count("polls", "closed_at IS NOT NULL"))
        await until(lambda: it.count("polls", "closed_at IS NOT NULL"))
        with pytest.raises(Conflict):
            await it.its.polls.vote(await it.author("ada", "vote"), (await it.its.timelines.home(
                viewer.actor, "all", None)).posts[0].id, (1,))
        root = (await de.its.threads.thread((await de.author("ada")).actor, post_id)).posts[0]
        assert root.poll is not None and root.poll.voters == 2


async def test_a_post_stays_home_unless_countries_are_named(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await published(de, case())
        await published(de, case("abroad?"), fr)
        await until(lambda: fr.count("posts"))
        assert await fr.count("posts") == 1 and await de.count("deliveries") == 1


async def test_a_third_countrys_answer_waits_for_its_parent(tmp_path: Path) -> None:
    """FR answers DE's case; IT is in the audience but has not got the case yet: it fetches it from DE itself."""
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        await it.its.siblings.pause(de.domain, "test", "for a while")
        await published(de, case(), fr, it)
        await until(lambda: fr.count("posts"))
        card = (await fr.its.timelines.home((await fr.author("ben")).actor, "all", None)).posts[0]
        await fr.its.compose.reply(await fr.author("ben", "reply"), card.id, "Answer", "fr")
        await until(lambda: it.count("ledger"))
        assert await it.count("posts") == 0
        await it.its.siblings.resume(de.domain, "test")
        await until(lambda: it.count("posts"), 20)
