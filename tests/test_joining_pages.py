"""Joining as an applicant meets it, over real HTTP and real mail, without a script."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.mailserver import MailServer, mailserver
from tests.servers import Running, countries, until
from tests.test_pages import Browser

PERSON = {"name": "Dr. Vera Beispiel", "birth_name": "Müster", "role": "doctor", "specialties": "cardiology"}
REGISTER = {"chamber": "be", "register": "efn", "number": "802760107654328", "answer-university": "Charité",
            "answer-licence-year": "2009", "answer-licence-authority": "LAGeSo"}
CONSENTS = {"consents": ["privacy", "truth", "secrecy"]}


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with mailserver() as made:
        yield made


@pytest.fixture
async def de(tmp_path: Path, mail: MailServer) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", settled=mail.used()) as (one,):
        yield one


def link(text: str) -> str:
    """The path of the link in a mail."""
    found = re.search(r"(/join/[\w-]+)\?lang=\w\w", text)
    assert found is not None, text
    return found[1]


async def begun(at: Running, mail: MailServer, visitor: Browser, address: str = "vera@klinik.example") -> str:
    """The path of an application whose address is confirmed."""
    before = len(mail.taken)
    assert (await visitor.post("/join", {"address": address, "language": "de"}))[:2] == (303, "/join?sent=1")
    await until(lambda: len(mail.taken) > before)
    path = link(mail.taken[-1].text)
    assert (await visitor.post(path, {})) == (303, f"{path}/person")
    return path


async def with_document(at: Running, path: str) -> None:
    """Have a document lie with an application."""
    found = await at.its.joining.standing(path.removeprefix("/join/"))
    await at.its.database.write(lambda tx: tx.run(
        "INSERT INTO documents (id, application_id, kind, media_type, bytes, pages, digest, uploaded_at)"
        " VALUES (?, ?, 'approbation', 'application/pdf', 1, 1, ?, ?)",
        (at.its.ids.new(), found.application.id, b"x", at.its.clock.ms())))


async def handed_in(at: Running, mail: MailServer, visitor: Browser, address: str = "vera@klinik.example") -> str:
    """The path of an application that was handed in."""
    path = await begun(at, mail, visitor, address)
    for step, said in (("person", PERSON), ("register", REGISTER), ("consents", CONSENTS)):
        assert (await visitor.post(f"{path}/{step}", said))[0] == 303
    await with_document(at, path)
    assert await visitor.post(f"{path}/check", {}) == (303, path)
    return path


async def test_a_doctor_applies_by_a_link_step_by_step_and_sees_how_it_stands(de: Running, mail: MailServer) -> None:
    async with Browser(de) as visitor:
        page = (await visitor.get("/join"))[1]
        assert "Approbation certificate" in page and "Training number EFN" in page and 'action="/join"' in page
        path = await begun(de, mail, visitor)
        taken = mail.taken[-1]
        assert taken.to == "vera@klinik.example" and "Konsil Germany" in taken.text and link(taken.html) == path
        assert await visitor.post(f"{path}/person", PERSON) == (303, f"{path}/register")
        assert await visitor.post(f"{path}/register", REGISTER) == (303, f"{path}/documents")
        await with_document(de, path)
        assert await visitor.post(f"{path}/consents", CONSENTS) == (303, f"{path}/check")
        page = (await visitor.get(f"{path}/check"))[1]
        for said in ("Dr. Vera Beispiel", "Müster", "Cardiology", "Ärztekammer Berlin", "802760107654328", "Charité", "2009",
                     "LAGeSo", "1 document", "vera@klinik.example"):
            assert said in page, (said, page[page.index("<dl>"):page.index("</dl>")])
        assert await visitor.post(f"{path}/check", {}) == (303, path)
        page = (await visitor.get(path))[1]
        assert "The operators look at it" in page and "Dr. Vera" not in page
    async with Browser(de) as elsewhere:  # the link is all it takes to come back
        assert "The operators look at it" in (await elsewhere.get(path))[1]
    assert await de.count("applications", "state = 'submitted' AND submitted_at > 0 AND number_key IS NOT NULL") == 1
