"""Operators' pages. `ROUTES` gathers what each module declares."""

from instance.admin import refusals, siblings

ROUTES = (*siblings.ROUTES, *refusals.ROUTES)
