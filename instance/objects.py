"""What servers read: the instance actor for everybody, people, posts and collections for siblings only."""

from __future__ import annotations

from typing import Any

from quart import Response, current_app, g, request

from core import VERSION
from core.access import Access, Route
from core.errors import InvalidInput, Unavailable
from federation.allowlist import Purpose
from federation.client import ACTIVITY_JSON, JRD_JSON
from federation.disclosures import Disclosed
from federation.documents import dumps
from instance.context import services
from instance.worker import Background

_JSON = "application/json"


def _answer(document: dict[str, Any], kind: str = ACTIVITY_JSON) -> Response:
    return Response(dumps(document), content_type=kind)


def _handed(document: dict[str, Any], kind: Disclosed, uri: str = "", content_type: str = ACTIVITY_JSON) -> Response:
    """Answer a sibling with something of our doctors, and note that it was handed this; of the instance itself, nothing."""
    if (uri := uri or document["id"]) != services().identity.actor_uri:
        services().disclosures.record(g.sibling.id, kind, uri)
    return _answer(document, content_type)


async def instance_actor() -> Response:
    """The instance actor; it says nothing about people."""
    return _answer(services().identity.document())


async def instance_outbox() -> Response:
    return _answer(services().objects.instance_outbox())


async def person(actor_id: str) -> Response:
    return _handed(await services().objects.person(g.sibling, actor_id), Disclosed.PERSON)


async def outbox(actor_id: str) -> Response:
    return _handed(await services().objects.outbox(g.sibling, actor_id), Disclosed.LIST)


async def post_object(post_id: str) -> Response:
    document = await services().objects.post(g.sibling, post_id)
    answer = Disclosed.ANSWER if "inReplyTo" in document else Disclosed.POST
    return _handed(document, Disclosed.POLL if document["type"] == "Question" else answer)


async def replies(post_id: str) -> Response:
    return _handed(await services().objects.replies(g.sibling, post_id), Disclosed.LIST)


async def tally(key: str) -> Response:
    """What is counted here of a sibling's poll, for that sibling, which asks for it anew."""
    return _handed(await services().tallies.attest(g.sibling, key), Disclosed.TALLY)


async def members() -> Response:
    return _answer(services().objects.members())


async def webfinger() -> Response:
    """RFC 7033, for siblings only: to everybody else nobody is here."""
    resource = request.args.get("resource", "")
    if not 0 < len(resource) <= 300:
        raise InvalidInput("Name a resource.", field="resource")
    document = await services().objects.webfinger(resource)
    return _handed(document, Disclosed.PERSON, document["aliases"][0], JRD_JSON)


async def nodeinfo_index() -> Response:
    origin = services().identity.origin
    return _answer({"links": [{"rel": "http://nodeinfo.diaspora.software/ns/schema/2.1", "href": f"{origin}/nodeinfo/2.1"}]},
                   _JSON)


async def nodeinfo() -> Response:
    """NodeInfo 2.1 without a single count."""
    return _answer({
        "version": "2.1", "software": {"name": "konsil", "version": VERSION}, "protocols": ["activitypub"],
        "services": {"inbound": [], "outbound": []}, "openRegistrations": False, "usage": {"users": {}},
        "metadata": {"country": services().identity.country}}, _JSON)


async def livez() -> Response:
    """The process answers."""
    return Response("ok\n", content_type="text/plain")


async def readyz() -> Response:
    """The database answers too, and the worker inside this server, if it has one, works."""
    await services().database.read(lambda tx: tx.row("SELECT 1"))
    background: Background | None = current_app.config["KONSIL_BACKGROUND"]
    if background is not None and background.stopped:
        raise Unavailable("The worker has stopped: nothing is delivered until it runs again.", reason="worker-stopped")
    return Response("ready\n", content_type="text/plain")


ROUTES = (
    Route("/actor", ("GET",), instance_actor, Access.VISITOR),
    Route("/actor/outbox", ("GET",), instance_outbox, Access.SIBLING, purpose=Purpose.COLLECTION),
    Route("/.well-known/nodeinfo", ("GET",), nodeinfo_index, Access.VISITOR),
    Route("/nodeinfo/2.1", ("GET",), nodeinfo, Access.VISITOR),
    Route("/livez", ("GET",), livez, Access.VISITOR),
    Route("/readyz", ("GET",), readyz, Access.VISITOR),
    Route("/actors/<actor_id>", ("GET",), person, Access.SIBLING, purpose=Purpose.OBJECT),
    Route("/actors/<actor_id>/outbox", ("GET",), outbox, Access.SIBLING, purpose=Purpose.COLLECTION),
    Route("/posts/<post_id>", ("GET",), post_object, Access.SIBLING, purpose=Purpose.OBJECT),
    Route("/posts/<post_id>/replies", ("GET",), replies, Access.SIBLING, purpose=Purpose.COLLECTION),
    Route("/tallies/<key>", ("GET",), tally, Access.SIBLING, purpose=Purpose.TALLY),
    Route("/members", ("GET",), members, Access.SIBLING, purpose=Purpose.COLLECTION),
    Route("/.well-known/webfinger", ("GET",), webfinger, Access.SIBLING, purpose=Purpose.WEBFINGER),
)
