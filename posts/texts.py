"""From what an author typed to what is stored: safe HTML with links, what it points at, and who may be named in it.

A mention leads to a doctor wherever she lives, so it is only right where she can read what it stands in: one of somebody else
is refused while it is being written, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from actors.models import Actor
from core import tags
from core.countries import CountryName
from core.errors import InvalidInput
from core.text import Renderer
from federation.addresses import origin_of
from federation.identity import Identity
from posts.models import NO_TAGS, Audience, Mention, Reach, Tags
from posts.outgoing import hashtags_of
from posts.parts import NO_PARTS, Parts


class Resolve(Protocol):
    """Whoever finds doctors by their handles: those of this instance, those known here, those a sibling knows."""

    async def resolve(self, mention: str, /) -> Actor:
        """The doctor called `@name@domain`; `InvalidInput` where there is none, for the reason `unreachable` where her own
        instance did not say."""
        ...


class Text(NamedTuple):
    """A text as it is stored, and whom its mentions name, those apart that stood in it before; `parts` are set like it, and
    `tags` and `named` are of all of it."""

    html: str
    tags: Tags
    named: tuple[Actor, ...]
    parts: Parts = NO_PARTS


class Texts:
    """Sets texts and finds out whom they name."""

    def __init__(self, renderer: Renderer, people: Resolve, identity: Identity) -> None:
        self._renderer, self._people, self._identity = renderer, people, identity

    async def read(self, markdown: str, before: Tags = NO_TAGS) -> Text:
        """The text set, with its mentions and hashtags as links. `InvalidInput` where it cannot be set, or where an
        `@name@domain` is nobody's; an `@name` that is no doctor's of this instance stays as it was typed.

        `before` are the tags of the text that this one replaces: whoever is named in that one is not looked up again, so
        that a slip can be corrected also when a colleague has left.
        """
        html = await self._renderer.render(markdown)
        found = tags.find(html)
        known = {mention.name.lower(): mention for mention in before.mentions}
        mentions: dict[str, Mention] = {}
        named: dict[str, Actor] = {}
        for written in found.mentions:
            here = written.count("@") == 1
            name = f"{written}@{self._identity.domain}" if here else written
            if name not in known:
                doctor = await self._find(name, here=here)
                if doctor is None:
                    continue
                known[name], named[doctor.uri] = Mention(doctor.uri, doctor.mention), doctor
            mentions[written] = known[name]
        if mentions or found.hashtags:
            html = tags.link(html, {written: (mention.uri, mention.name) for written, mention in mentions.items()},
                             hashtags_of(self._identity.origin))
        return Text(html, Tags(tuple(dict.fromkeys(mentions.values())), found.hashtags), tuple(named.values()))

    async def read_whole(self, markdown: str, parts: Parts, before: Tags = NO_TAGS) -> Text:
        """A text and its parts set, in the same way. `InvalidInput` names the part that cannot be as its field."""
        found = [await self.read(markdown, before)]
        sections = []
        for section in parts.sections:
            found.append(await self._part(section.source, section.heading, before))
            sections.append(msgspec.structs.replace(section, html=found[-1].html))
        outcome = parts.outcome
        if outcome is not None:
            found.append(await self._part(outcome.source, "outcome", before))
            outcome = msgspec.structs.replace(outcome, html=found[-1].html)
        joined = Tags(tuple(dict.fromkeys(one for text in found for one in text.tags.mentions))[:tags.MENTIONS],
                      tuple(dict.fromkeys(one for text in found for one in text.tags.hashtags))[:tags.HASHTAGS])
        named = {doctor.uri: doctor for text in found for doctor in text.named}
        return Text(found[0].html, joined, tuple(named.values()),
                    msgspec.structs.replace(parts, sections=tuple(sections), outcome=outcome))

    async def _part(self, markdown: str, field: str, before: Tags) -> Text:
        try:
            return await self.read(markdown, before)
        except InvalidInput as error:
            error.field = field
            raise

    async def _find(self, name: str, *, here: bool) -> Actor | None:
        """The doctor of this name; None for a word that only looks like the name of one of this instance."""
        try:
            return await self._people.resolve(name)
        except InvalidInput as error:
            if error.reason == "unreachable":
                raise InvalidInput(
                    "%(mention)s cannot be looked up at the moment. Try again in a while, or take the mention out.",
                    values={"mention": name}, field="text", reason="mention", cause=error.message) from None
            if here:
                return None
            raise InvalidInput("Nobody in the network is called %(mention)s. Correct the name, or take the mention out.",
                               values={"mention": name}, field="text", reason="mention", cause=error.message) from None


def check_hidden(tags: Tags, author: Actor) -> None:
    """`InvalidInput` where a text that is signed by role only names who has written it."""
    if any(mention.uri == author.uri for mention in tags.mentions):
        raise InvalidInput("This thread is signed by role only, and %(mention)s is you. Please take the mention out.",
                           values={"mention": author.mention}, field="text", reason="mention")


def check_readers(named: Sequence[Actor], audience: Audience, *, settled: bool) -> None:
    """`InvalidInput` for the first doctor who is named and will not read it; `settled`: the author cannot change who will."""
    for doctor in named:
        if origin_of(doctor.uri) in audience.origins and audience.admits(doctor):
            continue
        if settled:
            raise InvalidInput("%(mention)s cannot read this, and who reads it is settled. Please take the mention out.",
                               values={"mention": doctor.mention}, field="text", reason="mention")
        if audience.reach == Reach.NAMED:
            raise InvalidInput("%(mention)s is not among the colleagues you are asking. Add them, or take the mention out.",
                               values={"mention": doctor.mention}, field="text", reason="mention")
        raise InvalidInput(
            "%(mention)s is not among those who will read this. Add %(country)s to the readers, or take the mention out.",
            values={"mention": doctor.mention, "country": CountryName(doctor.badge.country)}, field="text", reason="mention")
