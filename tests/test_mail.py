"""Mail over real SMTP: encrypted, to a server whose certificate is checked, and every failure says what it means."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import Misconfigured
from core.mail import Letter, Mailer, Undelivered
from core.settings import Mail, load
from tests.mailserver import TAKEN, MailServer, certificate, mailserver

LETTER = Letter("ada@klinik.example", "Neu in Konsil – größer", "Ein Satz.\n.\nNoch einer: äöü " + "x" * 1200,
                "<p>Ein Satz.</p>", "digest-0000000000001", 1_764_000_000_000, (("List-Unsubscribe", "<https://de.example/x>"),))


def mailer(settings: Mail, directory: Path = Path("/nowhere")) -> Mailer:
    return Mailer(settings, directory, "Konsil, Germany", "de.example")


async def send(settings: Mail, *letters: Letter) -> None:
    async with mailer(settings).connected() as connection:
        for letter in letters or (LETTER,):
            await connection.send(letter)


async def refused(settings: Mail) -> Undelivered:
    with pytest.raises(Undelivered) as caught:
        await send(settings)
    return caught.value


async def test_a_letter_arrives_as_it_was_written_and_the_same_letter_is_the_same_bytes() -> None:
    async with mailserver() as server:
        await send(server.settings, LETTER, LETTER)
        assert server.connections == 1 and len(server.taken) == 2
        first, second = server.taken
        assert first.to == LETTER.to and first.message["From"] == '"Konsil, Germany" <konsil@de.example>'
        assert first.message["Subject"] == LETTER.subject and first.message["To"] == LETTER.to
        assert first.message["Message-ID"] == "<digest-0000000000001@de.example>"
        assert first.message["Date"] == "Mon, 24 Nov 2025 16:00:00 +0000"
        assert first.message["Auto-Submitted"] == "auto-generated"
        assert first.message["List-Unsubscribe"] == "<https://de.example/x>"
        assert first.text.replace("\r\n", "\n").strip() == LETTER.text and first.html.strip() == LETTER.html
        assert first.message.as_bytes() == second.message.as_bytes()
        assert all(line.isascii() and len(line) < 999 for line in first.message.as_bytes().splitlines())


@pytest.mark.parametrize("how", ["starttls", "tls"])
async def test_a_connection_is_encrypted_and_the_certificate_checked(
        how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = certificate(tmp_path, "127.0.0.1")
    async with mailserver(context, implicit=how == "tls") as server:
        server.accounts["konsil"] = "secret"
        settings = msgspec.structs.replace(server.settings, tls=how, username="konsil", password="secret")
        trouble = await refused(settings)  # nobody here knows who signed it
        assert "certificate" in trouble.reason and trouble.nothing_goes and not trouble.for_good
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        await send(settings)
        assert [(mail.encrypted, mail.user) for mail in server.taken] == [(True, "konsil")]


async def test_a_certificate_of_another_host_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = certificate(tmp_path, "mail.elsewhere.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    async with mailserver(context) as server:
        assert "certificate" in (await refused(msgspec.structs.replace(server.settings, tls="starttls"))).reason
        assert server.taken == []


async def test_a_server_that_offers_no_encryption_gets_nothing() -> None:
    async with mailserver() as server:
        server.accounts["konsil"] = "secret"
        settings = msgspec.structs.replace(server.settings, tls="starttls", username="konsil", password="secret")
        trouble = await refused(settings)
        assert "does not offer" in trouble.reason and trouble.nothing_goes and server.offered == 0


async def test_a_wrong_password_stops_all_mail_and_is_not_repeated_in_the_log() -> None:
    async with mailserver() as server:
        trouble = await refused(msgspec.structs.replace(server.settings, username="konsil", password="wr0ng"))
        assert "user name and password" in trouble.reason and trouble.nothing_goes and "wr0ng" not in str(trouble)


@pytest.mark.parametrize(("rcpt", "data", "said", "for_good", "nothing_goes"), [
    ("550 5.1.1 ada@klinik.example is nobody", TAKEN, "refused the address", True, False),
    ("450 4.2.1 ada@klinik.example is busy", TAKEN, "asked to wait", False, False),
    (TAKEN, "554 5.7.1 we think ada@klinik.example gets spam", "refused the mail", True, False),
    (TAKEN, "451 4.3.0 try later", "asked to wait", False, False),
    (TAKEN, "421 4.3.2 shutting down", "asked to wait", False, True),
    (TAKEN, "", "hung up", False, True),
])
async def test_a_refusal_says_whether_it_is_for_good_and_whether_others_would_go(
        rcpt: str, data: str, said: str, for_good: bool, nothing_goes: bool) -> None:
    async with mailserver() as server:
        server.recipient, server.data = lambda _: rcpt, lambda _: data
        trouble = await refused(server.settings)
        assert said in trouble.reason
        assert (trouble.for_good, trouble.nothing_goes) == (for_good, nothing_goes)
        assert "ada@" not in str(trouble) and server.taken == []


async def test_one_refused_address_does_not_keep_the_next_mail() -> None:
    async with mailserver() as server:
        server.recipient = lambda address: TAKEN if address.startswith("ben@") else "550 5.1.1 nobody"
        async with mailer(server.settings).connected() as connection:
            with pytest.raises(Undelivered):
                await connection.send(LETTER)
            await connection.send(LETTER._replace(to="ben@klinik.example"))
        assert [mail.to for mail in server.taken] == ["ben@klinik.example"] and server.connections == 1


async def test_a_server_that_says_nothing_or_is_not_there_is_given_up_in_time() -> None:
    held: list[asyncio.StreamWriter] = []

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    settings = Mail(host="127.0.0.1", port=port, tls="none", sender="a@b.example", timeout_seconds=0.2)
    began = asyncio.get_running_loop().time()
    assert "in time" in (await refused(settings)).reason
    assert asyncio.get_running_loop().time() - began < 2
    for writer in held:
        writer.close()
    listening.close()
    await listening.wait_closed()
    assert "cannot be reached" in (await refused(settings)).reason


async def test_a_server_that_never_ends_its_answer_is_given_up_in_time() -> None:
    async with mailserver() as server:
        reached = asyncio.Event()

        class Slow(MailServer):
            async def handle_DATA(self, *_: Any) -> str:
                reached.set()
                await asyncio.sleep(30)
                return TAKEN

        server.handle_DATA = Slow().handle_DATA  # type: ignore[method-assign]
        trouble = await refused(msgspec.structs.replace(server.settings, timeout_seconds=0.3))
        assert reached.is_set() and "in time" in trouble.reason and trouble.nothing_goes


@pytest.mark.parametrize(("text", "named"), [
    ("host = 'mail.example'\ntls = 'none'\nsender = 'a@b.example'", "mail.tls"),
    ("tls = 'ssl'", "mail.tls"),
    ("host = 'mail.example'", "mail.sender"),
    ("host = 'mail.example'\nsender = 'a@b.example\\nBcc: c@d.example'", "mail.sender"),
    ("host = 'mail.example'\nsender = 'a@b.example'\nusername = 'u'", "mail.password"),
    ("host = 'mail.example'\nsender = 'a@b.example'\nusername = 'u'\npassword = 'p'\npassword_file = 'f'", "mail.password_file"),
    ("port = 70000", "mail.port"),
])
def test_settings_under_which_a_mail_could_be_read_on_the_way_refuse_to_start(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[mail]\n{text}\n", "utf-8")
    with pytest.raises(Misconfigured) as caught:
        load(path, {})
    assert named in caught.value.message


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_only_a_server_on_this_machine_may_be_spoken_to_in_the_clear(tmp_path: Path, host: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[mail]\nhost = '{host}'\ntls = 'none'\nsender = 'a@b.example'\n", "utf-8")
    assert mailer(load(path, {}).mail).on and not mailer(Mail()).on


async def test_the_password_may_stand_in_a_file(tmp_path: Path) -> None:
    async with mailserver() as server:
        server.accounts["konsil"] = "from a file"
        (tmp_path / "password").write_text("from a file\n", "utf-8")
        settings = msgspec.structs.replace(server.settings, username="konsil", password_file="password")
        async with mailer(settings, tmp_path).connected() as connection:
            await connection.send(LETTER)
        assert [mail.user for mail in server.taken] == ["konsil"]
        with pytest.raises(Misconfigured, match="password_file"):
            mailer(msgspec.structs.replace(settings, password_file="nowhere"), tmp_path)


