"""The client API, as apps for Mastodon speak it. `ROUTES` gathers what each module declares."""

from instance.api import (
    accounts,
    conversations,
    editing_oneself,
    instance,
    media,
    notifications,
    oauth,
    pictures,
    push,
    reacting,
    relating,
    reports,
    search,
    starting,
    statuses,
    streaming,
    timelines,
    translating,
    writing,
)

_MODULES = (oauth, instance, accounts, starting, timelines, statuses, translating, notifications, search, pictures, writing,
            reacting, media, relating, conversations, editing_oneself, reports, streaming, push)
ROUTES = tuple(route for module in _MODULES for route in module.ROUTES)
