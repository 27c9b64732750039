"""Seven siblings, every ordered pair of who signs and who is said to speak, right and wrong keys, in every state: only an active
sibling that signs with its own key and speaks for itself is heard or answered."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from actors.store import save
from actors.wire import actor_of
from federation.documents import dumps
from federation.signatures.keys import generate_rsa
from posts.models import Reach
from tests.conversations.test_the_whole_path import case
from tests.servers import FakeSibling, Running, countries, get, post

_CODES = ("de", "fr", "it", "es", "pl", "nl", "at")
_STATES = ("unlisted", "proposed", "confirmed", "active", "paused", "revoked")


@lru_cache(maxsize=8)
def _pair(code: str) -> tuple[str, str]:
    """A key for each of seven and one that nobody has pinned, made once."""
    return generate_rsa()


def _seven() -> list[FakeSibling]:
    return [FakeSibling(code, port, _pair(code)) for port, code in enumerate(_CODES, start=11)]


def _forged(signer: FakeSibling) -> FakeSibling:
    """Says it is `signer` and has another key."""
    made = FakeSibling(signer.country, 1, _pair("wrong"))
    made.key_id = signer.key_id
    return made


async def _bring(gb: Running, fake: FakeSibling, state: str) -> None:
    """Onto the list and into a state, with a doctor who is known, whatever the state."""
    if state == "unlisted":
        return
    domain = fake.origin.split("://")[1]
    row = await gb.its.siblings.add(domain, fake.country, fake.described().fingerprint, descriptor=fake.described())
    actor = actor_of(fake.person(), expected=fake.actor, sibling_id=row.id, country=fake.country, actor_id=gb.its.ids.new())
    await gb.its.database.write(lambda tx: save(tx, actor, gb.its.clock.ms()))
    await gb.its.database.write(lambda tx: tx.run("UPDATE siblings SET state = ? WHERE id = ?", (state, row.id)))


def _expected(state: str, right: bool, same: bool) -> tuple[int, str]:
    """What a POST is answered, and why."""
    if state == "paused":
        return 503, "paused"
    if state != "active":
        return 403, "not-admitted"
    if not right:
        return 401, "signature-wrong"
    return (202, "") if same else (403, "foreign-actor")


def _reason(problem: Any) -> str:
    return problem["type"].removeprefix("urn:konsil:problem:") if isinstance(problem, dict) else ""


@pytest.mark.parametrize("state", _STATES)
async def test_only_an_active_sibling_with_its_own_key_is_heard_for_itself(tmp_path: Path, state: str) -> None:
    wrong, accepted = [], set()
    async with countries(tmp_path, "gb", worker=False) as (gb,):
        siblings = _seven()
        for fake in siblings:
            await _bring(gb, fake, state)
        url = f"{gb.url}/inbox"
        for (signer, actor), right in product(product(siblings, siblings), (True, False)):
            name = f"{signer.country}-{actor.country}-{right}"
            document = actor.activity("Create", actor.note(gb, name), name)
            body = dumps(document)
            got, problem = await post(url, body, (signer if right else _forged(signer)).headers("POST", url, body))
            wanted = _expected(state, right, signer is actor)
            if (got, _reason(problem)) != wanted:
                wrong.append(f"{name}: {got} {_reason(problem)}, not {wanted}")
            if wanted[0] == 202:
                accepted.add(f"{actor.origin}/posts/{name}")
        stored = await gb.its.database.read(lambda tx: {row["uri"] for row in tx.rows("SELECT uri FROM posts")})
        assert not wrong, "\n".join(wrong)
        assert stored == accepted and len(accepted) == (7 if state == "active" else 0)
        assert await gb.count("ledger") == len(accepted) and await gb.count("held") == 0
        assert await gb.count("siblings", f"state <> '{state}'") == 0, "nobody's state has changed"


@pytest.mark.parametrize("state", _STATES)
async def test_only_an_active_sibling_with_its_own_key_is_shown_anything(tmp_path: Path, state: str) -> None:
    """A GET says who asks by its key alone; what it asks for is a post that the first of the seven may read."""
    wrong = []
    async with countries(tmp_path, "gb", worker=False) as (gb,):
        siblings = _seven()
        for fake in siblings:
            await _bring(gb, fake, "active")
        destinations = await gb.its.compose.destinations()
        post_id = await gb.its.compose.publish(await gb.author("ada"), case(), (siblings[0].origin,), Reach.COUNTRIES,
                                               gb.its.compose.network_digest(destinations))
        ada = (await gb.author("ada")).actor
        if state == "unlisted":
            await gb.its.database.write(lambda tx: tx.run("UPDATE siblings SET origin = 'https://gone.example/' || id"))
        else:
            await gb.its.database.write(lambda tx: tx.run("UPDATE siblings SET state = ?", (state,)))
        for signer, right in product(siblings, (True, False)):
            asking = signer if right else _forged(signer)
            for path, readable in ((f"/posts/{post_id}", signer is siblings[0]), (ada.uri.removeprefix(gb.url), True),
                                   ("/members", True), ("/reconciliation/offered", True),
                                   (f"/.well-known/webfinger?resource=acct:ada@{gb.domain}", True)):
                url = gb.url + path
                got, answer = await get(url, asking.headers("GET", url))
                wanted = {"paused": 503, "active": (200 if readable else 404) if right else 401}.get(state, 403)
                if got != wanted:
                    wrong.append(f"{signer.country} {right} {path}: {got}, not {wanted}")
                if wanted != 200 and ("clinical" in str(answer) or "Dr Ada" in str(answer)):
                    wrong.append(f"{signer.country} {right} {path}: told something")
        for path in (f"/posts/{post_id}", "/members"):
            assert (await get(gb.url + path))[0] == 401
        assert not wrong, "\n".join(wrong)


async def test_the_key_of_one_sibling_never_speaks_for_another_whatever_their_states(tmp_path: Path) -> None:
    """All 49 pairs at once, each sibling in a state of its own: the signer's state decides, the actor's does not help."""
    states = dict(zip(_CODES, (*_STATES, "active"), strict=True))
    async with countries(tmp_path, "gb", worker=False) as (gb,):
        siblings = _seven()
        for fake in siblings:
            await _bring(gb, fake, states[fake.country])
        url, wrong = f"{gb.url}/inbox", []
        for signer, actor in product(siblings, siblings):
            name = f"{signer.country}-{actor.country}"
            body = dumps(actor.activity("Create", actor.note(gb, name), name))
            # the actor's own key under the signer's name, and the signer's own
            for key, right in ((actor, signer is actor), (signer, True)):
                asking = FakeSibling(signer.country, 1, (key.private_pem, key.public_pem))
                asking.key_id = signer.key_id
                got, problem = await post(url, body, asking.headers("POST", url, body))
                wanted = _expected(states[signer.country], right, signer is actor)
                if (got, _reason(problem)) != wanted:
                    wrong.append(f"{name} {right}: {got} {_reason(problem)}, not {wanted}")
        assert not wrong, "\n".join(wrong)
        assert await gb.its.database.read(lambda tx: sorted(row["uri"].rsplit("/", 1)[1] for row in tx.rows(
            "SELECT uri FROM posts"))) == ["at-at", "es-es"]
