"""Operators' pages. `ROUTES` gathers what each module declares."""

from instance.admin import (
    audience,
    audit,
    checks,
    disclosures,
    keys,
    leaving,
    notices,
    papers,
    queue,
    reconciliation,
    refusals,
    siblings,
)

ROUTES = (*siblings.ROUTES, *checks.ROUTES, *keys.ROUTES, *leaving.ROUTES, *queue.ROUTES, *disclosures.ROUTES, *audience.ROUTES,
          *refusals.ROUTES, *reconciliation.ROUTES, *audit.ROUTES, *notices.ROUTES, *papers.ROUTES)
