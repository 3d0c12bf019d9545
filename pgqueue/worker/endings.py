"""How a process ended, in words."""

from __future__ import annotations

import signal


def ending(code: int) -> str:
    """`exit code 1`, or the name of the signal for a negative code, as subprocess gives it."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:  # real-time signals have no names
        return f"signal {-code}"
