"""Doctors with a browser: they sign in, write a post up to its last step, and then click at a given rate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import aiohttp

from benchmarks.countries import PASSWORD, Country
from benchmarks.servers import MeasurementFailed
from core.vault import token
from instance.demo_check import hidden

_TEXT = ("A 54-year-old woman presents with **three weeks** of exertional dyspnoea and intermittent low-grade fever.\n\n"
         "- soft diastolic murmur at the left sternal border\n- no peripheral oedema\n- two of three blood cultures grew"
         " *Streptococcus gallolyticus*, sensitive to penicillin\n\n"
         "Transthoracic echocardiography was inconclusive; a transoesophageal study is planned for tomorrow. Would you start"
         " gentamicin before the study, given a creatinine clearance of 48 ml/min? ") * 2
_WAIT = aiohttp.ClientTimeout(total=60)

Browser = aiohttp.ClientSession


class Doctor(NamedTuple):
    """Somebody who is signed in at `url`: her cookie and the fields of the form she is about to send."""

    url: str
    cookie: str
    fields: dict[str, Any]


class Click(NamedTuple):
    """A post that was published: its URI and text's mark, when it was due to be sent and when the answer came (monotonic s)."""

    uri: str
    mark: str
    at: float
    answered: float


def browser() -> Browser:
    """A client that opens as many connections as there are doctors waiting; cookies are the doctors' own."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar(), timeout=_WAIT)


async def sign_in(session: Browser, country: Country, handle: str) -> str:
    """The session's cookie of a doctor."""
    url = country.settings.instance.url
    async with session.post(f"{url}/login", data={"handle": handle, "password": PASSWORD}, headers={"origin": url},
                            allow_redirects=False) as answer:
        if answer.status != 303 or not answer.cookies:
            raise MeasurementFailed(f"{handle} could not sign in: {answer.status}")
        return "; ".join(f"{name}={morsel.value}" for name, morsel in answer.cookies.items())


async def write(session: Browser, country: Country, handle: str) -> Doctor:
    """A doctor who has been through every step of a case for the whole network but the last one."""
    url = country.settings.instance.url
    doctor = Doctor(url, await sign_in(session, country, handle), {})
    fields: dict[str, Any] = {
        "kind": "case", "question": "Gentamicin before the study?", "text": _TEXT, "language": "en", "specialties": "cardiology",
        "age_band": "50-59", "sex": "f", "aim": "therapeutic", "step": "confirm", "reach": "network",
        "signature": "name", "ground": "anonymous", "no_name": "1"}
    async with session.post(f"{url}/compose", data=fields, headers=_headers(doctor), allow_redirects=False) as answer:
        page = await answer.text()
    made = hidden(page)
    if answer.status != 200 or "form" not in made or "origin" not in made:
        raise MeasurementFailed(f"{url}/compose answered {answer.status} without a last step")
    return doctor._replace(fields=made | {"step": "publish"})


async def publish_at_home(session: Browser, country: Country, cookie: str, mark: str) -> float:
    """Publish a note that stays at home; when it was sent (monotonic s)."""
    url = country.settings.instance.url
    fields = {"kind": "note", "question": f"Gentamicin before the study? {mark}", "text": _TEXT, "language": "en",
              "reach": "home", "step": "publish", "form": token(), "seen": ""}
    begun = time.monotonic()
    async with session.post(f"{url}/compose", data=fields, headers=_headers(Doctor(url, cookie, {})),
                            allow_redirects=False) as answer:
        if answer.status != 303:
            raise MeasurementFailed(f"publishing at {url} was answered {answer.status}")
    return begun


async def click(session: Browser, doctors: Sequence[Doctor], rate: float, count: int, mark: str) -> list[Click]:
    """Send `count` new posts, `rate` a second, whether the answers come or not; the doctors take turns. What the instance
    says it has no time for (503) is not among those that are returned."""
    begun = time.monotonic() + 0.1
    clicks = await asyncio.gather(*(
        _click(session, doctors[number % len(doctors)], begun + number / rate, f"{mark}n{number}") for number in range(count)))
    return [click for click in clicks if click is not None]


async def _click(session: Browser, doctor: Doctor, at: float, mark: str) -> Click | None:
    form = aiohttp.FormData()
    for name, value in (doctor.fields | {"form": token(), "question": f"Gentamicin before the study? {mark}"}).items():
        for single in value if isinstance(value, list) else [value]:
            form.add_field(name, single)
    await asyncio.sleep(at - time.monotonic())
    async with session.post(f"{doctor.url}/compose", data=form, headers=_headers(doctor), allow_redirects=False) as answer:
        where = answer.headers.get("location", "")
        if answer.status == 503:
            return None
        if answer.status != 303 or not where.startswith("/p/"):
            raise MeasurementFailed(f"publishing at {doctor.url} was answered {answer.status} {where}")
    return Click(f"{doctor.url}/posts/{where.removeprefix('/p/')}", mark, at, time.monotonic())


async def shows(session: Browser, reader: Doctor, path: str, mark: str) -> bool:
    """Whether the page at `path` shows this doctor the post with this mark."""
    async with session.get(f"{reader.url}{path}", headers=_headers(reader), allow_redirects=False) as answer:
        return answer.status == 200 and mark in await answer.text()


def _headers(doctor: Doctor) -> dict[str, str]:
    return {"origin": doctor.url, "cookie": doctor.cookie, "accept": "text/html"}
