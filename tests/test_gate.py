"""The gate: a number that stands for one person is published by no way there is, and nothing of it is stored or sent."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from core.errors import InvalidInput
from posts import flags
from posts.drafts import Sheet, What, Written
from posts.linter import gate
from posts.matters import Category, Said
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.servers import Running, countries, until

ROOT = Path(__file__).resolve().parent.parent
NIR = "1 85 05 78 006 084 91"
IN_MARKDOWN = ("1 85 05 **78** 006 084 91", "1 85 05 78 006 084 &#57;&#49;",
               "[1 85 05 78](https://a.example) 006 084 91",
               "1 85 05 78\n006 084 91", f"| a |\n| --- |\n| {NIR} |")


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


def case(question: str = "Which test?", text: str = "Text", options: tuple[str, ...] = ()) -> Draft:
    poll = PollDraft(options, False, 1 << 60) if options else None
    return Draft(Kind.POLL if options else Kind.CASE, question, text, "de", CaseFacts(("cardiology",)), poll)


async def refused(de: Running, does: Callable[[], Awaitable[object]], field: str) -> None:
    """It is refused, names the field and not the number, and leaves nothing in posts, outbox or history."""
    before = [await de.count(table) for table in ("posts", "outbox", "revisions", "drafts")]
    with pytest.raises(InvalidInput) as caught:
        await does()
    assert caught.value.reason == "identifies" and caught.value.field == field
    assert "NIR" in caught.value.message and "85" not in f"{caught.value.message} {caught.value.cause}"
    assert [await de.count(table) for table in ("posts", "outbox", "revisions", "drafts")] == before


async def test_no_field_of_any_kind_of_post_takes_it_home_or_abroad(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    its, ada, ben = de.its, await de.author("ada"), await de.author("ben")
    places = await its.compose.destinations()
    seen = its.compose.network_digest(places)
    ends = its.clock.ms() + 3_600_000

    async def home(draft: Draft) -> object:
        return await its.compose.publish(ada, draft, (), Reach.HOME, "")

    async def abroad(draft: Draft) -> object:
        return await its.compose.publish(ada, draft, (fr.url,), Reach.COUNTRIES, seen)

    poll = Draft(Kind.POLL, "When?", "", "de", CaseFacts(), PollDraft(("Now", f"Ask {NIR}"), False, ends))
    for publish in (home, abroad):
        await refused(de, partial(publish, case(question=f"Who is {NIR}?")), "question")
        await refused(de, partial(publish, case(text=f"Text {NIR}.")), "text")
        await refused(de, partial(publish, poll), "options")
        for hidden in IN_MARKDOWN:
            await refused(de, partial(publish, case(text=hidden)), "text")
    await refused(de, lambda: its.compose.consult(ada, case(text=NIR), [ben.actor]), "text")
    made = await its.compose.publish(ada, case(text="One **two** three"), (fr.url,), Reach.COUNTRIES, seen)
    await refused(de, lambda: its.compose.reply(ben, made, f"It was {NIR}", "de"), "text")
    await refused(de, lambda: its.editing.edit(ada, made, f"Is it {NIR}?", "Text", 1), "question")
    await refused(de, lambda: its.editing.edit(ada, made, "Which?", IN_MARKDOWN[0], 1), "text")
    await refused(de, lambda: its.editing.edit(ada, made, "Which?", NIR, 1), "text")


async def test_it_is_stopped_in_the_transaction_also_where_nobody_has_looked_before(
        pair: tuple[Running, Running], monkeypatch: pytest.MonkeyPatch) -> None:
    """Defence in depth: without the look before it, what the outbox is given still stops everything that went with it."""
    de, fr = pair
    its, ada = de.its, await de.author("ada")
    for module in ("posts.compose", "posts.editing"):
        for name in ("check_fields", "check_html"):
            monkeypatch.setattr(f"{module}.{name}", lambda _: None)
    seen = its.compose.network_digest(await its.compose.destinations())
    await refused(de, lambda: its.compose.publish(ada, case(text=NIR), (), Reach.HOME, ""), "text")
    await refused(de, lambda: its.compose.publish(ada, case(question=NIR), (fr.url,), Reach.COUNTRIES, seen), "question")
    made = await its.compose.publish(ada, case(), (fr.url,), Reach.COUNTRIES, seen)
    await refused(de, lambda: its.compose.reply(ada, made, NIR, "de"), "text")
    await refused(de, lambda: its.editing.edit(ada, made, "Which?", NIR, 1), "text")
    await until(lambda: fr.count("posts"))
    assert await fr.count("posts") == 1


def test_words_in_a_report_that_goes_abroad_are_looked_at_too() -> None:
    """A Flag holds her words only where she shares them; then they leave the country like a post does."""
    told = Said(Category.SECRECY, f"Her number {NIR} is in it.", "de", True)
    with pytest.raises(InvalidInput) as caught:
        flags.flag("https://a.example/f", "https://a.example/actor", "https://b.example/p", "https://b.example/actor", told)
    assert caught.value.field == "text"
    assert NIR.encode() not in flags.flag("https://a.example/f", "https://a.example/actor", "https://b.example/p",
                                          "https://b.example/actor", told._replace(shared=False)).body


async def test_a_draft_may_hold_it_because_nobody_else_reads_one(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    ada = (await de.author("ada")).actor
    assert await de.its.drafts.keep(ada, Sheet(What.NEW, "0an4wzdf4bg00"), Written(text=NIR)) is not None


def test_every_member_is_looked_at_that_is_not_known_to_hold_no_words() -> None:
    made = {"id": f"https://a.example/{NIR}", "published": NIR, "name": "x", "content": "<p>x</p>", "altText": "nothing",
            "attachment": [{"type": "Image", "name": f"alt {NIR}", "url": "https://a.example/1"}]}
    with pytest.raises(InvalidInput) as caught:
        gate.check_document(made)
    assert caught.value.field == "text"
    gate.check_document(made | {"attachment": []})
    bare = NIR.replace(" ", "")
    for html in ("<p>1 85 05 <strong>78</strong> 006 084 91</p>", f'<p><a href="https://a.example/?nir={bare}">x</a></p>'):
        with pytest.raises(InvalidInput):
            gate.check_html(html)
    gate.check_html("<ul><li>1 85 05</li><li>x</li></ul>")


STORES = {"posts/compose.py", "posts/signing.py", "posts/recovery.py", "posts/editing.py", "posts/cases.py",
          "posts/translations.py"}
"""Where words of our own doctors come into the table of posts. Each of these hands the same post to `outgoing.create` or
`outgoing.update` in the same transaction; `posts.recovery` brings back what our own seal proves to have been published."""
REPEATS = {"posts/polls.py": 1, "posts/recovery.py": 1, "posts/judging.py": 1, "posts/editing.py": 2, "posts/cases.py": 1,
           "posts/translations.py": 1}
"""Where an Update goes out without a look, because none of its words are new: counts, copies, what was edited before."""


DOCUMENTS = {"posts/outgoing.py", "posts/objects.py", "posts/archive.py"}
"""Where a post becomes a document: on its way out, for a sibling that asks for a published one, in its author's archive."""


def test_there_is_no_other_way_to_publish() -> None:
    """Words reach posts by few functions, and what carries them is made by `outgoing.create` and `outgoing.update`."""
    stores, repeats, documents = set(), dict[str, int](), set()
    for path in sorted((*ROOT.glob("posts/**/*.py"), *ROOT.glob("inbox/**/*.py"), *ROOT.glob("instance/**/*.py"))):
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in ("store.insert", "store.revise", "signing.begin"):
                stores.add(name)
            if any(word.arg == "repeats" for word in node.keywords):
                repeats[name] = repeats.get(name, 0) + 1
            if called in ("outgoing.document", "document") and name.startswith("posts/"):
                documents.add(name)
    assert {name for name in stores if name.startswith("posts/")} == STORES
    assert repeats == REPEATS
    assert documents == DOCUMENTS
