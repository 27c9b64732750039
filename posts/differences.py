"""What has changed between two versions of a text, word by word.

The words are compared as Myers does it (An O(ND) Difference Algorithm, 1986): time and memory grow with the number of
differences, and both are bounded. Where the bounds do not suffice there is no difference to show that anybody could
read, and the two versions stand side by side instead. Takes milliseconds; callers on the event loop use a thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

from core.errors import InvalidInput
from core.text import lines

_WORDS = 4_000  # of one version
_EDITS = 500  # words taken out and added
_BETWEEN = 3  # so few words that stay between two larger changes are read as part of them
_END = "\n"


class Change(StrEnum):
    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"


class Piece(NamedTuple):
    """Words that stand one after the other and have all stayed, gone or come."""

    change: Change
    text: str


Difference = tuple[tuple[Piece, ...], ...]
"""Line by line; a version that differs from the other only in how it is set has pieces of `SAME` alone."""


def difference(before: str, after: str, deadline: float) -> Difference | None:
    """What makes the HTML `after` out of `before`; None where they are too large or too different, or the `deadline` (in
    seconds of `time.monotonic`) passes."""
    try:
        old, new = _tokens(before), _tokens(after)
    except InvalidInput:
        return None
    if max(len(old), len(new)) > _WORDS:
        return None
    head = tail = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    steps = _compared(old[head:len(old) - tail], new[head:len(new) - tail], deadline)
    if steps is None:
        return None
    around = [[(Change.SAME, word) for word in words] for words in (old[:head], old[len(old) - tail:])]
    return _in_lines(_joined(_in_runs([*around[0], *steps, *around[1]])))


def differs(found: Difference | None) -> bool:
    """Whether any word has gone or come."""
    return found is not None and any(piece.change != Change.SAME for line in found for piece in line)


class _Run(NamedTuple):
    """Words taken out and words added in their place or, where there are neither, words that stay."""

    same: tuple[str, ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]


_Step = tuple[Change, str]


def _tokens(html: str) -> list[str]:
    """The words, with `_END` at the end of each line."""
    return [token for line in lines(html) for token in (*line.split(), _END)]


def _compared(old: list[str], new: list[str], deadline: float) -> list[_Step] | None:
    """The shortest way from one to the other; None beyond the bounds."""
    furthest, trace = {1: 0}, list[dict[int, int]]()  # by diagonal: how far into `old` so many edits lead
    for edits in range(min(len(old) + len(new), _EDITS) + 1):
        if time.monotonic() > deadline:
            return None
        trace.append(dict(furthest))
        for diagonal in range(-edits, edits + 1, 2):
            at = furthest[diagonal + 1] if _adds(furthest, edits, diagonal) else furthest[diagonal - 1] + 1
            while at < len(old) and at - diagonal < len(new) and old[at] == new[at - diagonal]:
                at += 1
            furthest[diagonal] = at
            if at >= len(old) and at - diagonal >= len(new):
                return _walked_back(old, new, trace)
    return None


def _adds(furthest: dict[int, int], edits: int, diagonal: int) -> bool:
    """Whether the last edit on the way to a diagonal adds a word; else it takes one out."""
    return diagonal == -edits or (diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1])


def _walked_back(old: list[str], new: list[str], trace: Sequence[dict[int, int]]) -> list[_Step]:
    """The way, read from its end."""
    steps: list[_Step] = []
    x, y = len(old), len(new)
    for edits in range(len(trace) - 1, 0, -1):
        adds = _adds(trace[edits], edits, x - y)
        start = trace[edits][x - y + 1] if adds else trace[edits][x - y - 1] + 1
        steps += [(Change.SAME, word) for word in reversed(old[start:x])]
        x, y = start, y - (x - start)
        if adds:
            y -= 1
            steps.append((Change.ADDED, new[y]))
        else:
            x -= 1
            steps.append((Change.REMOVED, old[x]))
    steps += [(Change.SAME, word) for word in reversed(old[:x])]
    steps.reverse()
    return steps


def _in_runs(steps: Sequence[_Step]) -> list[_Run]:
    """Neighbours together: what stays, and what changes."""
    return [
        _Run(*(tuple(word for change, word in found if change == wanted)
               for wanted in (Change.SAME, Change.REMOVED, Change.ADDED)))
        for found in (list(group) for _, group in groupby(steps, lambda step: step[0] == Change.SAME))]


def _joined(runs: Sequence[_Run]) -> list[_Run]:
    """A word or two that stay between changes larger than themselves belong to them: a sentence written anew is read as a
    whole, not in splinters."""
    made: list[_Run] = []
    for run in runs:
        if len(made) > 1 and not run.same:
            between, before = made[-1].same, made[-2]
            if len(between) <= min(_BETWEEN, _size(before), _size(run)) and _END not in between:
                made[-2:] = [_Run((), before.removed + between + run.removed, before.added + between + run.added)]
                continue
        made.append(run)
    return made


def _size(run: _Run) -> int:
    return max(len(run.removed), len(run.added))


def _in_lines(runs: Sequence[_Run]) -> Difference:
    made: list[list[Piece]] = [[]]
    for run in runs:
        for change, words in ((Change.SAME, run.same), (Change.REMOVED, run.removed), (Change.ADDED, run.added)):
            for number, line in enumerate(" ".join(words).split(_END) if words else ()):
                if number:
                    made.append([])
                if line.strip():
                    made[-1].append(Piece(change, line.strip()))
    return tuple(tuple(line) for line in made if line)
