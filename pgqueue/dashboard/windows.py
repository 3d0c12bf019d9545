"""The times that charts look back over, and the steps in which they do."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from .given import Given


class Window(NamedTuple):
    """A look back: so long, in steps of so long. Minutes are kept for a day, hours for a month."""

    name: str
    words: str
    length: timedelta
    step: timedelta


WINDOWS = {
    window.name: window
    for window in (
        Window("1h", "hour", timedelta(hours=1), timedelta(minutes=1)),
        Window("6h", "6 hours", timedelta(hours=6), timedelta(minutes=5)),
        Window("24h", "24 hours", timedelta(hours=24), timedelta(minutes=15)),
        Window("7d", "7 days", timedelta(days=7), timedelta(hours=2)),
    )
}


def window_of(
    given: Given, otherwise: str = "1h", names: tuple[str, ...] = tuple(WINDOWS)
) -> Window:
    """The window that the URL asks for."""
    return WINDOWS[given.one_of("window", names, otherwise)]
