"""Planting the demo's content: every post goes the way a doctor's does, from compose through the outbox to the others."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import click

from actors.models import Account, Author, VerifiedDoctor
from actors.profiles import Said
from actors.relations import Circle
from core.clock import Clock
from core.errors import Misconfigured
from core.ids import public, uri_key
from core.settings import Settings
from instance.assembly import Assembly, assemble
from instance.demo_applicants import apply
from instance.seed import Seed, SeedPost, SeedReply
from instance.seed.drawing import drawn
from posts.drafts import Sheet, What
from posts.models import CaseFacts, Draft, Kind, PollDraft

_ARRIVE_SECONDS = 60.0


async def plant(settings: list[Settings], seed: Seed) -> None:
    """Publish posts, answers and votes on instances that are up; waits until each has arrived where it is needed."""
    clock = Clock()
    async with AsyncExitStack() as stack:
        places = {one.instance.country: await stack.enter_async_context(assemble(one, clock)) for one in settings}
        planter = _Planter(places, clock)
        for post in sorted(seed.posts, key=lambda post: -post.hours_ago):
            await planter.post(post)
        for reply in seed.replies:
            await planter.reply(reply)
        for reply in seed.replies:
            await planter.mended(reply)
        for post in seed.posts:
            await planter.ended(post, {reply.key for reply in seed.replies})
        for consult in seed.consults:
            await planter.consult(consult)
        for post in seed.posts:
            await planter.votes(post)
        clock.offset = 0.0
        await planter.together(seed)
        for applicant in seed.applicants:
            await apply(places[applicant.country], clock, applicant)
        await planter.settled()


class _Planter:
    def __init__(self, places: dict[str, Assembly], clock: Clock) -> None:
        self._places, self._clock = places, clock
        self._uris: dict[str, str] = {}
        self._hours: dict[str, float] = {}

    async def post(self, post: SeedPost) -> None:
        country = _country(post.author)
        place = self._places[country]
        self._clock.offset = -post.hours_ago * 3600
        offered = await place.compose.destinations()
        origins = tuple(spot.origin for spot in offered if post.network or spot.country in post.to)
        ends_at = int((self._clock.now() + (post.hours_ago + post.open_hours) * 3600) * 1000)
        draft = Draft(post.kind, post.question, post.text.strip(), post.language,
                      CaseFacts(post.specialties, post.age_band, post.sex, post.aim, post.conditions),
                      PollDraft(post.options, post.multiple, ends_at) if post.kind == Kind.POLL else None, post.parts)
        author = await self._author(post.author)
        made = await place.compose.publish(
            author, draft, origins, post.reach, place.compose.network_digest(offered), by_role=post.by_role, basis=post.basis,
            sheet=await self._sheet(place, author, post))
        self._uris[post.key] = f"{place.identity.origin}/posts/{made}"
        self._hours[post.key] = post.hours_ago

    async def _sheet(self, place: Assembly, author: Author, post: SeedPost) -> Sheet | None:
        """A form with the pictures of a post in work, looked at and described."""
        if not post.pictures:
            return None
        sheet = Sheet(What.NEW, public(place.ids.new()))
        for picture in post.pictures:
            upload = await place.media.add(author.actor, sheet, drawn(picture.drawing))
            await place.media.describe(
                author.actor, sheet, upload.name, alt=picture.alt, sort=picture.sort, warning="", seen=True,
                clean=True)  # the letters of an ECG's leads look like writing, and are no name
        return sheet

    async def reply(self, reply: SeedReply) -> None:
        place = self._places[_country(reply.author)]
        here = await self._local_id(place, self._uris[reply.to])
        hours = self._hours[reply.to] - reply.minutes / 60
        self._clock.offset = -max(hours, 0.02) * 3600
        made = await place.compose.reply(await self._author(reply.author), here, reply.text.strip(), reply.language,
                                         kind=reply.kind, sources=reply.sources)
        self._uris[reply.key] = f"{place.identity.origin}/posts/{made}"
        self._hours[reply.key] = self._hours[reply.to]

    async def mended(self, reply: SeedReply) -> None:
        """An answer that was wrong: its author says what holds, or withdraws it."""
        self._clock.offset = 0.0
        place, its_id = self._places[_country(reply.author)], self._uris[reply.key].rpartition("/")[2]
        if reply.corrected is not None:
            await place.editing.edit(await self._author(reply.author), its_id, "", reply.corrected.text, 1,
                                     corrects=reply.corrected.reason)
        if reply.recalled:
            await place.editing.recall(await self._author(reply.author), its_id, reply.recalled)

    async def ended(self, post: SeedPost, replies: set[str]) -> None:
        """What has become of a case: which answers were helpful, and how it ended."""
        self._clock.offset = 0.0
        place = self._places[_country(post.author)]
        for key in post.helpful:
            if key in replies:
                here = await self._local_id(place, self._uris[key])
                await place.cases.mark(await self._author(post.author), here, helpful=True)
        if post.outcome:
            here = await self._local_id(place, self._uris[post.key])
            await place.cases.tell_outcome(await self._author(post.author), here, post.outcome.strip())

    async def votes(self, post: SeedPost) -> None:
        self._clock.offset = 0.0
        for who, positions in post.votes.items():
            place = self._places[_country(who)]
            here = await self._local_id(place, self._uris[post.key])
            await place.polls.vote(await self._author(who), here, tuple(positions))

    async def consult(self, consult: SeedPost) -> None:
        place = self._places[_country(consult.author)]
        self._clock.offset = -consult.hours_ago * 3600
        doctors = [await place.directory.resolve(self._address(who)) for who in consult.doctors]
        draft = Draft(consult.kind, consult.question, consult.text.strip(), consult.language, CaseFacts(consult.specialties))
        await place.compose.consult(await self._author(consult.author), draft, doctors)

    async def together(self, seed: Seed) -> None:
        """What people say of themselves, whom they follow, what they like, pass on and keep."""
        for profile in seed.profiles:
            place, doctor = await self._doctor(profile.who)
            await place.profiles.change(doctor, Said(profile.about, profile.workplace, profile.speaks, profile.abroad))
        for follow in seed.follows:
            place, doctor = await self._doctor(follow.who)
            await place.relations.follow(doctor, await place.directory.resolve(self._address(follow.whom)))
        for follow in seed.follows:
            if follow.accepted:
                await self._accept(follow.whom, self._address(follow.who))
        for like in seed.likes:
            place, doctor = await self._doctor(like.who)
            await place.reactions.like(doctor, await self._local_id(place, self._uris[like.post]))
        for boost in seed.boosts:
            place = self._places[_country(boost.who)]
            await place.reactions.boost(await self._author(boost.who), await self._local_id(place, self._uris[boost.post]))
        for kept in seed.bookmarks:
            place, doctor = await self._doctor(kept.who)
            await place.reactions.bookmark(doctor.actor, await self._local_id(place, self._uris[kept.post]))

    async def _accept(self, who: str, address: str) -> None:
        """Let somebody follow, once her request has arrived."""
        place, doctor = await self._doctor(who)
        limit = asyncio.get_running_loop().time() + _ARRIVE_SECONDS
        while asyncio.get_running_loop().time() < limit:
            asked = await place.relations.circle(doctor.actor, Circle.REQUESTS)
            for member in asked.members:
                if member.actor.mention == address:
                    await place.relations.accept(doctor, member.actor)
                    return
            await asyncio.sleep(0.05)
        raise Misconfigured("The request of %(address)s did not arrive at %(origin)s; see its server.log.",
                            values={"address": address, "origin": place.identity.origin})

    def _address(self, who: str) -> str:
        handle, _, country = who.rpartition("@")
        return f"@{handle}@{self._places[country].identity.domain}"

    async def _doctor(self, who: str) -> tuple[Assembly, VerifiedDoctor]:
        place = self._places[_country(who)]
        return place, await place.credentials.require_verified(await self._account(place, who))

    async def settled(self) -> None:
        """Wait until every queue is empty and every count has come back."""
        limit = asyncio.get_running_loop().time() + _ARRIVE_SECONDS
        while asyncio.get_running_loop().time() < limit:
            waiting = 0
            for place in self._places.values():
                row = await place.database.read(lambda tx: tx.row(
                    "SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending')"
                    " + (SELECT count(*) FROM held WHERE state = 'waiting')"
                    " + (SELECT count(*) FROM polls p JOIN posts o ON o.id = p.post_id"
                    " WHERE o.sibling_id IS NULL AND p.stale_since IS NOT NULL)"
                    " + (SELECT count(*) FROM kept_polls WHERE stale_since IS NOT NULL) AS n"))
                waiting += row["n"] if row is not None else 0
            if not waiting:
                return
            await asyncio.sleep(0.1)
        click.echo("Some of the demo's posts are still on their way; they will arrive by themselves.", err=True)

    async def _local_id(self, place: Assembly, uri: str) -> str:
        """The public id a post has on an instance, once it has arrived there."""
        limit = asyncio.get_running_loop().time() + _ARRIVE_SECONDS
        while asyncio.get_running_loop().time() < limit:
            row = await place.database.read(lambda tx: tx.row("SELECT id FROM posts WHERE uri_key = ?", (uri_key(uri),)))
            if row is not None:
                return public(row["id"])
            await asyncio.sleep(0.05)
        raise Misconfigured("%(uri)s did not arrive at %(origin)s; see its server.log.",
                            values={"uri": uri, "origin": place.identity.origin})

    async def _author(self, who: str) -> Author:
        place = self._places[_country(who)]
        account = await self._account(place, who)
        if account.kind == "desk":
            doctor = (await place.desks.desk(account.handle)).doctor
            return await place.credentials.desk(await self._account(place, f"{doctor}@{_country(who)}"), account.handle)
        return await place.credentials.author(account, "reply")

    async def _account(self, place: Assembly, who: str) -> Account:
        account = await place.accounts.by_handle(who.rpartition("@")[0])
        if account is None:
            raise Misconfigured("The demo's content names %(who)s, who does not exist.", values={"who": who})
        return account


def _country(who: str) -> str:
    return who.rpartition("@")[2]
