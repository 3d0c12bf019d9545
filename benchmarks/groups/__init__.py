"""The groups by name: which figures are measured together, and how."""

from __future__ import annotations

from collections.abc import Callable

from ..lab import Lab
from ..measuring import Group
from . import backlog, bulk, cost, dashboard, drain, enqueue, flow, idle, latency, parked, pinned

GROUPS: dict[str, Callable[[Lab], Group]] = {
    "enqueue": enqueue.group,
    "bulk": bulk.group,
    "drain": drain.group,
    "latency": latency.group,
    "idle": idle.group,
    "cost": cost.group,
    "flow": flow.group,
    "backlog": backlog.group,
    "parked": parked.group,
    "pinned": pinned.group,
    "dashboard": dashboard.group,
}
ON_REQUEST = ("flow", "backlog", "parked", "pinned", "dashboard")
"""They take long, so they are named, or `all` is."""
USUAL = tuple(name for name in GROUPS if name not in ON_REQUEST)
