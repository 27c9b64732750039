"""Hostile requests, one row each: what is sent to an inbox, and what is answered. Nothing of it may be stored, fetched or
slow; `test_hostile.py` drives them against a running instance."""

from __future__ import annotations

from tests.promises.hostile import claims, documents, heads
from tests.promises.hostile.cases import CASES, NOT_HERE
from tests.promises.hostile.place import ELSE, Place, Raw, Row, vectors


def rows() -> list[Row]:
    """All of them."""
    return [
        *documents.json_rows(),
        *documents.envelope_rows(),
        *documents.size_rows(),
        *heads.signature_rows(),
        *claims.address_rows(),
        *claims.claim_rows(),
    ]


__all__ = ["CASES", "ELSE", "NOT_HERE", "Place", "Raw", "Row", "rows", "vectors"]
