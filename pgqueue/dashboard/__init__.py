"""The dashboard: what operators look at and act on in a browser. Extra `dashboard`."""

from __future__ import annotations

from .access import Role, Visitor
from .dashboard import Dashboard, create_dashboard

__all__ = ["Dashboard", "Role", "Visitor", "create_dashboard"]
