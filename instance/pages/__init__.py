"""People's pages: doctors', and those that are public. `ROUTES` gathers what each module declares."""

from instance.pages import compose, home, public, reactions, session, settings, thread, topics

_MODULES = (
    session,
    home,
    thread,
    reactions,
    compose,
    topics,
    settings,
    public,
)
ROUTES = tuple(route for module in _MODULES for route in module.ROUTES)
