"""The client API, as apps for Mastodon speak it. `ROUTES` gathers what each module declares."""

from instance.api import (
    accounts,
    instance,
    notifications,
    oauth,
    pictures,
    push,
    search,
    starting,
    statuses,
    streaming,
    timelines,
)

_MODULES = (oauth, instance, accounts, starting, timelines, statuses, notifications, search, pictures, streaming, push)
ROUTES = tuple(route for module in _MODULES for route in module.ROUTES)
