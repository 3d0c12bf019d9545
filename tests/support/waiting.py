"""Wait for a condition instead of a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], *, what: str = "", within: float = 20.0) -> T:
    """Ask until the answer is true, and return it; fail after `within` seconds."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened within {within:g} s: {what or condition}")
        time.sleep(0.01)
    return answer
