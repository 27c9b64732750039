"""What is counted, as signed documents: a sibling's tally, what it attests later, and a poll's result.

Each is signed by the instance that says it (`federation.signatures.proofs`), since it is kept and shown to others. Wire type and
stored type meet here and nowhere else.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

import msgspec
import rfc8785

from core.clock import parse_rfc3339, rfc3339
from core.countries import specialties
from core.errors import InvalidInput
from federation.addresses import origin_of
from federation.allowlist import Sibling
from federation.contexts import check_context
from federation.documents import dumps
from federation.identity import ACTIVITYSTREAMS, CONTEXT, Identity
from federation.signatures import proofs
from federation.signatures.cavage import digest
from federation.store import Outgoing
from posts.cells import FEWEST
from posts.store import Poll, Post

COUNT = "Count"
"""The activity that carries a tally."""
COUNT_CONTEXT: list[Any] = [
    ACTIVITYSTREAMS,
    "https://w3id.org/security/data-integrity/v2",
    {
        "konsil": "https://konsil.example/ns#",
        "Tally": "konsil:Tally",
        "Attestation": "konsil:Attestation",
        "Result": "konsil:Result",
        "question": {"@id": "konsil:question", "@type": "@id"},
        "options": "konsil:options",
        "votes": "konsil:votes",
        "bySpecialty": "konsil:bySpecialty",
        "specialty": "konsil:specialty",
        "epoch": "konsil:epoch",
        "sequence": "konsil:sequence",
        "final": "konsil:final",
        "counted": "konsil:counted",
        "missing": {"@id": "konsil:missing", "@type": "@id"},
        "digest": "konsil:digest",
        "votersCount": "http://joinmastodon.org/ns#votersCount",
        "closed": "as:closed",
    },
]
"""The context of these documents: `proof` means another thing in it than in activities."""
T = TypeVar("T", bound=msgspec.Struct)
_PEOPLE = 10_000_000
_NUMBER = 1 << 53
_MANY = 100


class Mode(StrEnum):
    """How the votes of a sibling's doctors come: as a tally, or each by itself as every ActivityPub server sends them."""

    TALLY = "tally"
    VOTES = "votes"


class _Option(msgspec.Struct, frozen=True):
    name: str
    votes: int


class _Specialty(msgspec.Struct, frozen=True):
    specialty: str
    votes: list[int]


class _Tally(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    type: str
    actor: str
    question: str
    options: list[_Option]
    voters_count: int
    epoch: int
    sequence: int
    final: bool
    published: str
    by_specialty: list[_Specialty] = []


class _Counted(msgspec.Struct, frozen=True, rename="camel"):
    actor: str
    epoch: int
    sequence: int
    final: bool
    digest: str


class _Result(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    type: str
    actor: str
    question: str
    options: list[_Option]
    voters_count: int
    counted: list[_Counted]
    missing: list[str]
    closed: str
    published: str


class Sums(NamedTuple):
    """How many chose each option of a poll, by name in NFC, and how many voted."""

    options: tuple[tuple[str, int], ...]
    voters: int


class Tally(NamedTuple):
    """A sibling's tally, its own rules and its proof checked. A later one has a higher (epoch, sequence). `specialties` are the
    cells it may tell, per specialty and option; `document` is all of it as it was signed, `digest` SHA-256 of that in hex."""

    question: str
    sums: Sums
    specialties: dict[str, tuple[int, ...]]
    epoch: int
    sequence: int
    final: bool
    document: str
    digest: str


class Counted(NamedTuple):
    """A tally that is in a result: whose, which one, and whether it was the last."""

    actor: str
    epoch: int
    sequence: int
    final: bool
    digest: str


class Result(NamedTuple):
    """A poll's result: what came out, which tallies are in it, which instances are not wholly in it."""

    question: str
    sums: Sums
    counted: tuple[Counted, ...]
    missing: tuple[str, ...]
    published: int
    document: str
    digest: str


def tally_key(question_uri: str) -> str:
    """What a question is called in the addresses of its tallies: SHA-256 in hexadecimal."""
    return hashlib.sha256(question_uri.encode(errors="surrogatepass")).hexdigest()


def tally_uri(origin: str, question_uri: str) -> str:
    """Where an instance has its tally of a question: either side can work it out."""
    return f"{origin}/tallies/{tally_key(question_uri)}"


def tally(identity: Identity, question_uri: str, sums: Sums, shown: Mapping[str, tuple[int, ...]], number: tuple[int, int], *,
          final: bool, now: int) -> Tally:
    """A tally of this instance, signed; `number` is (epoch, sequence)."""
    document = _signed(identity, {
        "id": tally_uri(identity.origin, question_uri), "type": "Tally", **_counts(identity, question_uri, sums),
        "bySpecialty": [{"specialty": code, "votes": list(votes)} for code, votes in sorted(shown.items())],
        "epoch": number[0], "sequence": number[1], "final": final, "published": rfc3339(now)}, now)
    return Tally(question_uri, sums, dict(shown), *number, final, dumps(document).decode(), digest_of(document))


def count_activity(identity: Identity, made: Tally) -> Outgoing:
    """`Count` of a tally, by the instance actor to the asker's. All of one question are one object, so they arrive in order,
    and the question's deletion takes them along."""
    uri = tally_uri(identity.origin, made.question)
    body = dumps({"@context": CONTEXT, "id": f"{uri}#{made.epoch}-{made.sequence}", "type": COUNT, "actor": identity.actor_uri,
                  "to": [f"{origin_of(made.question)}/actor"], "object": msgspec.json.decode(made.document)})
    return Outgoing(f"{uri}#{made.epoch}-{made.sequence}", COUNT, uri, body, digest(body), about_uri=made.question)


def attestation(identity: Identity, question_uri: str, sums: Sums, number: tuple[int, int], *, final: bool,
                now: int) -> dict[str, Any]:
    """What this instance counts at this moment, signed; `number` is that of the last tally it has sent."""
    return _signed(identity, {
        "id": f"{tally_uri(identity.origin, question_uri)}#attested-{now}", "type": "Attestation",
        **_counts(identity, question_uri, sums), "epoch": number[0], "sequence": number[1], "final": final,
        "published": rfc3339(now)}, now)


def result(identity: Identity, post: Post, poll: Poll, counted: Sequence[Counted], missing: Sequence[str], now: int) -> Result:
    """The result of a poll of this instance, signed."""
    found = Sums(poll.options, poll.voters)
    document = _signed(identity, {
        "id": f"{post.uri}#result", "type": "Result", **_counts(identity, post.uri, found),
        "counted": [one._asdict() for one in counted], "missing": list(missing),
        "closed": rfc3339(poll.closed_at or poll.ends_at), "published": rfc3339(now)}, now)
    return Result(post.uri, found, tuple(counted), tuple(missing), now, dumps(document).decode(), digest_of(document))


def read_tally(document: Any, sibling: Sibling, kind: str = "Tally") -> Tally:
    """A tally (or an attestation) that came from a sibling; `InvalidInput` (`bad-tally`, `bad-proof`) unless it is one, is about
    numbers that can be, and was signed by that sibling."""
    read = _read(document, _Tally, _bad_tally)
    uri = tally_uri(sibling.origin, read.question)
    if read.type != kind or read.actor != sibling.actor_uri or read.id.partition("#")[0] != uri:
        raise _bad_tally("it is not this instance's tally of that question")
    if not 0 < read.epoch < _NUMBER or not 0 <= read.sequence < _NUMBER:
        raise _bad_tally("its number is none")
    sums, cells = _count(read.options, read.voters_count, _bad_tally), dict[str, tuple[int, ...]]()
    for row in read.by_specialty:
        if row.specialty in cells or len(row.votes) != len(sums.options) or any(0 != votes < FEWEST for votes in row.votes):
            raise _bad_tally("a cell by specialty that could be one person's")
        cells[row.specialty] = tuple(row.votes)
    columns = [sum(votes[at] for votes in cells.values()) for at in range(len(sums.options))]
    if len(cells) > _MANY or any(told > votes for told, (_, votes) in zip(columns, sums.options, strict=True)):
        raise _bad_tally("more by specialty than there are")
    _check_proof(document, sibling.actor_uri, sibling.document_key)
    known = {code: votes for code, votes in cells.items() if code in specialties()}
    return Tally(read.question, sums, known, read.epoch, read.sequence, read.final, dumps(document).decode(),
                 digest_of(document))


def read_result(document: Any, sibling: Sibling, question: str, shown: Poll) -> Result:
    """The result in a poll of a sibling, which has to say what the poll itself shows; its proof is looked at by
    `check_result`."""
    found, _ = _result(document, sibling.actor_uri, question)
    if found.sums != Sums(shown.options, shown.voters) or shown.closed_at is None:
        raise _bad_result("it says something else than the poll")
    return found


def own_result(identity: Identity, document: Any, question: str, poll: Poll) -> tuple[Poll, Result] | None:
    """The result in a sibling's copy of a poll of ours, and the poll as it says that this ended; None unless we have signed it
    and it has the same options. Whatever else the copy says of numbers is not looked at."""
    try:
        found, closed_at = _result(document, identity.actor_uri, question)
        _check_proof(document, identity.actor_uri, identity.documents.multibase)
    except InvalidInput:
        return None
    if [name for name, _ in found.sums.options] != [name for name, _ in poll.options]:
        return None
    return msgspec.structs.replace(poll, closed_at=closed_at, voters=found.sums.voters, options=found.sums.options), found


def _result(document: Any, actor_uri: str, question: str) -> tuple[Result, int]:
    """A result of a question as that instance would write it, unproven; and when the poll was closed (ms)."""
    read = _read(document, _Result, _bad_result)
    sums = _count(read.options, read.voters_count, _bad_result)
    if read.type != "Result" or read.id != f"{question}#result" or read.question != question or read.actor != actor_uri:
        raise _bad_result("it is about something else")
    if len(read.counted) > _MANY or len(read.missing) > _MANY:
        raise _bad_result("more instances than there are")
    counted = tuple(Counted(*msgspec.structs.astuple(one)) for one in read.counted)
    try:
        digest = digest_of(document)
    except ValueError:
        raise _bad_result("it has no canonical form") from None
    return Result(question, sums, counted, tuple(read.missing), _moment(read.published), dumps(document).decode(),
                  digest), _moment(read.closed)


def check_result(found: Result, sibling: Sibling) -> None:
    """`InvalidInput` (`bad-proof`) unless the sibling has signed it."""
    _check_proof(msgspec.json.decode(found.document), sibling.actor_uri, sibling.document_key)


def digest_of(document: dict[str, Any]) -> str:
    """SHA-256 of a signed document with its proof, in hexadecimal: nobody without the signing key can guess what it is of."""
    return hashlib.sha256(rfc8785.dumps(document)).hexdigest()


def _counts(identity: Identity, question_uri: str, sums: Sums) -> dict[str, Any]:
    return {"actor": identity.actor_uri, "question": question_uri,
            "options": [{"name": name, "votes": votes} for name, votes in sums.options], "votersCount": sums.voters}


def _signed(identity: Identity, document: dict[str, Any], now: int) -> dict[str, Any]:
    return proofs.sign({"@context": COUNT_CONTEXT, **document}, identity.documents, now)


def _check_proof(document: dict[str, Any], actor_uri: str, multibase: str) -> None:
    proofs.check(document, multibase, proofs.document_key_id(actor_uri))


def _read(document: Any, kind: type[T], bad: Callable[[str], InvalidInput]) -> T:
    try:
        read = msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise bad(str(error)) from None
    check_context(document)
    return read


def _count(options: Sequence[_Option], voters: int, bad: Callable[[str], InvalidInput]) -> Sums:
    """Counts that can be: whole, of people who are alive, nobody's vote lost and none made up."""
    votes = [option.votes for option in options]
    if not options or not all(0 <= number <= _PEOPLE for number in (voters, *votes)) or not max(votes) <= voters <= sum(votes):
        raise bad("the numbers do not fit together")
    return Sums(tuple((unicodedata.normalize("NFC", option.name), option.votes) for option in options), voters)


def _moment(text: str) -> int:
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        raise _bad_result("a time cannot be read") from None


def _bad_tally(why: str) -> InvalidInput:
    return InvalidInput("This is not a tally of that instance.", reason="bad-tally", cause=why)


def _bad_result(why: str) -> InvalidInput:
    return InvalidInput("This is not a result of that poll.", reason="bad-result", cause=why)
