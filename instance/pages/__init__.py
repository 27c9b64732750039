"""Doctors' pages. `ROUTES` gathers what each module declares."""

from instance.pages import compose, home, notifications, session, thread

ROUTES = (*session.ROUTES, *home.ROUTES, *notifications.ROUTES, *thread.ROUTES, *compose.ROUTES)
