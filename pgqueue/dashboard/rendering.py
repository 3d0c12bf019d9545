"""From rows to HTML: templates, and how values look in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import jinja2

from .assets import assets

STATES = {
    "queued": "◷",
    "scheduled": "◴",
    "retrying": "↻",
    "blocked": "‖",
    "running": "▶",
    "succeeded": "✔",
    "cancelled": "⊘",
    "dead": "✘",
    "active": "✔",
    "paused": "‖",
    "broken": "✘",
    "done": "✔",
    "stopped": "⊘",
    "interrupted": "▲",
    "lost": "✘",
    "draining": "◔",
    "quiet": "‖",
    "ok": "✔",
    "warning": "▲",
    "problem": "✘",
}
"""A sign beside each state: colour alone tells nothing to those who do not see it."""


def environment() -> jinja2.Environment:
    """Every value is escaped; what a template forgets to get is an error, not an empty string."""
    found = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "count": count,
        "duration": duration,
        "ago": ago,
        "instant": instant,
        "json": pretty,
        "rate": rate,
        "share": share,
        "size": size,
    }
    found.globals |= {"signs": STATES, "assets": assets}
    return found


def count(value: float | None) -> str:
    """12,345; 10,000+ where counting ended there; – for what nobody counted."""
    return "–" if value is None else f"{value:,.0f}"


def rate(value: float | None) -> str:
    """How often in a time: 1,204; 41; 3.2; 0."""
    return count(value) if value is None or value == 0 or value >= 10 else f"{value:.1f}"


def share(part: float, whole: float) -> str:
    """A part in percent, as far as anybody looks: 12%, 1.4%; – of nothing."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return f"{percent:.0f}%" if percent >= 10 or percent == 0 else f"{max(percent, 0.1):.1f}%"


def size(value: float | None) -> str:
    """Bytes: 8 kB, 12 MB, 1.4 GB."""
    if value is None:
        return "–"
    left, units = float(value), ["bytes", "kB", "MB", "GB", "TB"]
    while left >= 1024 and len(units) > 1:
        left /= 1024
        del units[0]
    few = units[0] in ("GB", "TB") and left < 100
    return f"{left:.1f} {units[0]}" if few else f"{left:.0f} {units[0]}"


def duration(value: timedelta | float | None) -> str:
    """8 ms, 1.2 s, 41 s, 5m 10s, 2h 3m, 4d 2h; 7d."""
    if value is None:
        return "–"
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    if abs(seconds) < 9.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if abs(seconds) < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(abs(seconds)), 60)
    sign = "-" if seconds < 0 else ""
    if minutes < 60:
        return sign + _two(minutes, "m", rest, "s")
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return sign + _two(hours, "h", minutes, "m")
    days, hours = divmod(hours, 24)
    return sign + _two(days, "d", hours, "h")


def _two(large: int, unit: str, small: int, part: str) -> str:
    """A number of units, and of their parts where there are some."""
    return f"{large:,}{unit}" + (f" {small}{part}" if small else "")


def ago(value: datetime | None, now: datetime | None = None) -> str:
    """How long since, or until: 5m 10s ago, in 2h 3m."""
    if value is None:
        return "–"
    passed = (now or datetime.now(UTC)) - value
    if abs(passed.total_seconds()) < 0.5:
        return "now"
    return f"in {duration(-passed)}" if passed < timedelta() else f"{duration(passed)} ago"


def instant(value: datetime | None) -> str:
    """2026-11-27 02:13:12 UTC."""
    return "–" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def pretty(value: Any) -> str:
    """JSON as people read it."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _source(name: str) -> str | None:
    found = files(__package__).joinpath("templates", name)
    return found.read_text(encoding="utf-8") if found.is_file() else None
