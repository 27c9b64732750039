"""Doctors' pages. `ROUTES` gathers what each module declares."""

from instance.pages import compose, home, session, thread, topics

ROUTES = (*session.ROUTES, *home.ROUTES, *thread.ROUTES, *compose.ROUTES, *topics.ROUTES)
