"""How things read, wherever people read them: numbers, lengths of time, what a worker was asked."""

from __future__ import annotations

WISHES = {
    "quiet": "takes no more jobs from its next heartbeat on; what it runs goes on.",
    "resume": "takes jobs from its next heartbeat on.",
    "stop": "ends when it has finished what it runs, from its next heartbeat on.",
}
"""What a worker does that was asked for it, after its name."""


def text_of_seconds(seconds: float) -> str:
    """`4ms`, `1.2s`, `1m 44s`, `2h 3m`, `9d`: two units at most."""
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    for unit, size, next_unit, next_size in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "m", 60),
        ("m", 60, "s", 1),
    ):
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size}{unit}" + (f" {rest}{next_unit}" if rest else "")
    return f"{whole}s"


def count_of(number: int, noun: str) -> str:
    """`1 job`, `1,204 jobs`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def text_of_bytes(size: int) -> str:
    """`900 bytes`, `12 kB`, `3.4 GB`."""
    if size < 10_000:
        return f"{size:,} bytes"
    value, unit = size / 1024, "kB"
    for larger in ("MB", "GB"):
        if value >= 1000:
            value, unit = value / 1024, larger
    return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
