"""Doctors' pages. `ROUTES` gathers what each module declares."""

from instance.pages import compose, home, reactions, session, thread

ROUTES = (*session.ROUTES, *home.ROUTES, *thread.ROUTES, *reactions.ROUTES, *compose.ROUTES)
