"""Operators' pages. `ROUTES` gathers what each module declares."""

from instance.admin import audit, keys, notices, refusals, siblings

ROUTES = (*siblings.ROUTES, *keys.ROUTES, *refusals.ROUTES, *audit.ROUTES, *notices.ROUTES)
