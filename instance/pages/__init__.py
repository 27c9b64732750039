"""Doctors' pages. `ROUTES` gathers what each module declares."""

from instance.pages import compose, home, session, settings, thread

ROUTES = (*session.ROUTES, *home.ROUTES, *thread.ROUTES, *compose.ROUTES, *settings.ROUTES)
