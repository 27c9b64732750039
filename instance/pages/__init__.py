"""People's pages: doctors', and those that are public. `ROUTES` gathers what each module declares."""

from instance.pages import (
    archive,
    compose,
    consults,
    departing,
    drafts,
    home,
    mail,
    notifications,
    people,
    public,
    reactions,
    session,
    settings,
    thread,
    topics,
)

_MODULES = (
    session,
    home,
    notifications,
    thread,
    reactions,
    consults,
    compose,
    drafts,
    topics,
    people,
    settings,
    mail,
    archive,
    departing,
    public,
)
ROUTES = tuple(route for module in _MODULES for route in module.ROUTES)
