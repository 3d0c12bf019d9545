"""What is to be known about a file: its lines, its words, and the names it uses."""

from __future__ import annotations

import symtable
from typing import NamedTuple


class Counts(NamedTuple):
    """`names` is None for a file that this Python cannot parse."""

    lines: int
    words: int
    names: int | None


def count(text: str) -> Counts:
    """The same for the same text, in a worker as anywhere else."""
    lines = text.count("\n") + (not text.endswith("\n") and text != "")
    return Counts(lines, len(text.split()), _count_names(text))


def _count_names(text: str) -> int | None:
    """How many different names stand in the file's scopes."""
    try:
        tables = [symtable.symtable(text, "document", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names: set[str] = set()
    while tables:
        table = tables.pop()
        names.update(table.get_identifiers())
        tables += table.get_children()
    return len(names)
