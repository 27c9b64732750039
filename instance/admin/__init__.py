"""Operators' pages. `ROUTES` gathers what each module declares."""

from instance.admin import audit, notices, refusals, siblings

ROUTES = (*siblings.ROUTES, *refusals.ROUTES, *audit.ROUTES, *notices.ROUTES)
