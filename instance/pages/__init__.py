"""People's pages: doctors', and those that are public. `ROUTES` gathers what each module declares."""

from instance.pages import (
    compose,
    consults,
    drafts,
    home,
    mail,
    notifications,
    papers,
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
    papers,
    public,
)
ROUTES = tuple(route for module in _MODULES for route in module.ROUTES)
