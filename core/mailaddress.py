"""Mail addresses: what is taken for one, and how it is written."""

from __future__ import annotations

import re

import idna

from core.errors import InvalidInput

_LENGTH = 254  # RFC 5321, section 4.5.3.1.3
_LOCAL = re.compile(r"(?!.{65})[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")


def mail_address(text: str) -> str:
    """The address as mail servers want it: its host in lower case and in ASCII (IDNA). `InvalidInput` for anything else than
    one plain address; quoted names, comments, several addresses and hosts without a dot are not used by anybody here."""
    local, at, host = text.strip().rpartition("@")
    try:
        written = idna.encode(host, uts46=True).decode() if at and len(host) <= _LENGTH else ""
    except idna.IDNAError:
        written = ""
    if not _LOCAL.fullmatch(local) or not _HOST.fullmatch(written) or len(local) + len(written) >= _LENGTH:
        raise InvalidInput("This is not a mail address such as name@hospital.example.", field="address", reason="mail-address")
    return f"{local}@{written}"
