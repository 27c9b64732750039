"""Operators' pages. `ROUTES` gathers what each module declares."""

from instance.admin import notices, refusals, siblings

ROUTES = (*siblings.ROUTES, *refusals.ROUTES, *notices.ROUTES)
