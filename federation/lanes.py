"""The three lanes of a line: what goes first when not everything can go at once."""

from __future__ import annotations

URGENT, FRESH, BACKLOG = 0, 1, 2
"""Deletions, corrections and withdrawn badges; what was said just now; what has waited for a sibling to come back."""
