"""Everything that can go wrong on purpose, as one tree.

KonsilError                    carries two voices: a sentence for the person, a cause for the log
├── InvalidInput      400      what was sent cannot be understood or breaks a rule (field names the place)
│   └── Conflict      409      it was right when it was written; the world has moved on
├── NotSignedIn       401      nobody is speaking, or the signature does not prove who
├── Refused           403      we know who it is, and the answer is no
├── NotFound          404      not there, or not yours: the same answer on purpose
├── TooSlow           408      the request stopped in the middle
├── TooLarge          413      over a stated size
├── UnsupportedMedia  415      a content type or encoding nobody asked for
├── TooMany           429      throttled; `retry_after` seconds
├── Unavailable       503      paused or overloaded; `retry_after` seconds
└── Misconfigured     500      the operator has to change something; only at start-up and in the CLI

The sentence is shown to people and to siblings; `cause` goes to the log only and may name hosts, keys and paths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from core.words import filled, spoken


class KonsilError(Exception):
    """An expected failure: an HTTP status, a stable reason code, a public sentence, a private cause.

    `sentence` is a literal in English, the message id of the catalogues; what differs from case to case stands in it as
    `%(name)s` and comes in `values`: `InvalidInput("A post has at most %(most)s characters.", values={"most": 500})`.
    A value that is itself a word of ours is a `Phrase`. `message`, and `str()`, are the filled sentence in English: for
    logs, the command line and problem documents. Pages show `said(...)`.
    """

    status = 500
    reason = "internal"

    def __init__(
        self,
        sentence: str,
        *,
        values: Mapping[str, object] = MappingProxyType({}),
        reason: str | None = None,
        cause: str = "",
        field: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.sentence, self.values = sentence, values
        self.message = filled(sentence, values)
        super().__init__(self.message)
        self.reason = reason or type(self).reason
        self.cause = cause
        self.field = field
        self.retry_after = retry_after
        self.activity: str | None = None

    def said(self, gettext: Callable[[str], str]) -> str:
        """The sentence in the language that `gettext` speaks."""
        return spoken(self.sentence, self.values, gettext)

    def problem(self) -> dict[str, object]:
        """The problem document (RFC 9457) of this error; the cause stays at home. `activity` names the one it is about."""
        document: dict[str, object] = {
            "type": f"urn:konsil:problem:{self.reason}", "title": self.message, "status": self.status}
        if self.activity is not None:
            document["activity"] = self.activity
        return document


class InvalidInput(KonsilError):
    status, reason = 400, "invalid"


class Conflict(InvalidInput):
    status, reason = 409, "conflict"


class NotSignedIn(KonsilError):
    status, reason = 401, "not-signed-in"


class Refused(KonsilError):
    status, reason = 403, "refused"


class NotFound(KonsilError):
    status, reason = 404, "not-found"


class TooSlow(KonsilError):
    status, reason = 408, "too-slow"


class TooLarge(KonsilError):
    status, reason = 413, "too-large"


class UnsupportedMedia(KonsilError):
    status, reason = 415, "unsupported-media"


class TooMany(KonsilError):
    status, reason = 429, "too-many"


class Unavailable(KonsilError):
    status, reason = 503, "unavailable"


class Misconfigured(KonsilError):
    status, reason = 500, "misconfigured"
