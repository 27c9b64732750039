"""Instances for a benchmark: made in this process as the demo makes them, on each other's lists, with doctors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from actors.accounts import NewDoctor
from benchmarks.sender import new_key
from benchmarks.servers import Server, free_port, konsil
from core.settings import Settings
from federation import descriptor
from federation.descriptor import Descriptor
from federation.identity import members_of
from instance.assembly import Assembly, assemble
from instance.setup import create_instance

PASSWORD = "benchmark password"


class Country(NamedTuple):
    """An instance on the disk and the handles of its doctors."""

    code: str
    settings: Settings
    doctors: tuple[str, ...]

    @property
    def directory(self) -> Path:
        return self.settings.path(".")

    @property
    def database(self) -> Path:
        return self.settings.path(self.settings.database.url.removeprefix("sqlite:///"))

    def start(self, *arguments: str) -> Server:
        """`konsil serve` or `konsil worker`."""
        port = self.settings.server.port if arguments[0] == "serve" else 0
        return konsil(f"{self.code} {arguments[0]}", self.directory / "config.toml", self.directory / f"{arguments[0]}.log",
                      *arguments, port=port)


async def make(directory: Path, code: str, doctors: int) -> Country:
    """A new instance with some doctors, all with the same password."""
    settings = await create_instance(directory / code, country=code, domain="127.0.0.1", port=free_port())
    handles = tuple(f"{code}{number}" for number in range(doctors))
    async with assemble(settings) as assembly:
        for handle in handles:
            await assembly.accounts.add_doctor(
                NewDoctor(handle, f"Dr {handle.title()}", PASSWORD, specialties=("cardiology",), method="register",
                          evidence="benchmark"))
    return Country(code, settings, handles)


async def befriend(countries: Sequence[Country]) -> None:
    """Put them all on each other's lists."""
    described = []
    for country in countries:
        async with assemble(country.settings) as assembly:
            described.append(descriptor.read(descriptor.export(assembly.identity)))
    for country in countries:
        async with assemble(country.settings) as assembly:
            for other in described:
                if other.origin != assembly.identity.origin:
                    await admit(assembly, other)


async def admit(assembly: Assembly, other: Descriptor) -> None:
    """Propose and approve a sibling."""
    domain = other.origin.split("://")[1]
    await assembly.siblings.add(domain, other.country, other.fingerprint, descriptor=other, by="benchmark")
    await assembly.siblings.approve(domain, "benchmark")


def on_paper(code: str, port: int, document_key: str = "") -> Descriptor:
    """A sibling that is only known from its descriptor; what listens at its address need not be an instance. With a document
    key it takes bundles."""
    origin = f"http://127.0.0.1:{port}"
    return Descriptor(origin, code, code.upper(), f"{origin}/actor", f"{origin}/actor#main-key", new_key()[1], f"{origin}/inbox",
                      members_of(origin), document_key=document_key,
                      bundle_inbox=f"{origin}/inbox/bundle" if document_key else "")
