"""People's pages: doctors', and those that are public. `ROUTES` gathers what each module declares."""

from instance.pages import compose, home, public, session, settings, thread, topics

ROUTES = (*session.ROUTES, *home.ROUTES, *thread.ROUTES, *compose.ROUTES, *settings.ROUTES, *public.ROUTES,
          *topics.ROUTES)
