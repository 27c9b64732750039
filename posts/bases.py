"""On what it rests that a post about a patient leaves the country: consent, or that nobody can be recognised.

It is recorded in the transaction that sends the post, and goes with it. Where a patient takes a consent back, the post is deleted
everywhere it went, and that this was done stays on record for as long as siblings' receipts do.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from core.database import Row, Tx
from core.errors import InvalidInput
from core.words import N_
from posts.models import Picture


class Ground(StrEnum):
    """What a post about a patient rests on."""

    CONSENT = N_("the patient has agreed to it")
    ANONYMOUS = N_("nobody can recognise the patient")
    NO_PATIENT = N_("it is about no patient")


GROUNDS = {"consent": Ground.CONSENT, "anonymous": Ground.ANONYMOUS, "no-patient": Ground.NO_PATIENT}
"""By the words that forms and the database use."""


class Basis(msgspec.Struct, frozen=True):
    """What an author has said: one of `GROUNDS`, and whether no patient is named in text or pictures."""

    ground: str
    no_name: bool


class Record(msgspec.Struct, frozen=True):
    """A basis as it is on record; `sorts` of pictures, `countries` by code; times in ms. `withdrawn_by` is author or operator."""

    ground: str
    sorts: tuple[str, ...]
    countries: tuple[str, ...]
    no_name: bool
    at: int
    withdrawn_at: int | None
    withdrawn_by: str

    @property
    def said(self) -> str:
        """The ground in words."""
        return GROUNDS[self.ground]


_COLUMNS = "ground, sorts, countries, no_name, at, withdrawn_at, withdrawn_by"
_WORDS = msgspec.json.Decoder(tuple[str, ...])


def checked(basis: Basis | None, *, patient: bool) -> Basis:
    """What an author has said, if that is enough; `patient`: the post is about one. `InvalidInput` names the field."""
    grounds = [word for word in GROUNDS if not patient or word != "no-patient"]
    if basis is None or basis.ground not in grounds:
        raise InvalidInput("Say on what it rests that this leaves the country: the patient has agreed, or nobody can recognise"
                           " the patient.", reason="basis", field="ground")
    if not basis.no_name:
        raise InvalidInput("Confirm that no patient is named in it.", reason="basis", field="no_name")
    return basis


def record(tx: Tx, post_id: int, actor_id: int, basis: Basis, pictures: Sequence[Picture], countries: Sequence[str],
           now: int) -> None:
    """Put it on record, or, for a post that was changed, put on record what holds now."""
    encode = msgspec.json.encode
    tx.run("INSERT INTO bases (post_id, actor_id, ground, sorts, countries, no_name, at) VALUES (?, ?, ?, ?, ?, ?, ?)"
           " ON CONFLICT (post_id) DO UPDATE SET ground = excluded.ground, sorts = excluded.sorts, no_name = excluded.no_name,"
           " at = excluded.at",
           (post_id, actor_id, basis.ground, encode(sorted({one.sort for one in pictures})).decode(),
            encode(tuple(countries)).decode(), int(basis.no_name), now))


def of(tx: Tx, post_id: int) -> Record | None:
    """What is on record of a post."""
    row = tx.row(f"SELECT {_COLUMNS} FROM bases WHERE post_id = ?", (post_id,))
    return _record(row) if row is not None else None


def of_author(tx: Tx, actor_id: int) -> list[tuple[str, Record]]:
    """All that is on record of somebody's posts, by their URIs."""
    return [(row["uri"], _record(row)) for row in tx.rows(
        f"SELECT p.uri, {', '.join(f'b.{column}' for column in _COLUMNS.split(', '))} FROM bases b JOIN posts p"
        " ON p.id = b.post_id WHERE b.actor_id = ? ORDER BY b.post_id", (actor_id,))]


def withdraw(tx: Tx, post_id: int, by: str, now: int) -> None:
    """A consent was taken back; the post is about to be deleted."""
    tx.run("UPDATE bases SET withdrawn_at = ?, withdrawn_by = ? WHERE post_id = ? AND withdrawn_at IS NULL", (now, by, post_id))


def forget(tx: Tx, post_id: int) -> None:
    """A post is gone, and nothing rests on anything any more; that a consent was withdrawn stays for a while."""
    tx.run("DELETE FROM bases WHERE post_id = ? AND withdrawn_at IS NULL", (post_id,))


def prune(tx: Tx, before: int) -> int:
    """Forget what was withdrawn before a moment (ms)."""
    return tx.run("DELETE FROM bases WHERE withdrawn_at < ?", (before,))


def _record(row: Row) -> Record:
    return Record(row["ground"], _WORDS.decode(row["sorts"]), _WORDS.decode(row["countries"]), bool(row["no_name"]), row["at"],
                  row["withdrawn_at"], row["withdrawn_by"])
