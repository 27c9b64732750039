"""Throttling: how often something may happen in a window of time, counted in the database for each thing it is counted against.

The table is called `login_attempts`, after what was counted first.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from core.database import Tx, marks

_V6_NETWORK = 64  # what one household has; its owner chooses the rest of each address


def count(tx: Tx, limits: Mapping[str, int], now: int, window: int) -> int | None:
    """Count once against every subject of `limits`; the seconds to wait when one of them is full.

    What is turned away is not counted: else one subject that is full could fill the others. `now` and `window` in ms.
    """
    forget(tx, now, window)
    full = [row["window_start"] for row in tx.rows(
        f"SELECT subject, window_start, count FROM login_attempts WHERE subject IN ({marks(len(limits))})", tuple(limits))
        if row["count"] >= limits[row["subject"]]]
    if full:
        return max(1, int(max(full) + window - now) // 1000)
    tx.insert("login_attempts (subject, window_start, count)", 3, [(subject, now, 1) for subject in limits],
              "ON CONFLICT (subject) DO UPDATE SET count = login_attempts.count + 1")
    return None


def take_back(tx: Tx, subjects: Mapping[str, int]) -> None:
    """Uncount what turned out to be right."""
    tx.run(f"UPDATE login_attempts SET count = count - 1 WHERE subject IN ({marks(len(subjects))}) AND count > 0",
           tuple(subjects))


def forget(tx: Tx, now: int, window: int) -> None:
    """Forget what was counted before the window; addresses are in it."""
    tx.run("DELETE FROM login_attempts WHERE window_start < ?", (now - window,))


def network_of(address: str) -> str:
    """Whom an address belongs to: itself, and for IPv6 its /64."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:80]
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.IPv6Network((ip, _V6_NETWORK), strict=False))
    return str(ip)
