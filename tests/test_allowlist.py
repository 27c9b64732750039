"""The gate: nobody but an active sibling at exactly its origin, asked anew each time."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Conflict, KonsilError, Refused, Unavailable
from federation.allowlist import SIBLING_STATES, Direction, Purpose, Sibling, SiblingState
from federation.descriptor import Descriptor
from federation.identity import members_of
from federation.signatures.keys import generate_rsa
from instance.assembly import Assembly

_ROOT = Path(__file__).parent.parent
_, _PEM = generate_rsa()
_ONLY_IN = {Purpose.HANDSHAKE: {"confirmed", "active"}, Purpose.ERASURE: {"paused"}}
_WAYS = tuple(product(Direction, [purpose for purpose in Purpose if purpose not in _ONLY_IN]))
_IN_PROCESS = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def described(domain: str, country: str = "fr") -> Descriptor:
    origin = f"https://{domain}"
    return Descriptor(origin, country, "Fr", f"{origin}/actor", f"{origin}/actor#main-key", _PEM, f"{origin}/inbox",
                      members_of(origin))


async def propose(its: Assembly, domain: str) -> None:
    found = described(domain)
    await its.siblings.add(domain, "fr", found.fingerprint, descriptor=found, by="test")


@pytest.fixture
async def listed(its: Assembly) -> AsyncIterator[Assembly]:
    """An instance with fr.example on its list, active."""
    await propose(its, "fr.example")
    await its.siblings.approve("fr.example", "test")
    yield its


def refused(its: Assembly, origin: str) -> set[str]:
    """The reasons with which an origin is refused, whatever it wants; fails if it is let through anywhere."""
    reasons = set()
    for direction, purpose in _WAYS:
        with pytest.raises(KonsilError) as caught:
            its.allowlist.admit(origin, direction, purpose)
        assert caught.value.status == (503 if caught.value.reason in ("paused", "list-unreadable") else 403)
        reasons.add(caught.value.cause or caught.value.reason)  # the state is for the log, not for the wire
    return reasons


def let_through(its: Assembly, origin: str) -> bool:
    return all(its.allowlist.admit(origin, direction, purpose).origin == origin for direction, purpose in _WAYS)


def elsewhere(its: Assembly, sql: str, *parameters: object) -> None:
    """Change the database through a connection of somebody else's."""
    with closing(sqlite3.connect(its.database.path)) as other, other:
        other.execute(sql, parameters)


async def test_an_empty_list_admits_nobody(its: Assembly) -> None:
    for origin in ("https://fr.example", "", "%", "*", "null", its.identity.origin, "https://de.example"):
        assert refused(its, origin) == {"unlisted"}


async def test_a_list_that_cannot_be_read_admits_nobody(listed: Assembly) -> None:
    assert let_through(listed, "https://fr.example")
    await listed.database.write(lambda tx: tx.run("ALTER TABLE siblings RENAME TO gone"))
    for origin in ("https://fr.example", "https://elsewhere.example"):
        assert refused(listed, origin) == {"list-unreadable"}


_SPELLINGS: tuple[Callable[[str], str], ...] = (
    str.upper, str.title, lambda o: o.replace("fr", "FR"), lambda o: o.replace("https", "http"),
    lambda o: o.removeprefix("https://"), lambda o: f"{o}.", lambda o: f"{o}:443", lambda o: f"{o}:8443", lambda o: f"{o}/",
    lambda o: f" {o}", lambda o: f"{o} ", lambda o: f"{o}\x00", lambda o: f"{o}\n", lambda o: f"{o}#", lambda o: o[:-1],
    lambda o: f"{o}.evil.example", lambda o: f"{o}evil", lambda o: o.replace("://", "://www."), lambda o: o.replace("://", "://x"),
    lambda o: o.replace("://", "://user@"), lambda o: o.replace("fr", "f\u0433"), lambda o: o.replace("fr", "%"),
    lambda o: o.replace("fr", "*"), lambda o: o.replace("fr", "f_"), lambda o: o.replace("fr", "f?"), lambda o: "%",
    lambda o: "_" * len(o), lambda o: f"{o}' OR '1'='1", lambda o: "")


@pytest.mark.parametrize("spelled", range(len(_SPELLINGS)))
async def test_only_the_exact_origin_is_admitted(listed: Assembly, spelled: int) -> None:
    other = _SPELLINGS[spelled]("https://fr.example")
    assert let_through(listed, "https://fr.example")
    assert other != "https://fr.example" and refused(listed, other) == {"unlisted"}


@_IN_PROCESS
@given(origin=st.text() | st.from_regex(r"https?://[fr.EXample:4-]*", fullmatch=True))
async def test_whatever_else_is_asked_for_is_refused(listed: Assembly, origin: str) -> None:
    if origin != "https://fr.example":
        assert refused(listed, origin) == {"unlisted"}


@pytest.mark.parametrize("state", [*(state for state in SiblingState if state != "active"), "", "ACTIVE", "Active", "active ",
                                   "activ", "activee", "1", "true", "unlisted"])
async def test_any_state_but_active_is_refused(listed: Assembly, state: str) -> None:
    elsewhere(listed, "UPDATE siblings SET state = ?", state)
    assert refused(listed, "https://fr.example") == {state if state in tuple(SiblingState) else "damaged"}


@pytest.mark.parametrize("column", ["country", "name", "actor_uri", "key_id", "public_pem", "fingerprint", "inbox", "members"])
@pytest.mark.parametrize("value", [b"\x00\xff", ""])
async def test_an_entry_with_something_else_in_it_is_refused(listed: Assembly, column: str, value: object) -> None:
    elsewhere(listed, f"UPDATE siblings SET {column} = ?", value)
    assert refused(listed, "https://fr.example") == {"damaged"}


@pytest.mark.parametrize("column", ["next_key_id", "next_public_pem", "document_key", "bundle_inbox"])
async def test_an_entry_with_something_else_where_nothing_may_be_is_refused(listed: Assembly, column: str) -> None:
    elsewhere(listed, f"UPDATE siblings SET {column} = x'00ff'")
    assert refused(listed, "https://fr.example") == {"damaged"}


@pytest.mark.parametrize("column", ["actor_uri", "key_id", "inbox", "members", "bundle_inbox"])
async def test_an_entry_that_leads_elsewhere_is_refused(listed: Assembly, column: str) -> None:
    elsewhere(listed, f"UPDATE siblings SET {column} = 'https://elsewhere.example/x'")
    assert refused(listed, "https://fr.example") == {"damaged"}


@pytest.mark.parametrize("purpose", _ONLY_IN)
@pytest.mark.parametrize("state", [*SiblingState, "", "ACTIVE", "unlisted"])
async def test_to_try_each_other_out_and_to_take_leave_needs_a_state_of_its_own(
        listed: Assembly, state: str, purpose: Purpose) -> None:
    elsewhere(listed, "UPDATE siblings SET state = ?", state)
    for direction in Direction:
        if state in _ONLY_IN[purpose]:
            assert listed.allowlist.admit("https://fr.example", direction, purpose).purpose == purpose
        else:
            with pytest.raises(KonsilError):
                listed.allowlist.admit("https://fr.example", direction, purpose)


async def test_a_revocation_holds_from_the_very_next_request_in_every_process(listed: Assembly, place: Path) -> None:
    assert let_through(listed, "https://fr.example")
    reading = asyncio.create_task(listed.database.read(lambda tx: tx.rows(  # somebody is in the middle of a long look
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000)"
        " SELECT max(i), (SELECT count(*) FROM siblings) FROM n")))
    await asyncio.sleep(0.01)
    elsewhere(listed, "UPDATE siblings SET state = 'revoked'")
    assert refused(listed, "https://fr.example") == {"revoked"}
    elsewhere(listed, "UPDATE siblings SET state = 'active'")
    assert let_through(listed, "https://fr.example")
    await reading
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "instance", "--config", str(place / "config.toml"), "sibling", "revoke", "fr.example", "--yes",
        cwd=_ROOT, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    assert refused(listed, "https://fr.example") == {"revoked"}


async def test_every_refusal_is_written_down(listed: Assembly) -> None:
    with pytest.raises(Refused):
        listed.allowlist.admit("https://it.example", Direction.OUT, Purpose.FETCH, path="/posts/1")
    await listed.siblings.pause("fr.example", "test", "test")
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            listed.allowlist.admit("https://fr.example", Direction.IN, Purpose.INBOX, path="/inbox")
        assert caught.value.retry_after
    await listed.refusals.flush()
    rows = {(row.origin, row.direction, row.purpose, row.path, row.reason, row.times) for row in await listed.refusals.list()}
    assert rows == {("https://it.example", "out", "fetch", "/posts/1", "unlisted", 1),
                    ("https://fr.example", "in", "inbox", "/inbox", "paused", 2)}


async def test_a_sibling_comes_from_the_gate_and_from_nowhere_else(listed: Assembly) -> None:
    row = await listed.database.read(lambda tx: tx.row("SELECT * FROM siblings"))
    make: Any = Sibling
    for arguments in ((object(), row, Purpose.INBOX), (None, row, Purpose.INBOX), (object(), row), (row,), ()):
        with pytest.raises(TypeError):
            make(*arguments)
    sibling = listed.allowlist.admit("https://fr.example", Direction.IN, Purpose.INBOX)
    assert type(sibling) is Sibling and (sibling.origin, sibling.country) == ("https://fr.example", "fr")
    with pytest.raises(AttributeError):
        sibling.anything = "else"  # type: ignore[attr-defined]


def test_the_states_and_their_steps_are_the_documented_ones() -> None:
    assert {(state, target) for state, targets in SIBLING_STATES.edges.items() for target in targets} == {
        ("proposed", "confirmed"), ("confirmed", "active"), ("active", "paused"), ("paused", "active"), ("revoked", "proposed"),
        *((state, "revoked") for state in ("proposed", "confirmed", "active", "paused"))}
    assert SIBLING_STATES.initial == "proposed"


_STEPS: dict[str, dict[str | None, str]] = {  # what operators can do: from which state to which
    "add": {None: "proposed", "revoked": "proposed"},
    "approve": {"proposed": "active", "confirmed": "active"},
    "pause": {"active": "paused"},
    "resume": {"paused": "active"},
    "revoke": {"proposed": "revoked", "confirmed": "revoked", "active": "revoked", "paused": "revoked"},
}
_walked = 0


@_IN_PROCESS
@given(walk=st.lists(st.sampled_from(sorted(_STEPS)), min_size=1, max_size=12))
async def test_however_operators_walk_only_declared_steps_are_taken_and_only_active_is_admitted(
        its: Assembly, walk: list[str]) -> None:
    global _walked
    _walked += 1
    domain = f"walk{_walked}.example"
    state: str | None = None
    audited = 0
    for step in walk:
        expected = _STEPS[step].get(state)
        try:
            match step:
                case "add":
                    await propose(its, domain)
                case "approve" | "resume":
                    await getattr(its.siblings, step)(domain, "test")
                case _:
                    await getattr(its.siblings, step)(domain, "test", "walk")
        except KonsilError as error:
            assert expected is None, (walk, step, state)
            assert isinstance(error, Conflict) or (state is None and error.status == 404)
        else:
            assert expected is not None, (walk, step, state)
            audited += 2 if (step, state) == ("approve", "proposed") else 1
            state = expected
        assert let_through(its, f"https://{domain}") if state == "active" else refused(its, f"https://{domain}") == {
            state or "unlisted"}
    rows = await its.database.read(lambda tx: tx.rows(
        "SELECT action FROM audit WHERE target = ? AND by = 'test'", (f"https://{domain}",)))
    assert len(rows) == audited
