"""Making an instance: its directory, settings, keys and database."""

from __future__ import annotations

import contextlib
from pathlib import Path

from actors.keys import create_identity
from core.clock import Clock
from core.countries import CountryPack, pack
from core.database import open_database
from core.errors import InvalidInput, Misconfigured
from core.ids import Ids
from core.journal import Journal
from core.migrate import migrate
from core.settings import Settings, load
from core.vault import KeyVault
from federation import due
from federation.addresses import domain_of, is_loopback, origin_for_domain


async def create_instance(directory: Path, *, country: str, domain: str, port: int, name: str = "") -> Settings:
    """Make `directory` an instance of `country`; `Misconfigured` when there is one already, and then nothing changes. When it
    cannot be made to the end, as on a full disk, nothing of it stays.

    On loopback the port is part of the origin and plain http is allowed; any other domain is https.
    """
    chosen = pack(country.lower())
    origin = origin_for_domain(f"{domain}:{port}" if _loopback(domain) else domain)
    if is_loopback(origin) != _loopback(domain):
        raise InvalidInput("This domain cannot be an instance's.")
    config = directory / "config.toml"
    if config.exists() or (directory / "konsil.db").exists():
        raise Misconfigured("%(path)s holds an instance already; nothing was changed.", values={"path": directory})
    before = {*directory.iterdir()} if directory.is_dir() else None
    try:
        return await _make(directory, config, chosen, origin, port, name)
    except BaseException as error:
        _take_away(directory, before)
        if isinstance(error, OSError):
            raise Misconfigured("%(path)s could not be made: %(error)s. Nothing of it was left behind.",
                                values={"path": directory, "error": error.strerror}) from None
        raise


async def _make(directory: Path, config: Path, chosen: CountryPack, origin: str, port: int, name: str) -> Settings:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    title = (name or f"Konsil {chosen.name}").replace("\\", "").replace('"', "")
    KeyVault.create(directory / "secret.key")
    config.write_text(
        f'[instance]\ncountry = "{chosen.code}"\nname = "{title}"\ndomain = "{domain_of(origin)}"\nurl = "{origin}"\n'
        f'data_dir = "."\n\n[server]\nhost = "127.0.0.1"\nport = {port}\n', "utf-8")
    settings = load(config, {})
    clock = Clock()
    database = await open_database(settings.database.url, directory)
    try:
        await migrate(database, clock.ms())
        await create_identity(database, KeyVault(directory / "secret.key"), clock, Ids(clock))
        name = Journal(settings.path(settings.retention.erasure_journal)).begin()
        await database.write(lambda tx: due.stands_at(tx, name, 0))
    finally:
        await database.close()
    return settings


def _take_away(directory: Path, before: set[Path] | None) -> None:
    """Remove the files that were not there before, and the directory if it was not (None)."""
    with contextlib.suppress(OSError):
        for path in {*directory.iterdir()} - (before or set()):
            path.unlink()
        if before is None:
            directory.rmdir()


def _loopback(domain: str) -> bool:
    return domain == "localhost" or domain.endswith(".localhost") or domain.startswith("127.") or domain == "[::1]"
