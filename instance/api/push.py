"""Web Push for apps: where they are told that there is something, and of what they want to hear."""

from __future__ import annotations

from core.access import Access, Route
from core.errors import InvalidInput, NotFound
from core.ids import public
from instance.api import bodies
from instance.api.bodies import Fields
from instance.api.entities import WebPushSubscription
from instance.api.guard import bearer, shown
from instance.context import services
from posts.alerts import ALERTS, Policy, Subscription

_ENDPOINT, _KEY = 1_000, 200


async def subscribe() -> WebPushSubscription:
    """This app is told from now on; what it said before is forgotten."""
    fields = await bodies.sent()
    asked = fields.inner("subscription")
    keys = asked.inner("keys")
    return _shown(await services().alerts.subscribe(
        bearer().token_id, shown(), asked.text("endpoint", _ENDPOINT), (keys.text("p256dh", _KEY), keys.text("auth", _KEY)),
        standard=asked.flag("standard"), alerts=_alerts(fields), policy=_policy(fields)))


async def show() -> WebPushSubscription:
    """How it is told."""
    return _kept(await services().alerts.of(bearer().token_id))


async def change() -> WebPushSubscription:
    """It wants to hear of something else."""
    fields = await bodies.sent()
    return _kept(await services().alerts.change(bearer().token_id, _alerts(fields), _policy(fields)))


async def unsubscribe() -> dict[str, str]:
    """It is told no more."""
    await services().alerts.unsubscribe(bearer().token_id)
    return {}


def _alerts(fields: Fields) -> list[str]:
    alerts = fields.inner("data").inner("alerts")
    return [name for name in ALERTS if alerts.flag(name)]


def _policy(fields: Fields) -> Policy:
    given = fields.inner("data").text("policy", 20) or fields.text("policy", 20) or Policy.ALL
    if given not in tuple(Policy):
        raise InvalidInput("“%(name)s” was sent in a form that is not known here.", values={"name": "policy"}, field="policy")
    return Policy(given)


def _kept(found: Subscription | None) -> WebPushSubscription:
    if found is None:
        raise NotFound("This app is not told of anything.")
    return _shown(found)


def _shown(found: Subscription) -> WebPushSubscription:
    return WebPushSubscription(public(found.token_id), found.endpoint, found.standard,
                               {name: name in found.alerts for name in ALERTS}, services().pushes.public_key, found.policy)


_RULE, _SCOPES = "/api/v1/push/subscription", ("push",)
ROUTES = (
    Route(_RULE, ("POST",), subscribe, Access.CLIENT, scopes=_SCOPES),
    Route(_RULE, ("GET",), show, Access.CLIENT, scopes=_SCOPES),
    Route(_RULE, ("PUT",), change, Access.CLIENT, scopes=_SCOPES),
    Route(_RULE, ("DELETE",), unsubscribe, Access.CLIENT, scopes=_SCOPES, frees=True),
)
