"""Applications for tests, as they stand once somebody has handed them in."""

from __future__ import annotations

from typing import Any

from core.registers import normalise
from core.vault import token_hash
from instance.assembly import Assembly
from tests.servers import Running

NUMBER = "802760912345674"
"""An EFN whose check digit is right, and which is in no document as an example."""
_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ"


async def applied(at: Running, **changes: Any) -> str:
    """An application that waits for the operators; its reference."""
    return await applied_at(at.its, **changes)


async def applied_at(its: Assembly, **changes: Any) -> str:
    """The same on an instance that nobody serves."""
    number = its.ids.new()
    now = its.clock.ms()
    given = {
        "id": number, "reference": f"T{_LETTERS[number % 22]}{_LETTERS[number // 22 % 22]}{number % 100_000:05}",
        "kind": "joining", "state": "submitted", "account_id": None,
        "token_hash": token_hash(its.vault.token_for(f"application {number}")),
        "language": "de", "address": f"a{number}@klinik.example", "confirmed_at": now, "name": "Dr. Clara Müller",
        "birth_name": "", "role": "doctor", "specialties": '["cardiology"]', "register": "efn", "chamber": "", "number": NUMBER,
        "number_key": None, "answers": "{}", "consents": "{}", "invitation_id": None, "appeal": "", "created_at": now,
        "touched_at": now, "submitted_at": now, "decided_at": None} | changes
    if given["number_key"] is None and given["number"]:
        plain = normalise(str(given["register"]), str(given["number"]))
        given["number_key"] = its.vault.mac("register number", f"{given['register']} {plain}".encode())
    await its.database.write(lambda tx: tx.run(
        f"INSERT INTO applications ({', '.join(given)}) VALUES ({', '.join('?' * len(given))})", tuple(given.values())))
    return str(given["reference"])
