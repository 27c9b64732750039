"""A post's versions, each with what it changed."""

from __future__ import annotations

import time
from html import escape
from typing import NamedTuple

from core.database import Row, Tx
from posts import answers, store
from posts.degraded import said
from posts.differences import Difference, difference, differs
from posts.models import CaseFacts, Correction
from posts.notifications import Seen
from posts.parts import Parts
from posts.store import Post
from posts.views import shown

PAGE = 20
_SECONDS = 0.3  # for all comparisons of one page


class Version(NamedTuple):
    """What a post said from a moment (ms) on: its text, and below it its parts; before it what is coded. And the last correction
    of its advice until then."""

    revision: int
    question: str
    html: str
    at: int
    correction: Correction | None = None


class Change(NamedTuple):
    """A version and the one before it, None for the first. `text` and `question` are what differs; None where nothing was
    compared, or too much differs to be shown as a difference."""

    now: Version
    before: Version | None
    text: Difference | None
    question: Difference | None

    @property
    def correction(self) -> Correction | None:
        """That it was this change that corrected or withdrew the advice."""
        before = self.before.correction if self.before is not None else None
        return self.now.correction if self.now.correction != before else None

    @property
    def text_differs(self) -> bool:
        return differs(self.text)

    @property
    def question_differs(self) -> bool:
        return differs(self.question)


class History(NamedTuple):
    """A post's changes, newest first, and the cursor (`?before=`) of the next page or None; `newest`: the page begins with
    what the post says now. `language` is the post's, `answer` whether it answers something, `seen` what it tells the viewer."""

    changes: tuple[Change, ...]
    before: str | None
    newest: bool
    language: str
    answer: bool
    seen: Seen


def versions(tx: Tx, post: Post, before: int | None) -> list[Version]:
    """The versions older than a revision (None: all, the present one first), newest first, one more than a page holds."""
    present = [Version(post.revision, post.question, whole(post), post.updated_at or post.published_at,
                       post.correction)] if before is None else []
    return [*present, *(
        Version(row["revision"], row["question"], earlier(post, row), row["at"], answers.read(row["correction"]))
        for row in store.revisions(tx, post.id, before, PAGE + 1 - len(present)))]


def whole(post: Post) -> str:
    """All that a post says below its question."""
    return _whole(post, post.html, post.facts, post.parts)


def earlier(post: Post, row: Row) -> str:
    """All that one of a post's earlier versions (`store.revisions`) said below its question."""
    return _whole(post, row["html"], store.facts_from(row), store.parts_from(row))


def _whole(post: Post, html: str, facts: CaseFacts, parts: Parts) -> str:
    return shown(post, said(html, facts, None, parts, post.language))


def compared(found: list[Version]) -> tuple[Change, ...]:
    """Each version that fits on the page beside the one before it. Takes up to some tenths of a second."""
    deadline = time.monotonic() + _SECONDS
    return tuple(_change(now, before, deadline) for now, before in zip(found[:PAGE], [*found[1:], None], strict=False))


def _change(now: Version, before: Version | None, deadline: float) -> Change:
    if before is None:
        return Change(now, None, None, None)
    return Change(now, before, difference(before.html, now.html, deadline),
                  difference(escape(before.question), escape(now.question), deadline))
