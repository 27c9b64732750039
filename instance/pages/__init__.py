"""Doctors' pages. `ROUTES` gathers what each module declares."""

from instance.pages import compose, home, mail, notifications, session, thread

ROUTES = (*session.ROUTES, *home.ROUTES, *notifications.ROUTES, *mail.ROUTES, *thread.ROUTES, *compose.ROUTES)
