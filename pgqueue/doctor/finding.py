"""What one check found: a sentence, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    `text` is a sentence. `fix` says what to do, in words or as a command; `fix_sql` is SQL that
    does it, and `safe` says that this SQL does only what workers do anyway, or puts back what
    belongs to this release: nothing is lost, and nobody is held up.
    """

    check: str
    status: Status
    text: str
    fix: str | None = None
    fix_sql: str | None = None
    safe: bool = False


def ok(text: str) -> Finding:
    """All is well."""
    return Finding("", "ok", text)


def warning(
    text: str, fix: str | None = None, *, fix_sql: str | None = None, safe: bool = False
) -> Finding:
    """Something will hurt, or hurts a little."""
    return Finding("", "warning", text, fix, fix_sql, safe)


def problem(
    text: str, fix: str | None = None, *, fix_sql: str | None = None, safe: bool = False
) -> Finding:
    """Jobs do not run as they should."""
    return Finding("", "problem", text, fix, fix_sql, safe)
