"""What doctors say, as the rest of the program sees it: drafts going in, views coming out."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

from actors.models import Actor
from core.plates import Film
from core.text import spoken
from core.words import Sentence
from posts.parts import NO_PARTS, Parts
from posts.translated import Translation

_SHORT = 2_000  # characters of a text that may be a question


class Kind(StrEnum):
    """What a post is by its shape: a case is asked, is answered and ends, a poll has options, a reply answers something."""

    NOTE = "note"
    CASE = "case"
    POLL = "poll"
    REPLY = "reply"


class State(StrEnum):
    """A case's way: open → answered → outcome known."""

    OPEN = "open"
    ANSWERED = "answered"
    KNOWN = "known"


class Reach(StrEnum):
    HOME = "home"
    COUNTRIES = "countries"
    NETWORK = "network"
    NAMED = "named"
    """A consult between named doctors: in no list, for nobody else's eyes."""


class ReplyKind(StrEnum):
    """What an answer is. A question back asks for what is missing, and answers nothing."""

    ANSWER = "answer"
    QUESTION = "question"
    EVIDENCE = "evidence"


class CorrectionKind(StrEnum):
    """What has become of a post whose advice was wrong: its text is another now, or it does not count any more."""

    CORRECTION = "correction"
    RECALL = "recall"


class Correction(msgspec.Struct, frozen=True):
    """That the advice in a post was changed or withdrawn: why, in one line, by which revision of it, and when (ms)."""

    kind: CorrectionKind
    reason: str
    revision: int
    at: int

    @property
    def is_recall(self) -> bool:
        return self.kind == CorrectionKind.RECALL


AGE_BANDS = ("0-1", "2-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90+")
SEXES = ("f", "m", "x")


class Aim(StrEnum):
    """What a post is for, which is how doctors sort them; each goes with one `Kind`, an opinion with two (`AIMS_OF`)."""

    DIAGNOSTIC = "diagnostic"
    THERAPEUTIC = "therapeutic"
    OBSERVATION = "observation"
    LITERATURE = "literature"
    ADMINISTRATIVE = "administrative"
    OPINION = "opinion"
    STUDY = "study"
    NEWS = "news"
    CONGRESS = "congress"


AIMS_OF: dict[Kind, tuple[Aim, ...]] = {
    Kind.CASE: (Aim.DIAGNOSTIC, Aim.THERAPEUTIC, Aim.OPINION, Aim.OBSERVATION, Aim.LITERATURE, Aim.ADMINISTRATIVE),
    Kind.POLL: (Aim.OPINION,),
    Kind.NOTE: (Aim.STUDY, Aim.NEWS, Aim.CONGRESS),
    Kind.REPLY: ()}
"""What a post of each kind can be for, in the order in which that is offered; none of it has to be said."""


class Shelf(StrEnum):
    """What a specialty's posts are sorted into on its page. A note that is for nothing in particular stands on none."""

    CASES = "cases"
    NEWS = "news"
    STUDIES = "studies"
    CONGRESSES = "congresses"


_SHELVES = {Aim.STUDY: Shelf.STUDIES, Aim.NEWS: Shelf.NEWS, Aim.CONGRESS: Shelf.CONGRESSES}


def shelf_of(kind: Kind, aim: str) -> Shelf | None:
    """The shelf of a post of this kind and aim."""
    return Shelf.CASES if kind in (Kind.CASE, Kind.POLL) else next((_SHELVES[one] for one in _SHELVES if one == aim), None)


class Audience(msgspec.Struct, frozen=True):
    """Who may read: `origins` are all instances whose doctors may, the author's own among them. Where doctors are named,
    `readers` are their URIs, the author's own among them, and `origins` the instances these live at."""

    reach: Reach
    origins: tuple[str, ...]
    readers: tuple[str, ...] = ()

    def admits(self, reader: Actor) -> bool:
        """Whether a doctor of an instance in this audience may read it."""
        return self.reach != Reach.NAMED or reader.uri in self.readers

    def within(self, other: Audience) -> bool:
        """Whether nobody may read this who may not read the other."""
        if not set(self.origins) <= set(other.origins):
            return False
        return other.reach != Reach.NAMED or (self.reach == Reach.NAMED and set(self.readers) <= set(other.readers))


class Mention(msgspec.Struct, frozen=True):
    """A doctor who is named in a text: her URI and `@name@domain` as the link says it."""

    uri: str
    name: str


class Tags(msgspec.Struct, frozen=True):
    """What a text points at; hashtags in lower case, without their '#'."""

    mentions: tuple[Mention, ...] = ()
    hashtags: tuple[str, ...] = ()


NO_TAGS = Tags()


class CaseFacts(msgspec.Struct, frozen=True):
    """The coded part of a post: codes of specialties and of conditions, one of `AGE_BANDS`, `SEXES` and `Aim` each, or empty."""

    specialties: tuple[str, ...] = ()
    age_band: str = ""
    sex: str = ""
    aim: str = ""
    conditions: tuple[str, ...] = ()


NO_FACTS = CaseFacts()


class PollDraft(msgspec.Struct, frozen=True):
    """2-20 options of at most 300 characters; `ends_at` in milliseconds."""

    options: tuple[str, ...]
    multiple: bool
    ends_at: int


class Draft(msgspec.Struct, frozen=True):
    """A new top-level post as its author wrote it; of its parts there is the Markdown and no HTML yet."""

    kind: Kind
    question: str
    text: str
    language: str
    facts: CaseFacts = CaseFacts()
    poll: PollDraft | None = None
    parts: Parts = NO_PARTS


class OptionView(msgspec.Struct, frozen=True):
    position: int
    name: str
    votes: int
    percent: int
    chosen: bool


class PollView(msgspec.Struct, frozen=True):
    """`shown`: the viewer sees results (voted, asked, closed, or hers); `may_vote`: open and not voted and not hers. `counting`:
    it has closed and its result is still to come; `result_at` when that was signed (ms), by the instance that calls itself
    `signed_by`, and `missing` of `instances` are not, or not wholly, in it. `kept_home`: here a vote stays in this country.
    `lapsed` of the voters are no longer verified; their votes are counted."""

    options: tuple[OptionView, ...]
    multiple: bool
    ends_at: int
    closed: bool
    voters: int
    voted: bool
    shown: bool
    may_vote: bool
    counting: bool = False
    result_at: int | None = None
    signed_by: str = ""
    missing: int = 0
    instances: int = 1
    kept_home: bool = False
    lapsed: int = 0


SORTS = ("photo", "radiology", "histology", "ecg", "document", "other")
WARNINGS = ("operation", "wound", "nudity", "death")
PICTURES = 8
ALT_LENGTH = 1500


class Picture(msgspec.Struct, frozen=True, omit_defaults=True):
    """A picture of a post: where it lies at its author's instance, what it shows in words, one of `SORTS`, its size in pixels,
    the SHA-256 of its bytes (a JPEG) in hexadecimal, one of `WARNINGS` if it is covered until somebody wants to see
    it, and how its frames lie if it moves."""

    url: str
    alt: str
    sort: str
    width: int
    height: int
    digest: str
    warning: str = ""
    film: Film | None = None

    @property
    def name(self) -> str:
        """What it is called; random, so it says nothing."""
        return self.url.rpartition("/")[2]


class CellRow(NamedTuple):
    """A country or a specialty by its code, and its votes per option, 0 where nothing can be said."""

    code: str
    votes: tuple[int, ...]


class Breakdown(msgspec.Struct, frozen=True):
    """What only the author of a poll sees: who chose what, by country and by specialty, as it was at a moment (ms; None: too
    few have voted); and, if `tallied` says that other instances count for themselves, when they were last asked to attest
    that, and what came of it, by country (`posts.attesting.Outcome`)."""

    at: int | None
    countries: tuple[CellRow, ...]
    specialties: tuple[CellRow, ...]
    tallied: bool
    checked_at: int | None
    checks: tuple[tuple[str, str], ...]


class Since(NamedTuple):
    """A country, by its code, and since when (ms) something holds of it."""

    code: str
    at: int


class DeliveryView(msgspec.Struct, frozen=True):
    """Where a local post has arrived or, once it is erased, who has confirmed that; `home` is the code of its own country.
    Each other country of the audience stands in one of these, by its code; times in milliseconds."""

    home: str
    confirmed: tuple[Since, ...]  # when
    waiting: tuple[Since, ...]
    held: tuple[Since, ...]  # it came there and waits, unseen, for something that is missing there
    refused: tuple[tuple[str, Sentence], ...]  # why it never will, be it that an operator here has dropped it
    outside: tuple[Since, ...]  # revoked: since when it is outside our control

    @property
    def received(self) -> tuple[str, ...]:
        """The countries that have confirmed it."""
        return tuple(code for code, _ in self.confirmed)

    @property
    def total(self) -> int:
        return len(self.confirmed) + len(self.waiting) + len(self.held) + len(self.refused) + len(self.outside)


class CorrectionView(msgspec.Struct, frozen=True):
    """A correction or recall as it is shown; `delivery` says, to the author, which countries have got it."""

    kind: CorrectionKind
    reason: str
    at: int
    delivery: DeliveryView | None = None


class AskedAbroad(msgspec.Struct, frozen=True):
    """A post that asks about one at home abroad: its public id, the codes of the countries besides home, its answers."""

    id: str
    countries: tuple[str, ...]
    replies: int


class PostView(msgspec.Struct, frozen=True):
    """A post as one viewer may see it. `id` is the public id; times are milliseconds; `html` has passed the gate."""

    id: str
    uri: str
    kind: Kind
    question: str
    html: str
    language: str
    author: Actor
    published: int
    updated: int | None
    revision: int
    state: State | None
    facts: CaseFacts
    audience: Audience
    countries: tuple[str, ...]  # country codes of the audience, home first
    outside: tuple[Since, ...]  # countries of the audience outside our control: revoked
    paused: tuple[Since, ...]  # countries of the audience where everything waits
    stuck: tuple[Since, ...]  # countries of the audience that nothing gets through to at the moment
    reached: tuple[str, ...]  # codes of those that get what is written here now, or when a pause ends
    replies: int
    depth: int
    mine: bool
    erased: bool
    poll: PollView | None = None
    delivery: DeliveryView | None = None
    parent_id: str | None = None
    likes: int = 0
    boosts: int = 0
    liked: bool = False  # by the viewer, like the next two
    boosted: bool = False
    bookmarked: bool = False
    boosted_by: Actor | None = None  # who brought it into this list
    boost_id: str = ""  # what that is called, where somebody did
    shunned: bool = False  # the viewer does not want to read its author
    readers: tuple[Actor, ...] = ()  # of a consult: who is in it and known here, author among them
    instances: tuple[str, ...] = ()  # of a consult: the names of the instances it lies at, whose operators could read it
    lost: frozenset[str] = frozenset()  # of a consult: the URIs of those in it who are outside our control
    author_outside: int | None = None  # since when (ms) its author is, and nothing that is answered here gets there
    unread: int = 0  # answers of others that have come since the viewer was in its conversation
    latest: int | None = None  # of a consult in its list: when it was last written in (ms)
    latest_id: str = ""  # and what
    asked_from: str | None = None  # the post at home that this one asks about abroad
    asked_abroad: tuple[AskedAbroad, ...] = ()  # the posts that ask about this one abroad; only its author sees them
    tags: Tags = NO_TAGS
    by_role: bool = False  # the viewer has begun this conversation, signed by role only
    hidden: int | None = None  # since when (ms) it is hidden here: there is nothing in it then, but for its author
    taken_down: str = ""  # why operators have erased it, a `posts.matters.Category`, and which instance's they are
    taken_down_by: str = ""
    pictures: tuple[Picture, ...] = ()
    parts: Parts = NO_PARTS
    helpful: bool = False  # of an answer: who asked has marked it
    reply_kind: ReplyKind = ReplyKind.ANSWER
    answers: int = 0  # of the conversation: what others have answered, questions back and what was recalled left out
    asked_back: str | None = None  # the oldest question to the author that she has not answered yet
    followed: bool = False  # the viewer is told how it goes on
    muted: bool = False  # the viewer hears no more of its conversation
    pinned: bool = False  # its author has put it first on her profile, and is the viewer
    correction: CorrectionView | None = None
    translations: tuple[Translation, ...] = ()  # those that a colleague has confirmed

    @property
    def recalled(self) -> bool:
        """Whether its author has withdrawn it as wrong."""
        return self.correction is not None and self.correction.kind == CorrectionKind.RECALL

    @property
    def repeats(self) -> bool:
        """Whether its text is one paragraph that says its question and nothing more, as one does that was typed into the only
        field of an app."""
        return (self.kind in (Kind.NOTE, Kind.POLL) and len(self.html) < _SHORT
                and self.html.startswith("<p>") and self.html.endswith("</p>") and self.html.count("<p") == 1
                and spoken(self.html) == " ".join(self.question.split()))

    @property
    def named(self) -> bool:
        """Whether it is a consult between named doctors."""
        return self.audience.reach == Reach.NAMED

    @property
    def colleagues(self) -> int:
        """How many others in a consult will read what is written in it now."""
        return max(len(self.audience.readers) - 1 - len(self.lost), 0)

    @property
    def answerable(self) -> bool:
        """Whether an answer gets to anybody: not in a consult whose others are all outside our control."""
        return not self.named or self.colleagues > 0 or not self.lost


class Mark(NamedTuple):
    """Where a list draws its line: what is greater than `id` has come since the viewer was last there, at `at` (ms)."""

    id: int
    at: int


class Page(msgspec.Struct, frozen=True):
    """Posts, newest first, the cursor (`?before=`) of the next page or None, and those of its first and last entries. Where it is
    known up to where the viewer had read the list, `line` says so: the first `new` of the posts have come since."""

    posts: tuple[PostView, ...]
    before: str | None
    newest: str = ""
    line: Mark | None = None
    new: int = 0
    oldest: str = ""


class Destination(msgspec.Struct, frozen=True):
    """One other country in the audience step. `state`: up, or since when it is paused, or waiting: nothing gets through."""

    origin: str
    country: str
    state: str
    since: int | None = None
