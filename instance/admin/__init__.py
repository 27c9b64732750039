"""Operators' pages. `ROUTES` gathers what each module declares."""

from instance.admin import audit, checks, keys, notices, refusals, siblings

ROUTES = (*siblings.ROUTES, *checks.ROUTES, *keys.ROUTES, *refusals.ROUTES, *audit.ROUTES, *notices.ROUTES)
