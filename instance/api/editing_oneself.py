"""One's own profile from an app: what one says about oneself, the portrait, whether one is found abroad. Name and badge are as
they were verified."""

from __future__ import annotations

from quart import request

from actors.profiles import Said
from core.access import Access, Route
from core.errors import InvalidInput
from core.ids import public
from core.papers import BYTES
from instance.api import bodies
from instance.api.accounts import oneself, seen
from instance.api.bodies import Fields, nested
from instance.api.entities import CredentialAccount
from instance.api.guard import doctor
from instance.context import services

_FIELD_BYTES, _PARTS = 4_000, 64
_LONGEST = 5_000


async def update_credentials() -> CredentialAccount:
    """Change what was sent, and nothing else."""
    me = doctor()
    if request.mimetype == "multipart/form-data":
        with services().uploads.place() as place:
            received = await place.receive(request, "avatar", _FIELD_BYTES, _PARTS)
            fields = Fields(nested(received.fields.items()))
            _check(fields)
            if received.file:
                await services().portraits.change(me, received.file)
    else:
        fields = await bodies.sent()
        _check(fields)
    mine = me.actor
    said = Said(fields.text("note", _LONGEST) if "note" in fields else mine.about, mine.workplace, mine.speaks,
                fields.flag("discoverable", mine.discoverable))
    if said != Said(mine.about, mine.workplace, mine.speaks, mine.discoverable):
        await services().profiles.change(me, said)
    return await oneself(await seen(public(mine.id)))


def _check(fields: Fields) -> None:
    """`InvalidInput` for what an app would change and cannot; what it sends as it is already does no harm."""
    name = fields.text("display_name", 400)
    if name and name != doctor().actor.name:
        raise InvalidInput("Your name is as it was verified. If it has changed, please write to the operators.",
                           field="display_name")
    if any(field.text("value", _LONGEST) for field in fields.several("fields_attributes", 40)):
        raise InvalidInput("The rows of your profile are what was verified, and what you say on our pages.",
                           field="fields_attributes")


ROUTES = (
    Route("/api/v1/accounts/update_credentials", ("PATCH",), update_credentials, Access.CLIENT, scopes=("write:accounts",),
          body_limit=BYTES + (64 << 10)),
)
