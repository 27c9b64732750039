"""Doctors' pages. `ROUTES` gathers what each module declares."""

from instance.pages import compose, home, people, session, thread

ROUTES = (*session.ROUTES, *home.ROUTES, *thread.ROUTES, *compose.ROUTES, *people.ROUTES)
