"""kill -9 of the worker in the middle of a mail: it is sent again, under the same name, and never lost."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.mailboxes import Rhythm
from core.settings import load
from instance.assembly import assemble
from tests.mailserver import TAKEN, Taken, mailserver
from tests.servers import until
from tests.test_mailboxes import account
from tests.test_notifications import asked, doctors


@pytest.mark.parametrize("taken", [True, False])
async def test_a_mail_in_whose_middle_the_worker_is_killed_is_sent_again_under_the_same_name(
        place: Path, taken: bool) -> None:
    async with mailserver() as server:
        with (place / "config.toml").open("a", encoding="utf-8") as file:
            file.write(f'\n[mail]\nhost = "127.0.0.1"\nport = {server.port}\ntls = "none"\nsender = "konsil@de.example"\n')
        async with assemble(load(place / "config.toml", {})) as its:
            ada = await account(its, "ada")
            await its.mailboxes.change(ada, "ada@klinik.example", Rhythm.DAILY)
            row = await its.database.read(lambda tx: tx.row("SELECT id FROM mail_confirmations"))
            assert row is not None and await its.mailboxes.confirm(its.mailboxes.confirm_token(row["id"]))
            [ben] = await doctors(its, "ben")
            await its.compose.reply(ben, await asked(its, await its.credentials.author(ada, "post")), "Answer", "de")
            await its.database.write(lambda tx: tx.run("DELETE FROM mails"))
            await its.database.write(lambda tx: tx.run("UPDATE mailboxes SET due = 1"))
        names: list[str] = []

        def cut_off(mail: Taken) -> str:
            """The first time the worker dies before it hears the answer; whether the server has taken the mail or not."""
            names.append(mail.message["Message-ID"])
            if len(names) == 1:
                worker.send_signal(signal.SIGKILL)
                worker.wait()
                return TAKEN if taken else "451 4.3.0 not now"
            return TAKEN

        server.data = cut_off
        worker = _start(place)
        await until(lambda: len(names) == 1, 30)
        assert await asyncio.to_thread(worker.wait) == -signal.SIGKILL
        worker = _start(place)
        try:
            await until(lambda: len(names) == 2, 30)
            async with assemble(load(place / "config.toml", {})) as its:
                async def settled() -> bool:
                    row = await its.database.read(lambda tx: tx.row("SELECT 1 FROM mails WHERE state = 'sent'"))
                    return row is not None

                await until(settled)
        finally:
            worker.terminate()
            await asyncio.to_thread(worker.wait, 20)
        assert len(server.taken) == 1 + taken and names[0] == names[1] and len(names) == 2


def _start(place: Path) -> subprocess.Popen[bytes]:
    with (place / "worker.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "instance", "--config", str(place / "config.toml"), "worker"],
                                stdout=log, stderr=log, cwd=Path(__file__).parents[2])
