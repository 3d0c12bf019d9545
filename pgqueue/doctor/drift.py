"""Objects of the schema that are missing, changed, or not ours."""

from __future__ import annotations

from collections.abc import Iterator

from .database import Database
from .finding import Finding, ok, problem, warning
from .mending import put_back, remove
from .shape import Object, Shape, actual, expected

MOST_TOLD = 20
ORDER = ("domain", "table", "column", "constraint", "index", "function", "view")
"""What is put back first."""


def drift(database: Database) -> Iterator[Finding]:
    """Compare the catalog with what the migrations of this release make."""
    have, want = actual(database), expected()
    findings = list(compare(have, want))
    if not findings:
        yield ok(f"all {len(want):,} objects of the schema are as this release made them.")
    yield from findings[:MOST_TOLD]
    if len(findings) > MOST_TOLD:
        yield problem(f"{len(findings) - MOST_TOLD:,} more objects differ.", "mend these first")


def compare(have: Shape, want: Shape) -> Iterator[Finding]:
    """A finding for each object in which the two differ; what is missing first."""
    for object in sorted(want.keys() - have.keys(), key=_place):
        if not _goes_with_its_table(object, have, want):
            sql, safe = put_back(object, want[object], None)
            yield problem(f"{object} is missing.", _fix(sql), fix_sql=sql, safe=safe)
    for object in sorted(want.keys() & have.keys(), key=_place):
        if have[object] != want[object]:
            sql, safe = put_back(object, want[object], have[object])
            text = f"{object} was changed{_difference(object, have[object], want[object])}."
            yield problem(text, _fix(sql), fix_sql=sql, safe=safe)
    for object in sorted(have.keys() - want.keys()):
        if not _goes_with_its_table(object, want, have):
            fix = "keep things of your own in another schema"
            yield warning(f"{object} is not ours.", fix, fix_sql=remove(object, have[object]))


def _place(object: Object) -> tuple[int, str]:
    return ORDER.index(object.kind) if object.kind in ORDER else len(ORDER), object.name


def _goes_with_its_table(object: Object, here: Shape, there: Shape) -> bool:
    """Whether its whole table is only there, which is said already."""
    home = Object("table", object.name.partition(".")[0])
    return object.kind in ("column", "constraint") and home in there and home not in here


def _difference(object: Object, have: str, want: str) -> str:
    """What stands there and what should, for whatever has a text of its own."""
    return "" if object.kind in ("function", "view") else f": it is {have}, and should be {want}"


def _fix(sql: str | None) -> str:
    return "put it back with the SQL below" if sql else "restore it from a dump of a healthy schema"
