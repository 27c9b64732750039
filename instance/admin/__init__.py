"""Operators' pages. `ROUTES` gathers what each module declares."""

from instance.admin import audit, checks, notices, refusals, siblings

ROUTES = (*siblings.ROUTES, *checks.ROUTES, *refusals.ROUTES, *audit.ROUTES, *notices.ROUTES)
