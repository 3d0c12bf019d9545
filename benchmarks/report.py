"""How findings are told: rows of a table for people, a document for programs."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Sequence
from typing import Any

from .figure import Figure
from .lab import Plan
from .measuring import Findings
from .place import Place

COLUMNS = ("figure", ">median", "lowest to highest", "unit", ">floor", "measured as", ">ratio")
LONG = {"pinned": "pin_seconds", "backlog": "backlog", "parked": "backlog"}
"""Options of the plan that concern these groups only."""


def row(figure: Figure) -> list[str | None]:
    """A figure below COLUMNS."""
    spread = f"({text_of(figure.lowest)} to {text_of(figure.highest)})"
    floor, ratio = figure.floor_median, figure.ratio
    return [
        figure.name,
        text_of(figure.median),
        spread,
        figure.unit,
        None if floor is None else text_of(floor),
        figure.floor,
        None if ratio is None else f"{ratio:.2f}",
    ]


def text_of(number: float) -> str:
    """Three digits that count, or all before the point."""
    if number == 0 or abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}" if abs(number) >= 0.001 else f"{number:.0e}"


def remarks(findings: Sequence[Findings]) -> list[str]:
    """What has to be said about the groups besides their figures."""
    found = []
    for each in findings:
        found += [f"{each.group}: {note}" for note in each.notes]
        if each.missing:
            found.append(f"{each.group}: cannot be measured here: {'; '.join(each.missing)}")
    return found


def again(groups: Sequence[str], plan: Plan, *, private: bool) -> str:
    """The command that measures the same once more. It names no database, whose URL is secret."""
    long = dict.fromkeys(LONG[name] for name in LONG if name in groups)
    options = ["rounds", "jobs", "seconds", *long]
    words = ["pgqueue bench", *groups]
    words += [f"--{name.replace('_', '-')} {_typed(getattr(plan, name))}" for name in options]
    return " ".join([*words, *(["--private"] if private else [])])


def _typed(number: float) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


def surroundings(place: Place) -> str:
    """Where it was measured, on one line."""
    settings = ", ".join(
        f"{name} {value}" for name, value in place.settings.items() if name != "server_version"
    )
    cores = os.cpu_count()
    return (
        f"PostgreSQL {place.settings['server_version']} ({settings}), "
        f"Python {platform.python_version()}, {cores} cores"
    )


def document(findings: Sequence[Findings], place: Place, plan: Plan, again: str) -> dict[str, Any]:
    """Everything."""
    return {
        "groups": [
            {
                "name": each.group,
                "title": each.title,
                "figures": [record(figure) for figure in each.figures],
                "missing": list(each.missing),
                "notes": list(each.notes),
            }
            for each in findings
        ],
        "plan": dataclasses.asdict(plan),
        "database": place.name,
        "server": place.settings,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "again": again,
    }


def record(figure: Figure) -> dict[str, Any]:
    """A figure with the values of every round."""
    return {
        "name": figure.name,
        "unit": figure.unit,
        "median": figure.median,
        "values": list(figure.values),
        "floor": figure.floor,
        "floors": list(figure.floors),
        "ratio": figure.ratio,
        "series": list(figure.series),
    }
