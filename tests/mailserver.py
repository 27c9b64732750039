"""A mail server that answers by a script: real SMTP on loopback, with STARTTLS, TLS or neither; what it took is kept."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from core.i18n import Translations
from core.settings import Mail, Settings
from instance.assembly import Assembly, assemble
from instance.context import LOCALE
from instance.letters import Letters

TAKEN = "250 2.0.0 taken"


class Taken(NamedTuple):
    """A mail the server has taken, or was about to take."""

    to: str
    message: EmailMessage
    encrypted: bool
    user: str

    @property
    def text(self) -> str:
        return str(self.message.get_body(("plain",)).get_content())  # type: ignore[union-attr]

    @property
    def html(self) -> str:
        return str(self.message.get_body(("html",)).get_content())  # type: ignore[union-attr]


class MailServer:
    """What came in, and what is answered: `recipient` and `data` give the answer to a RCPT and to a whole mail."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.offered = 0
        self.port = 0
        self.connections = 0
        self.recipient: Callable[[str], str] = lambda _: TAKEN
        self.data: Callable[[Taken], str] = lambda _: TAKEN
        self.accounts: dict[str, str] = {}

    @property
    def settings(self) -> Mail:
        """What an instance has to know of it."""
        return Mail(host="127.0.0.1", port=self.port, tls="none", sender="konsil@de.example", timeout_seconds=2.0)

    def used(self, **changes: Any) -> Callable[[Settings], Settings]:
        """Settings under which an instance sends its mail here."""
        return lambda settings: msgspec.structs.replace(settings, mail=msgspec.structs.replace(self.settings, **changes))

    # what aiosmtpd calls

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        answer = self.recipient(address)
        if answer == TAKEN:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.offered += 1
        user = session.auth_data.login.decode() if session.auth_data is not None else ""
        assert server.transport is not None
        mail = Taken(envelope.rcpt_tos[0], message, server.transport.get_extra_info("sslcontext") is not None, user)
        answer = self.data(mail)
        if answer == TAKEN:
            self.taken.append(mail)
        if not answer:
            server.transport.abort()
        return answer

    def login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        right = self.accounts.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=right, handled=False, auth_data=data)


@asynccontextmanager
async def mailserver(context: ssl.SSLContext | None = None, *, implicit: bool = False) -> AsyncIterator[MailServer]:
    """A mail server that is up; with a TLS context it insists on STARTTLS, or speaks TLS from the start."""
    made, loop = MailServer(), asyncio.get_running_loop()

    def connection() -> SMTP:
        made.connections += 1
        return SMTP(made, hostname="mail.test", loop=loop, timeout=30, tls_context=None if implicit else context,
                    require_starttls=context is not None and not implicit, authenticator=made.login, auth_require_tls=False)

    server = await loop.create_server(connection, "127.0.0.1", 0, ssl=context if implicit else None)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()


def certificate(directory: Path, host: str) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate for `host`, and the file of the authority that signed it."""
    root, root_key = _signed("Test authority", None, None, None)
    leaf, leaf_key = _signed(host, host, root, root_key)
    chain, authority = directory / "chain.pem", directory / "authority.pem"
    chain.write_bytes(leaf.public_bytes(Encoding.PEM) + leaf_key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    authority.write_bytes(root.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context, authority


def _signed(name: str, host: str | None, root: x509.Certificate | None,
            root_key: ec.EllipticCurvePrivateKey | None) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    building = (x509.CertificateBuilder().subject_name(subject).issuer_name(root.subject if root is not None else subject)
                .public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
                .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True))
    if host is not None:
        other: x509.GeneralName = x509.DNSName(host) if host[0].isalpha() else x509.IPAddress(ip_address(host))
        building = building.add_extension(x509.SubjectAlternativeName([other]), critical=False)
    return building.sign(root_key or key, hashes.SHA256()), key


@asynccontextmanager
async def post_office(settings: Settings, server: MailServer, **changes: Any) -> AsyncIterator[tuple[Assembly, Letters]]:
    """An instance that sends its mail to this server, and what its worker does about mail."""
    async with assemble(server.used(**changes)(settings)) as its:
        yield its, Letters(its.mailer, its.digests, its.mailboxes, its.identity, its.pack, Translations(LOCALE))
