"""What operators see of the allowlist: each sibling with everything that is known of it here, in one look."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from core.database import Database, Row, Tx
from core.errors import NotFound
from core.words import Sentence
from federation.addresses import domain_of, origin_for_domain
from federation.listed import listed
from federation.signatures.keys import fingerprint
from federation.store import OPEN_DELETION
from federation.troubles import in_words, said_of_state


class Details(msgspec.Struct, frozen=True):
    """What operators note about a sibling: who runs it, whom to ask, on what footing. Dates are `YYYY-MM-DD`; everything
    may be empty."""

    operator: str = ""
    medical_contact: str = ""
    technical_contact: str = ""
    dpo: str = ""
    agreement_on: str = ""
    review_on: str = ""
    basis: str = ""
    note: str = ""


class Admission(NamedTuple):
    """How a sibling's present key came onto the list: who proposed it when (ms), who compared the fingerprint."""

    proposed_by: str
    pinned: int
    confirmed_by: str
    confirmed: int | None


class Succession(NamedTuple):
    """How far a sibling is with changing its key, and what our last look at its `/actor` saw; times in milliseconds.

    `announced_at` is when a key was announced that nobody has confirmed; `compared_by` the first of two operators who has
    compared it; `next_fingerprint` that of the confirmed one, which is valid beside the present one; '' or None: nothing.
    """

    announced_at: int | None
    compared_by: str
    next_fingerprint: str
    next_by: str
    seen: str
    seen_at: int | None


class SiblingRow(NamedTuple):
    """One sibling as operators see it; times in milliseconds.

    `fail_count`, `next_try` and `last_error` are the line's while it waits as a whole, else those of the objects that are
    put off (`postponed`) while others go on. `alarm` is `last_error` where the line stopped because of it. `waiting_since`
    is how old the oldest thing is that waits for it, `undeleted` how many deletions it has not confirmed, `unconfirmable` how
    many it will not be asked for any more. `announced` is the fingerprint of a key it has announced and nobody has confirmed,
    `next_pem` the second pinned key; `document_key` (a Multikey) what it signs documents with, '' while that is not known.
    """

    id: int
    origin: str
    domain: str
    country: str
    state: str
    name: str
    fingerprint: str
    actor_uri: str
    reason: str
    created: int
    changed: int
    activated: int | None
    last_in: int | None
    last_out: int | None
    queued: int
    parked: int
    fail_count: int
    failing_since: int | None
    next_try: int
    last_error: Sentence
    skew_ms: int | None
    refused: int
    alarm: Sentence
    postponed: int
    waiting_since: int | None
    undeleted: int
    unconfirmable: int
    software: str
    announced: str
    next_pem: str
    checked: int | None
    check_passed: bool | None
    admission: Admission
    details: Details
    succession: Succession
    document_key: str

    @property
    def shows_strange_key(self) -> bool:
        """Whether our last look at its `/actor` saw a key that is neither pinned nor confirmed."""
        return self.succession.seen not in ("", self.fingerprint, self.succession.next_fingerprint)


_ROWS = f"""
SELECT s.*, d.last_out, d.failing_since, d.alarm,
 CASE WHEN p.tries > d.fail_count THEN p.tries ELSE d.fail_count END AS fail_count,
 coalesce(nullif(d.next_try, 0), p.next_try, 0) AS next_try,
 coalesce(nullif(d.last_error, ''), p.reason, '') AS last_error, coalesce(p.n, 0) AS postponed,
 (SELECT count(*) FROM deliveries q WHERE q.sibling_id = s.id AND q.state = 'pending') AS queued,
 (SELECT count(*) FROM deliveries q WHERE q.sibling_id = s.id AND q.state = 'parked') AS parked,
 (SELECT o.created_at FROM deliveries f JOIN outbox o ON o.id = f.outbox_id WHERE f.sibling_id = s.id AND f.sequence =
  (SELECT min(q.sequence) FROM deliveries q WHERE q.sibling_id = s.id AND q.state = 'pending')) AS waiting_since,
 (SELECT count(*) FROM deliveries d WHERE d.sibling_id = s.id AND {OPEN_DELETION} AND d.state <> 'dropped') AS undeleted,
 (SELECT count(*) FROM deliveries d WHERE d.sibling_id = s.id AND {OPEN_DELETION} AND d.state = 'dropped') AS unconfirmable,
 (SELECT coalesce(sum(r.count), 0) FROM refusals r WHERE r.origin = s.origin) AS refused,
 a.fingerprint AS announced, a.announced_at, a.compared_by, e.next_by, e.seen_key, e.seen_key_at,
 c.at AS checked, c.passed AS check_passed,
 e.operator, e.medical_contact, e.technical_contact, e.dpo, e.agreement_on, e.review_on, e.basis, e.note, e.software,
 e.proposed_by, e.confirmed_by, e.confirmed_at, e.pinned_at
FROM siblings s JOIN delivery_lines d ON d.sibling_id = s.id JOIN sibling_details e ON e.sibling_id = s.id
LEFT JOIN announced_keys a ON a.sibling_id = s.id
LEFT JOIN sibling_checks c ON c.id = (SELECT id FROM sibling_checks l WHERE l.sibling_id = s.id ORDER BY id DESC LIMIT 1)
LEFT JOIN (SELECT sibling_id, count(*) AS n, max(tries) AS tries, min(next_try) AS next_try, max(reason) AS reason
           FROM deliveries WHERE state = 'pending' AND tries > 0 GROUP BY sibling_id) p ON p.sibling_id = s.id
"""


async def rows(database: Database) -> tuple[SiblingRow, ...]:
    """All siblings whose entry can be read, by country; `federation.listed.damage` says what cannot."""
    def look(tx: Tx) -> list[Row]:
        sound = {one.id for one in listed(tx)}
        return [row for row in tx.rows(_ROWS + " ORDER BY s.country, s.origin") if row["id"] in sound] if sound else []

    return tuple(_seen(row) for row in await database.read(look))


async def row(database: Database, domain: str) -> SiblingRow:
    """One sibling; `NotFound` when nobody of that name was ever proposed."""
    origin = origin_for_domain(domain)
    found = await database.read(lambda tx: tx.row(_ROWS + " WHERE s.origin = ?", (origin,)))
    if found is None:
        raise NotFound("There is no sibling %(domain)s.", values={"domain": domain})
    return _seen(found)


def _seen(row: Row) -> SiblingRow:
    trouble = in_words(row["last_error"])
    return SiblingRow(
        row["id"], row["origin"], domain_of(row["origin"]), row["country"], row["state"], row["name"], row["fingerprint"],
        row["actor_uri"], said_of_state(row["reason"]), row["created_at"], row["changed_at"], row["activated_at"], row["last_in"],
        row["last_out"], row["queued"], row["parked"], row["fail_count"], row["failing_since"], row["next_try"], trouble,
        row["skew_ms"], row["refused"], trouble if row["alarm"] else in_words(""), row["postponed"], row["waiting_since"],
        row["undeleted"], row["unconfirmable"], row["software"], row["announced"] or "", row["next_public_pem"], row["checked"],
        bool(row["check_passed"]) if row["check_passed"] is not None else None,
        Admission(row["proposed_by"], row["pinned_at"], row["confirmed_by"], row["confirmed_at"]),
        Details(*(row[name] for name in Details.__struct_fields__)),
        Succession(row["announced_at"], row["compared_by"] or "",
                   fingerprint(row["next_public_pem"]) if row["next_public_pem"] else "", row["next_by"], row["seen_key"],
                   row["seen_key_at"]), row["document_key"])
