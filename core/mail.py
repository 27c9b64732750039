"""Mail to our own doctors: SMTP to the one server that the settings name, and nowhere else.

The connection is encrypted and the server's certificate checked against the system's (or SSL_CERT_FILE); only a server on
this machine may be spoken to in the clear. Everything has an end in time. What is sent more than once, and when, is
decided elsewhere: here a mail is either taken by the server or `Undelivered`.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from core import egress
from core.settings import Mail, secret
from core.words import N_, Phrase

_QUIT_SECONDS = 2.0
_GOING_AWAY = 421
_ENHANCED = re.compile(r"\b[45]\.[0-9]{1,3}\.[0-9]{1,3}\b")  # RFC 3463


class Undelivered(Exception):
    """A mail that the server has not taken. `reason` is a sentence for operators; `for_good`: it never will; `nothing_goes`:
    no other mail would go either at the moment. The exception's text is for the log: what the server said, but of
    a single mail only its codes, because servers like to repeat the address."""

    def __init__(self, reason: Phrase, said: str, *, for_good: bool = False, nothing_goes: bool = False) -> None:
        super().__init__(said)
        self.reason, self.for_good, self.nothing_goes = reason, for_good, nothing_goes


class Letter(NamedTuple):
    """A mail as it is written: the address it goes to, its words as text and as HTML, and headers of its own. `name` stands
    for it all over the world: the same name is the same mail."""

    to: str
    subject: str
    text: str
    html: str
    name: str
    at: int
    headers: tuple[tuple[str, str], ...] = ()


class Mailer:
    """Speaks to the mail server. `name` and `domain` are this instance's."""

    def __init__(self, settings: Mail, data_dir: Path, name: str, domain: str) -> None:
        self._settings, self._name, self._domain = settings, name, domain
        self._password = secret(settings.password, settings.password_file, data_dir, "mail.password_file")

    @property
    def on(self) -> bool:
        """Whether the settings name a server."""
        return bool(self._settings.host)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """A connection for some mails; `Undelivered` when there is none to be had."""
        mail = self._settings
        smtp = SMTP(
            hostname=mail.host, use_tls=mail.tls == "tls", start_tls=mail.tls == "starttls",
            tls_context=ssl.create_default_context() if mail.tls != "none" else None, username=mail.username or None,
            password=self._password or None, local_hostname=self._domain, timeout=mail.timeout_seconds)
        try:
            async with asyncio.timeout(mail.timeout_seconds):
                await smtp.connect(sock=await egress.connect(await egress.look_up(mail.host, mail.port)))
        except (SMTPException, OSError, TimeoutError) as error:
            smtp.close()
            raise _undelivered(error) from error
        try:
            yield Connection(smtp, mail.sender, self._name, self._domain, mail.timeout_seconds)
            with suppress(SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(_QUIT_SECONDS):
                    await smtp.quit()
        finally:
            smtp.close()


class Connection:
    """An open connection to the mail server; only `Mailer` makes one."""

    def __init__(self, smtp: SMTP, sender: str, name: str, domain: str, timeout: float) -> None:
        self._smtp, self._sender, self._name, self._domain, self._timeout = smtp, sender, name, domain, timeout

    async def send(self, letter: Letter) -> None:
        """Hand one mail over; returns once the server has taken it, raises `Undelivered` when it has not."""
        data = self._message(letter).as_bytes()
        try:
            async with asyncio.timeout(self._timeout):
                await self._smtp.sendmail(self._sender, [letter.to], data)
        except (SMTPException, OSError, TimeoutError) as error:
            raise _undelivered(error) from error

    def _message(self, letter: Letter) -> EmailMessage:
        """The same letter makes the same bytes each time."""
        message = EmailMessage(policy.SMTP)
        message["From"] = Address(self._name, addr_spec=self._sender)
        message["To"] = Address(addr_spec=letter.to)
        message["Subject"] = letter.subject
        message["Date"] = datetime.fromtimestamp(letter.at // 1000, UTC)
        message["Message-ID"] = f"<{letter.name}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834
        for name, value in letter.headers:
            message[name] = value
        message.set_content(letter.text, cte="quoted-printable")
        message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
        message.set_boundary(f"={letter.name}=")
        return message


def _undelivered(error: BaseException) -> Undelivered:
    """What an error of the library means for the mail, and for those that wait behind it."""
    if isinstance(error, SMTPRecipientsRefused) and error.recipients:
        error = error.recipients[0]
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, SMTPRecipientRefused | SMTPDataError):
        said = " ".join((type(error).__name__, str(error.code), *_ENHANCED.findall(error.message)))
    if isinstance(error, SMTPAuthenticationError):
        return Undelivered(N_("The mail server did not accept our user name and password."), said, nothing_goes=True)
    if isinstance(error, SMTPSenderRefused):
        return Undelivered(N_("The mail server did not accept our sender address."), said, nothing_goes=True)
    if isinstance(error, SMTPResponseException):
        if error.code // 100 == 5 and isinstance(error, SMTPRecipientRefused):
            return Undelivered(N_("The mail server refused the address."), said, for_good=True)
        if error.code // 100 == 5 and isinstance(error, SMTPDataError):
            return Undelivered(N_("The mail server refused the mail."), said, for_good=True)
        if error.code // 100 == 4:
            return Undelivered(N_("The mail server asked to wait."), said, nothing_goes=error.code == _GOING_AWAY)
        return Undelivered(N_("The mail server did not let us in."), said, nothing_goes=True)
    if isinstance(error, TimeoutError):
        return Undelivered(N_("The mail server did not answer in time."), said, nothing_goes=True)
    if _is_about_a_certificate(error):
        return Undelivered(N_("The mail server's certificate is not valid."), said, nothing_goes=True)
    if isinstance(error, OSError):
        return Undelivered(N_("The mail server cannot be reached, or hung up."), said, nothing_goes=True)
    return Undelivered(N_("The mail server does not offer what the settings ask for."), said, nothing_goes=True)


def _is_about_a_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__
    return False
