"""The settings: config.toml and `KONSIL_SECTION__KEY` from the environment become one frozen tree.

An unknown key, in the file or in the environment, refuses to start and names itself. Defaults stand here;
config.toml at the top of the project lists every one of them with a line of why (a test compares).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from core.errors import InvalidInput, Misconfigured
from core.mailaddress import mail_address

_PREFIX = "KONSIL_"
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
_NOT_SETTINGS = frozenset({"KONSIL_CONFIG"})

Count = Annotated[int, msgspec.Meta(ge=1)]
Whole = Annotated[int, msgspec.Meta(ge=0)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Minutes = Annotated[float, msgspec.Meta(gt=0)]


class Instance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    country: str = ""
    name: str = ""
    domain: str = ""
    url: str = ""
    languages: tuple[str, ...] = ()
    data_dir: str = "."


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    port: Port = 8100
    trusted_proxies: tuple[str, ...] = ()
    refused_per_minute: Count = 300
    live_pages: Count = 2000


class Database(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str = "sqlite:///konsil.db"
    readers: Count = 3
    synchronous: str = "FULL"
    reserve_mib: Whole = 256


class Federation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signature_profile: str = "cavage"
    timeout_seconds: Seconds = 10.0
    body_limit_bytes: Annotated[int, msgspec.Meta(ge=262_144)] = 262_144
    window_seconds: Count = 300
    inbox_pending_limit: Count = 4096
    inbox_memory_mib: Count = 64
    sibling_requests_per_second: Count = 2000
    delivery_window: Count = 8
    bundle_items: Annotated[int, msgspec.Meta(ge=1, le=64)] = 64
    retry_first_seconds: Seconds = 1.0
    retry_limit_seconds: Seconds = 900.0
    held_days: Count = 30
    held_per_sibling: Count = 10_000
    refusal_days: Count = 90
    four_eyes: bool = False
    key_look_minutes: Minutes = 60.0


class Accounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    session_hours: Count = 12
    login_attempts: Count = 8
    login_window_seconds: Count = 900
    password_min_length: Count = 10
    breach_list: str = ""
    idle_minutes: Whole = 15
    departure_days: Whole = 14
    archive_days: Count = 7


class Joining(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    open: bool = True
    idle_days: Count = 30
    document_days: Count = 14
    invitations_per_week: Whole = 5
    invitation_days: Count = 30
    four_eyes: bool = False
    doctor_months: Whole = 36
    resident_months: Count = 24
    student_months: Count = 12


class Posts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text_limit: Count = 20_000
    render_deadline_seconds: Seconds = 3.0
    vote_grace_seconds: Whole = 900


class Linter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hospitals: tuple[str, ...] = ()


class Media(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    per_post: Annotated[int, msgspec.Meta(ge=1, le=8)] = 8
    edge_pixels: Annotated[int, msgspec.Meta(ge=640, le=6_000)] = 3_000
    orphan_hours: Count = 24
    cache_mib: Count = 64
    cache_minutes: Count = 10


class Imprint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    operator: str = ""
    address: str = ""
    email: str = ""
    phone: str = ""
    registration: str = ""
    responsible: str = ""
    medical_contact: str = ""
    technical_contact: str = ""
    dpo: str = ""
    authority: str = ""
    hosting: str = ""


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    notice_days: Count = 90
    sent_days: Count = 35
    receipt_days: Count = 400
    reading_days: Count = 180
    erasure_journal: str = "erasures.journal"


class Reports(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    appeal_days: Count = 14
    keep_days: Count = 180
    tell_days: Whole = 7


class Reconciliation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    nightly: bool = True
    hour: Annotated[int, msgspec.Meta(ge=0, le=23)] = 1
    hours: Annotated[int, msgspec.Meta(ge=1, le=23)] = 4
    days: Count = 90


class Backup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key_file: str = "backup.key"


class Mail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: str = ""
    port: Port = 587
    tls: str = "starttls"
    username: str = ""
    password: str = ""
    password_file: str = ""
    sender: str = ""
    timeout_seconds: Seconds = 20.0


class Push(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hosts: tuple[str, ...] = ()
    contact: str = ""


class Clients(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    origins: tuple[str, ...] = ()
    requests: Count = 300
    unused_days: Count = 90


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    issuer: str = ""
    name: str = ""
    client_id: str = ""
    client_secret: str = ""
    client_secret_file: str = ""
    origins: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ("openid", "profile")
    level: str = ""
    name_claim: str = "name"
    number_claim: str = ""
    profession_claim: str = ""
    two_factors: bool = False


class Translation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str = ""
    name: str = ""
    api_key: str = ""
    api_key_file: str = ""
    languages: tuple[str, ...] = ("de", "en", "es", "fr", "it")
    timeout_seconds: Seconds = 30.0


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    level: str = "info"
    format: str = "json"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    instance: Instance = Instance()
    server: Server = Server()
    database: Database = Database()
    federation: Federation = Federation()
    accounts: Accounts = Accounts()
    joining: Joining = Joining()
    posts: Posts = Posts()
    linter: Linter = Linter()
    media: Media = Media()
    imprint: Imprint = Imprint()
    retention: Retention = Retention()
    reports: Reports = Reports()
    reconciliation: Reconciliation = Reconciliation()
    backup: Backup = Backup()
    mail: Mail = Mail()
    push: Push = Push()
    clients: Clients = Clients()
    identity: Identity = Identity()
    translation: Translation = Translation()
    log: Log = Log()

    def path(self, name: str) -> Path:
        """`name` inside the data directory."""
        return Path(self.instance.data_dir) / name


def secret(given: str, file: str, data_dir: Path, name: str) -> str:
    """A secret as it is given, or the first line of a file in the data directory; `name` is the setting of the file."""
    if given or not file:
        return given
    try:
        return (data_dir / file).read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured("%(name)s: %(path)s cannot be read: %(error)s.",
                            values={"name": name, "path": data_dir / file, "error": error}) from None


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the file, lay the environment over it and check the whole; `Misconfigured` names what is wrong."""
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        raise Misconfigured("There is no settings file at %(path)s; `konsil init` makes one.", values={"path": path}) from None
    except OSError as error:
        raise Misconfigured("The settings file %(path)s cannot be read: %(error)s.",
                            values={"path": path, "error": error.strerror}) from None
    return parse(found, path, environ)


def parse(found: bytes, path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in a file that is, or is going to be, at `path`."""
    try:
        tree: dict[str, Any] = tomllib.loads(found.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured("%(path)s is not valid TOML: %(error)s", values={"path": path, "error": error}) from None
    given = _overlay(tree, environ)
    try:
        settings = msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        if given:
            raise Misconfigured("%(path)s (with %(names)s from the environment): %(error)s",
                                values={"path": path, "names": ", ".join(given), "error": error}) from None
        raise Misconfigured("%(path)s: %(error)s", values={"path": path, "error": error}) from None
    data_dir = (path.parent / settings.instance.data_dir).resolve()
    return _checked(msgspec.structs.replace(settings, instance=msgspec.structs.replace(
        settings.instance, data_dir=str(data_dir))))


def _overlay(tree: dict[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Put `KONSIL_SECTION__KEY` values into `tree` and name them; lists are separated by commas."""
    given = []
    for name, value in environ.items():
        if not name.startswith(_PREFIX) or name in _NOT_SETTINGS:
            continue
        section, _, key = name.removeprefix(_PREFIX).lower().partition("__")
        known = {field.name: field.type for field in msgspec.structs.fields(Settings)}.get(section)
        keys = {field.name: field.default for field in msgspec.structs.fields(known)} if known else {}
        if key not in keys:
            raise Misconfigured("The environment variable %(name)s names no setting.", values={"name": name})
        parts = tuple(part.strip() for part in value.split(",") if part.strip())
        table = tree.setdefault(section, {})
        if not isinstance(table, dict):
            raise Misconfigured("[%(section)s] is a table of settings, not one value.", values={"section": section})
        table[key] = parts if isinstance(keys[key], tuple) else value
        given.append(name)
    return sorted(given)


def _checked(settings: Settings) -> Settings:
    """Refuse values no part of the program knows; an unknown mode must never mean `off`."""
    if settings.federation.signature_profile != "cavage":
        raise Misconfigured("federation.signature_profile: only `cavage` is known.")
    if settings.database.synchronous not in ("FULL", "NORMAL"):
        raise Misconfigured("database.synchronous: FULL or NORMAL.")
    if not settings.database.url.startswith("sqlite:///"):
        raise Misconfigured("database.url: only sqlite:///PATH is known.")
    _check_mail(settings.mail)
    _check_push(settings.push)
    _check_clients(settings.clients)
    _check_identity(settings.identity)
    _check_translation(settings.translation)
    if settings.log.level not in ("debug", "info", "warning", "error"):
        raise Misconfigured("log.level: debug, info, warning or error.")
    if settings.log.format not in ("json", "console"):
        raise Misconfigured("log.format: json or console.")
    return settings


def _check_mail(mail: Mail) -> None:
    """Refuse settings under which a mail, or the password of its server, could be read on the way."""
    if mail.tls not in ("starttls", "tls", "none"):
        raise Misconfigured("mail.tls: starttls, tls or none.")
    if not mail.host:
        return
    if mail.tls == "none" and not _is_loopback(mail.host):
        raise Misconfigured("mail.tls: none is possible only to a mail server on this machine; %(host)s is another one.",
                            values={"host": mail.host})
    try:
        mail_address(mail.sender)
    except InvalidInput:
        raise Misconfigured("mail.sender: %(sender)s is not a mail address.", values={"sender": repr(mail.sender)}) from None
    if mail.password and mail.password_file:
        raise Misconfigured("mail.password and mail.password_file: give one of the two.")
    if bool(mail.username) != bool(mail.password or mail.password_file):
        raise Misconfigured("mail.username and mail.password: give both or neither.")


def _check_push(push: Push) -> None:
    """Refuse what names no host, and a contact that push services do not take (RFC 8292, section 2.1)."""
    for host in push.hosts:
        if not _HOST.fullmatch(host):
            raise Misconfigured("push.hosts: %(host)s is no host name.", values={"host": repr(host)})
    if push.contact and not push.contact.startswith(("mailto:", "https://")):
        raise Misconfigured("push.contact: a mailto: or https: address.")


def _check_clients(clients: Clients) -> None:
    """Refuse what is not an origin to the letter: browsers compare it as they write it."""
    for origin in clients.origins:
        scheme, _, host = origin.partition("://")
        if not _HOST.fullmatch(host) or not (scheme == "https" or (scheme == "http" and _is_loopback(host.partition(":")[0]))):
            raise Misconfigured("clients.origins: %(origin)s is no https origin such as https://app.example.",
                                values={"origin": repr(origin)})


def _check_identity(identity: Identity) -> None:
    """Refuse a provider that is named by halves, or asked in the clear over a network."""
    if not identity.issuer:
        return
    if not identity.name or not identity.client_id:
        raise Misconfigured("identity.name and identity.client_id: an identity provider needs both.")
    if bool(identity.client_secret) == bool(identity.client_secret_file):
        raise Misconfigured("identity.client_secret and identity.client_secret_file: give one of the two.")
    if "openid" not in identity.scopes:
        raise Misconfigured("identity.scopes: openid has to be among them.")
    for url in (identity.issuer, *identity.origins):
        parts = urlsplit(url)
        if not parts.hostname or parts.username or parts.query or parts.fragment or (
                parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname))):
            raise Misconfigured("identity.issuer and identity.origins: %(url)s is no https address.", values={"url": repr(url)})


def _check_translation(translation: Translation) -> None:
    """Refuse a service that nobody can name, or that texts would be sent to in the clear over a network."""
    if not translation.url:
        return
    if not translation.name.strip():
        raise Misconfigured("translation.name: say what people call it; it stands on the button that sends a text there.")
    if translation.api_key and translation.api_key_file:
        raise Misconfigured("translation.api_key and translation.api_key_file: give one of the two.")
    if len(translation.languages) < 2:
        raise Misconfigured("translation.languages: name at least two.")
    parts = urlsplit(translation.url)
    if not parts.hostname or parts.username or parts.query or parts.fragment or (
            parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname))):
        raise Misconfigured("translation.url: %(url)s is no https address, nor one of this machine.",
                            values={"url": repr(translation.url)})


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
