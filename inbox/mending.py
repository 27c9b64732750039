"""What a comparison has shown to be wrong about posts is put right: each piece in one transaction that looks once more.

Between a question and its answer things go on, so whatever has moved since is left alone; the next comparison sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from actors.store import by_ids
from core.database import Tx, marks
from core.ids import Ids, public, uri_key
from federation.identity import Identity
from federation.store import Standing, arrived, enqueue, standing
from inbox import ledger
from inbox.reconciliations import lost, made_then
from posts import outgoing, pollstore, store
from posts.holdings import Between
from posts.recovery import Recovered, recover
from posts.store import Post


class Found(NamedTuple):
    """What is known here of some posts of ours that a sibling holds or ought to hold."""

    here: dict[str, Post]
    deleted: set[str]
    stands: dict[bytes, Standing]

    def stand(self, uri: str) -> Standing | None:
        return self.stands.get(uri_key(uri))


def found(tx: Tx, two: Between, uris: Sequence[str]) -> Found:
    """Look these up."""
    keys = [uri_key(uri) for uri in uris]
    return Found(store.by_keys(tx, keys), store.tombstoned(tx, keys), standing(tx, two.sibling_id, keys))


def living(tx: Tx, two: Between, uris: Sequence[str]) -> list[str]:
    """Those of the sibling's posts that lie here and are not erased."""
    here = store.by_keys(tx, [uri_key(uri) for uri in uris])
    return [uri for uri, post in here.items() if post.sibling_id == two.sibling_id and post.erased_at is None]


def erase(tx: Tx, two: Between, uris: Sequence[str], now: int) -> int:
    """The sibling has deleted these posts of its own: the same here, as if it had said so just now. How many lay here."""
    lay = living(tx, two, uris)
    gone = store.tombstoned(tx, [uri_key(uri) for uri in uris])
    for uri in uris:
        if uri not in gone:
            store.erase(tx, uri, two.origin, now)
            ledger.forget(tx, uri)
            ledger.release(tx, [uri], now)
    return len(lay)


def bury(tx: Tx, two: Between, uris: Sequence[str], now: int) -> None:
    """The sibling has heard that these posts of ours were deleted, and we know nothing of them: if they were made in a time that
    was lost here, they do not come back. Of what lies here a sibling's word deletes nothing."""
    known = found(tx, two, uris)
    for uri in uris:
        if uri not in known.here and uri not in known.deleted and was_lost(tx, uri):
            store.bury(tx, uri, two.home, now)
            ledger.release(tx, [uri], now)


def was_lost(tx: Tx, uri: str) -> bool:
    """Whether something of ours that is not here was made in a time of which a restored backup knows nothing."""
    return made_then(lost(tx), uri)


def take_back(tx: Tx, ids: Ids, identity: Identity, two: Between, uri: str, document: Mapping[str, Any], now: int) -> Recovered:
    """Take the sibling's copy of a post of ours in, if that may be; what waited for it goes on."""
    became = recover(tx, ids, identity, uri, document, two.sibling_id, now)
    if became == Recovered.BACK:
        ledger.release(tx, [uri], now)
    return became


def ignored(tx: Tx, uris: Sequence[str]) -> set[str]:
    """Those of some posts that came here and have no place here."""
    keys = {uri_key(f"{uri}#create"): uri for uri in uris}
    return {keys[row["uri_key"]] for row in tx.rows(
        f"SELECT uri_key FROM ledger WHERE uri_key IN ({marks(len(keys))}) AND outcome LIKE 'ignored%'", list(keys))}


def without_result(tx: Tx, two: Between, now: int) -> list[str]:
    """Polls of ours that have ended and have no result here, and that the sibling may read. Whether theirs is the same version
    does not matter: ours is told anew after a restore, and their result stands all the same."""
    posts = store.by_many(tx, pollstore.unfinished(tx, now))
    return [post.uri for post in posts.values() if post.erased_at is None and two.origin in post.audience.origins]


def send_again(tx: Tx, ids: Ids, identity: Identity, two: Between, uris: Sequence[str], now: int, *, as_update: bool) -> int:
    """Owe the sibling these posts of ours once more, as a new post or as a later version; how many."""
    known = found(tx, two, uris)
    sent = [post for post in known.here.values() if post.sibling_id is None and post.erased_at is None
            and two.origin in post.audience.origins and known.stand(post.uri) == Standing.SENT]
    authors = by_ids(tx, [post.author_id for post in sent])
    parents = store.by_many(tx, [post.parent_id for post in sent if post.parent_id is not None])
    for post in sent:
        parent = parents.get(post.parent_id) if post.parent_id is not None else None
        made = outgoing.update if as_update else outgoing.create
        activity = made(post, pollstore.whole(tx, post.id), authors[post.author_id].uri, parent.uri if parent else None,
                        identity.seal, again=public(ids.new()))
        enqueue(tx, ids.new(), activity, [two.sibling_id], now)
    return len(sent)


def delete_again(tx: Tx, ids: Ids, two: Between, posts: Sequence[tuple[str, str]], now: int) -> int:
    """Ask the sibling once more to delete these posts of ours, each with its author's URI; how many were not on their way."""
    known = found(tx, two, [uri for uri, _ in posts])
    asked = 0
    for uri, author in posts:
        post = known.here.get(uri)
        if known.stand(uri) in (Standing.MOVING, Standing.ENDED) or (post is not None and post.erased_at is None):
            continue
        enqueue(tx, ids.new(), outgoing.delete_again(uri, author, (two.origin,), again=public(ids.new())), [two.sibling_id], now,
                alone=True)
        asked += 1
    return asked


def has_arrived(tx: Tx, ids: Ids, two: Between, uris: Sequence[str], now: int) -> None:
    """The sibling holds these posts of ours, and nothing here knows that they were sent there."""
    known = found(tx, two, uris)
    for uri, post in known.here.items():
        if known.stand(uri) is None and post.sibling_id is None and post.erased_at is None \
                and two.origin in post.audience.origins:
            arrived(tx, ids.new(), uri, two.sibling_id, now)
