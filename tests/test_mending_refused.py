"""What a sibling refused while it lacked what that was about goes out again when it has that back, once."""

from __future__ import annotations

from pathlib import Path

from tests.conversations.test_the_whole_path import case, published
from tests.servers import countries, until
from tests.test_reconciler import change, compare, lose, settled, uri_of


async def test_what_was_refused_for_the_lack_of_a_post_goes_out_again_when_that_is_there(tmp_path: Path) -> None:
    """Germany runs an older release, or has nothing written down of its restore: what it lacks it refuses."""
    async with countries(tmp_path, "de", "fr") as (de, fr):
        uri = await uri_of(de, await published(de, case(), fr))
        await settled(de, fr)
        await change(de, lambda tx: tx.run("UPDATE siblings SET activated_at = activated_at - 60000"))
        await change(de, lose(uri))
        ben = await fr.author("ben", "reply")
        [root] = (await fr.its.timelines.home(ben.actor, "all", None)).posts
        await fr.its.compose.reply(ben, root.id, "Une réponse.", "fr")
        await fr.its.reactions.like(ben, root.id)
        await until(lambda: fr.its.database.read(lambda tx: tx.rows(
            "SELECT count(*) FROM deliveries WHERE state = 'parked'")[0][0] == 2))
        assert (await compare(fr, de)).results["held"].sent_again == 0  # nothing says that it is there again
        assert (await compare(de, fr)).results["held"].recovered == 1
        assert (await compare(fr, de, dry=True)).results["held"].missing_there == 2 and await de.count("posts") == 1
        assert (await compare(fr, de)).results["held"].sent_again == 2
        await settled(de, fr)
        assert await de.count("posts", "kind = 'reply'") == 1 and await de.count("likes") == 1
        assert await fr.count("deliveries", "state = 'parked'") == 0

        again = "SELECT d.sequence FROM deliveries d JOIN outbox o ON o.id = d.outbox_id WHERE d.state = 'acked'"
        await change(fr, lambda tx: tx.run("UPDATE deliveries SET state = 'parked', reason = 'refused It answers something that"
                                           f" is not there.' WHERE sequence IN ({again} AND o.type = 'Create')"))
        assert (await compare(fr, de)).results["held"].sent_again == 0  # refused once more, it is left to operators
