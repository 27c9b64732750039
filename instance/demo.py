"""Seven countries on one machine: makes the instances, lets them know each other, fills them, keeps them running.

Content is the same every time (instance/seed); keys, passwords and therefore fingerprints are random and stand in
`demo.json`, which only its owner can read.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pyotp

from actors.accounts import NewDoctor
from core.countries import pack
from core.errors import InvalidInput, Misconfigured
from core.settings import Settings, load
from federation import descriptor
from federation.overview import Details
from instance import demo_check
from instance.assembly import assemble
from instance.demo_seed import plant
from instance.introduction import introduction
from instance.seed import Seed
from instance.seed import load as load_seed
from instance.setup import create_instance

_FRUGAL = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}  # seven share this machine: 5 MiB less for each
_START_SECONDS = 60.0
_AGREED = Details(agreement_on="2026-01-15", review_on="2027-01-15", basis="Made up for the demo")


@dataclass(frozen=True, slots=True)
class Place:
    """One country of the demo."""

    country: str
    settings: Settings
    config: Path

    @property
    def url(self) -> str:
        return self.settings.instance.url


def run(countries: tuple[str, ...], base_port: int, directory: Path, *, fresh: bool, check: bool) -> int:
    """Set up what is missing, start everything and stay until Ctrl-C, or run the check; returns the exit code."""
    if check:
        directory = directory.with_name(f"{directory.name}-check-{os.getpid()}")
    if fresh and directory.exists():
        _remove(directory)
    begun = time.monotonic()
    new = not (directory / "demo.json").exists()
    if new and directory.exists() and any(directory.iterdir()):
        if not _is_demo(directory):
            raise Misconfigured("%(path)s is not an unfinished demo's; remove it or add --fresh.", values={"path": directory})
        raise Misconfigured("The demo in %(path)s was interrupted while it was made; add --fresh.", values={"path": directory})
    seed = load_seed(countries)
    places = asyncio.run(_make(countries, base_port, directory, seed)) if new else _open(countries, base_port, directory)
    processes = [_start(place.config) for place in places]
    try:
        for place, process in zip(places, processes, strict=True):
            _await_ready(place, process)
        if new:
            asyncio.run(plant([place.settings for place in places], seed))
        click.echo(_table(directory, places, time.monotonic() - begun))
        if check:
            return demo_check.run(directory, processes)
        _stay(processes)
        return 0
    finally:
        _stop(processes)
        if check:
            _remove(directory)


def _imprint(settings: Settings, seed: Seed) -> str:
    """Who would answer for an instance of the demo; everybody in it is made up."""
    instance = settings.instance
    operator = next(person.name for person in seed.people if person.country == instance.country and person.role == "operator")
    lines = {"operator": f"{instance.name}, made up for the demo", "address": f"1 Example Street, {pack(instance.country).name}",
             "email": f"{instance.country}@konsil.example", "phone": "+00 000 0000", "responsible": operator,
             "medical_contact": operator, "technical_contact": f"machines.{instance.country}@konsil.example",
             "dpo": f"privacy.{instance.country}@konsil.example", "hosting": "This machine"}
    return "\n[imprint]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())


async def _make(countries: tuple[str, ...], base_port: int, directory: Path, seed: Seed) -> list[Place]:
    """Instances, mutual allowlists and people; demo.json comes last and marks that all is there."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (directory / ".konsil-demo").touch()
    order = ("de", "fr", "it", "es", "gb", "at", "ch")
    places = []
    for country in countries:
        pack(country)
        config = directory / country / "config.toml"
        settings = await create_instance(directory / country, country=country, domain="127.0.0.1",
                                         port=base_port + order.index(country))
        config.write_text(config.read_text("utf-8") + _imprint(settings, seed), "utf-8")
        places.append(Place(country, load(config, {}), config))
    described = []
    for place in places:
        async with assemble(place.settings) as assembly:
            described.append(descriptor.read(introduction(assembly)))
    notes: dict[str, Any] = {"instances": []}
    for place in places:
        async with assemble(place.settings) as assembly:
            for other in described:
                if other.origin != place.url:
                    await assembly.siblings.add(other.origin.split("://")[1], other.country, other.fingerprint,
                                                descriptor=other, by="demo", details=_AGREED)
                    await assembly.siblings.approve(other.origin.split("://")[1], "demo")
            people = [person for person in seed.people if person.country == place.country]
            logins = [{"handle": person.handle, "name": person.name, "role": person.role, "password": secrets.token_urlsafe(12)}
                      for person in people]
            for person, login in zip(people, logins, strict=True):
                if person.role == "operator":
                    await assembly.accounts.add_operator(person.handle, person.name, login["password"], "demo")
                    account = await assembly.accounts.by_handle(person.handle)
                    assert account is not None
                    login["second_factor"] = (await assembly.signing.factors.hand_out(account, "demo")).secret
                else:
                    await assembly.accounts.add_doctor(
                        NewDoctor(person.handle, person.name, login["password"], person.badge_role, person.specialties,
                                  "register", person.evidence), "demo")
            for desk in seed.desks:
                if desk.country == place.country:
                    await assembly.desks.add(desk.handle, desk.name, desk.doctor, desk.specialties, "demo")
            notes["instances"].append({
                "country": place.country, "name": place.settings.instance.name, "url": place.url,
                "domain": assembly.identity.domain, "fingerprint": assembly.identity.fingerprint,
                "config": str(place.config.resolve()),
                "operators": [dict(login, handle=login["handle"]) for login in logins if login["role"] == "operator"],
                "doctors": [dict(login, mention=f"@{login['handle']}@{assembly.identity.domain}")
                            for login in logins if login["role"] != "operator"]})
    descriptor_file = os.open(directory / "demo.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor_file, "w", encoding="utf-8") as file:
        json.dump(notes, file, ensure_ascii=False, indent=2)
    return places


def _open(countries: tuple[str, ...], base_port: int, directory: Path) -> list[Place]:
    """The instances of an earlier demo."""
    places = []
    for country in countries:
        config = directory / country / "config.toml"
        if not config.exists():
            raise InvalidInput("The demo in %(path)s has no %(country)s; add --fresh to make it anew.",
                               values={"path": directory, "country": country.upper()})
        places.append(Place(country, load(config, {}), config))
    if places and min(place.settings.server.port for place in places) < base_port:
        raise InvalidInput("The demo in %(path)s uses other ports; add --fresh to make it anew.", values={"path": directory})
    return places


def _start(config: Path) -> subprocess.Popen[bytes]:
    log = (config.parent / "server.log").open("ab")
    with log:
        return subprocess.Popen([sys.executable, "-m", "instance", "--config", str(config), "serve"], env=os.environ | _FRUGAL,
                                stdout=log, stderr=log,
                                cwd=Path(__file__).parent.parent, start_new_session=True)


def _await_ready(place: Place, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + _START_SECONDS
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise Misconfigured("%(name)s did not start; see %(log)s. Is port %(port)s free?", values={
                "name": place.settings.instance.name, "log": place.config.parent / "server.log",
                "port": place.settings.server.port})
        try:
            with urllib.request.urlopen(f"{place.url}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise Misconfigured("%(name)s does not answer; see %(log)s.",
                        values={"name": place.settings.instance.name, "log": place.config.parent / "server.log"})


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _stay(processes: list[subprocess.Popen[bytes]]) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
        click.echo("An instance has stopped by itself; see its server.log.", err=True)
    except KeyboardInterrupt:
        click.echo("\nStopping.")


def _table(directory: Path, places: list[Place], seconds: float) -> str:
    """Addresses and one doctor's and one operator's login each."""
    notes = json.loads((directory / "demo.json").read_text("utf-8"))
    lines = ["", f"{'country':<9}{'address':<25}{'doctor':<20}{'password':<19}{'operator':<16}password"]
    running = {place.country for place in places}
    for entry in notes["instances"]:
        if entry["country"] in running:
            doctor = next(person for person in entry["doctors"] if person["role"] == "doctor")
            operator = entry["operators"][0]
            lines.append(f"{entry['country'].upper():<9}{entry['url']:<25}{doctor['handle']:<20}{doctor['password']:<19}"
                         f"{operator['handle']:<16}{operator['password']}")
    return "\n".join([*lines, "", "Operators are asked for a code as well: `konsil demo --codes` shows those of this moment.",
                      f"Ready after {seconds:.1f} s. All logins: {directory / 'demo.json'}. Ctrl-C stops.", ""])


def codes(directory: Path) -> str:
    """The code that each operator's app would show at this moment."""
    try:
        notes = json.loads((directory / "demo.json").read_text("utf-8"))
    except FileNotFoundError:
        raise InvalidInput("There is no demo in %(path)s.", values={"path": directory}) from None
    return "\n".join(f"{entry['country'].upper():<9}{login['handle']:<20}{pyotp.TOTP(login['second_factor']).now()}"
                     for entry in notes["instances"] for login in entry["operators"])


def _is_demo(directory: Path) -> bool:
    return (directory / ".konsil-demo").exists()


def _remove(directory: Path) -> None:
    """Remove a demo's directory, and only a demo's."""
    if not _is_demo(directory):
        raise Misconfigured("%(path)s was not made by the demo; it is left alone.", values={"path": directory})
    shutil.rmtree(directory)
