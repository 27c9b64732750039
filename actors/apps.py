"""Apps as they introduce themselves: a name, where a doctor comes back to, what they will ask for (RFC 6749, section 2).

Anybody can introduce one, so an app by itself is allowed nothing: it is a name to show to the doctor who decides.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from actors import scopes
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import InvalidInput, NotSignedIn, TooMany
from core.ids import Ids
from core.throttle import count, network_of
from core.vault import token, token_hash
from federation.addresses import loopback_address

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
"""An app that cannot be come back to: the doctor carries the code over."""
NAME_LENGTH, REDIRECT_LENGTH, REDIRECTS = 60, 2_000, 10
_PER_NETWORK, _WINDOW_MS = 60, 900_000
_UNUSED_MS = 7 * 86_400_000
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_URI, _PLACE = re.compile(r"[!-~]+"), re.compile(r"[A-Za-z0-9.:\[\]-]+")
_NEVER = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source", "ws", "wss", "ftp",
                    "mailto", "tel", "urn", "intent", "content"})
_REDIRECTS = msgspec.json.Decoder(tuple[str, ...])


class App(NamedTuple):
    """An app that has introduced itself, and when (ms)."""

    id: int
    client_id: str
    name: str
    website: str
    redirects: tuple[str, ...]
    scopes: tuple[str, ...]
    created: int


class Apps:
    """Takes note of apps and knows them again."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database, self._clock, self._ids = database, clock, ids

    async def register(self, name: str, redirects: Sequence[str], scope: str, website: str, address: str) -> tuple[App, str]:
        """Take note of an app, and the secret it is known by from now on. `InvalidInput` for what it must not be called or be
        come back to; `TooMany` for too many from one network."""
        name, now = " ".join(name.split()), self._clock.ms()
        if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
            raise InvalidInput("An app has a name of 1 to %(most)s letters.", values={"most": NAME_LENGTH}, field="client_name")
        places = tuple(dict.fromkeys(redirects))
        if not 1 <= len(places) <= REDIRECTS:
            raise InvalidInput("An app names 1 to %(most)s addresses to come back to.", values={"most": REDIRECTS},
                               field="redirect_uris")
        for place in places:
            check_redirect(place)
        if website and (len(website) > REDIRECT_LENGTH or not website.startswith(("https://", "http://"))
                        or not _URI.fullmatch(website)):
            raise InvalidInput("The website of an app is a web address.", field="website")
        made, secret = App(self._ids.new(), token(), name, website, places, scopes.parse(scope), now), token()

        def write(tx: Tx) -> int | None:
            wait = count(tx, {f"apps:{network_of(address)}": _PER_NETWORK}, now, _WINDOW_MS)
            if wait is None:
                tx.run("INSERT INTO apps (id, client_id, secret_hash, name, website, redirects, scopes, created_at)"
                       " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                       (made.id, made.client_id, token_hash(secret), name, website, msgspec.json.encode(places).decode(),
                        " ".join(made.scopes), now))
            return wait

        wait = await self._database.write(write)
        if wait is not None:
            raise TooMany("Too many apps were set up from your network. Please wait a while and try again.", retry_after=wait)
        return made, secret

    async def known(self, client_id: str) -> App | None:
        """The app of this id."""
        row = await self._database.read(lambda tx: tx.row("SELECT * FROM apps WHERE client_id = ?", (client_id[:200],)))
        return app_from(row) if row is not None else None

    async def prune(self) -> None:
        """Forget apps that nobody has let in within a week."""
        before = self._clock.ms() - _UNUSED_MS
        await self._database.write(lambda tx: tx.run(
            "DELETE FROM apps WHERE created_at < ? AND NOT EXISTS (SELECT 1 FROM app_tokens t WHERE t.app_id = apps.id)"
            " AND NOT EXISTS (SELECT 1 FROM app_codes c WHERE c.app_id = apps.id)", (before,)))


def authenticated(tx: Tx, client_id: str, secret: str, *, needed: bool) -> App:
    """The app that shows itself at the token endpoint; `NotSignedIn` (invalid_client) for none, for a wrong secret, and for no
    secret where one is `needed`."""
    row = tx.row("SELECT * FROM apps WHERE client_id = ?", (client_id[:200],))
    right = row is not None and (
        hmac.compare_digest(row["secret_hash"], token_hash(secret)) if secret or needed else True)
    if row is None or not right:
        raise NotSignedIn("This app is not known here, or its secret is another one. Remove the account in the app and add it"
                          " anew.", reason="invalid_client")
    return app_from(row)


def app_from(row: Row) -> App:
    """The app in a row of `apps`."""
    return App(row["id"], row["client_id"], row["name"], row["website"], _REDIRECTS.decode(row["redirects"]),
               tuple(row["scopes"].split()), row["created_at"])


def check_redirect(place: str) -> None:
    """`InvalidInput` for an address that a browser must not be sent to with a code: one of the web is https, or this very machine
    (RFC 8252, section 7.3); any other scheme is an app's own, with or without `//` behind it (section 7.1), and never one that
    browsers carry out themselves."""
    if place == OUT_OF_BAND:
        return
    scheme = place.partition(":")[0]
    parts = None
    if len(place) <= REDIRECT_LENGTH and _URI.fullmatch(place) and _SCHEME.fullmatch(scheme) and scheme != place:
        try:
            parts = urlsplit(place)
            parts.port  # noqa: B018  it is read here or nowhere
        except ValueError:
            parts = None
    kind = scheme.lower()
    fine = parts is not None and not parts.fragment and "#" not in place and "\\" not in place and kind not in _NEVER
    if fine and parts is not None and kind in ("https", "http"):
        fine = bool(parts.hostname and _PLACE.fullmatch(parts.netloc)) and (
            kind == "https" or parts.hostname == "localhost" or loopback_address(parts.hostname or ""))
    if not fine:
        raise InvalidInput("An app cannot be come back to at %(place)s.", values={"place": place[:200]}, field="redirect_uris",
                           reason="invalid_redirect_uri")
