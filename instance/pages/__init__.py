"""People's pages: doctors', and those that are public. `ROUTES` gathers what each module declares."""

from instance.pages import (
    compose,
    consults,
    drafts,
    home,
    mail,
    notifications,
    people,
    public,
    reactions,
    reports,
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
    reports,
    consults,
    compose,
    drafts,
    topics,
    people,
    settings,
    mail,
    public,
)
ROUTES = tuple(route for module in _MODULES for route in module.ROUTES)
