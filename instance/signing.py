"""Everything about signing in, put together in one place."""

from __future__ import annotations

from dataclasses import dataclass

from actors.apps import Apps
from actors.factors import Factors
from actors.grants import Grants
from actors.links import Links
from actors.login import Sessions
from actors.passkeys import Passkeys
from actors.passwords import Passwords
from actors.resets import Resets
from actors.security import Security
from actors.signins import SignIns
from core.audit import Audit
from core.breaches import Breaches
from core.clock import Clock
from core.database import Database
from core.ids import Ids
from core.settings import Settings
from core.vault import KeyVault
from federation.identity import Identity


@dataclass(frozen=True, slots=True)
class SigningIn:
    """Passwords, second factors, passkeys, sessions, the links that set a password, and the apps that doctors let in."""

    passwords: Passwords
    sessions: Sessions
    factors: Factors
    passkeys: Passkeys
    security: Security
    links: Links
    resets: Resets
    apps: Apps
    grants: Grants


def signing_in(settings: Settings, database: Database, vault: KeyVault, identity: Identity, clock: Clock, ids: Ids,
               audit: Audit) -> SigningIn:
    """All of it, for an instance; `Misconfigured` for a list of leaked passwords that is none."""
    chosen, name = settings.accounts, identity.name
    passwords = Passwords(chosen, Breaches(settings.path(chosen.breach_list)) if chosen.breach_list else None)
    noted, links = SignIns(audit, clock, ids), Links(vault, ids)
    factors = Factors(database, vault, clock, noted, name)
    passkeys = Passkeys(database, vault, clock, ids, noted, identity.origin, name)
    apps = Apps(database, clock, ids)
    return SigningIn(
        passwords, Sessions(database, clock, ids, audit, chosen, passwords, factors, passkeys, noted), factors, passkeys,
        Security(database, clock, passwords, noted, name), links,
        Resets(database, vault, clock, ids, chosen, passwords, links, noted, name), apps,
        Grants(database, clock, ids, apps, noted, settings.clients.unused_days))
