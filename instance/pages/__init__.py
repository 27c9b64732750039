"""People's pages: doctors', and those that are public. `ROUTES` gathers what each module declares."""

from instance.pages import compose, consults, drafts, home, public, session, settings, thread

ROUTES = (*session.ROUTES, *home.ROUTES, *thread.ROUTES, *consults.ROUTES, *compose.ROUTES, *drafts.ROUTES, *settings.ROUTES,
          *public.ROUTES)
