"""Operators' pages. `ROUTES` gathers what each module declares."""

from instance.admin import audience, audit, checks, disclosures, leaving, notices, refusals, siblings

ROUTES = (*siblings.ROUTES, *checks.ROUTES, *leaving.ROUTES, *disclosures.ROUTES, *audience.ROUTES, *refusals.ROUTES,
          *audit.ROUTES, *notices.ROUTES)
