"""Applicants of the demo: each goes the way an applicant goes, from the link to handing in, some hours ago."""

from __future__ import annotations

from actors.statements import CONSENTS, NO_NUMBER, Entry, Person
from core.clock import Clock
from core.countries import document_title
from core.errors import Misconfigured
from core.registers import NUMBER_LIMIT
from instance.assembly import Assembly
from instance.seed import SeedApplicant
from instance.seed.specimen import specimen

_YEAR = "2014"


async def apply(place: Assembly, clock: Clock, one: SeedApplicant) -> None:
    """Hand in an application with a drawn document; it waits for the operators then."""
    clock.offset = -one.hours_ago * 3600
    pack, joining = place.pack, place.joining
    await joining.ask(one.address, one.language, "127.0.0.1")
    row = await place.database.read(lambda tx: tx.row("SELECT id FROM applications WHERE address = ?", (one.address,)))
    if row is None:
        raise Misconfigured("The application of %(name)s did not begin.", values={"name": one.name})
    token = joining.token(row["id"])
    await joining.confirm(token)
    await joining.say_who(token, Person(one.name, one.birth_name, one.role, one.specialties), one.language)
    answers = {field.id: _YEAR if field.kind == "year" else one.answer for field in pack.fields[one.role]}
    chamber = pack.chambers[0].code if pack.chambers else ""
    register = pack.identifiers[0].id if one.number else NO_NUMBER
    await joining.say_number(token, Entry(register, chamber, one.number[:NUMBER_LIMIT], answers), one.language)
    await joining.consent(token, frozenset(CONSENTS), "", one.language)
    kind = pack.documents[one.role][0]
    await place.papers.add(row["id"], kind, specimen(document_title(kind, one.language), tuple(filter(None, (
        one.name, one.birth_name and f"née {one.birth_name}", one.number, pack.register_name)))))
    await joining.hand_in(token)
    clock.offset = 0.0
