"""Doctors' pages. `ROUTES` gathers what each module declares."""

from instance.pages import compose, consults, drafts, home, session, thread

ROUTES = (*session.ROUTES, *home.ROUTES, *thread.ROUTES, *consults.ROUTES, *compose.ROUTES, *drafts.ROUTES)
