"""People's pages: doctors', and those that are public. `ROUTES` gathers what each module declares."""

from instance.pages import (
    applying,
    compose,
    consults,
    drafts,
    home,
    inviting,
    joining,
    mail,
    notifications,
    people,
    public,
    reactions,
    session,
    settings,
    thread,
    topics,
    verification,
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
    verification,
    mail,
    inviting,
    joining,
    applying,
    public,
)
ROUTES = tuple(route for module in _MODULES for route in module.ROUTES)
