"""Operators' pages. `ROUTES` gathers what each module declares."""

from instance.admin import (
    applications,
    audience,
    audit,
    checks,
    consents,
    departures,
    desks,
    disclosures,
    keys,
    leaving,
    notices,
    papers,
    queue,
    reconciliation,
    refusals,
    reports,
    siblings,
    unmask,
    verifications,
)

ROUTES = (*applications.ROUTES, *papers.ROUTES, *verifications.ROUTES, *siblings.ROUTES, *checks.ROUTES, *keys.ROUTES,
          *leaving.ROUTES, *queue.ROUTES, *disclosures.ROUTES, *audience.ROUTES, *refusals.ROUTES, *reconciliation.ROUTES,
          *audit.ROUTES, *notices.ROUTES, *unmask.ROUTES, *reports.ROUTES, *departures.ROUTES, *desks.ROUTES, *consents.ROUTES)
