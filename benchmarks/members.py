"""The people of a country that has been lived in: who they are, what they follow, whom they shun, what they like and keep."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from actors.models import AccountState, Actor, Badge, Role
from actors.relations import follow_topics
from actors.store import save
from benchmarks.countries import PASSWORD
from core.countries import CODES, specialties
from core.database import Tx
from core.ids import public, uri_key
from core.vault import hash_password

T = TypeVar("T")

HASHTAGS = tuple(f"tag{number}" for number in range(200))
_FOLLOWED, _FOLLOWED_MOST = 60, 400
_SHUNNING_SHARE = 0.1
_CHUNK = 5000
_NAMES = ("Weber", "Rossi", "Martin", "García", "Smith", "Gruber", "Keller", "Moreau", "Conti", "Jones", "Huber", "López")


class Person(NamedTuple):
    """A doctor; `sibling_id` None for one of this instance."""

    id: int
    uri: str
    sibling_id: int | None
    origin: str
    country: str

    @property
    def here(self) -> bool:
        return self.sibling_id is None


class Members:
    """Writes people and what they do to each other and to posts; `new_id` gives ids, `now` is in milliseconds."""

    def __init__(self, tx: Tx, chance: random.Random, new_id: Callable[[], int], now: int) -> None:
        self._tx, self._chance, self._new_id, self._now = tx, chance, new_id, now

    def settle(self, origin: str, count: int) -> list[Person]:
        """Members at home with their accounts, all with the same password, and a sixth as many in each other country."""
        hashed = hash_password(PASSWORD)
        homes = {row["country"]: row for row in self._tx.rows("SELECT id, origin, country FROM siblings")}
        people = []
        for code in CODES:
            row = homes.get(code)
            home, sibling_id = (row["origin"], row["id"]) if row is not None else (origin, None)
            for number in range(count if sibling_id is None else max(1, count // 6)):
                people.append(self._add(f"m{number}", home, sibling_id, code))
                if sibling_id is None:
                    self._tx.run(
                        "INSERT INTO accounts (id, handle, name, kind, state, actor_id, password_hash, method, evidence,"
                        " created_at) VALUES (?, ?, ?, 'doctor', ?, ?, ?, 'register', 'benchmark', ?)",
                        (self._new_id(), f"m{number}", f"Dr. m{number}", AccountState.VERIFIED, people[-1].id, hashed, self._now))
        return people

    def _add(self, handle: str, origin: str, sibling_id: int | None, code: str) -> Person:
        number = self._new_id()
        some = tuple(dict.fromkeys(self.specialty() for _ in range(self._chance.choice((1, 1, 1, 2)))))
        actor = Actor(number, f"{origin}/actors/{public(number)}", handle, origin.split("://")[1],
                      f"Dr. {self._chance.choice(_NAMES)} {handle}",
                      Badge(Role.DOCTOR, some, code, f"Konsil {code.upper()}", self._now), sibling_id)
        save(self._tx, actor, self._now)
        if sibling_id is None:
            follow_topics(self._tx, number, {*some, *(f"#{self.hashtag()}" for _ in range(3))}, self._now)
        return Person(number, actor.uri, sibling_id, origin, code)

    def specialty(self) -> str:
        """One of all specialties; a few have most doctors."""
        return self._few(specialties(), 0.12)

    def hashtag(self) -> str:
        return self._few(HASHTAGS, 0.05)

    def _few(self, of: Sequence[str], slope: float) -> str:
        return of[min(int(self._chance.expovariate(slope)), len(of) - 1)]

    def relate(self, people: Sequence[Person]) -> None:
        """Who follows whom, and whom one in ten does not want to read."""
        here = [person for person in people if person.here]
        follows = (
            (person.id, other.id, "accepted", uri := f"{person.uri}/follows/{other.id}", uri_key(uri), self._now)
            for person in here
            for other in self._some(people, 1 + min(int(self._chance.expovariate(1 / _FOLLOWED)), _FOLLOWED_MOST))
            if other.id != person.id)
        self._insert("follows (follower_id, followed_id, state, uri, uri_key, at)", 6, follows)
        shuns = ((person.id, other.id, self._chance.choice(("block", "mute")), None, self._now)
                 for person in here if self._chance.random() < _SHUNNING_SHARE for other in self._some(people, 4))
        self._insert("shuns (actor_id, other_id, kind, until, at)", 5, shuns)

    def react(self, people: Sequence[Person], posts: Sequence[int]) -> None:
        """Every third of these posts is liked by some, every tenth passed on, and every doctor here keeps a few."""
        likes = ((post, person.id, uri := f"{person.uri}/likes/{post}", uri_key(uri), self._now)
                 for post in self._some(posts, len(posts) // 3) for person in self._some(people, 3))
        self._insert("likes (post_id, actor_id, uri, uri_key, at)", 5, likes)
        boosts = ((post + 1, post, person.id, uri := f"{person.uri}/boosts/{post}", uri_key(uri), self._now)
                  for post in self._some(posts, len(posts) // 10) for person in self._some(people, 1))
        self._insert("boosts (id, post_id, actor_id, uri, uri_key, at)", 6, boosts)
        kept = ((self._new_id(), person.id, post) for person in people if person.here for post in self._some(posts, 5))
        self._insert("bookmarks (id, actor_id, post_id)", 3, kept)
        for table in ("likes", "boosts"):
            self._tx.run(f"UPDATE posts SET {table} = found.n FROM (SELECT post_id, count(*) AS n FROM {table} GROUP BY post_id)"
                         " AS found WHERE posts.id = found.post_id")

    def _some(self, of: Sequence[T], count: int) -> list[T]:
        return self._chance.sample(of, min(count, len(of)))

    def _insert(self, into: str, columns: int, rows: Iterable[Sequence[object]]) -> None:
        """A few thousand at a time: all of them would not fit into the memory of a small machine."""
        chunk: list[Sequence[object]] = []
        for row in rows:
            chunk.append(row)
            if len(chunk) == _CHUNK:
                self._tx.insert(into, columns, chunk)
                chunk.clear()
        self._tx.insert(into, columns, chunk)
