"""The pictures that lie here, as rows: in work with a draft, then part of a post, then gone. Their files follow the rows.

A row that is gone has no key any more, so nothing opens its files, wherever a copy of them may lie; who removes them is woken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from core.database import Row, Tx, marks
from core.errors import InvalidInput
from core.plates import Film, Reason
from posts.attachments import PATH
from posts.models import Picture

TOPIC = "pictures"
"""What wakes whoever removes files."""
_IN_WORK = "actor_id = ? AND what = ? AND about = ? AND post_id IS NULL AND gone_at IS NULL"
_COLUMNS = "name, place, alt, sort, warning, width, height, bytes, digest, seen_at, doubts, film"
_FILM = msgspec.json.Decoder(Film)


class Desk(NamedTuple):
    """Where a doctor has pictures in work: the form (`posts.drafts.What`, and the number of what it is about)."""

    owner_id: int
    what: str
    about: int


class Upload(msgspec.Struct, frozen=True):
    """A picture in work; `seen_at` (ms) is when its owner has confirmed that she has looked at the whole of it, `doubts` why
    there may be writing in it."""

    name: str
    place: int
    alt: str
    sort: str
    warning: str
    width: int
    height: int
    bytes: int
    digest: str
    seen_at: int | None
    doubts: tuple[Reason, ...] = ()
    film: Film | None = None

    @property
    def ready(self) -> bool:
        """Whether it may be sent."""
        return bool(self.alt and self.sort and self.seen_at)


def in_work(tx: Tx, desk: Desk) -> tuple[Upload, ...]:
    """The pictures that belong to a form, in their order."""
    return tuple(_upload(row) for row in tx.rows(
        f"SELECT {_COLUMNS} FROM pictures WHERE {_IN_WORK} AND width > 0 ORDER BY place", desk))


def attach(tx: Tx, desk: Desk | None, origin: str) -> tuple[Picture, ...]:
    """What a form is sent with. `InvalidInput` where one of them is not ready."""
    if desk is None:
        return ()
    found = in_work(tx, desk)
    for place, upload in enumerate(found, 1):
        if not upload.ready:
            raise InvalidInput("Picture %(place)s is not ready: say what it shows and of which kind it is, and confirm that you"
                               " have looked at it.", values={"place": place}, reason="picture", field="pictures")
    return tuple(Picture(f"{origin}{PATH}{one.name}", one.alt, one.sort, one.width, one.height, one.digest, one.warning,
                         one.film)
                 for one in found)


def keep(tx: Tx, pictures: Sequence[Picture], author_id: int, post_id: int) -> None:
    """They are part of a post now; who handed them in is only known by who signs that."""
    for place, picture in enumerate(pictures, 1):
        tx.run("UPDATE pictures SET post_id = ?, actor_id = ?, place = ?, what = '', about = 0, alt = '', warning = ''"
               " WHERE name = ? AND gone_at IS NULL", (post_id, author_id, place, picture.name))
        tx.run("DELETE FROM plates WHERE name = ?", (picture.name,))
    if pictures:
        tx.scrub()


def drop(tx: Tx, desk: Desk, now: int, name: str = "") -> int:
    """A form was discarded, or one of its pictures is not wanted; how many have gone."""
    more, values = (" AND name = ?", (name,)) if name else ("", ())
    return _end(tx, f"{_IN_WORK}{more}", (*desk, *values), now)


def clear(tx: Tx, post_id: int, now: int, but: Sequence[Picture] = ()) -> None:
    """A post is gone, or these are the pictures that stay with it."""
    names = [picture.name for picture in but]
    more = f" AND name NOT IN ({marks(len(names))})" if names else ""
    _end(tx, f"post_id = ? AND gone_at IS NULL{more}", (post_id, *names), now)


def idle(tx: Tx, before: int, now: int) -> int:
    """End what nobody has sent, nor kept as a draft, or what was never finished, since a moment (ms); how many there were."""
    return _end(tx, "post_id IS NULL AND gone_at IS NULL AND touched_at < ? AND (width = 0 OR NOT EXISTS (SELECT 1 FROM drafts d"
                " WHERE d.actor_id = pictures.actor_id AND d.what = pictures.what AND d.about = pictures.about))", (before,), now)


def farewell(tx: Tx, account_id: int, actor_id: int, now: int) -> None:
    """Somebody leaves: what she had in work goes at once; what is on her posts goes with them."""
    _end(tx, "actor_id = ? AND post_id IS NULL AND gone_at IS NULL", (actor_id,), now)


def of(tx: Tx, name: str) -> Row | None:
    """A picture that is part of a post."""
    return tx.row("SELECT name, post_id, sealed_key FROM pictures WHERE name = ? AND post_id IS NOT NULL AND gone_at IS NULL",
                  (name,))


def _upload(row: Row) -> Upload:
    made = dict(zip(Upload.__struct_fields__, row, strict=True))
    return Upload(**made | {"doubts": tuple(map(Reason, made["doubts"].split())),
                            "film": _FILM.decode(made["film"]) if made["film"] else None})


def _end(tx: Tx, where: str, values: tuple[object, ...], now: int) -> int:
    tx.run(f"DELETE FROM plates WHERE name IN (SELECT name FROM pictures WHERE {where})", values)
    gone = tx.run("UPDATE pictures SET gone_at = ?, sealed_key = NULL, alt = '', post_id = NULL, actor_id = NULL, what = '',"
                  f" about = 0, digest = '' WHERE {where}", (now, *values))
    if gone:
        tx.scrub()
        tx.wake(TOPIC)
    return gone
