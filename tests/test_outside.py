"""Notices from outside: taken in within bounds, seen by operators only, handled once and audited, and then gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.errors import Conflict, InvalidInput, NotFound, TooMany
from instance.assembly import Assembly
from posts.outside import CONTACT_LIMIT, NOTE_LIMIT, TEXT_LIMIT
from tests.servers import until

_HERE = "203.0.113.5"
_NEWEST = (1 << 63) - 1


async def _count(its: Assembly) -> int:
    [row] = await its.database.read(lambda tx: tx.rows("SELECT count(*) AS n FROM outside_notices"))
    return int(row["n"])


async def test_a_notice_is_stored_as_it_was_written(its: Assembly) -> None:
    text = " First line\r\n\r\nsecond\0 <b> \N{STETHOSCOPE}\r\n"
    reference = await its.outside.take("recognisable", text, " ada@example.org ", "fr", _HERE)
    assert re.fullmatch(r"[2-9A-HJKMNP-TV-Z]{4}-[2-9A-HJKMNP-TV-Z]{4}", reference)
    found = await its.outside.one(reference)
    assert found.text == "First line\n\nsecond <b> \N{STETHOSCOPE}" and found.contact == "ada@example.org"
    assert (found.concern, found.language, found.handled, found.note) == ("recognisable", "fr", None, "")
    assert abs(found.received - its.clock.ms()) < 5_000


async def test_a_reference_is_found_however_it_is_told(its: Assembly) -> None:
    reference = await its.outside.take("other", "Text", "", "de", _HERE)
    for told in (reference.lower(), f" {reference.replace('-', ' ')} ", reference.replace("-", "")):
        assert (await its.outside.one(told)).reference == reference
    for told in ("", "0000-0000", reference[:-1], "' OR 1=1 --", "x" * 5000):
        with pytest.raises(NotFound) as caught:
            await its.outside.one(told)
        assert len(caught.value.message) < 60


@pytest.mark.parametrize(("concern", "text", "contact", "field"), [
    ("", "Text", "", "concern"), ("nonsense", "Text", "", "concern"), ("other", " \n\0 ", "", "text"),
    ("other", "x" * (TEXT_LIMIT + 1), "", "text"), ("other", "Text", "x" * (CONTACT_LIMIT + 1), "contact"),
])
async def test_what_breaks_a_rule_is_refused_and_not_stored(
        its: Assembly, concern: str, text: str, contact: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await its.outside.take(concern, text, contact, "de", _HERE)
    assert caught.value.field == field and await _count(its) == 0
    await its.outside.take("other", "x" * TEXT_LIMIT, "x" * CONTACT_LIMIT, "de", _HERE)
    assert await _count(its) == 1


async def test_one_network_sends_few_and_all_together_not_without_end(its: Assembly) -> None:
    async def sent(address: str, times: int) -> list[int]:
        taken = []
        for _ in range(times):
            try:
                await its.outside.take("other", "Text", "", "de", address)
                taken.append(0)
            except TooMany as error:
                assert error.retry_after is not None and 890 < error.retry_after <= 900
                taken.append(1)
        return taken

    assert await sent("2001:db8:1:2::1", 4) == [0] * 4
    assert await sent("2001:db8:1:2::ffff", 4) == [0, 0, 1, 1]
    assert await sent("2001:db8:1:3::1", 1) == [0]
    refused = [one for number in range(30) for one in await sent(f"203.0.113.{number}", 6)]
    assert refused.count(0) == 120 - 7 and refused[-1] == 1 and await _count(its) == 120
    its.clock.offset = 901
    assert await sent("2001:db8:1:2::1", 1) == [0]


async def test_notices_come_newest_first_page_by_page_those_that_wait_apart_from_the_handled(its: Assembly) -> None:
    references = []
    for number in range(70):
        its.clock.offset = float(number * 1000)  # nobody is throttled
        references.append(await its.outside.take("other", f"Notice {number}", "", "de", _HERE))
    for reference in references[60:]:
        await its.outside.handle(reference, "Done.", "op")
    seen, before = [], _NEWEST
    while True:
        page = await its.outside.page(handled=False, before=before)
        assert page.waiting == 60 and len(page.notices) <= 30
        seen += [notice.reference for notice in page.notices]
        if page.before is None:
            break
        before = page.before
    assert seen == references[59::-1]
    handled = await its.outside.page(handled=True, before=_NEWEST)
    assert [notice.reference for notice in handled.notices] == references[:59:-1] and handled.before is None


async def test_a_notice_is_handled_once_with_a_note_and_audited_without_a_word_of_it(its: Assembly) -> None:
    reference = await its.outside.take("unlawful", "planted7c1e text", "planted7c1e contact", "de", _HERE)
    for note in (" ", "x" * (NOTE_LIMIT + 1)):
        with pytest.raises(InvalidInput) as caught:
            await its.outside.handle(reference, note, "op")
        assert caught.value.field == "note" and (await its.outside.one(reference)).handled is None
    await its.outside.handle(reference.lower(), "planted7c1e note", "op")
    found = await its.outside.one(reference)
    assert found.handled is not None and (found.handled_by, found.note) == ("op", "planted7c1e note")
    with pytest.raises(Conflict, match="op has handled"):
        await its.outside.handle(reference, "Again", "other")
    with pytest.raises(NotFound):
        await its.outside.handle("AAAA-AAAA", "Nothing", "op")
    rows = await its.database.read(lambda tx: tx.rows("SELECT * FROM audit WHERE action LIKE 'notice%'"))
    assert [(row["by"], row["action"], row["target"], row["detail"]) for row in rows] == [
        ("op", "notice.handled", reference, "unlawful")]


async def test_a_handled_notice_is_deleted_after_its_days_from_the_disk_as_well(its: Assembly) -> None:
    waiting = await its.outside.take("other", "still waiting", "", "de", _HERE)
    reference = await its.outside.take("recognisable", "planted7c1e", "planted7c1e", "de", _HERE)
    await its.outside.handle(reference, "planted7c1e", "op")
    day = 86_400
    its.clock.offset = 90.0 * day - 60
    assert await its.outside.prune(90) == 0
    its.clock.offset = 90.0 * day + 60
    assert await its.outside.prune(90) == 1
    with pytest.raises(NotFound):
        await its.outside.one(reference)
    assert (await its.outside.one(waiting)).text == "still waiting"
    directory = Path(its.settings.instance.data_dir)

    async def clean() -> bool:
        return not any(b"planted7c1e" in path.read_bytes() for path in directory.iterdir() if path.is_file())

    await until(clean)
