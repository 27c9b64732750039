"""What a comparison has shown to be wrong about follows is put right. Whether somebody follows, her own instance knows;
whether that was accepted, the instance of her whom she follows.

After a restore the sibling knows what came between, and what it says is taken back in; see docs/decisions/0028.
"""

from __future__ import annotations

from typing import NamedTuple

from actors import follows, wire
from actors.follows import Follow, FollowState
from actors.models import Actor
from actors.store import by_uris
from core.database import Tx
from core.ids import Ids, public, uri_key
from federation.store import Outgoing, Standing, enqueue, standing
from inbox.mending import was_lost
from inbox.reconciliations import Done
from posts import concerns
from posts.holdings import MOVING, Between


class Said(NamedTuple):
    """One follow as one side has it; `state` is requested, accepted or moving."""

    uri: str
    follower: str
    followed: str
    state: str

    @property
    def pair(self) -> str:
        return f"{self.follower} {self.followed}"


def said(uri: str, detail: str | None) -> Said | None:
    """What the words about a follow say; None where there are none."""
    parts = (detail or "").split(" ")
    return Said(uri, *parts) if len(parts) == 3 and parts[2] in (*FollowState, MOVING) else None


class FollowMending:
    """Puts follows right in one transaction: between our doctors and those of one sibling, in both directions. Nothing is written
    where `dry`."""

    def __init__(self, tx: Tx, ids: Ids, two: Between, done: Done, now: int, started: int, *, fresh: bool, dry: bool) -> None:
        self._tx, self._ids, self._two, self._done, self._now, self._started = tx, ids, two, done, now, started
        self._fresh, self._dry = fresh, dry

    def of_ours(self, here: Said | None, there: Said | None) -> None:
        """A doctor of ours follows one of theirs: we know whether, they know whether that was accepted."""
        pair = self._pair(here or there, ours_follow=True)
        if pair is None or (there is not None and there.state == MOVING):
            return
        me, other = pair
        present = follows.between(self._tx, me.id, other.id)
        if there is None and here is not None and present is not None and present.uri == here.uri:
            if present.at < self._started:
                self._they_have_not(present, me, other)
        elif there is not None and here is None and (present is None or present.uri != there.uri):
            self._we_have_not(there, me, other)
        elif there is not None and present is not None and present.uri == there.uri and present.state != there.state:
            self._done.missing_here += 1
            if not self._dry:
                self._take(present, FollowState(there.state))
                self._done.fetched += 1

    def of_theirs(self, here: Said | None, there: Said | None, *, known_there: bool) -> None:
        """A doctor of theirs follows one of ours: they know whether, we know whether that was accepted. `known_there`: they
        have told all they have, so what they did not name is not."""
        pair = self._pair(here or there, ours_follow=False)
        if pair is None or (there is not None and there.state == MOVING):
            return
        me, other = pair
        present = follows.between(self._tx, other.id, me.id)
        if there is None:
            if known_there and here is not None and present is not None and present.uri == here.uri \
                    and present.at < self._started:
                self._done.erased_here += 1
                if not self._dry:
                    follows.end(self._tx, present.uri)
                    concerns.unfollowed(self._tx, other, me)
        elif present is None:
            self._lost_request(there, me, other)
        elif present.uri == there.uri and present.state == FollowState.ACCEPTED and there.state == FollowState.REQUESTED:
            self._done.missing_there += 1
            self._send(self._answer("Accept", there, me, other))
        elif present.uri == there.uri and present.state == FollowState.REQUESTED and there.state == FollowState.ACCEPTED \
                and self._fresh:
            self._done.missing_here += 1
            if not self._dry:
                self._take(present, FollowState.ACCEPTED)
                self._done.fetched += 1

    def _they_have_not(self, present: Follow, me: Actor, other: Actor) -> None:
        """After a restore it has ended since; else they have lost it and are asked once more, under the same id: if they know
        that they have refused it, they say so in their own comparison."""
        if self._fresh:
            self._done.erased_here += 1
            if not self._dry:
                follows.end(self._tx, present.uri)
                concerns.unfollowed(self._tx, me, other)
            return
        self._done.missing_there += 1
        if self._send(wire.follow(present.uri, me, other)) and present.state == FollowState.ACCEPTED and not self._dry:
            self._take(present, FollowState.REQUESTED)

    def _we_have_not(self, there: Said, me: Actor, other: Actor) -> None:
        if self._fresh and was_lost(self._tx, there.uri):
            self._done.missing_here += 1
            if not self._dry:
                self._bring_back(there, me, other)
        else:
            undo = wire.undo_follow(there.uri, me, other, public(self._ids.new()))
            self._done.erased_there += self._send(undo, repaired=False)

    def _lost_request(self, there: Said, me: Actor, other: Actor) -> None:
        """They say that one of theirs follows one of ours, and nothing here knows of it. If it ever came, it was refused, and
        they hear that again; if not, they send it again."""
        if self._fresh:
            self._done.missing_here += 1
            if not self._dry:
                self._bring_back(there, other, me)
        elif self._tx.row("SELECT 1 FROM ledger WHERE uri_key = ? AND outcome = 'stored'", (uri_key(there.uri),)) is not None:
            self._done.missing_there += 1
            self._send(self._answer("Reject", there, me, other))

    def _bring_back(self, there: Said, follower: Actor, followed: Actor) -> None:
        follow = Follow(there.uri, follower.id, followed.id, FollowState.REQUESTED, self._now)
        follows.request(self._tx, follow)
        self._take(follow, FollowState(there.state))
        self._done.recovered += 1

    def _take(self, follow: Follow, state: FollowState) -> None:
        if state == FollowState.ACCEPTED:
            follows.accept(self._tx, follow, self._now)
        else:
            follows.request(self._tx, follow)

    def _answer(self, kind: str, there: Said, me: Actor, other: Actor) -> Outgoing:
        return wire.answer(kind, f"{self._two.home}/answers/{public(self._ids.new())}", there.uri, other, me)

    def _send(self, activity: Outgoing, *, repaired: bool = True) -> bool:
        """Owe it to the sibling, unless something of that pair is on its way or was refused."""
        key = uri_key(activity.object_uri)
        if standing(self._tx, self._two.sibling_id, [key]).get(key) in (Standing.MOVING, Standing.ENDED):
            self._done.could_not += repaired
            return False
        if self._dry:
            return True
        enqueue(self._tx, self._ids.new(), activity, [self._two.sibling_id], self._now)
        self._done.sent_again += repaired
        return True

    def _pair(self, one: Said | None, *, ours_follow: bool) -> tuple[Actor, Actor] | None:
        """Our doctor and theirs; None where one of them is not known here or lives elsewhere than is said."""
        if one is None:
            return None
        ours, theirs = (one.follower, one.followed) if ours_follow else (one.followed, one.follower)
        known = by_uris(self._tx, [ours, theirs])
        me, other = known.get(ours), known.get(theirs)
        if me is None or other is None or not me.local or other.sibling_id != self._two.sibling_id:
            self._done.could_not += 1
            return None
        return me, other
