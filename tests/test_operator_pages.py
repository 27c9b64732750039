"""Operators' pages over real HTTP, without a script: siblings with all that is known of them, the two logs, and that whatever
an operator does is written down."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from core.access import Access
from core.settings import Settings
from federation.overview import Details
from federation.refusals import Sought
from federation.signatures.keys import fingerprint_words, scannable
from instance.app import routes
from instance.audited import DEEDS
from instance.introduction import introduction
from tests.applicants import applied
from tests.conversations.test_role_posts import asked
from tests.servers import PASSWORD, FakeSibling, Running, countries
from tests.test_announcements import announcement, next_key
from tests.test_leaving import published
from tests.test_pages import Browser


def four_eyes(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings, federation=msgspec.structs.replace(settings.federation, four_eyes=True),
        imprint=msgspec.structs.replace(settings.imprint, operator="Konsil e. V.", technical_contact="machines@konsil.example"))


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr", friends=False, worker=False, settled=four_eyes) as (de, fr):
        for handle in ("olga", "omar"):
            await de.its.accounts.add_operator(handle, handle.title(), PASSWORD)
        yield de, fr


async def proposed(by: Browser, fr: Running, /, **more: str) -> tuple[int, str]:
    """Propose the French instance with its descriptor as a file."""
    form = aiohttp.FormData({"domain": fr.domain, "country": "fr", "fingerprint": fr.its.identity.fingerprint} | more)
    form.add_field("file", json.dumps(introduction(fr.its)).encode(), filename="fr.json", content_type="application/json")
    return await by.post("/admin/siblings/new", form)


async def test_a_descriptor_brings_contacts_along_and_what_was_typed_stands(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    async with Browser(de) as olga:
        assert await olga.login("olga") == 303
        status, where = await proposed(
            olga, fr, agreement_on="2026-01-15", review_on="2026-12-01", basis="adequacy", dpo="privacy desk")
        assert (status, where) == (303, f"/admin/siblings/{fr.domain}")
        page = (await olga.get(where))[1]
        for text in ("Konsil e. V.", "machines@konsil.example", "privacy desk", "adequacy", "15 Jan 2026", "olga",
                     fingerprint_words(fr.its.identity.fingerprint), f'title="{fr.its.identity.documents.multibase}"', "<svg",
                     "The agreement is to be looked at again."):
            assert text in page, text
        await de.its.database.write(lambda tx: tx.run("UPDATE siblings SET document_key = ''"))
        assert "Signs its documents with</dt>\n    <dd>not known yet" in (await olga.get(where))[1]
        row = await de.its.siblings.row(fr.domain)
        assert row.details == Details("Konsil e. V.", "", "machines@konsil.example", "privacy desk", "2026-01-15", "2026-12-01",
                                      "adequacy")
        listed = (await olga.get("/admin/siblings"))[1]
        assert "1 Dec 2026" in listed and "software not seen yet" in listed and fr.domain in listed


@pytest.mark.parametrize(("field", "value"), [("review_on", "tomorrow"), ("agreement_on", "2026-02-30"), ("operator", "x" * 301),
                                              ("note", "x" * 2_001)])
async def test_details_that_cannot_be_kept_are_said_and_nothing_is_added(
        pair: tuple[Running, Running], field: str, value: str) -> None:
    de, fr = pair
    async with Browser(de) as olga:
        await olga.login("olga")
        status, page = await proposed(olga, fr, **{field: value})
        assert status == 400 and f'id="error-{field}"' in page and await de.count("siblings") == 0
        assert (await proposed(olga, fr))[0] == 303
        status, page = await olga.post(f"/admin/siblings/{fr.domain}/describe", {"operator": "Y", field: value})
        assert status == 400 and value[:300] in page and (await de.its.siblings.row(fr.domain)).details.operator == "Konsil e. V."
        assert (await olga.post(f"/admin/siblings/{fr.domain}/describe", {"operator": "Y"}))[0] == 303
        assert (await de.its.siblings.row(fr.domain)).details == Details("Y")


async def test_a_file_that_is_no_descriptor_is_refused(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    changed = introduction(fr.its)
    changed["descriptor"]["operator"] = "Somebody else"
    for content in (b"{}", b"x", b"[]", json.dumps(changed).encode(), b"{" + b" " * 70_000 + b"}"):
        async with Browser(de) as olga:
            await olga.login("olga")
            form = aiohttp.FormData({"domain": fr.domain, "country": "fr", "fingerprint": fr.its.identity.fingerprint})
            form.add_field("file", content, filename="fr.json")
            assert (await olga.post("/admin/siblings/new", form))[0] == 400, content[:50]
    assert await de.count("siblings") == 0


async def test_four_eyes_are_those_of_two_operators(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    fingerprint = fr.its.identity.fingerprint
    async with Browser(de) as olga, Browser(de) as omar:
        assert await olga.login("olga") == await omar.login("omar") == 303
        await proposed(olga, fr)
        path = f"/admin/siblings/{fr.domain}"
        status, page = await olga.post(f"{path}/confirm", {"fingerprint": fingerprint})
        assert status == 403 and "another operator" in page
        assert (await de.its.siblings.row(fr.domain)).state == "proposed"
        assert (await omar.post(f"{path}/confirm", {"fingerprint": scannable(fr.domain, fingerprint)}))[0] == 303
        assert (await olga.post(f"{path}/activate", {"how": "untested", "reason": "its server is not up yet"}))[0] == 303
        row = await de.its.siblings.row(fr.domain)
        assert (row.state, row.admission.proposed_by, row.admission.confirmed_by) == ("active", "olga", "omar")
        assert "confirmed its key" in (await olga.get(path))[1]


async def test_our_introduction_is_shown_and_can_be_handed_on(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    async with Browser(de) as olga:
        await olga.login("olga")
        page = (await olga.get("/admin/identity"))[1]
        assert fingerprint_words(de.its.identity.fingerprint) in page and "<svg" in page and "not entered" in page
        async with olga.session.get("/admin/identity/descriptor") as response:
            assert "attachment" in response.headers["content-disposition"]
            assert await response.json() == introduction(de.its)


async def test_the_refusal_log_is_sought_and_counted(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    for origin, reason, times in (("https://a.example", "unlisted", 3), ("https://b.example", "unlisted", 1),
                                  ("https://a.example", "clock", 2)):
        for _ in range(times):
            de.its.refusals.record(direction="in", origin=origin, purpose="inbox", reason=reason, path="/inbox")
    async with Browser(de) as olga:
        await olga.login("olga")
        page = (await olga.get("/admin/refusals"))[1]
        assert "<b>4</b> Its origin is not on the allowlist." in page and "from 2 origins" in page and "kept for 90 days" in page
        page = (await olga.get("/admin/refusals?who=https://a.example&reason=clock"))[1]
        assert "<b>2</b> The date is more than" in page and "b.example" not in page
        for nothing in ("who=nobody", "direction=out", "since=2999-01-01", "until=2001-01-01"):
            assert "No such refusal" in (await olga.get(f"/admin/refusals?{nothing}"))[1], nothing
        for nonsense in ("since=x", "direction=up", "reason=none", "before=x", "until=99999999"):
            assert (await olga.get(f"/admin/refusals?{nonsense}"))[0] == 200, nonsense
    assert [(one.reason, one.times, one.origins) for one in await de.its.refusals.tally(Sought("https://a.example"))] == [
        ("unlisted", 3, 1), ("clock", 2, 1)]


async def test_refusals_of_a_sibling_stand_on_its_row_by_reason(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    async with Browser(de) as olga:
        await olga.login("olga")
        await proposed(olga, fr)
        de.its.refusals.record(direction="in", origin=fr.url, purpose="inbox", reason="signature-wrong")
        await de.its.refusals.flush()
        for path in ("/admin/siblings", f"/admin/siblings/{fr.domain}"):
            page = (await olga.get(path))[1]
            assert "does not belong to the pinned key" in page and "reason=signature-wrong" in page


async def test_the_audit_log_is_shown_checked_and_handed_out(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    async with Browser(de) as olga:
        await olga.login("olga")
        await proposed(olga, fr)
        page = (await olga.get("/admin/audit"))[1]
        assert "proposed the sibling" in page and "added an operator" in page and "signed in" in page
        page = (await olga.get(f"/admin/audit?about={fr.domain}&action=sibling.proposed&by=olga"))[1]
        assert "proposed the sibling" in page and "olga" in page
        assert "No such line" in (await olga.get("/admin/audit?by=nobody"))[1]
        assert "The audit log is whole." in (await olga.post("/admin/audit/verify", {}))[1]
        async with olga.session.post("/admin/audit/export") as response:
            lines = [json.loads(line) for line in (await response.text()).splitlines()]
        assert lines[-2]["action"] == "audit.exported" and lines[-2]["hash"] == lines[-1]["head"]
        assert [line["seq"] for line in lines[:-1]] == list(range(1, len(lines)))

        def tamper(tx) -> None:  # type: ignore[no-untyped-def]
            tx.run("DROP TRIGGER audit_unchanged")
            tx.run("UPDATE audit SET by = 'omar' WHERE seq = 1")

        await de.its.database.write(tamper)
        page = (await olga.post("/admin/audit/verify", {}))[1]
        assert "not what was written" in page and "Line 1:" in page


def test_every_action_that_is_written_down_has_words() -> None:
    import ast

    root = Path(__file__).parent.parent
    found: set[str] = set()
    for package in ("core", "federation", "actors", "posts", "inbox", "instance"):
        for path in sorted((root / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("audit.note"):
                    action = next(keyword.value for keyword in node.keywords if keyword.arg == "action")
                    if isinstance(action, ast.Constant):
                        found.add(action.value)
                    else:
                        assert isinstance(action, ast.JoinedStr) and isinstance(action.values[0], ast.Constant), ast.unparse(node)
                        kind = action.values[0].value
                        known = {deed for deed in DEEDS if deed.startswith(kind)}
                        assert known, kind
                        found |= known
    assert found == set(DEEDS)


# Whatever an operator does is in the audit log: each route of operators that changes something, as she uses it.

_DOES = {
    "/admin/applications/<application>": {"act": "ask", "wanted": "diploma"},
    "/admin/verifications/<doctor>": {"act": "suspend", "reason": "because"},
    "/admin/siblings/new": {"domain": "{proposed}", "country": "fr", "fingerprint": "{fingerprint}"},
    "/admin/siblings/<domain>/confirm": {"fingerprint": "{fingerprint}"},
    "/admin/siblings/<domain>/check": {},
    "/admin/siblings/<domain>/activate": {"how": "untested", "reason": "because"},
    "/admin/siblings/<domain>/key": {"act": "key-refuse"},
    "/admin/siblings/<domain>/describe": {"note": "remember"},
    "/admin/siblings/<domain>/pause": {"reason": "because"},
    "/admin/siblings/<domain>": {"act": "resume"},
    "/admin/queue/<domain>": {"act": "line"},
    "/admin/queue/<domain>/<sequence>/drop": {"reason": "because"},
    "/admin/siblings/<domain>/reconcile": {},
    "/admin/posts/<post_id>/open": {"reason": "because"},
    "/admin/posts/<post_id>/report": {"category": "insult"},
    "/admin/posts/<post_id>/withdraw": {"reason": "because"},
    "/admin/reports/<matter_id>/hide": {"wish": "hide"},
    "/admin/reports/<matter_id>/decide": {"result": "kept", "reason": "harmless", "language": "en"},
    "/admin/siblings/<domain>/revoke": {"reason": "left", "erase": "1"},
    "/admin/notices/<reference>": {"note": "answered"},
    "/admin/unmask": {"post": "{signed}", "reason": "because"},
    "/admin/unmask/<unmasking_id>": {"act": "refuse"},
    "/admin/desks": {"handle": "news", "name": "News desk", "doctor": "ada"},
    "/admin/desks/<handle>/hand-over": {"doctor": "ada"},
    "/admin/desks/<handle>/close": {"reason": "because"},
    "/admin/audit/export": {},
    "/admin/disclosures/export": {"sibling": "{sibling}", "form": "csv"},
}
_LETS_IN = ("/confirm", "/check", "/activate")  # the sibling that was proposed before
_ONLY_LOOKS = {"/admin/audit/verify"}


async def test_whatever_an_operator_does_is_in_the_audit_log(tmp_path: Path) -> None:
    changing = {route.rule for route in routes() if route.access == Access.OPERATOR and "POST" in route.methods}
    assert changing == set(_DOES) | _ONLY_LOOKS, "say here what it does"
    async with countries(tmp_path, "de", "fr", worker=False, friends=False) as (de, fr), Browser(de) as olga:
        await de.its.accounts.add_operator("olga", "Olga", PASSWORD)
        fake = await FakeSibling(port=7).listed(de, "active")
        assert (await fake.send(de, announcement(fake, next_key(fake))))[0] == 202
        reference = await de.its.outside.take("other", "Text", "", "de", "203.0.113.5")
        assert await olga.login("olga") == 303
        post_id = await published(de, "Theirs?", fake.origin)
        matter_id = await de.its.reports.report((await de.author("ben")).actor, post_id, "insult", "", "en", share=False)
        await de.its.database.write(lambda tx: tx.run("UPDATE deliveries SET state = 'parked' WHERE sequence = 1"))
        signed = await asked(de)
        proposal = await de.its.unmaskings.propose(await asked(de), "because", "olga")
        values = {"<sequence>": "1", "<unmasking_id>": proposal.id, "<domain>": fake.origin.split("://")[1],
                  "<post_id>/withdraw": f"{await published(de, 'Ours?')}/withdraw",
                  "<reference>": reference, "<application>": await applied(de), "<doctor>": "ben",
                  "<post_id>": post_id, "<matter_id>": matter_id, "<handle>": "news"}
        for rule, form in _DOES.items():
            before = await de.count("audit")
            path = rule.replace("<domain>", fr.domain) if rule.endswith(_LETS_IN) else rule
            for name, value in values.items():
                path = path.replace(name, value)
            filled = {name: text.format(signed=signed, proposed=fr.domain, sibling=values["<domain>"],
                                        fingerprint=fr.its.identity.fingerprint)
                      for name, text in form.items()}
            status, _ = await olga.post(path, filled)
            assert status in (200, 303), (rule, status)
            assert await de.count("audit", "by = 'olga'") and await de.count("audit") > before, rule
        assert (await de.its.audit.verify()).findings == ()
