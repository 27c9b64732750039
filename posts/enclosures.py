"""What goes along when a post is sent: the pictures that were in work for it, and on what it rests that it leaves the country."""

from __future__ import annotations

from actors.models import Actor
from core.database import Tx
from core.errors import Conflict
from posts import bases, shelves
from posts.bases import Basis
from posts.drafts import Sheet, desk_of
from posts.models import PICTURES, Kind, Picture
from posts.network import Network
from posts.store import Post


def gathered(tx: Tx, owner: Actor, sheet: Sheet | None, origin: str, kept: tuple[Picture, ...] = ()) -> tuple[Picture, ...]:
    """The pictures of a post that is about to be stored: those it keeps, and those in work for its form. `InvalidInput` where one
    of them is not ready."""
    found = kept + shelves.attach(tx, desk_of(owner, sheet) if sheet is not None else None, origin)
    if len(found) > PICTURES:
        raise Conflict("There are %(most)s pictures already. Please remove one first.", values={"most": PICTURES},
                       field="pictures", reason="enough")
    return found


def enclose(tx: Tx, post: Post, basis: Basis | None, places: Network, now: int) -> None:
    """Let a stored post have its pictures, and put on record what it rests on. `InvalidInput` where it leaves the country with
    pictures and nobody has said that; a text alone may, where its form does not ask."""
    shelves.keep(tx, post.pictures, post.author_id, post.id)
    if len(post.audience.origins) > 1 and (post.pictures or basis is not None):
        countries = [places.code(origin) for origin in post.audience.origins]
        bases.record(tx, post.id, post.author_id, bases.checked(basis, patient=post.kind == Kind.CASE), post.pictures, countries,
                     now)


def changed(tx: Tx, old: Post, new: Post, basis: Basis | None, places: Network, now: int) -> None:
    """The same for a post whose pictures were changed. What was on record holds, unless something else was said."""
    shelves.clear(tx, old.id, now, but=new.pictures)
    if {one.name for one in new.pictures} <= {one.name for one in old.pictures}:
        return
    before = bases.of(tx, old.id)
    enclose(tx, new, basis or (Basis(before.ground, before.no_name) if before is not None else None), places, now)
